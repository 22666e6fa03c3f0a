"""A diagnosis by reference is what the newest version of its Condition says, and none that lies ahead."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tools.requests import concept

from precert.authorization.deciding.decide import Rules, line_context
from precert.authorization.usecases.dependencies import who_asks
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.pas.intake import read_request
from precert.policy.catalogue import Catalogue
from precert.policy.evidence import EvidenceIndex
from support.app import EXAMPLES, NOW
from support.pas import example

Json = dict[str, Any]
DIRECTORY = load_directory(EXAMPLES / "eligibility")
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ERROR = {"verificationStatus": {"coding": [{"system": VERIFIED, "code": "entered-in-error"}]}}
EARLY, LATE = {"meta": {"lastUpdated": "2026-11-01T10:00:00Z"}}, {"meta": {"lastUpdated": "2026-11-02T10:00:00Z"}}


def diagnosed(*versions: Json) -> tuple[int, int]:
    """(how many diagnoses the rules see on the line, how many Conditions that count)."""
    bundle = copy.deepcopy(example())
    claim, patient = bundle["entry"][0]["resource"], bundle["entry"][1]["fullUrl"]
    url = "https://ehr.example/fhir/Condition/c"
    for n, more in enumerate(versions):
        condition = {"resourceType": "Condition", "id": "c", "code": concept("icd10|G47.33"), **more}
        condition["subject"] = {"reference": patient}
        bundle["entry"].append(
            {"fullUrl": url if n == 0 else f"urn:uuid:00000000-0000-4000-8000-00000000000{n}", "resource": condition}
        )
    claim["diagnosis"] = [{"sequence": 1, "diagnosisReference": {"reference": url}}]
    submission = read_request(json.dumps(bundle), bundle, "open", DIRECTORY)
    who = who_asks(DIRECTORY, submission, NOW)
    rules = Rules(DIRECTORY, Catalogue())
    context = line_context(submission.ask(submission.lines[0]), submission.subject, who, rules, NOW.date())
    counting = [
        each
        for each in EvidenceIndex(context).of("Condition")
        if each.rejection() is None
        and each.ahead(NOW.date()) is None
        and not each.item.contested
        and (each.moment is None or each.moment.not_before <= NOW.date())
    ]
    return len(context.diagnoses), len(counting)


def test_a_diagnosis_that_was_made_counts() -> None:
    assert diagnosed({}) == (1, 3)  # on the line, on the claim, in the chart
    assert diagnosed({"recordedDate": "2026-11-20", "onsetDateTime": "2025"}) == (1, 3)


NONE: dict[str, tuple[Json, ...]] = {
    "recorded ahead": ({"recordedDate": "2026-11-21"},),
    "begins ahead": ({"onsetDateTime": "2027-01-01"},),
    "ends ahead": ({"onsetPeriod": {"start": "2026-01-01", "end": "2027-01-01"}},),
    "a newer version in error": (EARLY, {**ERROR, **LATE}),
    "the newer one stands first": ({**ERROR, **LATE}, EARLY),
    "versions without an order": ({}, ERROR),
}


@pytest.mark.parametrize("versions", NONE.values(), ids=NONE)
def test_one_that_is_withdrawn_disputed_or_ahead_does_not(versions: tuple[Json, ...]) -> None:
    assert diagnosed(*versions) == (0, 0)


def test_the_newer_version_may_confirm() -> None:
    assert diagnosed({**ERROR, **EARLY}, LATE) == (1, 3)
