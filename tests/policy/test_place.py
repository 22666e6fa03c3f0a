"""Where a service is given: one code of CMS's place of service set, and nothing else that looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from policy.support import line, place, policy
from precert.fhir.coding import PLACE_OF_SERVICE
from precert.policy.evaluate import evaluate
from precert.policy.item import item_view, place_doubt, place_of_service, places_doubt
from precert.policy.types import Outcome

ROOMS = "urn:hospital:rooms"


def both(*parts: Any) -> Any:
    return {"coding": [coding for part in parts for coding in part["coding"]]}


SAID = [
    (place("23"), "23"),
    (place(" 23 "), "23"),
    (place("23", "23"), "23"),
    (place("23", system="urn:oid:2.16.840.1.113883.6.50"), "23"),
    (place("23", system=PLACE_OF_SERVICE.replace("https", "http").lower() + "/"), "23"),
    (both(place("23", system=ROOMS), place("11")), "11"),
    (both(place("11"), place("23", system="")), "11"),
    (place("23", system=ROOMS), None),
    (place("23", system=""), None),
    (place("23", system="http://terminology.hl7.org/CodeSystem/ex-serviceplace"), None),
    ({"coding": [{"code": "23"}]}, None),
    ({"text": "23"}, None),
    (place("11", "23"), None),
    (place("23", "11"), None),
    (place("23", "room"), None),
    (place("231"), None),
    (place("2"), None),
    (place("２3"), None),
    (None, None),
    ("23", None),
]


@pytest.mark.parametrize(("sent", "code"), SAID)
def test_only_one_cms_code_says_where(sent: Any, code: str | None) -> None:
    item = {"locationCodeableConcept": sent}
    found = place_of_service(item)
    assert (found.code if found else None) == code
    kept = place(code) if code else None
    assert item_view(item, []).get("locationCodeableConcept") == kept


@pytest.mark.parametrize(("sent", "code"), SAID)
def test_a_scope_and_a_fact_read_the_same_place(sent: Any, code: str | None) -> None:
    item = item_view({"locationCodeableConcept": sent}, [])
    item["productOrService"] = line().item["productOrService"]
    scoped = evaluate(policy(applies={"services": ["hcpcs|E0601"], "place": ["pos|23"]}), line(item=item))
    fact = {"from": "Item", "value": "locationCodeableConcept.coding.code contains '23'", "absent": False}
    read = evaluate(policy(facts={"ok": fact}), line(item=item))
    assert (scoped.outcome is Outcome.NOT_APPLICABLE) is (code is not None and code != "23")
    assert (read.outcome is Outcome.APPROVE) is (code == "23")


ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
EXTENSION = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
SILENT: list[dict[str, Any]] = [
    {},
    {"locationCodeableConcept": None},
    {"locationCodeableConcept": {"extension": [EXTENSION]}},
    {"locationCodeableConcept": place("unknown", system=ABSENT)},
    {"locationAddress": {"extension": [EXTENSION]}},
]
DOUBTFUL: list[dict[str, Any]] = [
    {"locationCodeableConcept": {"text": "Skilled nursing facility (31)"}},
    {"locationCodeableConcept": {"extension": [EXTENSION], "text": "Skilled nursing facility (31)"}},
    {"locationCodeableConcept": {"extension": [EXTENSION], "coding": [{"display": "Skilled nursing facility"}]}},
    {"locationCodeableConcept": {"extension": [{"url": "urn:place", "valueCode": "31"}]}},
    {"locationCodeableConcept": {}},
    {"locationCodeableConcept": []},
    {"locationCodeableConcept": place("12"), "locationReference": {"reference": "Location/snf"}},
    {"locationReference": {"reference": "Location/snf"}},
    {"locationAddress": {"text": "12 Main Street"}},
]


@pytest.mark.parametrize("item", SILENT)
def test_a_place_that_is_not_said_raises_no_doubt(item: dict[str, Any]) -> None:
    assert place_doubt(item) is None


@pytest.mark.parametrize("item", DOUBTFUL)
def test_a_place_that_is_said_and_not_read_is_for_a_person(item: dict[str, Any]) -> None:
    assert place_doubt(item)


@pytest.mark.parametrize(("sent", "code"), SAID)
def test_on_a_claim_all_but_one_cms_code_is_doubtful_on_an_order_only_what_contradicts(
    sent: Any, code: str | None
) -> None:
    assert bool(place_doubt({"locationCodeableConcept": sent})) is (code is None and sent is not None)
    contradicts = sent in (place("11", "23"), place("23", "11"), place("23", "room"), *map(place, ("231", "2", "２3")))
    assert bool(places_doubt(sent)) is contradicts
