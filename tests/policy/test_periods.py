"""Look-back windows and grant periods."""

from __future__ import annotations

from datetime import date

import pytest

from precert.policy.periods import Period, Window


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("0d", date(2026, 8, 31)),
        ("30d", date(2026, 8, 1)),
        ("2 weeks", date(2026, 8, 17)),
        ("6mo", date(2026, 2, 28)),
        ("12 months", date(2025, 8, 31)),
        ("1 year", date(2025, 8, 31)),
        ("99999y", date.min),
        ("99999d", date(1752, 11, 16)),
    ],
)
def test_the_first_day_inside(written: str, first: date) -> None:
    assert Window.parse(written).first_day(date(2026, 8, 31)) == first


@pytest.mark.parametrize(
    ("written", "days", "months"),
    [("60 days", 60, None), ("12 weeks", 84, None), ("10 months", None, 10), ("1y", None, 12)],
)
def test_grants_are_whole_days_or_whole_months(written: str, days: int | None, months: int | None) -> None:
    period = Period.parse(written)
    assert (period.days, period.months) == (days, months)


@pytest.mark.parametrize("written", ["", "d", "30", "30 parsecs", "-3d", "1.5 years", "0 days"])
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"span of time|grants nothing"):
        Period.parse(written)
