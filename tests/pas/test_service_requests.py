"""The order behind an item: a line that cannot rest on it goes to a person."""

from __future__ import annotations

from typing import Any

import pytest

from precert.policy.types import Outcome
from support.answers import bundle, decisions
from support.deciding import decided as pure
from support.pas import changed, submit

SERVICE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-requestedService"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
URL = "urn:uuid:11111111-1111-4111-8111-111111111111"


def code(code: str, system: str = HCPCS) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def behind(changes: dict[str, Any], *, there: bool = True) -> dict[str, Any]:
    """The approved example with an order for its item."""

    def edit(body: dict[str, Any]) -> None:
        claim = body["entry"][0]["resource"]
        (item,) = claim["item"]
        item["extension"].append({"url": SERVICE, "valueReference": {"reference": URL}})
        order = {
            "resourceType": "DeviceRequest",
            "id": URL.removeprefix("urn:uuid:"),
            "status": "active",
            "intent": "order",
            "codeCodeableConcept": item["productOrService"],
            "subject": claim["patient"],
        } | changes
        if there:
            body["entry"].append({"fullUrl": URL, "resource": {k: v for k, v in order.items() if v is not None}})

    return changed(edit)


DIFFERS: dict[str, dict[str, Any]] = {
    "another person": {"subject": {"identifier": {"system": "urn:precert:demo:member", "value": "MA-0002"}}},
    "nobody": {"subject": None},
    "somebody unknown": {"subject": {"display": "Somebody"}},
    **{s: {"status": s} for s in ("revoked", "on-hold", "cancelled", "entered-in-error", "unknown")},
    **{i: {"intent": i} for i in ("proposal", "plan", "directive", "option")},
    "no status": {"status": None},
    "no intent": {"intent": None},
    "not to be done": {"doNotPerform": True},
    "another service": {"codeCodeableConcept": code("K0823")},
    "several services": {"codeCodeableConcept": {"coding": [*code("K0823")["coding"], *code("E0601")["coding"]]}},
    "a detail of another service": {"parameter": [{"code": code("E0470")}]},
    "a detail by its value": {"parameter": [{"code": {"text": "mode"}, "valueCodeableConcept": code("E0470")}]},
    "less": {"quantityQuantity": {"value": 1, "unit": "months"}},
    "a range": {"quantityRange": {"high": {"value": 9}}},
    "another day": {"occurrenceDateTime": "2031-01-01"},
    "later": {"occurrencePeriod": {"start": "2031-01-01"}},
    "earlier": {"occurrencePeriod": {"end": "2020-01-01"}},
}
LATER: dict[str, dict[str, Any]] = {
    "written tomorrow": {"authoredOn": "2026-11-21"},
    "written in a year": {"authoredOn": "2027-11-20T08:00:00Z"},
    "written next year": {"authoredOn": "2027"},
    "written tonight in UTC": {"authoredOn": "2026-11-20T22:00:00-05:00"},
    "written some day": {"authoredOn": "some day"},
    "written on no day": {"authoredOn": "2026-02-30"},
}
AGREES: dict[str, dict[str, Any]] = {
    "the same": {},
    "draft": {"status": "draft", "intent": "original-order"},
    "own code": {"codeCodeableConcept": code("cpap", "urn:own")},
    "a detail of its own": {"parameter": [{"code": code("cpap", "urn:own")}, {"code": code("E0601")}]},
    "no code": {"codeCodeableConcept": None},
    "as much": {"quantityQuantity": {"value": 3, "unit": "months"}},
    "more": {"quantityQuantity": {"value": 13, "unit": "months"}},
    "open": {"occurrencePeriod": {"start": "2020-01-01"}},
    "written today": {"authoredOn": "2026-11-20T14:59:00Z"},
    "written this month": {"authoredOn": "2026-11"},
    "written in another zone": {"authoredOn": "2026-11-21T01:00:00+10:00"},
}


@pytest.mark.parametrize("changes", LATER.values(), ids=LATER)
def test_a_line_cannot_rest_on_an_order_written_after_it_was_received(changes: dict[str, Any]) -> None:
    assert pure(behind(changes)).outcome is Outcome.REFER_NURSE


def beside(body: dict[str, Any], changes: dict[str, Any], *, first: bool) -> dict[str, Any]:
    """The same with a second order behind the item: a copy of the first with ``changes``, before or after it."""
    (item,) = body["entry"][0]["resource"]["item"]
    there = body["entry"][-1]
    url = URL.replace("1111-4111", "2222-4222")
    order = {**there["resource"], "id": url.removeprefix("urn:uuid:")} | changes
    body["entry"].append({"fullUrl": url, "resource": {k: v for k, v in order.items() if v is not None}})
    named = {"url": SERVICE, "valueReference": {"reference": url}}
    item["extension"].insert(0 if first else len(item["extension"]), named)
    return body


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "changes", [*DIFFERS.values(), *LATER.values(), *AGREES.values()], ids=[*DIFFERS, *LATER, *AGREES]
)
def test_every_order_behind_an_item_has_to_be_one_that_it_can_rest_on(changes: dict[str, Any], first: bool) -> None:
    real = any(changes is each for each in AGREES.values())
    outcome = pure(beside(behind({}), changes, first=first)).outcome
    assert outcome is (Outcome.APPROVE if real else Outcome.REFER_NURSE)


def test_a_second_order_that_did_not_come_along_changes_nothing() -> None:
    body = beside(behind({}), {}, first=True)
    body["entry"].pop()
    assert pure(body).outcome is Outcome.APPROVE


async def decided(client: Any, body: dict[str, Any]) -> str:
    (line,) = decisions(bundle(await submit(client, body)))
    return line.action


@pytest.mark.parametrize("changes", DIFFERS.values(), ids=DIFFERS)
async def test_a_line_that_cannot_rest_on_its_order_goes_to_a_person(client, changes):
    assert await decided(client, behind(changes)) == "A4"


@pytest.mark.parametrize("changes", AGREES.values(), ids=AGREES)
async def test_an_order_that_fits_changes_nothing(client, changes):
    assert await decided(client, behind(changes)) == "A1"


async def test_an_order_that_did_not_come_along_changes_nothing(client):
    assert await decided(client, behind({}, there=False)) == "A1"
