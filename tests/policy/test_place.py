"""Where a service is given: one code of CMS's place of service set, and nothing else that looks like one."""

from __future__ import annotations

from typing import Any

import pytest

from policy.support import line, place, policy
from precert.fhir.coding import PLACE_OF_SERVICE
from precert.policy.evaluate import evaluate
from precert.policy.item import item_view, place_of_service
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
