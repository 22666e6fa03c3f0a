"""The use case "submit": from a request to a stored, answered, explainable case, in one atomic commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from precert.authorization.deciding.counted import NOTHING_COUNTED
from precert.authorization.deciding.person import Trouble, identify
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, CaseOpened, Event, LineRequest, Recorder, decode, encode, fold
from precert.authorization.record.numbers import NumberKind, issue, reservation
from precert.authorization.usecases.dependencies import AuthorizationService, Budget, Rejection, Rendered, Renderer
from precert.authorization.usecases.metering import exchange
from precert.authorization.usecases.on_record import OnRecord, on_record
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import Directory, member_numbers
from precert.fhir.types import Element
from precert.store.port import (
    AlreadyTaken,
    Audit,
    Busy,
    Commit,
    Conflict,
    Idempotency,
    KeyReused,
    Param,
    Put,
    Replayed,
    Stored,
)

log = structlog.get_logger(__name__)
_ATTEMPTS = 25  # of n requests that arrive at once under one bundle identifier, one gets through in each round


@dataclass(frozen=True, slots=True)
class Answered:
    """``body`` is what to send; ``replayed`` says it was stored by an earlier, identical request."""

    body: bytes
    replayed: bool = False
    case: Case | None = None
    rejection: Rejection | None = None


def request_key(submission: Submission) -> Idempotency:
    """Under what a repetition of this request is recognised: who, which base, which bundle, what content."""
    parts = (submission.submitter, submission.version, submission.identity or "", submission.digest)
    return Idempotency("|".join(parts), submission.digest)


async def submit(service: AuthorizationService, submission: Submission, render: Renderer) -> Answered:
    """Process one new request and answer it.

    The same request sent again (same bundle identifier and content) gets the stored answer and makes no second case.
    Raises the store's errors; when it returns, the case and the answer are durable.
    """
    key = request_key(submission)
    earlier = await service.store.replay(service.tenant, key)
    if isinstance(earlier, Replayed):
        return Answered(earlier.result, replayed=True)
    for attempt in range(1, _ATTEMPTS + 1):
        seen = await on_record(service, submission)
        case, numbers, rejection = decide(service, submission, seen)
        rendered = render(case, submission, rejection)
        metered = exchange(
            service.runtime.new_id(),
            "initial",
            case,
            submission,
            case.opened.received,
            service.runtime.now(),
            rejection,
        )
        link, place = await _resubmitted(service, submission, case)
        puts = [*rendered.puts, *link, metered, *seen.record.granting(case, numbers)]
        commit = _commit(service, case, [*map(reservation, numbers), *place], rendered, puts, key)
        try:
            outcome = await service.store.commit(commit)
        except (AlreadyTaken, Conflict) as clash:  # a number drawn twice, or the earlier record moved on meanwhile
            log.warning("commit clashed, trying again", attempt=attempt, why=type(clash).__name__)
            continue
        return answered(outcome, rendered, case, rejection)
    raise Busy


def answered(
    outcome: Stored | Replayed | KeyReused, rendered: Rendered, case: Case, rejection: Rejection | None = None
) -> Answered:
    """What a commit's outcome means for the sender: the new answer, or the one that a faster twin stored."""
    if isinstance(outcome, Stored):
        return Answered(rendered.body, case=case, rejection=rejection)
    return Answered(outcome.result, replayed=True)


def record_put(case: Case, rendered: Rendered, at: datetime, expect: int) -> Put:
    """The record as one document, with the event that says under which ids it was answered; findable by every number."""
    recorder = Recorder(case.events)
    if rendered.numbers:
        recorder.append(system_event("answered", at, detail={"numbers": list(rendered.numbers)}))
    whole = fold(recorder.events)
    return Put("Case", case.id, encode(whole.events), whole.tokens(), expect=expect)


def _commit(
    service: AuthorizationService,
    case: Case,
    reserve: Sequence[str],
    rendered: Rendered,
    puts: Sequence[Put],
    key: Idempotency,
) -> Commit:
    opened = case.opened
    audit = Audit("submit", opened.submitter, case.number, opened.received, {"lines": str(len(case.lines))})
    return Commit(
        tenant=service.tenant,
        puts=[record_put(case, rendered, opened.received, 0), *puts],
        outgoing=rendered.outgoing,
        audit=[audit],
        reserve=reserve,
        idempotency=key,
        result=rendered.body,
    )


