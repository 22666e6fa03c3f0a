"""The use case "update": a later version of a request, chained to the earlier one by ``Claim.related``.

What a change means depends on where the line stands: while it is undecided it is looked at again; after an approval
less narrows it (the number stays) and more is decided afresh; after a denial nothing can be changed, that needs a new
request (reconsideration or appeal). Every answer holds every line ever asked for (PAS spec-46).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import structlog

from precert.authorization.deciding import judge
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import (
    Authorization,
    Case,
    CaseUpdated,
    Event,
    Line,
    LineRequest,
    Recorder,
    decode,
    fold,
)
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection, Renderer, bound_versions
from precert.authorization.usecases.give_up import CANCELLABLE, GivenUp, given_up, last_word
from precert.authorization.usecases.metering import Kind, exchange
from precert.authorization.usecases.on_record import OnRecord, on_record
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.submit import (
    Answered,
    answered,
    record_put,
    request_key,
    requested_event,
    submit,
    system_event,
)
from precert.store.port import Audit, Busy, Commit, Conflict, Document, Param, Replayed

log = structlog.get_logger(__name__)
_ATTEMPTS = 25
DENIED = frozenset({"denied", "denied_admin"})
GONE = frozenset({"cancelled", "dismissed"})
_OPEN = frozenset({"pended_info", "nurse_review", "md_review", "exempt", "repeated"})


@dataclass(slots=True)
class _Change:
    """One update in the making."""

    recorder: Recorder
    numbers: list[str]
    seen: OnRecord


async def update(service: AuthorizationService, submission: Submission, render: Renderer) -> Answered:
    """Process a request that refers to an earlier one. Unknown predecessor: it is taken as a new request.

    Raises the store's errors. Concurrent updates of one case follow one another; none is lost.
    """
    key = request_key(submission)
    earlier = await service.store.replay(service.tenant, key)
    if isinstance(earlier, Replayed):
        return Answered(earlier.result, replayed=True)
    started = service.runtime.now()
    for _ in range(_ATTEMPTS):
        document = await find_prior(service, submission)
        if document is None:
            return await submit(service, submission, render)
        case = fold(decode(document.body))
        seen = await on_record(service, submission, own=case)
        gone = GivenUp() if _refused(case, submission) else await given_up(service, case, submission)
        case, numbers, rejection = apply(service, case, submission, seen, gone.numbers)
        rendered = render(case, submission, rejection)
        now = service.runtime.now()
        audit = Audit("update", submission.submitter, case.number, now, {"lines": str(len(case.lines))})
        kind: Kind = "cancel" if submission.cancel_all else "update"
        metered = exchange(service.runtime.new_id(), kind, case, submission, started, now, rejection)
        commit = Commit(
            tenant=service.tenant,
            puts=[
                record_put(case, rendered, now, document.version),
                *rendered.puts,
                *gone.puts,
                metered,
                *seen.record.granting(case, numbers),
            ],
            outgoing=[*rendered.outgoing, *gone.outgoing],
            audit=[audit, *gone.audit],
            reserve=[reservation(number) for number in numbers],
            idempotency=key,
            result=rendered.body,
        )
        try:
            outcome = await service.store.commit(commit)
        except Conflict:
            log.info("record moved on, applying the update again", case=case.number)
            continue
        if gone.outgoing:
            service.settled()
        return answered(outcome, rendered, case, rejection)
    raise Busy


async def find_prior(service: AuthorizationService, submission: Submission) -> Document | None:
    """The record that the update continues: by any earlier Claim's URL, its identifiers, or a number of ours."""
    prior = submission.prior
    if prior is None:
        return None
    mine = Param("submitter", [submission.submitter])
    for name, values in (("claim", prior.claims), ("number", prior.numbers), ("identifier", prior.identifiers)):
        if values:
            page = await service.store.search(service.tenant, "Case", [Param(name, list(values)), mine], limit=1)
            if page.documents:
                return page.documents[0]
    return None


def apply(
    service: AuthorizationService,
    case: Case,
    submission: Submission,
    seen: OnRecord,
    gone: frozenset[str] = frozenset(),
) -> tuple[Case, list[str], Rejection | None]:
    """The record after the update: (case, new numbers, why the update is refused). ``seen`` is what other records hold
    that its lines may ask for, ``gone`` the authorizations there that end with it."""
    now = service.runtime.now()
    if refusal := _refused(case, submission):
        recorder = Recorder(case.events)
        detail = {"refused": refusal.key, "digest": submission.digest}
        recorder.append(_provider_event("note", now, submission, detail=detail))
        return fold(recorder.events), [], refusal
    who = service.who(submission, now)
    change = _Change(Recorder(case.events), [], seen)
    updated = CaseUpdated(
        claim=submission.claim, submission=service.runtime.new_id(), identifiers=submission.identifiers
    )
    change.recorder.append(msgspec.structs.replace(_provider_event("updated", now, submission), updated=updated))
    bound = bound_versions(case)
    asked = {line.sequence: line for line in submission.lines}
    for sequence in sorted({*case.lines, *asked}):
        known, wanted = case.lines.get(sequence), asked.get(sequence)
        if known is None and wanted is not None:
            _add(service, change, wanted, submission, who, now)
        elif known is not None and (submission.cancel_all or (wanted is not None and wanted.request == "cancel")):
            _cancel(service, change, known, submission, now, gone)
        elif known is not None and wanted is not None:
            _revise(service, change, known, wanted, submission, who, now, bound)
    return fold(change.recorder.events), change.numbers, None


