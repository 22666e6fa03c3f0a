"""What counts beside a line for a policy, and how the days of the two lie to each other. Source: docs/policies.md."""

from __future__ import annotations

from datetime import date

from precert.policy.amounts import read, unit_of
from precert.policy.run import Run
from precert.policy.scope import service_codes
from precert.policy.spans import TIMES, last_day, unit_in
from precert.policy.types import Counted


def of_same_service(run: Run) -> list[Counted]:
    """What counts beside the line and is the same service."""
    if not run.context.counted:
        return []
    own = frozenset(service_codes(run.context.item))
    return [other for other in run.context.counted if not own.isdisjoint(other.codes)]


def of_same_grant(run: Run) -> list[Counted]:
    """What the policy's maximum counts together with the line (``grant.counted``)."""
    if not run.context.counted:
        return []
    own = service_codes(run.context.item)
    return [other for other in run.context.counted if run.policy.counts_together(own, other.codes)]


def at_once(run: Run) -> Counted | None:
    """A line that is counted in time, as this one is, for some of the same days: not one for longer, but two at once.

    On record that is looked for where the service or its modifiers are others; for the very same, see ``continuation`` and
    the possible duplicates (docs/pas.md).
    """
    own = frozenset(service_codes(run.context.item))
    modifiers = frozenset(run.context.item.get("modifiers", ()))
    for other in of_same_grant(run):
        if not (_in_time(run, run.context.item.get("quantity")) and _in_time(run, other.quantity)):
            continue
        same = not own.isdisjoint(other.codes) and frozenset(other.modifiers) == modifiers
        known = other.same_request or (other.granted and not same)
        if known and not other.same_line and same_days(run, other):
            return other
    return None


def same_days(run: Run, other: Counted) -> bool:
    """Whether the days asked for have one in common; without an end or an amount in time the first day is meant."""
    context = run.context
    mine = _last(run, context.service_date, context.service_end, context.item.get("quantity")) or context.service_date
    theirs = _last(run, other.start, other.end, other.quantity)
    if theirs is None:
        theirs = date.max if other.granted else other.start
    return other.start <= mine and context.service_date <= theirs


def overlaps(run: Run, other: Counted) -> bool:
    """Whether the other line's days and the days that the policy would grant have one in common."""
    context, grant = run.context, run.policy.grant
    last = context.service_end or (grant.last_day(context.service_date) if grant is not None else None)
    theirs = other.end
    if not (other.granted or other.was_granted) and (theirs is None or theirs == other.start):
        theirs = (grant.last_day(other.start) if grant is not None else None) or other.start
    return (theirs is None or theirs >= context.service_date) and (last is None or other.start <= last)


def _unit(run: Run) -> str | None:
    grant = run.policy.grant
    return unit_of(grant.unit) if grant is not None else None


def _in_time(run: Run, quantity: object) -> bool:
    amount = read(quantity) if quantity is not None else None
    return unit_in(amount, _unit(run)) in TIMES


def _last(run: Run, start: date, end: date | None, quantity: object) -> date | None:
    grant = run.policy.grant
    if quantity is None and grant is not None and (end is None or end == start) and _unit(run) in TIMES:
        return grant.last_day(start) or end  # who names no amount asks for all that the grant gives
    return last_day(start, end, read(quantity) if quantity is not None else None, _unit(run))
