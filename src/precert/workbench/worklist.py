"""The reviewers' worklist: open requests, the most urgent first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from precert.authorization.deciding.determination_rules import OPEN_STATES
from precert.authorization.record.case import Case, Line, decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir.types import elements
from precert.store.port import Document, Param
from precert.workbench import words
from precert.workbench.deadlines import Due, due, written
from precert.workbench.speak import person_name

StateFilter = Literal["open", "info", "nurse", "physician", "decided", "all"]
TrackFilter = Literal["all", "standard", "expedited"]
AgeFilter = Literal["any", "1", "3", "7"]
Sort = Literal["due", "oldest", "newest", "member"]

PAGE = 25
MOST = 500
"""Records read for one list. Open ones are read in the order of their last change, so what is left out is the newest."""

_STATES: dict[StateFilter, frozenset[str]] = {
    "open": OPEN_STATES,
    "info": frozenset({"pended_info"}),
    "nurse": frozenset({"nurse_review"}),
    "physician": frozenset({"md_review"}),
    "decided": frozenset(
        {"approved", "active", "repeated", "modified", "denied", "denied_admin", "exempt", "cancelled"}
    ),
    "all": frozenset(),
}
STATE_LABELS: dict[StateFilter, str] = {
    "open": "Open (all queues)",
    "info": "Waiting for information",
    "nurse": "With a nurse",
    "physician": "With a physician",
    "decided": "Decided",
    "all": "Everything",
}
TRACK_LABELS: dict[TrackFilter, str] = {"all": "All", "expedited": "Expedited", "standard": "Standard"}
AGE_LABELS: dict[AgeFilter, str] = {"any": "Any", "1": "Over 1 day", "3": "Over 3 days", "7": "Over 7 days"}
SORT_LABELS: dict[Sort, str] = {
    "due": "Decide first",
    "oldest": "Received, oldest first",
    "newest": "Received, newest first",
    "member": "Member",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What the reviewer asked to see. Unknown values from the URL fall back to the first choice."""

    state: StateFilter = "open"
    track: TrackFilter = "all"
    age: AgeFilter = "any"
    sort: Sort = "due"
    find: str = ""
    page: int = 1

    @classmethod
    def read(cls, given: dict[str, str]) -> Query:
        """The query in URL parameters."""
        state, track, age, sort = given.get("state"), given.get("track"), given.get("age"), given.get("sort")
        page = given.get("page", "1")
        return cls(
            state=state if state in get_args(StateFilter) else "open",  # type: ignore[arg-type]
            track=track if track in get_args(TrackFilter) else "all",  # type: ignore[arg-type]
            age=age if age in get_args(AgeFilter) else "any",  # type: ignore[arg-type]
            sort=sort if sort in get_args(Sort) else "due",  # type: ignore[arg-type]
            find=given.get("find", "").strip()[:80],
            page=min(int(page), 10_000) if page.isascii() and page.isdigit() and page != "0" else 1,
        )

    def parameters(self, page: int) -> dict[str, str]:
        """The same query for another page, for a link."""
        return {
            "state": self.state,
            "track": self.track,
            "age": self.age,
            "sort": self.sort,
            **({"find": self.find} if self.find else {}),
            "page": str(page),
        }


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


async def worklist(service: AuthorizationService, query: Query, now: datetime) -> Worklist:
    """Read, filter, sort and cut into pages."""
    documents, more = await _read(service, query)
    rows = []
    for document in documents:
        rows.append(row(service, fold(decode(document.body)), now))
        await asyncio.sleep(0)  # a long list must not keep the hooks waiting, where a clinician sits
    kept = [r for r in rows if _kept(r, query, now)]
    kept.sort(key=_order(query.sort), reverse=query.sort == "newest")
    pages = max(1, -(-len(kept) // PAGE))
    page = min(query.page, pages)
    shown = tuple(kept[(page - 1) * PAGE : page * PAGE])
    return Worklist(query if page == query.page else _with_page(query, page), shown, len(kept), pages, more)


def _with_page(query: Query, page: int) -> Query:
    return Query(query.state, query.track, query.age, query.sort, query.find, page)


async def _read(service: AuthorizationService, query: Query) -> tuple[list[Document], bool]:
    states = sorted(_STATES[query.state])
    params = [Param("state", states)] if states else []
    found: dict[str, Document] = {}
    if query.find:
        written = query.find.upper()
        spellings = list(dict.fromkeys((query.find, written, written.replace("-", "").replace(" ", ""))))
        for name in ("number", "member"):  # either may be meant; people write our numbers in any case and with hyphens
            page = await service.store.search(service.tenant, "Case", [*params, Param(name, spellings)], limit=200)
            found |= {document.id: document for document in page.documents}
        return list(found.values()), False
    oldest_first = query.state in ("open", "info", "nurse", "physician")
    token: str | None = None
    while len(found) < MOST:
        page = await service.store.search(
            service.tenant, "Case", params, newest_first=not oldest_first, limit=100, page=token
        )
        found |= {document.id: document for document in page.documents}
        token = page.next
        if token is None:
            return list(found.values()), False
    return list(found.values()), True


def _kept(row: Row, query: Query, now: datetime) -> bool:
    if query.track not in ("all", row.track):
        return False
    return query.age == "any" or now - row.received > timedelta(days=int(query.age))


def _order(sort: Sort) -> Callable[[Row], Any]:
    if sort == "due":
        return lambda row: (not row.open, row.due.at, row.number)
    if sort == "member":
        return lambda row: (row.member.casefold(), row.received)
    return lambda row: row.received


def row(service: AuthorizationService, case: Case, now: datetime) -> Row:
    """A record as a row."""
    opened = case.opened
    plan = service.directory().plans.get(opened.plan or "")
    zone = plan.zone if plan else "America/New_York"
    deadline = due(opened, zone, now)
    return Row(
        id=case.id,
        number=case.number,
        member=member_name(case),
        member_number=opened.member or next(iter(opened.member_numbers), None),
        plan=plan.name if plan else opened.plan or "presented coverage",
        requester=opened.requester.name or opened.requester.npi or "unknown",
        track=opened.track,
        received=opened.received,
        lines=tuple(_line(line, zone) for line in case.ordered),
        open=any(line.state in OPEN_STATES for line in case.ordered),
        due=deadline,
        due_at=written(deadline.at, zone),
    )


def member_name(case: Case) -> str:
    """The member's name as it came with the request."""
    names = (person_name(name) for name in _names(case))
    return next((name for name in names if name), "unnamed member")


def _names(case: Case) -> Iterable[dict[str, object]]:
    return elements(case.opened.patient.get("name"))


def _why(line: Line) -> str:
    made = line.determination
    if made is None:
        return ""
    asked = line.questions.questions if line.questions else made.trace.get("missing", ())
    code = made.trace.get("reason_code")
    return words.reason(made.reason, outcome=made.outcome, code=code, human=made.human, open_questions=len(asked))


def _line(line: Line, zone: str) -> LineRow:
    determination = line.determination
    asked = line.questions
    return LineRow(
        sequence=line.sequence,
        service=words.code(line.requested.code),
        title=determination.title if determination else None,
        state=words.state(line.state),
        tone=words.state_tone(line.state),
        why=words.clipped(_why(line)),
        answer_due=written(asked.due, zone) if asked and asked.due else None,
    )
