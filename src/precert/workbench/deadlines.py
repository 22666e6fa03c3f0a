"""Deadlines in words and colours, for the worklist. The rule is :mod:`precert.authorization.deciding.deadline`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from precert.authorization.deciding.deadline import deadline, zone_named
from precert.workbench import labels


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
    """The deadline of one request, as it looks at ``now``."""
    target = deadline(received, track, zone)
    return Due(target.at, target.used(now), span(target.at - now))


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
    local = at.astimezone(zone_named(zone))
    return f"{local:%a} {labels.day(local)}, {local:%H:%M %Z}"
