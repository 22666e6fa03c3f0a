"""When a diagnosis of a Claim counts as made: by its types, and by what a Condition behind it says."""

from __future__ import annotations

from typing import Any

import pytest

from precert.authorization.deciding.evidence import established, holds
from precert.fhir.outcome import FhirError
from precert.policy.types import Outcome
from support.deciding import decided, read
from support.pas import changed

TYPES = "http://terminology.hl7.org/CodeSystem/ex-diagnosistype"


def types(*sent: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": TYPES, "code": code}]} for code in sent]


@pytest.mark.parametrize(
    ("sent", "made"),
    [
        (None, True),
        ([], True),
        (types("principal"), True),
        (types("ABK"), True),
        (types("principal", "admitting"), True),
        (types("differential"), False),
        (types("principal", "differential"), False),
        (types("differential", "ABK"), False),
        ([{"coding": [{"code": "principal"}, {"code": "differential"}]}], False),
        (types("bananas"), False),
        (types("principal", "bananas"), False),
        ([{"text": "rule out"}], False),
        ([*types("principal"), {"text": "rule out"}], False),
        ([{"coding": [{"code": "principal"}, {"display": "rule out"}]}], False),
        ([{"coding": [{"code": "principal"}], "text": "Principal diagnosis"}], True),
        ([{"coding": []}], False),
        ([{"coding": "principal"}], False),
        ([{"coding": [{"code": 7}]}], False),
        ([{"extension": [{"url": "urn:x", "valueCode": "unknown"}]}], False),
        ([{}], False),
        ("rule out", False),
        ("principal", False),
        (7, False),
    ],
)
def test_every_type_has_to_say_so(sent: Any, made: bool) -> None:
    assert established(sent) is made


@pytest.mark.parametrize(
    ("condition", "has"),
    [
        ({}, True),
        ({"verificationStatus": {"coding": [{"code": "confirmed"}]}}, True),
        ({"verificationStatus": {"coding": [{"code": "refuted"}]}}, False),
        ({"verificationStatus": {"coding": [{"code": "differential"}]}}, False),
        ({"clinicalStatus": {"coding": [{"code": "resolved"}]}}, False),
        ({"abatementDateTime": "2020-01-01"}, False),
    ],
)
def test_a_condition_is_had_now_and_for_certain(condition: dict[str, Any], has: bool) -> None:
    assert holds({"resourceType": "Condition", **condition}) is has


OSA, SNORING = "G47.33", "R06.83"


def claiming(diagnoses: list[dict[str, Any]], pointer: Any, care_team: Any = None) -> dict[str, Any]:
    """The approved example with these diagnoses on the Claim, of which its item points to some."""

    def edit(body: dict[str, Any]) -> None:
        claim = body["entry"][0]["resource"]
        (item,) = claim["item"]
        claim["diagnosis"] = diagnoses
        item.pop("diagnosisSequence", None)
        item |= {"diagnosisSequence": pointer} if pointer is not None else {}
        item |= {"careTeamSequence": care_team} if care_team is not None else {}

    return changed(edit)


def diagnosis(code: str, sequence: int, **more: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}
    return {"sequence": sequence, "diagnosisCodeableConcept": concept, **more}


BOTH = [diagnosis(OSA, 1), diagnosis(SNORING, 2)]
POINTING: list[tuple[list[dict[str, Any]], Any, bool]] = [
    (BOTH, None, True),
    (BOTH, [], True),
    (BOTH, [1], True),
    (BOTH, 1, True),
    (BOTH, [1, 2], True),
    (BOTH, [2], False),
    (BOTH, 2, False),
    ([diagnosis(SNORING, 1), diagnosis(OSA, 2)], [1], False),
    ([diagnosis(OSA, 1, type=types("differential")), diagnosis(OSA, 2)], [1], False),
    ([diagnosis(OSA, 1, type=[{"text": "rule out"}])], [1], False),
    ([diagnosis(OSA, 1, type=[{"text": "rule out"}])], None, False),
]


@pytest.mark.parametrize(("diagnoses", "pointer", "counts"), POINTING)
def test_an_item_counts_only_the_diagnoses_that_it_points_to(
    diagnoses: list[dict[str, Any]], pointer: Any, counts: bool
) -> None:
    assert (decided(claiming(diagnoses, pointer)).outcome is Outcome.APPROVE) is counts


DANGLING: list[tuple[Any, Any, str]] = [
    ([7], None, "diagnosisSequence[0]"),
    ([1, 7], None, "diagnosisSequence[1]"),
    ([0], None, "diagnosisSequence[0]"),
    (["1"], None, "diagnosisSequence[0]"),
    ([True], None, "diagnosisSequence[0]"),
    ([None], None, "diagnosisSequence[0]"),
    (7, None, "diagnosisSequence[0]"),
    ([3], None, "diagnosisSequence[0]"),
    (None, [9], "careTeamSequence[0]"),
]


@pytest.mark.parametrize(("pointer", "care_team", "where"), DANGLING)
def test_a_pointer_to_nothing_or_to_several_is_a_fault_that_names_its_path(
    pointer: Any, care_team: Any, where: str
) -> None:
    twice = [diagnosis(OSA, 3), diagnosis(SNORING, 3)]
    with pytest.raises(FhirError) as caught:
        read(claiming([*BOTH, *twice], pointer, care_team))
    (issue,) = caught.value.issues
    assert (issue.rule, caught.value.status) == ("item-pointer", 400)
    assert f"item[0].{where}" in str(issue.expression)
