"""What pages are made of, by values: words, evidence, due times; and that no request can break the page about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from pages.requests_sent import fresh
from precert.authorization.record.lifecycle import lifecycle
from precert.workbench import labels
from precert.workbench.deadlines import due, span, written
from precert.workbench.documents import documents, reference_anchor
from precert.workbench.element_text import say
from precert.workbench.examples import explanation, operation
from support.app import EXAMPLES
from support.strategies import JSON_VALUES, mutated

REQUEST = json.loads((EXAMPLES / "pas" / "pend-nurse.json").read_text())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"coding": [{"system": "http://loinc.org", "code": "2703-7"}]}, "LOINC 2703-7"),
        ({"coding": [{"system": "http://loinc.org", "code": "2703-7", "display": "PO2"}]}, "PO2 (LOINC 2703-7)"),
        ({"text": "short of breath"}, "short of breath"),
        ({"value": Decimal("86.50"), "unit": "%"}, "86.5 %"),
        ({"value": 0, "unit": "mm[Hg]"}, "0 mm[Hg]"),
        ({"start": "2026-11-01", "end": "2026-11-30"}, "1 Nov 2026 to 30 Nov 2026"),
        ({"start": "2026-11-01"}, "1 Nov 2026 to …"),
        ([{"family": "Reyes", "given": ["Alma", "M"]}], "Alma M Reyes"),
        ({"system": "http://hl7.org/fhir/sid/us-npi", "value": "1992817498"}, "NPI 1992817498"),
        ({"reference": "Patient/1"}, "Patient/1"),
        ("2026-11-20T14:05:00Z", "20 Nov 2026, 14:05 UTC"),
        (True, "yes"),
        ([False, None, 3], "no; 3"),
        ({"contentType": "application/pdf", "data": "QUJD" * 1024}, "attachment (application/pdf, about 4 KB)"),
        ({}, ""),
    ],
)
def test_fhir_in_words(value: Any, said: str) -> None:
    assert say(value) == said


@given(JSON_VALUES)
def test_anything_can_be_said(value: Any) -> None:
    assert isinstance(say(value), str)


@given(mutated(REQUEST, 3))
def test_any_bundle_can_be_shown(bundle: dict[str, Any]) -> None:
    for view in documents(bundle, "with the request", {}):
        assert view.anchor.startswith("doc-")
        assert all(isinstance(field.value, str) for field in view.fields)


@given(JSON_VALUES)
def test_any_json_may_be_an_example(value: Any) -> None:
    body = value if isinstance(value, dict) else {"entry": value, "meta": value, "parameter": value, "extension": value}
    assert isinstance(explanation(body), str)
    assert isinstance(operation(body), str)


def test_evidence_points_at_what_is_shown() -> None:
    shown = documents(fresh("pend-nurse"), "with the request", {"weight": "How heavy?"})
    answers = next(view for view in shown if view.type == "QuestionnaireResponse")
    weight = next(field for field in answers.fields if field.label == "How heavy?")
    assert weight.anchor == reference_anchor("QuestionnaireResponse/pend-nurse-answers#weight")
    assert weight.value == "82"
    assert shown[0] is answers  # clinical first


def test_long_scans_do_not_weigh_down_the_page() -> None:
    body = {"entry": [{"resource": {"resourceType": "Binary", "id": "b", "data": "A" * 1_000_000}}]}
    assert len(documents(body, "", {})[0].raw) < 1000


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("QuestionnaireResponse/1#ahi", "form answer"),
        ("Observation/o1", "Observation o1"),
        ("PayerClaim/CLM-1", "paid claim CLM-1"),
        ("Item.quantity.value", "request line"),
        ("Claim.diagnosis[0]", "diagnosis in the request"),
        ("Patient.age", "member data"),
    ],
)
def test_evidence_in_words(reference: str, shown: str) -> None:
    assert labels.evidence(reference) == shown


def test_every_state_of_the_lifecycle_has_words() -> None:
    assert lifecycle().states <= set(labels.STATES)


@pytest.mark.parametrize(
    ("track", "received", "expected"),
    [
        ("standard", "2026-11-20T21:45:00+00:00", "Fri 27 Nov 2026, 23:59 EST"),  # Thanksgiving inside does not help
        ("expedited", "2026-11-20T21:45:00+00:00", "Mon 23 Nov 2026, 16:45 EST"),  # a whole weekend is inside
        ("expedited", "2027-03-12T21:00:00+00:00", "Mon 15 Mar 2027, 17:00 EDT"),  # elapsed hours over the clock change
        ("standard", "2026-11-21T03:00:00+00:00", "Fri 27 Nov 2026, 23:59 EST"),  # the evening of the 20th at the plan
    ],
)
def test_due_times(track: str, received: str, expected: str) -> None:
    at = datetime.fromisoformat(received)
    target = due(at, track, "America/New_York", at)
    assert written(target.at, "America/New_York") == expected
    assert target.tone == "calm"
    assert due(at, track, "America/New_York", target.at + timedelta(seconds=1)).tone == "bad"


def test_an_unknown_time_zone_costs_nothing() -> None:
    assert written(datetime(2026, 11, 20, 15, tzinfo=UTC), "Middle/Earth") == "Fri 20 Nov 2026, 15:00 UTC"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=6, hours=3), "6 days left"),
        (timedelta(hours=30), "30 h left"),
        (timedelta(minutes=20), "20 min left"),
        (timedelta(days=-3), "3 days over"),
        (timedelta(minutes=-5), "5 min over"),
    ],
)
def test_time_left(left: timedelta, said: str) -> None:
    assert span(left) == said
