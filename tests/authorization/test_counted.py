"""What counts beside the lines of one large request: each line is read once, and beyond a bound a person counts."""

from __future__ import annotations

from datetime import date

import pytest

from precert.authorization.deciding.counted import MOST_BESIDE, NOTHING_COUNTED, asked
from precert.authorization.deciding.request import Ask
from precert.authorization.record.case import LineRequest
from precert.fhir.coding import HCPCS

DAY = date(2026, 11, 20)


def ask(sequence: int, request: str = "initial") -> Ask:
    return Ask(LineRequest(sequence=sequence, code=f"{HCPCS}|E0601", request=request))


def test_what_is_given_up_counts_for_nothing() -> None:
    assert asked(ask(1, "cancel"), DAY) is None


@pytest.mark.parametrize(("others", "complete"), [(0, True), (1, True), (MOST_BESIDE, True), (MOST_BESIDE + 1, False)])
def test_nothing_is_within_a_maximum_beside_more_lines_than_are_counted(others: int, complete: bool) -> None:
    beside = [found for n in range(others) if (found := asked(ask(n), DAY)) is not None]
    whole = NOTHING_COUNTED.beside(beside)
    assert (len(whole.lines), whole.complete) == (min(others, MOST_BESIDE), complete)
