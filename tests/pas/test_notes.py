"""What a note calls a service, and what it says was asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from precert.authorization.record.case import Authorization, Determination, Line, LineRequest
from precert.pas.notes import line_notes

HCPCS, SNOMED = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "http://snomed.info/sct"
AT = datetime(2026, 11, 20, tzinfo=UTC)


def line(concept: Any, state: str = "approved", **asked: Any) -> Line:
    return Line(
        sequence=1,
        requested=LineRequest(sequence=1, code="", item={"productOrService": concept}, **asked),
        state=state,
        determination=Determination(id="d", at=AT, outcome="approve"),
        authorization=Authorization(number="PA1", issued=AT.date(), start=AT.date(), quantity=Decimal(3)),
    )


def coded(system: str, code: str, display: str | None = None) -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ({"coding": [coded(HCPCS, "E0601")]}, "E0601"),
        ({"coding": [coded(HCPCS, "E0601", "Power wheelchair")], "text": "Power wheelchair"}, "E0601"),
        ({"coding": [coded(SNOMED, "1", "Power wheelchair"), coded(HCPCS, "E0601")]}, "E0601"),
        ({"text": "Power wheelchair"}, 'the service sent as "Power wheelchair"'),
        (None, "the service"),
    ],
)
@pytest.mark.parametrize("state", ["approved", "modified", "nurse_review", "cancelled"])
def test_a_note_names_the_code_that_is_decided_on(concept: Any, name: str, state: str) -> None:
    notes = line_notes(line(concept, state), "http://b")
    assert name in notes[0]
    assert ("Power wheelchair" in notes[0]) == ("Power wheelchair" in name)


@pytest.mark.parametrize(("end", "said"), [(None, False), (date(2026, 12, 1), False), (date(2026, 12, 2), True)])
def test_an_end_is_asked_for_only_where_it_is_after_the_start(end: date | None, said: bool) -> None:
    asked = line({"coding": [coded(HCPCS, "E0601")]}, "modified", service_start=date(2026, 12, 1), service_end=end)
    assert any("Asked for: to 2026-12" in note for note in line_notes(asked, "http://b")) is said
