"""A second request for what is open or granted already: possibly a duplicate, so a person looks before it is approved.

Only what the rules would approve is looked at: a question or a review is put to people anyway, and what needs no
authorization cannot be authorized twice. The same service is the same code with the same modifiers (with any, where the amount counts time: that is
two at once). Overlapping is counted
in days: what was granted by its period, what is open by the days asked for; whether the client calls it a first request,
a renewal or an extension makes no difference. Source: docs/pas.md "The same request again".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from precert.authorization.deciding import judge
from precert.authorization.deciding.service import kept, service_keys
from precert.authorization.deciding.standing import service_day
from precert.authorization.record.case import Authorization, Case, Event, Line, LineRequest
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.belonging import same_member, same_requester
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.same_request import state_of
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import loaded
from precert.eligibility.directory import member_numbers
from precert.policy.amounts import Amount, read
from precert.policy.spans import TIMES, last_day, unit_in
from precert.store.port import Param

_OPEN = frozenset({"pended_info", "nurse_review", "md_review"})
_NOBODY = "It names no member number, so what is on record for the member cannot be looked at."
_MOST = 30  # records of the member with the service that are looked at, the newest


@dataclass(frozen=True, slots=True)
class Doubts:
    """Why lines may be duplicates, by their sequence; and the names to be reserved with approvals of the others, so that of two
    requests that arrive at once one sees the other."""

    reasons: Mapping[int, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()


def approved(events: Iterable[Event]) -> dict[int, Authorization]:
    """What the rules approve in ``events``, by the line."""
    return {
        event.line: event.authorization
        for event in events
        if event.ev == "criteria_met" and event.line is not None and event.authorization is not None
    }


async def doubts(
    service: AuthorizationService,
    submission: Submission,
    case: Case,
    granted: Mapping[int, Authorization],
) -> Doubts:
    """Which of the lines that are about to be ``granted`` on ``case`` may be duplicates of what other records hold for the
    member. Raises the store's errors."""
    if not granted:
        return Doubts()
    now = service.runtime.now()
    who = service.who(submission, now)
    numbers = member_numbers(submission.patient, submission.coverage, submission.subscriber)
    member = [who.member.id] if who.member is not None else numbers
    asked = {sequence: case.lines[sequence].requested for sequence in granted}
    wanted = sorted(frozenset[str]().union(*(service_keys(line) for line in asked.values())))
    if not member or not wanted:
        return Doubts(dict.fromkeys(granted, _NOBODY))
    params = [Param("member", member), Param("code", wanted)]
    page = await service.store.search(service.tenant, "Case", params, limit=_MOST)
    state = state_of([f"{document.id}@{document.version}" for document in page.documents])
    reasons: dict[int, str] = {}
    for document in page.documents:
        other, _ = loaded(document)
        if other.id == case.id or not same_member(other, submission, who):
            continue
        for sequence, line in asked.items():
            days = granted[sequence].start, granted[sequence].end or date.max
            if sequence not in reasons and any(overlaps(known, line, days, now.date()) for known in other.ordered):
                reasons[sequence] = _reason(other, submission)
        if reasons.keys() == asked.keys():
            break
    key = hashlib.sha256("|".join([*member, *wanted]).encode()).hexdigest()
    return Doubts(reasons, (f"service:{key}|after:{state}",))


def handed_over(
    service: AuthorizationService,
    line: LineRequest,
    now: datetime,
    reason: str,
    *,
    state: str = "screening",
    reference: str | None = None,
) -> judge.Judged:
    """The line goes to a person because of ``reason``. ``state`` and ``reference`` are where it stands already."""
    return judge.for_a_person(
        judge.LineUnderReview(line, service.runtime, now, state=state, reference=reference), reason
    )


def overlaps(known: Line, line: LineRequest, days: tuple[date, date], today: date) -> bool:
    """Whether ``known`` is open or granted, for the same service and on some of the same ``days``."""
    before = known.requested
    if known.state in lifecycle().in_force and known.authorization is not None:
        start, end = known.authorization.start, known.authorization.end or date.max
    elif known.state in _OPEN:
        start = service_day(before, today)
        end = _last_day(before, start) or start
    else:
        return False
    one, other = kept(before), kept(line)
    return (
        start <= days[1]
        and days[0] <= end
        and bool(frozenset(one.codes) & frozenset(other.codes))
        and (frozenset(one.modifiers) == frozenset(other.modifiers) or (_in_time(before) and _in_time(line)))
    )


def _amount(line: LineRequest) -> Amount | None:
    quantity = line.item.get("quantity")
    return read(quantity if quantity is not None else {"value": line.quantity, "unit": line.unit})


def _in_time(line: LineRequest) -> bool:
    """Whether the amount counts time: then the same days under other modifiers are two at once."""
    return unit_in(_amount(line), None) in TIMES


def _last_day(line: LineRequest, start: date) -> date | None:
    return last_day(start, line.service_end, _amount(line))


def _reason(other: Case, submission: Submission) -> str:
    """Names the other case only to who may see it."""
    theirs = other.opened.submitter == submission.submitter and same_requester(other, submission)
    named = f" (case {other.number})" if theirs else ""
    return (
        f"Possible duplicate: the same service for overlapping days is open or authorized on record{named}. "
        "A reviewer decides whether this is a second service."
    )
