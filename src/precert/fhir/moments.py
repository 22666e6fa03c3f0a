"""Points in time exactly as precise as they were written: an instant with its zone, a time without one, a day, a month, a year.

Two of them are compared only as far as both say: the 26th and 10 o'clock on the 26th are neither before nor after each
other. Clinical Quality Language compares alike (https://cql.hl7.org/09-b-cqlreference.html, "After", "uncertainty").
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_WRITTEN = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?", re.ASCII
)

CLOCK_SKEW = timedelta(minutes=5)
"""By so much a sender's clock may be ahead of ours."""
_LONGEST = 64
"""Characters; no FHIR time is longer."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A FHIR date, dateTime or instant. ``clock`` is the local time as written, ``at`` the instant in UTC if it has a zone."""

    first: date
    last: date
    clock: datetime | None = None
    at: datetime | None = None

    @classmethod
    def parse(cls, value: object) -> Moment | None:
        """Read what FHIR allows to be written; ``None`` for anything else, an impossible day or hour included."""
        return _parsed(value) if isinstance(value, str) and len(value) <= _LONGEST else None

    @property
    def whole_day(self) -> bool:
        """Whether the day is known (a month or a year alone is not a day)."""
        return self.first == self.last

    @property
    def not_before(self) -> date:
        """The first day, in UTC, on which it can have been; what is compared with a day of ours to find the future."""
        return self.at.date() if self.at is not None else self.first

    def ahead(self, day: date, at: datetime | None = None) -> bool:
        """Whether it lies after a receipt on ``day`` (in UTC): to the instant, with :data:`CLOCK_SKEW`, where ``at`` says
        when that was and this names an instant; else by the day."""
        if self.at is not None and at is not None:
            return self.at > at + CLOCK_SKEW
        return self.not_before > day

    def after(self, other: Moment) -> bool:
        """Whether this is certainly later than ``other``."""
        if self.at is not None and other.at is not None:
            return self.at > other.at
        if self.first > other.last:
            return True
        both_local = self.at is None and other.at is None
        if both_local and self.clock is not None and other.clock is not None:
            return self.clock > other.clock
        return False

    def same_instant(self, other: Moment) -> bool:
        """Whether both name a time of day and the same one."""
        if self.at is not None and other.at is not None:
            return self.at == other.at
        return self.at is other.at and self.clock is not None and self.clock == other.clock

    def within(self, start: date, end: date) -> bool | None:
        """Whether it lies between two days, both included; ``None`` when it is too imprecise to say so."""
        if self.last < start or self.first > end:
            return False
        return True if self.whole_day or (self.first > start and self.last < end) else None


@lru_cache(maxsize=4096)
def _parsed(value: str) -> Moment | None:
    match = _WRITTEN.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return Moment(first, _last(first, month is not None, day is not None))
        micro = int((fraction or "0")[:6].ljust(6, "0"))
        clock = datetime(first.year, first.month, first.day, int(hour), int(minute), int(second or 0), micro)
        return Moment(first, first, clock, _utc(clock, zone) if zone else None)
    except (ValueError, OverflowError):
        return None


def _last(first: date, has_month: bool, has_day: bool) -> date:
    if has_day:
        return first
    month = first.month if has_month else 12
    return date(first.year, month, calendar.monthrange(first.year, month)[1])


def _utc(clock: datetime, zone: str) -> datetime:
    if zone == "Z":
        return clock.replace(tzinfo=UTC)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    offset = timedelta(hours=hours, minutes=minutes)
    return (clock + offset if zone[0] == "-" else clock - offset).replace(tzinfo=UTC)
