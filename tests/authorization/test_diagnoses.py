"""When a diagnosis of a Claim counts as made: by its types, and by what a Condition behind it says."""

from __future__ import annotations

from typing import Any

import pytest

from precert.authorization.deciding.evidence import established, holds

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
