"""Modifiers that a machine may decide with are on a list; with any other a person looks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from policy.support import policy
from precert.authorization.deciding.decide import ITEM_UNCLEAR
from precert.authorization.deciding.modifiers import known_modifiers
from precert.fhir.coding import CPT, HCPCS
from precert.policy.catalogue import Catalogue
from precert.policy.types import Outcome
from support.answers import bundle, decisions
from support.deciding import decided
from support.pas import changed, submit
from support.three_edges import YES

OTHERS = [
    *("BP", "BR", "BU", "EY", "GL", "PA", "PB", "PC", "50", "22", "52", "53", "76", "77", "99", "AF", "KB", "Q6", "ZZ"),
    *("GA", "GX", "GY", "GZ"),
]


def bearing(*modifiers: str, name: str = "approve") -> dict[str, Any]:
    def edit(body: dict[str, Any]) -> None:
        (item,) = body["entry"][0]["resource"]["item"]
        item["modifier"] = [{"coding": [{"system": HCPCS, "code": modifier}]} for modifier in modifiers]

    return changed(edit, name)


@pytest.mark.parametrize("name", ["approve", "not-required", "gold-card"])
def test_any_other_modifier_is_for_a_person_alone_and_beside_a_known_one(name: str) -> None:
    assert decided(bearing(name=name)).outcome in YES
    for modifier in OTHERS:
        for sent in ([modifier], [modifier.lower()], ["KX", modifier], [modifier, "RR"]):
            decision = decided(bearing(*sent, name=name))
            assert decision.outcome is Outcome.REFER_NURSE, sent
            assert modifier in decision.reason


def test_a_modifier_written_into_the_code_is_one_too() -> None:
    def edit(body: dict[str, Any]) -> None:
        (item,) = body["entry"][0]["resource"]["item"]
        item["productOrService"]["coding"] = [{"system": CPT, "code": "E0601-BP"}]

    decision = decided(changed(edit))
    assert (decision.outcome, decision.reason_code) == (Outcome.REFER_NURSE, ITEM_UNCLEAR)


@pytest.mark.parametrize("modifier", sorted(known_modifiers()))
def test_a_modifier_of_the_list_changes_nothing(modifier: str) -> None:
    assert decided(bearing(modifier)).outcome is Outcome.APPROVE
    assert decided(bearing(modifier, name="not-required")).outcome in YES


NAMING: list[tuple[dict[str, Any], bool]] = [
    ({"facts": {"ok": {"from": "Item", "value": "modifiers contains 'BP'"}}}, True),
    (
        {
            "facts": {"ok": {"from": "Item", "value": "modifiers"}},
            "criteria": {"id": "OK", "text": "t", "test": "%ok contains 'BP'", "cite": "c", "why_not": "w"},
        },
        True,
    ),
    ({"facts": {"ok": {"from": "Item", "value": "code = 'E0601' or code = 'BP'"}}}, False),
    ({"facts": {"ok": {"from": "Item", "value": "modifiers.exists() or modifiers contains 'EY'"}}}, False),
]


@pytest.mark.parametrize(("changes", "known"), NAMING)
def test_a_modifier_that_the_deciding_policy_names_is_known(changes: dict[str, Any], known: bool) -> None:
    policies = Catalogue([policy(**changes)])
    decision = decided(bearing("BP"), policies)
    assert decision.outcome is (Outcome.APPROVE if known else Outcome.REFER_NURSE), decision.reason
    assert (decision.reason_code == ITEM_UNCLEAR) is not known
    beside = decided(bearing("BP", "EY"), policies)
    assert beside.outcome is Outcome.REFER_NURSE or "EY" in str(changes)


async def test_the_note_on_the_item_names_the_modifier(client: httpx.AsyncClient) -> None:
    answer = await submit(client, bearing("RR", "EY"))
    (line,) = decisions(bundle(answer))
    assert line.action == "A4"
    assert "The modifier EY may change" in answer.text
