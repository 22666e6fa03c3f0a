"""One order is decided once: CRD, PAS and DTR make the same Ask of it and get the same decision.

Every example order of ``examples/crd`` and every case of ``shared/cases``, where that folder is, goes through the three edges
(:mod:`support.three_edges`); so do orders made up here, in the spellings that senders use.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from precert.authorization.deciding.decide import Decided
from precert.fhir import json
from precert.fhir.coding import CPT, HCPCS, NDC, RXNORM, SNOMED
from support.app import ROOT
from support.three_edges import YES, Read, faults, order_calls, read

EXAMPLES = [p for p in sorted((ROOT / "examples" / "crd").glob("order-*.json")) if "other-payer" not in p.name]
CASES = sorted((Path(__file__).resolve().parents[3] / "shared" / "cases").glob("*/*.json"))
"""Beside the repository, where it is checked out for its own sessions; the product needs none of it."""


def same(found: list[Read]) -> None:
    for one in found:
        assert list(faults(one)) == [], one.order.reference


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_order_is_asked_and_decided_alike(path: Any) -> None:
    same(read(json.loads(path.read_bytes())))


def test_hardly_any_example_is_left_out() -> None:
    assert sum(bool(read(json.loads(path.read_bytes()))) for path in EXAMPLES) >= 12


@pytest.mark.skipif(not CASES, reason="the folder of cases is not beside the repository")
def test_each_case_is_asked_and_decided_alike() -> None:
    """A request is taken as the orders that its items are for, so that it can be asked over every edge."""
    many = 0
    for path in CASES:
        for call in order_calls(json.loads(path.read_bytes())):
            found = read(call)
            many += len(found)
            assert {f"{path.parent.name}/{path.stem}": list(faults(one)) for one in found if list(faults(one))} == {}
    assert many >= 30


def spellings() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For services that the demo policies name: the ways in which senders write them."""
    alias = "https://terminology.hl7.org/CodeSystem/HCPCS/"
    for code in ("E1390", "E0601", "K0823", "E0265", "A4239", "J1745"):
        for name, sent in {
            "as it is": [(HCPCS, code)],
            "lower case": [(HCPCS, code.lower())],
            "blanks": [(HCPCS, f" {code} ")],
            "modifier": [(HCPCS, f"{code}:NU")],
            "modifier with a hyphen": [(HCPCS, f"{code}-NU")],
            "alias": [(alias, code)],
            "under CPT": [(CPT, code)],
            "foreign first": [("urn:ehr", "X"), (HCPCS, code)],
            "foreign last": [(HCPCS, code), (SNOMED, "706172005")],
            "twice": [(HCPCS, code), (alias, code.lower())],
        }.items():
            yield f"{code} {name}", sent
    yield "J1745 by NDC", [(NDC, "57894-030-01")]
    yield "several products", [(RXNORM, "191831")]
    yield "malformed", [(HCPCS, "E06O1")]
    yield "two services", [(HCPCS, "E0601"), (HCPCS, "E0470")]
    yield "local only", [("urn:ehr", "E0601")]


PLAIN = {
    "order-sign": json.loads((ROOT / "examples" / "crd" / "order-sign-auth-needed-documents.json").read_bytes()),
}


def ordered(sent: list[tuple[str, str]]) -> dict[str, Any]:
    """The example order with another service."""
    body = json.loads(json.dumps(PLAIN["order-sign"]))
    coding = [{"system": system, "code": code} for system, code in sent]
    for entry in body["context"]["draftOrders"]["entry"]:
        key = next(k for k in ("code", "codeCodeableConcept", "medicationCodeableConcept") if k in entry["resource"])
        entry["resource"][key] = {"coding": coding}
    return cast(dict[str, Any], body)


@cache
def outcomes(code: str) -> tuple[Any, ...]:
    (one,) = read(ordered([(HCPCS, code)]))
    assert one.crd.decided is not None
    return _essence(one.crd.decided)


def _essence(decided: Decided) -> tuple[Any, ...]:
    decision = decided.decision
    assert decision is not None
    return decision.outcome, decision.missing, decided.service.codes[:1], decision.reason_code


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in spellings()])
def test_a_service_in_any_spelling_is_decided_alike_over_every_edge(sent: list[tuple[str, str]], request: Any) -> None:
    (one,) = read(ordered(sent))
    same([one])
    assert one.crd.decided is not None
    assert one.pas.decided is not None
    assert one.dtr.decided is not None
    name = request.node.callspec.id
    code, _, how = name.partition(" ")
    if how and code in ("E1390", "E0601", "K0823", "E0265", "A4239", "J1745"):
        assert _essence(one.crd.decided) == outcomes(code)
    else:
        assert _essence(one.crd.decided)[3] == "service-unknown"


POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"


def at(*sent: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in sent]}


PLACES: list[tuple[list[dict[str, Any]], bool]] = [
    ([], True),
    ([at((POS, "12"))], True),
    ([at((ROLE, "HOSP"))], True),
    ([at((ROLE, "HOSP"), (POS, "12"))], True),
    ([{"text": "at home"}], True),
    ([at((POS, "12"), (POS, "31"))], False),
    ([at((POS, "12")), at((POS, "31"))], False),
    ([at((POS, "031"))], False),
    ([at((ROLE, "HOSP")), at((POS, "12"), (POS, "snf"))], False),
]


@pytest.mark.parametrize(("places", "clear"), PLACES)
def test_an_order_for_several_places_or_for_none_that_is_one_is_for_a_person(
    places: list[dict[str, Any]], clear: bool
) -> None:
    body = ordered([(CPT, "99213")])
    for entry in body["context"]["draftOrders"]["entry"]:
        order = entry["resource"]
        order["resourceType"] = "ServiceRequest"
        order["code"] = order.pop("codeCodeableConcept", order.get("code"))
        order["locationCode"] = places
    (one,) = read(body)
    same([one])
    for edge in (one.crd, one.pas, one.dtr):
        assert edge.decided is not None
        assert edge.decided.decision is not None
        assert (edge.decided.decision.outcome in YES) is clear


@pytest.mark.parametrize(
    ("written", "clear"),
    [("2026-11-20", True), ("2026-11-21", False), ("2027-01-01T00:00:00Z", False), ("tomorrow", False)],
)
def test_an_order_written_after_it_was_received_is_for_a_person(written: str, clear: bool) -> None:
    body = ordered([(CPT, "99213")])
    for entry in body["context"]["draftOrders"]["entry"]:
        order = entry["resource"]
        order["resourceType"] = "ServiceRequest"
        order["code"] = order.pop("codeCodeableConcept", order.get("code"))
        order["authoredOn"] = written
    (one,) = read(body)
    same([one])
    assert (one.crd.yes, one.pas.yes, one.dtr.yes) == (clear, clear, clear)
