"""What may be a duplicate: the same service on some of the same days, open or granted on another record."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from authorization.test_repetition import HCPCS, asked, granted, item
from precert.authorization.record.case import Line
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.duplicates import overlaps
from support.records import AT

TODAY = date(2026, 11, 20)
OPEN = ("pended_info", "nurse_review", "md_review")
FROM, TO = date(2026, 12, 1), date(2027, 2, 28)  # what ``granted()`` gives
UNCOUNTED: dict[str, Any] = {"quantity": None, "unit": None}
"""A line that does not say how much."""


def waiting(state: str = "nurse_review", **changes: Any) -> Line:
    """A line that is not decided, for December and January."""
    given = {"service_start": FROM, "service_end": date(2027, 1, 31)} | changes
    return Line(sequence=1, requested=asked(**given), state=state, updated=AT)


@pytest.mark.parametrize(
    ("known", "days", "same"),
    [
        # granted: by the days that were granted
        (granted(), (FROM, TO), True),
        (granted(), (date(2027, 1, 1), date(2027, 1, 2)), True),
        (granted(), (TO, date(2027, 5, 1)), True),
        (granted(), (date(2026, 11, 1), FROM), True),
        (granted(), (date(2027, 3, 1), date(2027, 5, 1)), False),
        (granted(), (date(2026, 11, 1), date(2026, 11, 30)), False),
        (granted(end=None), (date(2030, 1, 1), date(2030, 1, 2)), True),
        # open: by the days asked for, else by an amount that counts time; one day alone, or none, is one day
        (waiting(), (date(2027, 1, 31), date(2027, 2, 5)), True),
        (waiting(), (date(2027, 2, 1), date(2027, 2, 5)), False),
        (waiting(service_end=None), (FROM, FROM), True),
        (waiting(service_end=None), (date(2026, 12, 2), TO), True),  # three months are asked for
        (waiting(service_end=None, **UNCOUNTED), (date(2026, 12, 2), TO), False),
        (waiting(service_start=None, service_end=None), (TODAY, TODAY), True),
        (waiting(service_start=None, service_end=None), (date(2026, 11, 21), TO), True),
        (waiting(service_start=None, service_end=None, **UNCOUNTED), (date(2026, 11, 21), TO), False),
    ],
)
def test_days(known: Line, days: tuple[date, date], same: bool) -> None:
    assert overlaps(known, asked(), days, TODAY) is same


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"request": "renewal"}, True),
        ({"quantity": None}, True),
        ({"item": item(modifiers=("RR",))}, True),  # a place is no other service
        ({"item": item()}, True),  # of what counts time, other modifiers are a second one at once
        ({"item": item(modifiers=("LT",))}, True),
        ({"item": item()} | UNCOUNTED, False),
        ({"item": item(modifiers=("RR", "KX"))} | UNCOUNTED, False),
        ({"item": item(modifiers=("LT",))} | UNCOUNTED, False),
        ({"item": item("E0470", modifiers=("RR",)), "code": f"{HCPCS}|E0470"}, False),
    ],
)
def test_service_and_modifiers(changes: dict[str, Any], same: bool) -> None:
    for known in (granted(), waiting()):
        assert overlaps(known, asked(**changes), (FROM, TO), TODAY) is same


@pytest.mark.parametrize("state", sorted(lifecycle().states))
def test_only_what_is_open_or_in_force(state: str) -> None:
    known = granted(state=state)
    assert overlaps(known, asked(), (FROM, FROM), TODAY) is (state in lifecycle().in_force or state in OPEN)
