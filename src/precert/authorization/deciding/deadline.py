"""By when a request is to be decided: the one rule of it, for whoever sorts, shows or counts open requests.

72 hours after receipt when expedited, else the end of the seventh calendar day after receipt in the plan's zone: the times
of 42 CFR 422.568(b)(1), 422.572(a), 438.210(d) and 440.230(e) for 2026. Commercial plans may take longer by law; seven days
is right for them too as a target. It is a target for people, not a record: nothing happens when it passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from precert.authorization.deciding.due import EXPEDITED

STANDARD_DAYS = 7


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment (UTC) by which a request that was ``received`` is to be decided."""

    received: datetime
    at: datetime

    def used(self, now: datetime) -> float:
        """The share of the time that is gone: 0 at receipt, 1 at the deadline, more after it."""
        whole = (self.at - self.received).total_seconds()
        return (now - self.received).total_seconds() / whole if whole > 0 else 1.0


def deadline(received: datetime, track: str, zone: str) -> Deadline:
    """The deadline of a request. ``track`` is ``expedited`` or ``standard``, ``zone`` the IANA name of the plan's zone."""
    if track == "expedited":
        return Deadline(received, received + EXPEDITED)
    local = received.astimezone(zone_named(zone))
    last = local.date() + timedelta(days=STANDARD_DAYS)
    return Deadline(received, datetime.combine(last, time(23, 59, 59), zone_named(zone)).astimezone(UTC))


def zone_named(name: str) -> ZoneInfo:
    """The plan's time zone; UTC for a name that nobody knows, which must not cost the reviewers their list."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
