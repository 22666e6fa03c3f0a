"""The reviewers' worklist: open requests, the most urgent first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from precert.authorization.deciding.determination_rules import OPEN_STATES
from precert.authorization.record.case import EVIDENCE_CHANGED, Case, Event, Line
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir.types import Element, elements
from precert.store.port import Document, Param
from precert.workbench import labels
from precert.workbench.deadlines import Due, due, written
from precert.workbench.element_text import person_name
from precert.workbench.query import STATES, Query, Sort

PAGE = 25
MOST = 500
"""Decided records read for one list, of each state, the newest. Open ones are read all: none may be on no page."""
_READ_AT_ONCE, _BREATH = 200, 25


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of a request in the list."""

    sequence: int
    service: str
    title: str | None
    state: str
    tone: str
    why: str
    answer_due: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One request in the list."""

    id: str
    number: str
    member: str
    member_number: str | None
    plan: str
    requester: str
    track: str
    received: datetime
    lines: tuple[LineRow, ...]
    open: bool
    changed: bool  # a line was answered with a yes, and what is on file changed since
    due: Due
    due_at: str


@dataclass(frozen=True, slots=True)
class Worklist:
    """One page of the list. ``more`` says that there are records beyond those that were read."""

    query: Query
    rows: tuple[Row, ...]
    total: int
    pages: int
    more: bool


class _Opened(msgspec.Struct):
    """What the order of the list depends on; the rest of a record is read for the rows that are shown only."""

    number: str
    received: datetime
    track: str
    patient: dict[str, Any]
    plan: str | None = None


class _Event(msgspec.Struct):
    opened: _Opened | None = None


_HEADS = msgspec.json.Decoder(list[_Event])


@dataclass(frozen=True, slots=True)
class _Entry:
    """One record of the list, as far as its place in it goes."""

    id: str
    number: str
    member: str
    track: str
    received: datetime
    due: datetime
    open: bool


async def worklist(service: AuthorizationService, query: Query, now: datetime) -> Worklist:
    """Read, filter, sort and cut into pages. Every open record is on exactly one page, whatever their number."""
    entries, more = await (_found(service, query, now) if query.find else _listed(service, query, now))
    kept = [entry for entry in entries if _kept(entry, query, now)]
    kept.sort(key=_order(query.sort), reverse=query.sort == "newest")
    pages = max(1, -(-len(kept) // PAGE))
    page = min(query.page, pages)
    shown = [await service.store.get(service.tenant, "Case", e.id) for e in kept[(page - 1) * PAGE : page * PAGE]]
    rows = tuple(row(service, fold(decode(document.body)), now) for document in shown if document is not None)
    return Worklist(query if page == query.page else _with_page(query, page), rows, len(kept), pages, more)


def _with_page(query: Query, page: int) -> Query:
    return Query(query.state, query.track, query.age, query.sort, query.find, page)


async def _listed(service: AuthorizationService, query: Query, now: datetime) -> tuple[list[_Entry], bool]:
    """The records in the states of the query, and whether there are more of the decided ones.

    One state at a time: those are streamed in their order, whatever their number. Open ones are read oldest first: what
    changes meanwhile moves to the end, so it is met again and never missed.
    """
    found: dict[str, _Entry] = {}
    more = False
    # those with an open line first: a case stands in the list once, as what is read of it first
    for state in sorted(STATES[query.state], key=lambda state: (state not in OPEN_STATES, state != EVIDENCE_CHANGED)):
        is_open = state in OPEN_STATES
        waits = is_open or state == EVIDENCE_CHANGED
        left = None if waits else MOST
        async for document in _documents(service, [Param("state", [state])], newest_first=not waits):
            if left == 0:
                more = True
                break
            left = left - 1 if left is not None else None
            if document.id not in found:
                found[document.id] = _entry(service, document, is_open, now)
                if len(found) % _BREATH == 0:
                    await asyncio.sleep(0)  # a long list must not keep the hooks waiting, where a clinician sits
    return list(found.values()), more


async def _found(service: AuthorizationService, query: Query, now: datetime) -> tuple[list[_Entry], bool]:
    """The records that a number or member number leads to; people write both in any case and ours with hyphens."""
    written = query.find.upper()
    spellings = list(dict.fromkeys((query.find, written, written.replace("-", "").replace(" ", ""))))
    found: dict[str, _Entry] = {}
    for name in ("number", "member"):
        async for document in _documents(service, [Param(name, spellings)], newest_first=False):
            states = fold(decode(document.body)).queues
            if states & STATES[query.state]:
                found[document.id] = _entry(service, document, bool(states & OPEN_STATES), now)
            await asyncio.sleep(0)
    return list(found.values()), False


async def _documents(
    service: AuthorizationService, params: list[Param], *, newest_first: bool
) -> AsyncIterator[Document]:
    token: str | None = None
    while True:
        page = await service.store.search(
            service.tenant, "Case", params, newest_first=newest_first, limit=_READ_AT_ONCE, page=token
        )
        for document in page.documents:
            yield document
        if (token := page.next) is None:
            return


def _entry(service: AuthorizationService, document: Document, is_open: bool, now: datetime) -> _Entry:
    opened = next(event.opened for event in _HEADS.decode(document.body) if event.opened is not None)
    target = due(opened.received, opened.track, zone_of(service, opened.plan), now)
    member = patient_name(opened.patient)
    return _Entry(document.id, opened.number, member, opened.track, opened.received, target.at, is_open)


def _kept(entry: _Entry, query: Query, now: datetime) -> bool:
    if query.track not in ("all", entry.track):
        return False
    return query.age == "any" or now - entry.received > timedelta(days=int(query.age))


def _order(sort: Sort) -> Callable[[_Entry], Any]:
    if sort == "due":  # an expedited request is read before any other, late or not
        return lambda entry: (not entry.open, entry.track != "expedited", entry.due, entry.number)
    if sort == "member":
        return lambda entry: (entry.member.casefold(), entry.received, entry.number)
    return lambda entry: (entry.received, entry.number)


def zone_of(service: AuthorizationService, plan: str | None) -> str:
    """The time zone of a plan, by its id."""
    known = service.directory().plans.get(plan or "")
    return known.zone if known else "America/New_York"


def row(service: AuthorizationService, case: Case, now: datetime) -> Row:
    """A record as a row."""
    opened = case.opened
    plan = service.directory().plans.get(opened.plan or "")
    zone = zone_of(service, opened.plan)
    target = due(opened.received, opened.track, zone, now)
    return Row(
        id=case.id,
        number=case.number,
        member=member_name(case),
        member_number=opened.member or next(iter(opened.member_numbers), None),
        plan=plan.name if plan else opened.plan or "presented coverage",
        requester=opened.requester.name or opened.requester.npi or "unknown",
        track=opened.track,
        received=opened.received,
        lines=tuple(_line(line, zone, case.to_review.get(line.sequence)) for line in case.ordered),
        open=any(line.state in OPEN_STATES for line in case.ordered),
        changed=bool(case.to_review),
        due=target,
        due_at=written(target.at, zone),
    )


def member_name(case: Case) -> str:
    """The member's name as it came with the request."""
    return patient_name(case.opened.patient)


def patient_name(patient: Element) -> str:
    """The first name of a Patient that says something."""
    names = (person_name(name) for name in elements(patient.get("name")))
    return next((name for name in names if name), "unnamed member")


def _why(line: Line) -> str:
    made = line.determination
    if made is None:
        return ""
    asked = line.questions.questions if line.questions else made.trace.get("missing", ())
    code = made.trace.get("reason_code")
    return labels.reason(made.reason, outcome=made.outcome, code=code, human=made.human, open_questions=len(asked))


def changes(event: Event | None) -> str:
    """What changed on file since a line was answered with a yes, in a sentence; empty when nothing did."""
    if event is None:
        return ""
    return f"The evidence changed after the answer: {'; '.join(map(str, event.detail.get('changed', ())))}"


def _line(line: Line, zone: str, changed: Event | None) -> LineRow:
    determination = line.determination
    asked = line.questions
    return LineRow(
        sequence=line.sequence,
        service=labels.code(line.requested.code),
        title=determination.title if determination else None,
        state=labels.state(line.state),
        tone=labels.state_tone(line.state),
        why=labels.clipped(changes(changed) or _why(line)),
        answer_due=written(asked.due, zone) if asked and asked.due else None,
    )
