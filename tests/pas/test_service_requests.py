"""The order behind an item: a line that cannot rest on it goes to a person."""

from __future__ import annotations

from typing import Any

import pytest

from support.answers import bundle, decisions
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
AGREES: dict[str, dict[str, Any]] = {
    "the same": {},
    "draft": {"status": "draft", "intent": "original-order"},
    "own code": {"codeCodeableConcept": code("cpap", "urn:own")},
    "a detail of its own": {"parameter": [{"code": code("cpap", "urn:own")}, {"code": code("E0601")}]},
    "no code": {"codeCodeableConcept": None},
    "as much": {"quantityQuantity": {"value": 3, "unit": "months"}},
    "more": {"quantityQuantity": {"value": 13, "unit": "months"}},
    "open": {"occurrencePeriod": {"start": "2020-01-01"}},
}


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
