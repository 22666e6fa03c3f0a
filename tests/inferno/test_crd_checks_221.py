"""The checks of the CRD 2.2.1 suite themselves: each sees the fault that it is there for."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from inferno import crd_rules_221 as rules
from inferno import crd_running_221 as play
from inferno.crd_requests import Json, Profiles
from precert.fhir.validation import Validator

GROUP = "order-sign"


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return Profiles(Validator.load(), "2.2.1")


@pytest.fixture
def exchange(crd_221_plays: dict[str, play.Played]) -> play.Exchange:
    return copy.deepcopy(crd_221_plays[GROUP].own[0])


def _changed_order(e: play.Exchange) -> None:
    e.informed[0]["resource"]["authoredOn"] = "2026-11-21"


def _card(e: play.Exchange, key: str) -> Json:
    found: Json = next(card for card in e.cards if key in card)
    return found


REQUESTS: dict[str, Callable[[play.Exchange], object]] = {
    "no token": lambda e: e.body["fhirAuthorization"].pop("access_token"),
    "no server": lambda e: e.body.pop("fhirServer"),
    "unknown context": lambda e: e.body["context"].update({play.UNKNOWN: "x"}),
    "unknown element": lambda e: e.body.update({play.UNKNOWN: "x"}),
    "user by URL": lambda e: e.body["context"].update(userId="https://ehr.precert.test/fhir/Practitioner/fuentes"),
    "a draft without an id": lambda e: e.body["context"]["draftOrders"]["entry"][0]["resource"].pop("id"),
    "an invalid draft": lambda e: e.body["context"]["draftOrders"]["entry"][0]["resource"].pop("subject"),
}
ANSWERS: dict[str, Callable[[play.Exchange], object]] = {
    "order changed": _changed_order,
    "not an update": lambda e: e.informed[0].update(type="create"),
    "links and suggestions": lambda e: _card(e, "links").update(suggestions=_card(e, "suggestions")["suggestions"]),
    "no uuid of a suggestion": lambda e: _card(e, "suggestions")["suggestions"][0].pop("uuid"),
    "resource and id": lambda e: _card(e, "suggestions")["suggestions"][0]["actions"][0].update(resourceId="X/1"),
    "two updates": lambda e: _card(e, "suggestions")["suggestions"][0]["actions"].extend(
        _card(e, "suggestions")["suggestions"][0]["actions"]
    ),
    "coverage created": lambda e: e.actions[-1].update(type="create", resource=_coverage(e)),
}


def _coverage(e: play.Exchange) -> Json:
    found: Json = next(a["resource"] for a in e.actions if a["resource"]["resourceType"] == "Coverage")
    return found


def _answer(e: play.Exchange, profiles: Profiles) -> None:
    for action in e.informed:
        rules.coverage_action(action, e.body)
    for card in e.cards:
        rules.card(card, profiles)
    for action in e.actions:
        if action not in e.informed:
            rules.other_action(action, profiles)


@pytest.mark.parametrize("fault", REQUESTS)
def test_faults_of_requests_are_seen(fault: str, exchange: play.Exchange, profiles: Profiles) -> None:
    rules.request(exchange.body, profiles)
    REQUESTS[fault](exchange)
    with pytest.raises((AssertionError, KeyError)):
        rules.request(exchange.body, profiles)


@pytest.mark.parametrize("fault", ANSWERS)
def test_faults_of_answers_are_seen(fault: str, exchange: play.Exchange, profiles: Profiles) -> None:
    _answer(exchange, profiles)
    ANSWERS[fault](exchange)
    with pytest.raises((AssertionError, KeyError)):
        _answer(exchange, profiles)


def test_coverage_information_in_a_card_is_seen(exchange: play.Exchange) -> None:
    (update, *_) = exchange.informed
    card = {"suggestions": [{"actions": [update]}]}
    assert not rules.no_coverage_card(card)


def test_an_order_without_coverage_information_is_seen(exchange: play.Exchange) -> None:
    assert rules.covers_every_order(exchange.actions, exchange.body, GROUP)
    del exchange.informed[0]["resource"]["extension"]
    assert not rules.covers_every_order(exchange.actions, exchange.body, GROUP)