def _refused(case: Case, submission: Submission) -> Rejection | None:
    """An update may not touch a denied line."""
    for position, wanted in enumerate(submission.lines):
        known = case.lines.get(wanted.sequence)
        touched = known is not None and (differs(known.requested, wanted) or wanted.request == "cancel")
        if known is not None and known.state in DENIED and touched:
            return Rejection("update_after_denial", f"Claim.item[{position}]")
    if case.lines and all(line.state in DENIED for line in case.ordered) and not submission.cancel_all:
        return Rejection("update_after_denial", "Claim.related")
    return None


def differs(before: LineRequest, after: LineRequest) -> bool:
    """Whether what is asked changed: service, modifiers, amount, dates, place, provider. Extensions do not count."""
    elements = ("productOrService", "modifier", "quantity", "revenue", "locationCodeableConcept", "locationReference")
    if any(before.item.get(e) != after.item.get(e) for e in elements):
        return True
    npi = (before.provider.npi if before.provider else None, after.provider.npi if after.provider else None)
    return npi[0] != npi[1] or (before.service_start, before.service_end) != (after.service_start, after.service_end)


def _provider_event(
    ev: str, at: datetime, submission: Submission, *, line: int | None = None, detail: dict[str, str] | None = None
) -> Event:
    return Event(seq=0, at=at, ev=ev, actor="provider", by=submission.submitter, line=line, detail=detail or {})


def _record(change: _Change, events: Sequence[Event], numbers: Sequence[str] = ()) -> None:
    for event in events:
        change.recorder.append(event)
    change.numbers.extend(numbers)


def _add(
    service: AuthorizationService,
    change: _Change,
    line: LineRequest,
    submission: Submission,
    who: Standing,
    now: datetime,
) -> None:
    change.recorder.append(requested_event(submission, line, now))
    change.recorder.append(system_event("validated", now, line=line.sequence))
    if line.request == "cancel" or submission.cancel_all:
        change.recorder.append(_provider_event("cancel", now, submission, line=line.sequence))
        return
    repeated, counted = change.seen.repeated(line), change.seen.counted(line)
    judged = service.judge_line(line, submission, who, now, repeated=repeated, counted=counted)
    _record(change, judged.events, judged.numbers)


def _cancel(
    service: AuthorizationService,
    change: _Change,
    known: Line,
    submission: Submission,
    now: datetime,
    gone: frozenset[str],
) -> None:
    word = last_word(known, gone, now, service.runtime.new_id())
    number = known.authorization.number if known.authorization is not None else None
    if known.state in CANCELLABLE or number in gone:  # cancelled before: the number may come afterwards
        ev = "cancel" if known.state in CANCELLABLE else "note"
        event = _provider_event(ev, now, submission, line=known.sequence)
        change.recorder.append(msgspec.structs.replace(event, determination=word))


def _revise(
    service: AuthorizationService,
    change: _Change,
    known: Line,
    wanted: LineRequest,
    submission: Submission,
    who: Standing,
    now: datetime,
    bound: dict[str, str],
) -> None:
    """An earlier line that comes again, changed or with new evidence."""
    if known.state in GONE or known.state in DENIED:
        return
    changed = differs(known.requested, wanted)
    repeated = change.seen.repeated(wanted) if known.state in _OPEN else None
    if known.state in lifecycle().in_force and changed and _asks_less(known, wanted):
        _narrow(change, known, wanted, submission, now)
        return
    if known.state == "pended_info" and not changed:
        change.recorder.append(_provider_event("info_received", now, submission, line=known.sequence))
    elif known.state in _OPEN and (changed or (known.state == "repeated" and repeated is None)):
        # an authorization that was repeated may have ended since
        change.recorder.append(_provider_event("revised", now, submission, line=known.sequence))
    elif changed and known.state in lifecycle().in_force:
        change.recorder.append(_provider_event("extend", now, submission, line=known.sequence))
    else:
        change.recorder.append(_provider_event("evidence", now, submission, line=known.sequence))
        return
    change.recorder.append(requested_event(submission, wanted, now))
    judged = service.judge_line(
        wanted,
        submission,
        who,
        now,
        state=change.recorder.state(known.sequence),
        reference=known.reference,
        bound=bound,
        repeated=repeated,
        counted=change.seen.counted(wanted),
    )
    state = change.recorder.state(known.sequence)
    bench = judge.Bench(wanted, service.runtime, now, state=state, reference=known.reference)
    judged = judge.after_a_cut(bench, judged, change.recorder.events)
    _record(change, judged.events, judged.numbers)


def _asks_less(known: Line, wanted: LineRequest) -> bool:
    """Only the amount changed, and it is not more than what was granted, in the same unit."""
    granted = known.authorization
    same = msgspec.structs.replace(
        wanted,
        item={**wanted.item, "quantity": known.requested.item.get("quantity")},
        quantity=known.requested.quantity,
    )
    if granted is None or granted.quantity is None or wanted.quantity is None or differs(known.requested, same):
        return False
    return wanted.quantity <= granted.quantity and wanted.unit == known.requested.unit


def _narrow(change: _Change, known: Line, wanted: LineRequest, submission: Submission, now: datetime) -> None:
    granted = known.authorization
    assert isinstance(granted, Authorization)
    change.recorder.append(requested_event(submission, wanted, now))
    smaller = msgspec.structs.replace(granted, quantity=wanted.quantity, unit=wanted.unit or granted.unit)
    narrowed = _provider_event("narrowed", now, submission, line=known.sequence)
    change.recorder.append(msgspec.structs.replace(narrowed, authorization=smaller))
