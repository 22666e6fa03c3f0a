"""By when a request should be decided, for sorting and colouring the worklist.

72 hours when expedited, else the end of the seventh day after receipt in the plan's zone: the times of 42 CFR 422.568,
422.572, 438.210(d) and 440.230(e) for 2026. Commercial plans may take longer by law; seven days is right for them too as
a target. It is a target for people, not a record: nothing happens when it passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from precert.authorization.deciding.due import EXPEDITED
from precert.workbench import labels

STANDARD_DAYS = 7


@dataclass(frozen=True, slots=True)
class Due:
    """``used`` is the share of the time that is gone: colours change at one half, four fifths and one."""

    at: datetime
    used: float
    left: str

    @property
    def tone(self) -> str:
        return "bad" if self.used >= 1 else "warn" if self.used >= 0.8 else "wait" if self.used >= 0.5 else "calm"


def due(received: datetime, track: str, zone: str, now: datetime) -> Due:
    """The target of one request."""
    if track == "expedited":
        at = received + EXPEDITED
    else:
        local = received.astimezone(_zone(zone))
        last = local.date() + timedelta(days=STANDARD_DAYS)
        at = datetime.combine(last, time(23, 59, 59), _zone(zone)).astimezone(UTC)
    whole = (at - received).total_seconds()
    used = (now - received).total_seconds() / whole if whole > 0 else 1.0
    return Due(at, used, span(at - now))


def _zone(name: str) -> ZoneInfo:
    """The plan's time zone; a name that nobody knows must not cost the reviewers their list."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def span(left: timedelta) -> str:
    """``3 days left``, ``5 h left``, ``20 min left``, ``2 days over``."""
    seconds = abs(left.total_seconds())
    days, hours = int(seconds // 86400), int(seconds // 3600)
    amount = (
        f"{days} day{'s' if days != 1 else ''}"
        if hours >= 48
        else f"{hours} h"
        if hours
        else f"{int(seconds // 60)} min"
    )
    return f"{amount} {'over' if left.total_seconds() < 0 else 'left'}"


def written(at: datetime, zone: str) -> str:
    """``Fri 27 Nov, 23:59 EST`` in the plan's zone."""
    local = at.astimezone(_zone(zone))
    return f"{local:%a} {labels.day(local)}, {local:%H:%M %Z}"
