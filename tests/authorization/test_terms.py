"""What is less, what is more, and what cannot be: a person's grant by its numbers, whatever the outcome is called."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from precert.authorization.deciding.terms import (
    FREE_START_DAYS,
    MOST_DAYS,
    MOST_TIMES,
    Impossible,
    Measure,
    exceeds,
)
from precert.authorization.record.case import LineRequest
from precert.policy.spans import span_end
from precert.policy.types import Grant

TODAY = date(2026, 11, 20)
START = date(2027, 1, 4)
YEAR = Grant(period_months=12, max_quantity=Decimal(12), unit="months")
TWELVE_WEEKS = Grant(period_days=84, max_quantity=Decimal(3), unit="months")
VISITS = Grant(period_days=60, max_quantity=Decimal(24), unit="visits")


def measure(
    quantity: float | None = 12,
    unit: str | None = "months",
    grant: Grant | None = YEAR,
    *,
    start: date | None = START,
    end: date | None = None,
    known: bool = True,
) -> Measure:
    asked = Decimal(str(quantity)) if quantity is not None else None
    line = LineRequest(sequence=1, code="x|E1390", service_start=start, service_end=end, quantity=asked, unit=unit)
    return Measure(line, grant, known, start or TODAY)


def judged(m: Measure, units: float | None = None, period: str | None = None) -> tuple[bool, bool]:
    """(less, more)"""
    found, terms = m.terms(Decimal(str(units)) if units is not None else None, period, TODAY)
    return bool(found.less(terms)), bool(found.more(terms))


LESS, EQUAL, MORE, BOTH = (True, False), (False, False), (False, True), (True, True)


@pytest.mark.parametrize(
    ("m", "units", "period", "expected"),
    [
        # a year of oxygen, as the policy grants it
        (measure(), None, None, EQUAL),
        (measure(), 12, None, EQUAL),
        (measure(), 12, "12 months", EQUAL),
        (measure(), 12, "1 year", EQUAL),
        (measure(), 12, "2027-01-04/2028-01-03", EQUAL),
        (measure(), 1, None, LESS),
        (measure(), 11.5, None, LESS),
        (measure(), None, "1 weeks", LESS),
        (measure(), None, "51 weeks", LESS),
        (measure(), None, "2027-01-04/2028-01-02", LESS),
        (measure(), None, "2027-01-05/2028-01-04", BOTH),
        (measure(), None, "2027-01-05/2028-01-03", LESS),
        (measure(), None, "13 months", MORE),
        (measure(), None, "2026-12-20/2028-01-03", MORE),
        (measure(), 13, None, MORE),
        (measure(), 13, "52 weeks", BOTH),
        # three months are asked and the policy grants them as twelve weeks
        (measure(3, grant=TWELVE_WEEKS), None, None, EQUAL),
        (measure(3, grant=TWELVE_WEEKS), 3, "12 weeks", EQUAL),
        (measure(3, grant=TWELVE_WEEKS), 3, "3 months", EQUAL),
        (measure(3, grant=TWELVE_WEEKS), None, "11 weeks", LESS),
        (measure(3, grant=TWELVE_WEEKS), 3, "4 months", MORE),
        (measure(13, grant=TWELVE_WEEKS), None, None, MORE),
        (measure(13, grant=TWELVE_WEEKS), 3, "12 weeks", LESS),
        # the unit of the request is another than the policy's
        (measure(52, "weeks"), None, None, EQUAL),
        (measure(53, "weeks"), None, None, MORE),
        (measure(365, "d"), None, None, EQUAL),
        (measure(367, "d"), None, None, MORE),
        (measure(1, "a"), None, None, EQUAL),
        (measure(2, "a"), None, None, MORE),
        (measure(3, "bananas"), None, None, MORE),
        (measure(3, "visits"), None, None, MORE),
        (measure(3, "UN"), None, None, EQUAL),
        (measure(20, "VS", VISITS), None, None, EQUAL),
        (measure(20, "hours", VISITS), None, None, MORE),
        (measure(25, "visits", VISITS), None, None, MORE),
        # as written in the request
        (measure(12, end=date(2027, 3, 31)), None, "2027-01-04/2027-03-31", EQUAL),
        (measure(12, end=date(2027, 3, 31)), None, "2027-01-04/2027-03-30", LESS),
        (measure(12, end=date(2028, 6, 30)), None, None, MORE),
        (measure(12, end=date(2028, 6, 30)), None, "12 months", LESS),
        # one day is when it begins
        (measure(12, end=START), None, None, EQUAL),
        (measure(12, end=START), None, "1 weeks", LESS),
        (measure(1, "units", VISITS, end=START), None, None, EQUAL),
        (measure(1, "units", VISITS, end=START), None, "59 days", LESS),
        (measure(1, "units", None, end=START), None, None, EQUAL),
        (measure(1, "units", None, end=START), None, "90 days", EQUAL),
        (measure(1, "units", None, end=START), None, "2 years", MORE),
        # no amount asked: what the policy gives
        (measure(None, None), None, None, EQUAL),
        (measure(None, None), 12, None, EQUAL),
        (measure(None, None), 11, None, LESS),
        (measure(None, None), 13, None, MORE),
        # no terms in the policy
        (measure(12, grant=None), None, None, EQUAL),
        (measure(12, grant=None), 11, None, LESS),
        (measure(12, grant=None), 13, None, MORE),
        (measure(1, "units", None), 1, "90 days", EQUAL),
        (measure(1, "units", None), 1, "2 years", MORE),
        (measure(None, None, None), 5, "90 days", MORE),
        # no day asked: any of the next thirty
        (measure(start=None), None, "2026-12-01/2027-11-30", EQUAL),
        (measure(start=None), None, "2026-12-01/2027-11-29", LESS),
        (measure(start=None), None, "2027-02-01/2028-01-31", BOTH),
    ],
)
def test_less_and_more(m: Measure, units: float | None, period: str | None, expected: tuple[bool, bool]) -> None:
    assert judged(m, units, period) == expected


@pytest.mark.parametrize(
    ("m", "units", "period", "rule"),
    [
        (measure(), 0, None, "impossible-units"),
        (measure(), -3, None, "impossible-units"),
        (measure(), 144, None, "impossible-units"),  # twelve years
        (measure(), 9999, "2 years", "impossible-units"),
        (measure(), float("inf"), None, "impossible-units"),
        (measure(0), None, None, "impossible-units"),
        (measure(), None, "2020-01-01/2020-01-02", "impossible-period"),
        (measure(), None, "2027-02-01/2027-01-04", "impossible-period"),
        (measure(), None, "2026-11-01/2028-01-03", "impossible-period"),
        (measure(), None, "2030-01-01/2030-12-31", "impossible-period"),
        (measure(), None, "10 years", "impossible-period"),
        (measure(), None, "2027-01-04/2037-01-03", "impossible-period"),
        (measure(), None, "99999 days", "impossible-period"),
        (measure(), None, "0 weeks", "impossible-period"),
        (measure(), None, "-1 weeks", "impossible-period"),
        (measure(), None, "12", "impossible-period"),
        (measure(), None, "12 bananas", "impossible-period"),
        (measure(), None, "2027-01-04/", "impossible-period"),
        (measure(), None, "2027-13-04/2028-01-03", "impossible-period"),
        (measure(), None, "9999-12-31/9999-12-31", "impossible-period"),
        (measure(60), None, None, "impossible-period"),  # five years asked, and nobody said otherwise
        (measure(known=False), None, None, "grant-unknown"),
        (measure(known=False), 12, None, "grant-unknown"),
        (measure(known=False), None, "12 months", "grant-unknown"),
        (measure(None, None, None), None, "90 days", "grant-unknown"),
        (measure(1, "units", None), None, None, "grant-unknown"),
    ],
)
def test_what_cannot_be(m: Measure, units: float | None, period: str | None, rule: str) -> None:
    with pytest.raises(Impossible) as refused:
        judged(m, units, period)
    assert refused.value.rule == rule


def test_an_amount_that_was_not_asked_is_the_policys() -> None:
    _, terms = measure(None, None).terms(None, None, TODAY)
    assert (terms.quantity, terms.unit, terms.start, terms.end) == (Decimal(12), "months", START, date(2028, 1, 3))


def test_fewer_months_end_earlier() -> None:
    _, terms = measure().terms(Decimal(6), None, TODAY)
    assert terms.end == date(2027, 7, 3)


def test_a_partial_last_day_is_the_last_of_its_month() -> None:
    assert judged(measure(12, end=date(2027, 3, 31)), None, "2027-01-04/2027-03") == EQUAL


amounts = st.decimals(min_value="0.25", max_value=20, places=2)
units = st.sampled_from(["days", "weeks", "months", "visits", "UN", "bananas", None])
grants = st.none() | st.builds(
    Grant,
    period_days=st.none() | st.integers(1, 400),
    max_quantity=st.none() | amounts,
    unit=st.sampled_from(["months", "days", "visits", "units", None]),
)


@given(amounts, units, grants, st.none() | amounts, st.none() | st.integers(1, 900), st.integers(-40, 40))
def test_what_is_neither_less_nor_more_holds_all_that_was_asked_and_no_more(
    asked: Decimal, unit: str | None, grant: Grant | None, given_units: Decimal | None, days: int | None, shift: int
) -> None:
    m = measure(float(asked), unit, grant)
    begin = START + timedelta(days=shift)
    period = f"{begin}/{begin + timedelta(days=days)}" if days is not None else None
    try:
        found, terms = m.terms(given_units, period, TODAY)
    except Impossible:
        assume(False)
        raise
    assert terms.end is not None
    assert (terms.end - terms.start).days <= MOST_DAYS
    if not found.less(terms):
        assert terms.quantity is not None
        assert terms.quantity >= asked
        assert terms.start <= START
    if not found.less(terms) and not found.more(terms):
        assert (terms.quantity, terms.start) == (asked, START)
        if grant is not None and grant.max_quantity is not None:
            assert exceeds(asked, m.unit, grant.max_quantity, grant.unit, START) is False


@given(st.integers(1, 60), st.sampled_from(["days", "weeks", "months", "years"]))
def test_more_time_ends_later(amount: int, unit: str) -> None:
    earlier, later = (span_end(START, Decimal(n), unit) for n in (amount, amount + 1))
    assert earlier is not None
    assert later is not None
    assert earlier < later
    between = span_end(START, Decimal(amount) + Decimal("0.5"), unit)
    assert between is not None
    assert earlier <= between <= later


@pytest.mark.parametrize("amount", ["1e9", "1e999999", "Infinity", "123456789012345678901234567890"])
def test_absurd_amounts_have_an_end(amount: str) -> None:
    assert span_end(START, Decimal(amount), "years") == date.max


@pytest.mark.parametrize(("days", "possible"), [(MOST_DAYS - 1, True), (MOST_DAYS, True), (MOST_DAYS + 1, False)])
def test_the_longest_that_a_person_grants(days: int, possible: bool) -> None:
    period = f"{START}/{START + timedelta(days=days)}"
    if possible:
        assert measure().terms(None, period, TODAY)[1].end == START + timedelta(days=days)
    else:
        with pytest.raises(Impossible, match="three years"):
            measure().terms(None, period, TODAY)


@pytest.mark.parametrize(("times", "possible"), [(MOST_TIMES, True), (MOST_TIMES + Decimal("0.25"), False)])
def test_the_most_that_a_person_grants(times: Decimal, possible: bool) -> None:
    """Of the greater of what was asked (3) and what the policy allows (24)."""
    units = 24 * Decimal(times)
    if possible:
        assert measure(3, "visits", VISITS).terms(units, None, TODAY)[1].quantity == units
    else:
        with pytest.raises(Impossible, match="times what was asked"):
            measure(3, "visits", VISITS).terms(units, None, TODAY)


@pytest.mark.parametrize(
    ("days", "asked_from_then"), [(0, True), (FREE_START_DAYS, True), (FREE_START_DAYS + 1, False)]
)
def test_a_request_without_a_day_may_begin_on_any_day_soon(days: int, asked_from_then: bool) -> None:
    first = TODAY + timedelta(days=days)
    found, terms = measure(start=None).terms(None, f"{first}/{first + timedelta(days=364)}", TODAY)
    assert terms.start == first
    assert (found.start == first) is asked_from_then
    assert any(said.startswith("from ") for said in found.less(terms)) is not asked_from_then


ONE_DAY = "2027-01-04/2027-01-04"


@pytest.mark.parametrize(
    ("m", "units", "period"),
    [
        (measure(3), "3", ONE_DAY),
        (measure(3, "units"), "3", ONE_DAY),  # plain units are the months that the policy counts
        (measure(3, "units"), "12", "90 days"),
        (measure(13, grant=TWELVE_WEEKS), "13", "12 weeks"),
        (measure(), "144", "13 months"),
        (measure(), "13", "1 weeks"),
        (measure(30, "hours", VISITS), "30", ONE_DAY),
        (measure(2, "a"), "2", "12 months"),
        (measure(), None, ONE_DAY),
        (measure(), "1e-09", None),
        (measure(), "0.03", None),
        (measure(), "1.00001", None),
        (measure(), "1e+30", None),
        (measure(12, grant=None), "1e-400", None),
        (measure(None, None, None), "1000001", "90 days"),
        (measure(20, "visits", VISITS), "0.2", None),
        (measure(20, "visits", VISITS), "1.3", None),
        (measure(20, "hours", VISITS), "0.1", None),
        (measure(1, "units", None), "0.3", "90 days"),
    ],
)
def test_what_fits_into_no_period_or_is_no_amount(m: Measure, units: str | None, period: str | None) -> None:
    with pytest.raises(Impossible) as refused:
        m.terms(Decimal(units) if units else None, period, TODAY)
    assert (refused.value.field, refused.value.rule) == ("authorized.units", "impossible-units")


@pytest.mark.parametrize(
    ("m", "units", "period"),
    [
        (measure(), "12.0000000", None),
        (measure(), "0.5", None),
        (measure(), "12", "48 weeks"),
        (measure(3, grant=TWELVE_WEEKS), "3", "12 weeks"),
        (measure(24, "hours", VISITS), "24", ONE_DAY),
        (measure(20, "visits", VISITS), "20", ONE_DAY),
        (measure(20, "visits", VISITS), "0.25", None),
        (measure(2, "bananas", None), "1.5", "90 days"),
    ],
)
def test_what_fits_is_granted_as_it_is_written(m: Measure, units: str, period: str | None) -> None:
    assert m.terms(Decimal(units), period, TODAY)[1].quantity == Decimal(units)


def test_more_time_than_was_asked_is_granted_until_it_is_over() -> None:
    _, terms = measure(3, grant=TWELVE_WEEKS).terms(Decimal(9), None, TODAY)
    assert terms.end == date(2027, 10, 3)


@given(st.integers(1, 36), st.integers(3, 1000))
def test_a_period_alone_grants_no_more_months_than_it_holds(months: int, days: int) -> None:
    _, terms = measure(months).terms(None, f"{days} days", TODAY)
    assert terms.quantity is not None
    assert 0 < terms.quantity <= months
    assert terms.quantity * 28 <= days
