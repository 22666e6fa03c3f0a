"""The use case "inquire": which records a query by example means, and may be shown to who asks.

PAS spec-47/48 (an old number leads to the current record), spec-52/53 (systems other than the submitter need the member's
number and the NPI of an ordering or rendering provider).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from precert.authorization.deciding.person import Trouble, identify
from precert.authorization.record.case import Case, Line
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection
from precert.authorization.usecases.submission import Submission
from precert.eligibility import demographics
from precert.eligibility.demographics import Likeness
from precert.eligibility.directory import Directory
from precert.fhir.types import Resource
from precert.store.port import Param

_MOST = 50


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Search criteria. ``services`` are ``system|code`` (``None`` = any service); ``numbers`` are numbers of ours.

    ``member`` is the member's number in the directory, ``patient`` the Patient as sent.
    """

    member_numbers: tuple[str, ...]
    npis: tuple[str, ...]
    identifiers: tuple[str, ...]
    numbers: tuple[str, ...]
    services: frozenset[str] | None
    dates: Sequence[tuple[date, date]]
    member: str | None = None
    patient: Resource = field(default_factory=dict)


def refused(submission: Submission, directory: Directory) -> Rejection | None:
    """Why an inquiry is not answered: as for a request; and a member is shown to nobody who knows only number and name."""
    found = identify(submission.subject, directory)
    if isinstance(found, Trouble):
        return Rejection(found.key, found.element)
    if found.member is None:
        return None
    known, sent = found.member.patient, submission.patient
    if demographics.birth_dates(known, sent) is not Likeness.SAME:
        return Rejection("birth_date_missing", "Claim.patient")
    return Rejection("member_name", "Claim.patient") if demographics.contradict(known, sent) else None


async def inquire(service: AuthorizationService, inquiry: Inquiry) -> list[tuple[Case, Submission]]:
    """The records that match, newest first, each with the newest version of its request. At most 50.

    A record that only repeats authorizations of others that are shown is left out: they are no further ones.
    """
    if not inquiry.member_numbers or inquiry.services == frozenset():
        return []
    found: dict[str, tuple[Case, Submission]] = {}
    # by a number: the record it was given on, and those that repeat it, whose submitter may know of no other
    for named in ("number", "rests") if inquiry.numbers else (None,):
        params = [Param("member", list(inquiry.member_numbers))]
        if named is not None:
            params.append(Param(named, list(inquiry.numbers)))
        if inquiry.services is not None:
            params.append(Param("code", sorted(inquiry.services)))
        async for case in _records(service, params):
            dismissed = all(line.state == "dismissed" for line in case.ordered)
            if dismissed or not _of_member(case, inquiry) or not _fits(case, inquiry):
                continue
            submission = await service.submission_of(case)
            if _may_see(case, submission, inquiry):
                found[case.id] = case, submission
            if len(found) >= _MOST:
                break
    shown = {case.number for case, _ in found.values()}
    own = [each for each in found.values() if not (each[0].repetition and _resting(each[0]) <= shown)]
    return [(await followed(service, case), submission) for case, submission in own]


def _resting(case: Case) -> set[str]:
    return {line.rests_on for line in case.ordered if line.rests_on is not None}


async def followed(service: AuthorizationService, case: Case) -> Case:
    """The record with each line that repeats an authorization as that one stands now, on the record it was given on."""
    for line in case.ordered:
        owner = await service.find_case(line.rests_on) if line.rests_on is not None else None
        if owner is None or line.authorization is None:
            continue
        number = line.authorization.number
        given = next((e.line for e in owner.events if e.authorization and e.authorization.number == number), None)
        theirs = owner.lines.get(given) if given is not None else None
        if theirs is None or line.state != "repeated":
            continue
        if theirs.state in lifecycle().in_force:
            case.lines[line.sequence] = msgspec.structs.replace(line, authorization=theirs.authorization)
        else:
            kept = ("state", "determination", "authorization", "reference", "questions")
            now = {name: getattr(theirs, name) for name in kept}
            case.lines[line.sequence] = msgspec.structs.replace(line, **now)
    return case


async def _records(service: AuthorizationService, params: Sequence[Param]) -> AsyncIterator[Case]:
    """Every record that ``params`` match, newest first: what does not fit must not take the place of what does."""
    page: str | None = None
    while True:
        read = await service.store.search(service.tenant, "Case", params, limit=_MOST, page=page)
        for document in read.documents:
            yield fold(decode(document.body))
        if (page := read.next) is None:
            return


def _of_member(case: Case, inquiry: Inquiry) -> bool:
    """Whether the record is of the person asked about: a family shares a number, and strangers may send one another's."""
    if case.opened.member is not None and inquiry.member is not None:
        return case.opened.member == inquiry.member
    return demographics.same_person(case.opened.patient, inquiry.patient)


def _fits(case: Case, inquiry: Inquiry) -> bool:
    services = {line.requested.code for line in case.ordered}
    if inquiry.services is not None and not services & inquiry.services:
        return False
    return not inquiry.dates or any(_overlaps(line, day) for line in case.ordered for day in inquiry.dates)


def _overlaps(line: Line, asked: tuple[date, date]) -> bool:
    start = line.requested.service_start
    end = line.requested.service_end or start
    if line.authorization is not None:
        start, end = start or line.authorization.start, line.authorization.end or end
    if start is None:  # nobody named a day: a request without dates fits any
        return True
    return start <= asked[1] and asked[0] <= (end or start)


def _may_see(case: Case, submission: Submission, inquiry: Inquiry) -> bool:
    """The requester of the inquiry is the requester, the ordering or a rendering provider of the request."""
    involved = {*submission.requester_npis, *submission.care_team_npis, *submission.requester_ids}
    involved.update(
        line.requested.provider.npi for line in case.ordered if line.requested.provider and line.requested.provider.npi
    )
    return bool(involved & {*inquiry.npis, *inquiry.identifiers})
