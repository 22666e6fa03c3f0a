"""The checks of the CRD suite themselves: each sees the fault that it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from inferno import crd_answers as answers
from inferno.crd_requests import Json, Profiles
from inferno.crd_running import Group
from precert.fhir.validation import Validator


def _mixed_links(answer: Json) -> None:
    for card in answer["cards"]:
        if "links" in card:
            card["links"].append({"label": "x", "url": "https://a.test/x", "type": "smart"})
            card["links"].append({"label": "x", "url": "https://a.test/x", "type": "absolute"})


def _first(answer: Json, key: str) -> Json:
    found: Json = next(card for card in answer["cards"] if key in card)
    return found


def _retarget(answer: Json) -> None:
    answer["cards"][0]["suggestions"][0]["actions"][0]["resource"]["id"] = "elsewhere"


def _unknown_element(answer: Json) -> None:
    answer["systemActions"][0]["resource"]["unheardOf"] = True


def _second_id(answer: Json) -> None:
    extension = copy.deepcopy(answer["systemActions"][0]["resource"]["extension"][0])
    next(p for p in extension["extension"] if p["url"] == "coverage-assertion-id")["valueString"] = "another"
    answer["systemActions"][0]["resource"]["extension"].append(extension)


def _versioned(answer: Json) -> None:
    for action in answer["systemActions"]:
        for given in action["resource"].get("input", []):
            if "valueCanonical" in given:
                given["valueCanonical"] += "|1"


FAULTS: dict[str, Callable[[Json], object]] = {
    "summary of 140": lambda a: a["cards"][0].update(summary="x" * 140),
    "no topic": lambda a: a["cards"][0]["source"].pop("topic"),
    "empty reasons": lambda a: a["cards"][0].update(overrideReasons=[]),
    "no behavior": lambda a: _first(a, "suggestions").pop("selectionBehavior"),
    "bad url": lambda a: _first(a, "links")["links"][0].update(url="https://a.test/x|y"),
    "no actions": lambda a: _first(a, "suggestions")["suggestions"][0].update(actions=[]),
    "no description": lambda a: a["systemActions"][0].pop("description"),
    "no system actions": lambda a: a.pop("systemActions"),
    "mixed links": _mixed_links,
    "only suggestions": lambda a: a.update(cards=[c for c in a["cards"] if "suggestions" in c]),
    "another order": _retarget,
    "unknown element": _unknown_element,
    "two ids": _second_id,
    "a version in a URL": _versioned,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checks_see_faults(fault: str, crd_plays: dict[str, dict[str, Group]]) -> None:
    group = copy.deepcopy(crd_plays["2.0.1"]["order-sign"])
    profiles = Profiles(Validator.load(), "2.0.1")
    everything(group, profiles)
    FAULTS[fault](group.answers[0])
    with pytest.raises((AssertionError, KeyError)):
        everything(group, profiles)


def everything(group: Group, profiles: Profiles) -> None:
    """All tests of the order-sign group in one."""
    for answer in group.answers:
        answers.required(answer, group.hook)
    for card in group.cards:
        answers.optional(card)
    assert answers.external_references(group.cards)
    assert answers.smart_launches(group.cards)
    assert answers.instructions(group.cards)
    informed = answers.coverage_information(group.actions, group.hook)
    assert informed
    for action in informed:
        answers.valid_coverage_information(action, profiles)
    assert answers.proposed_alternates(group.cards, group.bodies[0]["context"], profiles)
    assert answers.additional_orders(group.cards, profiles)
    assert answers.form_completions(group.cards, group.actions, profiles)
    assert answers.coverage_updates(group.cards, group.actions, profiles)
