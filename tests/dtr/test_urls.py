"""Which canonicals are ours."""

from __future__ import annotations

import pytest

from precert.dtr.urls import named

HERE, THERE = "http://127.0.0.1:8000", "https://plan.example"


@pytest.mark.parametrize(
    ("url", "root", "expected"),
    [
        (f"{THERE}/fhir/Questionnaire/oxygen-home", THERE, "oxygen-home"),
        (f"{THERE}/fhir/v2.0/Questionnaire/oxygen-home", THERE, "oxygen-home"),
        ("https://other.example/fhir/Questionnaire/oxygen-home", THERE, None),
        (f"{HERE}/fhir/Questionnaire/oxygen-home", THERE, None),
        (f"{THERE}/fhir/Questionnaire/oxygen-home", HERE, None),
        (f"{THERE}/fhir/ValueSet/oxygen-home", THERE, None),
        (f"{THERE}/other/Questionnaire/oxygen-home", THERE, None),
        (f"{HERE}/fhir/Questionnaire/oxygen-home", "http://localhost:8931", "oxygen-home"),
        ("http://[::1]:9000/fhir/v2.0/Questionnaire/oxygen-home", HERE, "oxygen-home"),
        ("http://127.0.0.1.evil.example/fhir/Questionnaire/oxygen-home", HERE, None),
        ("http://localhost@evil.example/fhir/Questionnaire/oxygen-home", HERE, None),
    ],
)
def test_a_canonical_is_ours_under_our_address_or_this_machines(url, root, expected):
    assert named(url, root, "Questionnaire") == expected
