"""What a line was given in the course of its record: what stands, and what stood before and may have been used.

Who cancels an authorization, or has it changed, after its service began may have used it: it counts as used all the same. What
was given up before it began counts for nothing. Source: docs/policies.md ("What counts beside a line").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from precert.authorization.deciding.standing import service_day
from precert.authorization.record.case import REPEATS, Authorization, Case, Line, LineRequest
from precert.authorization.record.chain import CASE_EVENTS
from precert.authorization.record.lifecycle import advance, lifecycle

COUNTS = lifecycle().in_force | {"exempt"}
"""The states of lines whose units are used up or free of authorization: what was denied or given up counts for nothing."""
_OVER = frozenset({"cancelled", "denied", "denied_admin", "dismissed"})


@dataclass(frozen=True, slots=True)
class Given:
    """An authorization, or, without one, what was said to need none. ``until`` is the day on which it was given up or
    replaced; ``None`` while it stands, as it does while a change of it waits for a decision."""

    requested: LineRequest
    authorization: Authorization | None = None
    until: date | None = None

    def start(self, received: date) -> date:
        """The first day of its service; the day of receipt when the request named none."""
        return self.authorization.start if self.authorization is not None else service_day(self.requested, received)

    def begun(self, received: date, today: date) -> bool:
        """Whether its service may have begun by ``today``, or before it was given up."""
        return self.start(received) <= (self.until or today)


def given(case: Case, line: Line) -> list[Given]:
    """Everything that ``line`` was given, the oldest first. What only repeats another record's authorization is not its own."""
    found = [one for one in _course(case, line) if one is not None]
    if line.state in COUNTS and line.rests_on is None:
        past = [one for one in found if one.until is not None]
        return [*past, Given(line.requested, line.authorization)]
    return found


def _course(case: Case, line: Line) -> Iterator[Given | None]:
    state, repeats = lifecycle().initial, False
    requested, authorization = line.requested, None
    stands: Given | None = None
    for event in case.events:
        if event.line != line.sequence:
            continue
        if event.requested is not None:
            requested = event.requested
            continue
        authorization = event.authorization or authorization
        if event.ev in CASE_EVENTS:
            continue
        state = advance(state, event.ev, event.actor).to
        repeats = event.ev == REPEATS or (repeats and event.ev == "cancel")
        if state in COUNTS and not repeats:
            now = Given(requested, authorization if state in lifecycle().in_force else None)
            if stands is not None and not _same(stands, now):
                yield _ended(stands, event.at.date())
            stands = now
        elif state in _OVER and stands is not None:
            yield _ended(stands, event.at.date())
            stands = None
    yield stands


def _same(one: Given, other: Given) -> bool:
    if one.authorization is not None or other.authorization is not None:
        return one.authorization == other.authorization
    return one.requested == other.requested


def _ended(one: Given, day: date) -> Given:
    return Given(one.requested, one.authorization, day)
