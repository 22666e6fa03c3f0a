"""An order's amount beside its Timing: what exceeds the amount, or cannot be read, makes the amount one that nobody can read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.order_amount import asked_for, line_amount
from precert.authorization.deciding.timing import fits

READ, UNREAD = (Decimal(6), "visits"), (None, None)


@pytest.mark.parametrize(
    ("repeat", "found"),
    [
        ({}, READ),
        ({"count": 6}, READ),
        ({"count": 7}, UNREAD),
        ({"count": 4, "countMax": 6}, READ),
        ({"count": 4, "countMax": 7}, UNREAD),
        ({"count": "many"}, UNREAD),
        ({"count": True}, UNREAD),
        ({"count": 4, "countMax": "many"}, UNREAD),
        ({"count": {"value": 1}}, UNREAD),
        ({"frequency": 6}, READ),
        ({"frequency": 7}, UNREAD),
        ({"frequency": "often"}, UNREAD),
        ({"frequency": 1, "frequencyMax": 7}, UNREAD),
    ],
)
def test_how_often(repeat: dict[str, Any], found: tuple[Decimal | None, str | None]) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "quantityQuantity": {"value": 6, "unit": "visits"},
        "occurrenceTiming": {"repeat": repeat},
    }
    said = asked_for(order)
    assert line_amount({"quantity": said}) == found
    assert said is not None
    assert bool(said) is (found == READ)


@pytest.mark.parametrize(("events", "found"), [(1, READ), (6, READ), (7, UNREAD)])
def test_how_many_moments(events: int, found: tuple[Decimal | None, str | None]) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "quantityQuantity": {"value": 6, "unit": "visits"},
        "occurrenceTiming": {"event": [f"2026-12-0{n + 1}" for n in range(events)]},
    }
    assert line_amount({"quantity": asked_for(order)}) == found


FOUR_WEEKS = {"boundsPeriod": {"start": "2026-12-07", "end": "2027-01-03"}}
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
MWF = ["mon", "wed", "fri"]


def coded(code: str, **more: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": GTS, "code": code}]}, **more}


def repeated(**repeat: Any) -> dict[str, Any]:
    return {"repeat": repeat}


COUNTED: list[tuple[dict[str, Any], int]] = [
    (repeated(dayOfWeek=MWF, **FOUR_WEEKS), 12),
    (repeated(dayOfWeek=MWF, boundsDuration={"value": 4, "unit": "wk"}), 12),
    (repeated(dayOfWeek=MWF, boundsRange={"high": {"value": 30, "code": "d"}}), 14),
    (repeated(dayOfWeek=MWF, timeOfDay=["09:00:00", "15:00:00"], **FOUR_WEEKS), 24),
    (repeated(dayOfWeek=MWF, frequency=1, period=1, periodUnit="d", **FOUR_WEEKS), 12),
    (repeated(dayOfWeek=MWF, frequency=3, period=1, periodUnit="wk", **FOUR_WEEKS), 12),
    (repeated(dayOfWeek=MWF, frequency=1, period=1, periodUnit="wk", **FOUR_WEEKS), 12),
    (repeated(dayOfWeek=["mon"], frequency=1, period=2, periodUnit="wk", **FOUR_WEEKS), 2),
    (repeated(timeOfDay=["09:00:00", "12:00:00", "18:00:00"], **FOUR_WEEKS), 84),
    (repeated(when=["MORN", "AFT", "EVE"], **FOUR_WEEKS), 84),
    (repeated(frequency=2, frequencyMax=3, period=1, periodUnit="wk", **FOUR_WEEKS), 12),
    (repeated(frequency=1, period=8, periodUnit="h", boundsDuration={"value": 2, "unit": "d"}), 6),
    (repeated(frequency=3, period=1, periodUnit="wk", duration=45, durationUnit="min", **FOUR_WEEKS), 12),
    (repeated(count=12, frequency=3, period=1, periodUnit="wk"), 12),
    (coded("QD", **repeated(**FOUR_WEEKS)), 28),
    (coded("BID", **repeated(**FOUR_WEEKS)), 56),
    (coded("QOD", **repeated(**FOUR_WEEKS)), 14),
    (coded("Q8H", **repeated(**FOUR_WEEKS)), 84),
    (coded("WK", **repeated(**FOUR_WEEKS)), 4),
]
"""What a Timing asks for at most, in visits."""


@pytest.mark.parametrize(("timing", "most"), COUNTED, ids=str)
def test_what_can_be_counted_is_compared(timing: dict[str, Any], most: int) -> None:
    assert fits(timing, Decimal(most), "visits")
    assert not fits(timing, Decimal(most - 1), "visits")
    assert not fits(timing, Decimal(1), "units")


UNCOUNTABLE: list[Any] = [
    {"code": {"text": "three times a week for 12 weeks"}},
    {"code": {"text": "BID"}},
    {"code": {"coding": [{"system": "http://example.org/times", "code": "QD"}]}},
    {"code": {"coding": [{"code": "QD"}]}},
    {"code": {"coding": [{"system": GTS, "code": "JH"}]}},
    {"code": {"coding": [{"system": GTS, "code": "QD"}, {"system": GTS, "code": "BID"}]}},
    {"code": {"coding": [{"system": GTS, "code": "QD"}], "text": "daily for a year"}},
    {"code": "BID"},
    {"code": {}},
    {"repeat": "often"},
    {"repeat": []},
    {"modifierExtension": [{"url": "http://example.org/times-ten", "valueInteger": 10}]},
    {"_event": [{"extension": []}]},
    "three times a week",
    repeated(boundsDuration={"value": 4, "unit": "wk"}, boundsPeriod=FOUR_WEEKS["boundsPeriod"]),
    repeated(_count={"extension": []}),
    repeated(often=3),
    {"event": ["2026-12-01"], "repeat": {"count": 2}},
]


@pytest.mark.parametrize("timing", UNCOUNTABLE, ids=str)
@pytest.mark.parametrize("unit", ["visits", "units", "months", "hours", "milligrams", None, "bananas"])
def test_what_cannot_be_counted_is_never_within(timing: Any, unit: str | None) -> None:
    assert not fits(timing, Decimal(1_000_000), unit)


@pytest.mark.parametrize(
    "repeat",
    [
        {"dayOfWeek": ["monday"], **FOUR_WEEKS},
        {"dayOfWeek": [], **FOUR_WEEKS},
        {"timeOfDay": [9], **FOUR_WEEKS},
        {"when": [], **FOUR_WEEKS},
        {"frequency": 0, "period": 1, "periodUnit": "d"},
        {"frequency": 1, "period": 0, "periodUnit": "d"},
        {"frequency": 1, "period": 1, "periodUnit": "fortnight"},
        {"frequency": 1, "period": 1},
        {"frequency": 1, "period": 2, "periodMax": 1, "periodUnit": "d"},
        {"dayOfWeek": MWF, "frequency": 1, "period": 2, "periodUnit": "d"},
        {"frequency": 1, "period": 1, "periodUnit": "d", "boundsDuration": {"value": 4, "unit": "fortnights"}},
        {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "soon", "end": "2027-01-01"}},
        {"duration": 3, "durationUnit": "d"},
        {"duration": 45},
        {"durationMax": "long", "durationUnit": "min"},
    ],
    ids=str,
)
def test_what_is_malformed_or_means_nothing_is_never_within(repeat: dict[str, Any]) -> None:
    assert not fits({"repeat": repeat}, Decimal(1_000_000), "visits")


@pytest.mark.parametrize(
    ("timing", "fitting"),
    [
        (coded("BID"), True),  # a device used twice a day is rented for three months all the same
        (repeated(when=["HS"]), True),
        (repeated(dayOfWeek=MWF), True),
        (repeated(frequency=1, period=1, periodUnit="d", duration=8, durationUnit="h"), True),
        (repeated(duration=3, durationUnit="mo"), True),
        (repeated(duration=12, durationUnit="mo"), False),
        (repeated(duration=3, durationMax=12, durationUnit="mo"), False),
        (repeated(duration=3, durationUnit="mo", frequency=2), False),
        (repeated(boundsDuration={"value": 12, "unit": "mo"}), False),
        (repeated(boundsPeriod={"start": "2026-12-01", "end": "2027-02-28"}), True),
        (repeated(boundsPeriod={"start": "2026-12-01", "end": "2027-11-30"}), False),
    ],
    ids=str,
)
def test_of_an_amount_of_time_it_is_how_long_that_counts(timing: dict[str, Any], fitting: bool) -> None:
    assert fits(timing, Decimal(3), "months") is fitting


@pytest.mark.parametrize("rate", [coded("QD"), repeated(frequency=1, period=1, periodUnit="wk"), repeated(when=["HS"])])
def test_a_rate_without_an_end_is_more_than_once(rate: dict[str, Any]) -> None:
    assert not fits(rate, Decimal(1), "units")
    assert fits(rate, Decimal(2), "units")


def test_hours_are_so_many_times_so_long() -> None:
    timing = repeated(frequency=5, period=1, periodUnit="wk", duration=2, durationUnit="h", **FOUR_WEEKS)
    assert fits(timing, Decimal(40), "hours")
    assert not fits(timing, Decimal(39), "hours")


@given(
    st.integers(1, 7), st.integers(1, 4), st.integers(1, 60), st.sampled_from(["visits", "units"]), st.integers(1, 2000)
)
def test_no_more_days_than_the_amount(weekdays: int, a_day: int, weeks: int, unit: str, amount: int) -> None:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][:weekdays]
    times = [f"{hour:02}:00:00" for hour in range(a_day)]
    timing = repeated(dayOfWeek=days, timeOfDay=times, boundsDuration={"value": weeks, "unit": "wk"})
    assert fits(timing, Decimal(amount), unit) is (weekdays * a_day * weeks <= amount)
