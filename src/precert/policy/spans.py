"""Amounts that are counted in time as days on the calendar."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from precert.policy.amounts import Amount, unit_of
from precert.policy.types import Grant

_MONTHS = {"months": 1, "quarters": 3, "years": 12}
_DAYS = {"days": 1, "weeks": 7}
DAYS_IN = _DAYS | {"months": 30, "quarters": 91, "years": 365}
"""About how many days a part of a unit is."""
TIMES = frozenset(DAYS_IN)
"""The units that count time."""


def span_end(start: date, amount: Decimal | None, unit: str | None) -> date | None:
    """The last day of ``amount`` days, weeks, months or years from ``start``; ``None`` if ``unit`` counts no time."""
    kind = unit_of(unit)
    if amount is None or kind not in DAYS_IN:
        return None
    if not amount.is_finite() or amount > 100_000:
        return date.max
    if amount <= 0:
        return start
    whole = int(amount)
    days = int((amount - whole) * DAYS_IN[kind]) + whole * _DAYS.get(kind, 0)
    months = whole * _MONTHS.get(kind, 0)
    end = Grant(period_months=months).last_day(start) if months else None
    end = end or start - timedelta(days=1)
    return date.max if (date.max - end).days <= days else max(start, end + timedelta(days=days))


def last_day(start: date, end: date | None, amount: Amount | None, counts: str | None = None) -> date | None:
    """The last day of what is asked for from ``start``: as written, else by an amount in time. One day alone (``end`` is
    ``start``) says when the service begins. Plain units are of what the grant ``counts``."""
    if end is not None and end > start:
        return end
    unit = unit_in(amount, counts)
    derived = span_end(start, amount.value, unit) if amount is not None else None
    return derived if derived is not None else end


def unit_in(amount: Amount | None, counts: str | None) -> str | None:
    """What ``amount`` counts in; plain units are of what the grant ``counts``."""
    return counts if amount is None or amount.unit == "units" else amount.unit