async def _resubmitted(
    service: AuthorizationService, submission: Submission, case: Case
) -> tuple[list[Put], list[str]]:
    """The same bundle identifier with other content: the newest earlier record gets an event that points to the new case.

    Also returns what to reserve: the new case's place in the row of cases under this identifier. Of two requests that
    arrive at once and see the same row one loses its place, looks again and finds the other.
    """
    if submission.identity is None:
        return [], []
    params = [Param("identifier", [submission.identity]), Param("submitter", [submission.submitter])]
    page = await service.store.search(service.tenant, "Case", params, limit=1)
    detail = {"case": case.id, "number": case.number, "digest": submission.digest}
    event = Event(
        seq=0, at=case.opened.received, ev="resubmitted", actor="provider", by=submission.submitter, detail=detail
    )
    puts = []
    newest = ""
    for document in page.documents:
        recorder = Recorder(decode(document.body))
        recorder.append(event)
        newest = f"{document.id}@{document.version}"  # its state: it may be the newest again after a change
        puts.append(
            Put("Case", document.id, encode(recorder.events), fold(recorder.events).tokens(), expect=document.version)
        )
    return puts, [f"identifier:{submission.submitter}|{submission.identity}|after:{newest}"]


def decide(
    service: AuthorizationService, submission: Submission, seen: OnRecord | None = None
) -> tuple[Case, list[str], Rejection | None]:
    """Everything between the request and the commit, without touching the store: (case, numbers used, rejection).

    ``seen`` is what was found on record that the lines may ask for again.
    """
    now = service.runtime.now()
    rejection = reject(submission, service.directory())
    who = service.who(submission, now)
    number = issue(NumberKind.CASE, service.runtime)
    recorder = Recorder()
    opened = _opened(service, submission, who, number, now)
    if rejection is not None and rejection.key not in _NUMBERS_STAND:
        opened = msgspec.structs.replace(opened, member_numbers=())  # nobody's record is to be found under them
    recorder.append(system_event("opened", now, opened=opened))
    if submission.not_counted:
        said = [issue.text for issue in submission.warnings if issue.rule in ("other-subject", "no-subject")]
        recorder.append(system_event("note", now, detail={"notCounted": said}))
    numbers = [number]
    for line in submission.lines:
        recorder.append(requested_event(submission, line, now))
    budget = Budget()
    for line in submission.lines:
        if rejection is not None:
            detail = {"reject": rejection.key}
            recorder.append(system_event("member_not_found", now, line=line.sequence, detail=detail))
            continue
        recorder.append(system_event("validated", now, line=line.sequence))
        if submission.cancel_all or line.request == "cancel":
            recorder.append(
                Event(seq=0, at=now, ev="cancel", actor="provider", by=submission.submitter, line=line.sequence)
            )
            continue
        repeated = seen.repeated(line) if seen is not None else None
        counted = seen.counted(line) if seen is not None else NOTHING_COUNTED
        judged = service.judge_line(line, submission, who, now, budget=budget, repeated=repeated, counted=counted)
        numbers.extend(judged.numbers)
        for event in judged.events:
            recorder.append(event)
    return fold(recorder.events), numbers, rejection


def _opened(
    service: AuthorizationService, submission: Submission, who: Standing, number: str, now: datetime
) -> CaseOpened:
    requester = submission.requester
    if who.provider is not None:
        requester = msgspec.structs.replace(requester, npi=who.provider.npi, network=who.provider.network)
    return CaseOpened(
        case=service.runtime.new_id(),
        number=number,
        submitter=submission.submitter,
        received=now,
        track=submission.track,
        identifiers=submission.identifiers,
        claim=submission.claim,
        submission=service.runtime.new_id(),
        patient=submission.patient,
        insurer=submission.insurer,
        requester=requester,
        coverage=who.coverage,
        member=who.member.id if who.member else None,
        plan=who.plan.id if who.plan else None,
        lob=who.coverage.get("lob"),
        member_numbers=tuple(member_numbers(submission.patient, submission.coverage, submission.subscriber)),
        transmission=submission.transmission,
        root=submission.root,
        version=submission.version,
        assertions=submission.assertions,
    )


def system_event(
    ev: str,
    at: datetime,
    *,
    line: int | None = None,
    opened: CaseOpened | None = None,
    requested: LineRequest | None = None,
    detail: Element | None = None,
) -> Event:
    """An event that the system itself causes."""
    return Event(
        seq=0,
        at=at,
        ev=ev,
        actor="system",
        by="precert",
        line=line,
        opened=opened,
        requested=requested,
        detail=detail or {},
    )


def requested_event(submission: Submission, line: LineRequest, at: datetime) -> Event:
    """The event that a line is asked for. Its detail names the order behind it, as the client calls it."""
    order = submission.orders.get(line.sequence)
    detail = {"order": order.reference} if order is not None and order.reference is not None else None
    return system_event("requested", at, line=line.sequence, requested=line, detail=detail)


_NUMBERS_STAND = frozenset({"member_not_found", "missing_member_id"})
"""Rejections of requests whose member numbers are nobody else's."""


def reject(submission: Submission, directory: Directory) -> Rejection | None:
    """Why the request cannot be processed at all (an error, never a denial), or ``None``."""
    found = identify(submission.subject, directory)
    return Rejection(found.key, found.element) if isinstance(found, Trouble) else None
