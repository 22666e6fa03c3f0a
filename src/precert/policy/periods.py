"""Look-back windows (``within: 30d``) and grant periods (``period: 12 months``).

Days and weeks are counted; months and years go by the calendar (six months before 31 August is 28 February), because
that is how coverage documents mean them.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

_WRITTEN = re.compile(r"\s*(\d{1,5})\s*(d|days?|w|wk|weeks?|mo|months?|y|years?)\s*")

Unit = Literal["d", "w", "m", "y"]


def _read(written: str) -> tuple[int, Unit]:
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is not a span of time; write for example 30d, 12 weeks, 6mo or 1 year")
    unit: Unit = match[2][0]  # type: ignore[assignment]  # the pattern admits only these four first letters
    return int(match[1]), unit


def months_before(day: date, months: int) -> date:
    """The same day of the month ``months`` earlier; the last day of that month if it is shorter."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    if year < 1:
        return date.min
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class Window:
    """A look-back. In: text such as ``30d`` or ``6mo``. Raises ValueError for anything else."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, written: str) -> Window:
        return cls(*_read(written))

    def first_day(self, reference: date) -> date:
        """The earliest day that is still inside, looking back from ``reference`` (which is the last day inside)."""
        if self.unit in ("m", "y"):
            return months_before(reference, self.count * (12 if self.unit == "y" else 1))
        span = self.count * (7 if self.unit == "w" else 1)
        return date.min if reference.toordinal() <= span else reference - timedelta(days=span)


@dataclass(frozen=True, slots=True)
class Period:
    """A grant's length: whole days or whole months, as written. Raises ValueError if it is neither."""

    written: str
    days: int | None
    months: int | None

    @classmethod
    def parse(cls, written: str) -> Period:
        count, unit = _read(written)
        if count == 0:
            raise ValueError(f"{written!r} grants nothing")
        if unit in ("d", "w"):
            return cls(written, count * (7 if unit == "w" else 1), None)
        return cls(written, None, count * (12 if unit == "y" else 1))
