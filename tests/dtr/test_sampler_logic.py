"""What the sampler reads of a chart: its CQL compiles, and its ELM gives the values.

Needs Node and the packages of ``cql_running``; skipped otherwise.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cql_running import executed, node
from tools.requests import Json, concept

from precert.dtr.handmade.collection import Handmade
from precert.dtr.handmade.loading import load_handmade_forms
from precert.fhir import json
from support.app import EXAMPLES

FORMS = load_handmade_forms(EXAMPLES / "forms").forms


def content(form: Handmade, kind: str) -> bytes:
    (library,) = form.libraries
    return next(base64.b64decode(part["data"]) for part in library["content"] if part["contentType"] == kind)


def measured(code: str, value: float, unit: str, on: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o-{code[-4:]}-{on}",
        "status": "final",
        "code": concept(code),
        "effectiveDateTime": on,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    } | more


CHART = [
    measured("loinc|29463-7", 80, "kg", "2026-09-01"),
    measured("loinc|29463-7", 82.5, "kg", "2026-10-01"),
    measured("loinc|29463-7", 99, "kg", "2026-11-01", status="entered-in-error"),
    measured("loinc|8302-2", 71, "[in_i]", "2026-10-01"),
    {"resourceType": "Condition", "id": "c", "code": concept("icd10|J44.9")},
    {"resourceType": "Device", "id": "d"},
]


def run(form: Handmade, chart: list[Json]) -> Json:
    elm = json.loads(content(form, "application/elm+json"))
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1951-03-14"}
    entries = [{"resource": r | {"subject": {"reference": "Patient/p"}}} for r in chart]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, *entries]}
    (found,) = node("run.js", [{"elm": elm, "bundle": bundle, "today": "2026-11-20"}])
    return dict(found)


@executed
@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.id))
def test_the_elm_gives_the_values(form: Handmade) -> None:
    found = run(form, CHART)
    assert found["weight"] == {"value": 82.5, "unit": "kg"}
    assert len(found["observations"]) == 4
    if not form.adaptive:
        assert found["height"] is None  # in inches only
        assert found["weight in pounds"]["unit"] == "[lb_av]"
        assert float(found["weight in pounds"]["value"]) == pytest.approx(181.8813645)
        assert found["has a condition"] is True
        assert len(found["devices"]) == 1


@executed
def test_an_empty_chart_is_null() -> None:
    found = run(FORMS[0], [])
    assert (found["weight"], found["height"], found["weight in pounds"]) == (None, None, None)
    assert found["has a condition"] is False


@executed
def test_the_text_compiles() -> None:
    compiled = node("compile.mjs", [content(form, "text/cql").decode() for form in FORMS])
    assert [one["errors"] for one in compiled] == [[], []]
