"""The use case "update": a later version of a request, chained to the earlier one by ``Claim.related``.

What a change means depends on where the line stands: while it is undecided it is looked at again; after an approval
less narrows it (the number stays) and more is decided afresh; after a denial nothing can be changed, that needs a new
request (reconsideration or appeal). Every answer holds every line ever asked for (PAS spec-46). What is on file counts
for every version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from precert.authorization.deciding import judge
from precert.authorization.deciding.due import decide_by
from precert.authorization.deciding.people import after_people
from precert.authorization.deciding.service import RANGE_END
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Authorization, Case, CaseUpdated, Event, Line, LineRequest
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases import on_file
from precert.authorization.usecases.changed_evidence import changed_evidence, standing_lines
from precert.authorization.usecases.dependencies import (
    AuthorizationService,
    Early,
    Rejection,
    Renderer,
    bound_versions,
    with_early,
)
from precert.authorization.usecases.duplicates import Doubts, approved, doubts, handed_over
from precert.authorization.usecases.give_up import (
    CANCELLABLE,
    NOTHING_TO_CANCEL,
    GivenUp,
    given_up,
    last_word,
    taken_back,
)
from precert.authorization.usecases.metering import Kind, exchange
from precert.authorization.usecases.on_record import OnRecord, on_record
from precert.authorization.usecases.recording import (
    early_puts,
    filed_early,
    provider_event,
    requested_event,
    system_event,
)
from precert.authorization.usecases.same_request import DENIED, GONE
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import Unit
from precert.fhir.extension import extension_value
from precert.store.port import Audit, Idempotency, Put

_OPEN = frozenset({"pended_info", "nurse_review", "md_review", "exempt", "repeated"})


@dataclass(slots=True)
class Change:
    """One update in the making: ``submission`` is what arrived, ``whole`` the same with all that is on file; ``seen`` is what
    other records hold that its lines may ask for, ``gone`` are the authorizations there that end with it."""

    submission: Submission
    whole: Submission
    who: Standing
    now: datetime
    seen: OnRecord
    gone: frozenset[str] = frozenset()
    doubt: Doubts = field(default_factory=Doubts)
    early: Sequence[Early] = ()
    bound: dict[str, str] = field(default_factory=dict)
    decide_by: datetime | None = None
    recorder: Recorder = field(default_factory=Recorder)
    numbers: list[str] = field(default_factory=list)

    def provider(self, ev: str, line: int | None = None) -> Event:
        """An event that the sender causes."""
        return provider_event(ev, self.now, self.submission.submitter, line=line)

    def record(self, events: Sequence[Event], numbers: Sequence[str] = ()) -> None:
        """Take in what was decided."""
        for event in events:
            self.recorder.append(event)
        self.numbers.extend(numbers)


async def continued(
    service: AuthorizationService,
    case: Case,
    version: int,
    submission: Submission,
    render: Renderer,
    key: Idempotency,
) -> Unit:
    """The record ``case``, stored at ``version``, after ``submission``. The sender's right to it is checked by the caller.

    Raises the store's errors.
    """
    now = service.runtime.now()
    if refusal := update_refused(case, submission):
        recorder = Recorder(case.events)
        detail = {"refused": refusal.key, "digest": submission.digest}
        recorder.append(provider_event("note", now, submission.submitter, detail=detail))
        return _unit(service, fold(recorder.events), version, submission, render, key, GivenUp(), (), refusal)
    who = service.who(submission, now)
    gone = await given_up(service, case, submission, who)
    whose = submission.whose
    files = [*await service.files(case, whose), on_file.contents(submission.bundle, whose)]
    early = await service.early(submission)
    change = Change(
        submission,
        with_early(on_file.with_files(submission, files), early),
        who,
        now,
        await on_record(service, submission, own=case),
        gone.numbers,
        bound=bound_versions(case),
        decide_by=decide_by(case.opened),
        early=early,
    )
    after = apply(service, case, change)
    change.doubt = await doubts(service, submission, after, approved(after.events[len(case.events) :]))
    if change.doubt.reasons:
        change.seen.taken.clear()
        after = apply(service, case, change)
    if lines := standing_lines(case, after):
        was = await service.submission_of(case)
        news = changed_evidence(service, lines, case, (was, change.whole), who, change.seen, now)
        change.record(news)
        after = fold(change.recorder.events)
    places = change.doubt.places
    granting = change.seen.record.granting(after, change.numbers)
    names = (change.numbers, places)
    return _unit(service, after, version, submission, render, key, gone, names, None, early, granting)


def _unit(
    service: AuthorizationService,
    case: Case,
    version: int,
    submission: Submission,
    render: Renderer,
    key: Idempotency,
    gone: GivenUp,
    names: Sequence[Sequence[str]],
    rejection: Rejection | None,
    early: Sequence[Early] = (),
    granting: Sequence[Put] = (),
) -> Unit:
    numbers, places = names or ((), ())
    now = service.runtime.now()
    rendered = render(case, submission, rejection)
    audit = Audit("update", submission.submitter, case.number, now, {"lines": str(len(case.lines))})
    kind: Kind = "cancel" if submission.cancel_all else "update"
    metered = exchange(service.runtime.new_id(), kind, case, submission, now, now, rejection)
    return Unit(
        case,
        version,
        rendered,
        [audit, *gone.audit],
        numbers,
        places,
        puts=[*early_puts(case, early), *gone.puts, *granting, metered],
        outgoing=gone.outgoing,
        key=key,
        rejection=rejection,
    )


def apply(service: AuthorizationService, case: Case, change: Change) -> Case:
    """The record after the update."""
    submission = change.submission
    change.recorder, change.numbers = Recorder(case.events), []
    updated = CaseUpdated(
        claim=submission.claim, submission=service.runtime.new_id(), identifiers=submission.identifiers
    )
    change.recorder.append(msgspec.structs.replace(change.provider("updated"), updated=updated))
    change.record(filed_early(change.early, change.now))
    asked = {line.sequence: line for line in submission.lines}
    for sequence in sorted({*case.lines, *asked}):
        known, wanted = case.lines.get(sequence), asked.get(sequence)
        if known is None and wanted is not None:
            _add(service, change, wanted)
        elif known is not None and (submission.cancel_all or (wanted is not None and wanted.request == "cancel")):
            _cancel(service, change, known)
        elif known is not None and wanted is not None:
            _revise(service, change, known, wanted)
    return fold(change.recorder.events)


def update_refused(case: Case, submission: Submission) -> Rejection | None:
    """Why an update is not taken: it may not touch a denied line; that needs a new request."""
    for position, wanted in enumerate(submission.lines):
        known = case.lines.get(wanted.sequence)
        touched = known is not None and (differs(known.requested, wanted) or wanted.request == "cancel")
        if known is not None and known.state in DENIED and touched:
            return Rejection("update_after_denial", f"Claim.item[{position}]")
    if case.lines and all(line.state in DENIED for line in case.ordered) and not submission.cancel_all:
        return Rejection("update_after_denial", "Claim.related")
    return None


_ASKED = (
    *(
        "productOrService",
        "modifier",
        "revenue",
        "category",
        "programCode",
        "detail",
        "bodySite",
        "subSite",
        "quantity",
    ),
    *("locationCodeableConcept", "locationReference", "locationAddress"),
)
"""The elements of a Claim's item that say what is asked, how much and where."""


def differs(before: LineRequest, after: LineRequest) -> bool:
    """Whether what is asked changed: service, parts of it, modifiers, amount, dates, place, provider. Of the extensions only
    the end of a range of codes counts."""
    if any(before.item.get(e) != after.item.get(e) for e in _ASKED):
        return True
    if extension_value(before.item, RANGE_END) != extension_value(after.item, RANGE_END):
        return True
    npi = (before.provider.npi if before.provider else None, after.provider.npi if after.provider else None)
    return npi[0] != npi[1] or (before.service_start, before.service_end) != (after.service_start, after.service_end)


def _add(service: AuthorizationService, change: Change, line: LineRequest) -> None:
    change.recorder.append(requested_event(change.submission, line, change.now))
    change.recorder.append(system_event("validated", change.now, line=line.sequence))
    if line.request == "cancel" or change.submission.cancel_all:
        change.recorder.append(taken_back(service, change.submission, line.sequence, change.now, NOTHING_TO_CANCEL))
        return
    if (doubt := change.doubt.reasons.get(line.sequence)) is not None:
        judged = handed_over(service, line, change.now, doubt)
    else:
        repeated, counted = change.seen.repeated(line), change.seen.counted(line)
        judged = service.judge_line(
            line,
            change.whole,
            change.who,
            change.now,
            repeated=repeated,
            counted=counted,
            decide_by=change.decide_by,
        )
    change.record(judged.events, judged.numbers)


def _cancel(service: AuthorizationService, change: Change, known: Line) -> None:
    word = last_word(known, change.gone, change.now, service.runtime.new_id())
    number = known.authorization.number if known.authorization is not None else None
    if known.state in CANCELLABLE or number in change.gone:  # cancelled before: the number may come afterwards
        event = change.provider("cancel" if known.state in CANCELLABLE else "note", known.sequence)
        change.recorder.append(msgspec.structs.replace(event, determination=word))


def _revise(service: AuthorizationService, change: Change, known: Line, wanted: LineRequest) -> None:
    """An earlier line that comes again, changed or with new evidence."""
    if known.state in GONE or known.state in DENIED:
        return
    changed = differs(known.requested, wanted)
    repeated = change.seen.repeated(wanted) if known.state in _OPEN else None
    if known.state in lifecycle().in_force and changed and asks_less(known, wanted):
        _narrow(change, known, wanted)
        return
    if known.state == "pended_info" and not changed:
        change.recorder.append(change.provider("info_received", known.sequence))
    elif known.state in _OPEN and (changed or (known.state == "repeated" and repeated is None)):
        # an authorization that was repeated may have ended since
        change.recorder.append(change.provider("revised", known.sequence))
    elif changed and known.state in lifecycle().in_force:
        change.recorder.append(change.provider("extend", known.sequence))
    else:
        change.recorder.append(change.provider("evidence", known.sequence))
        return
    change.recorder.append(requested_event(change.submission, wanted, change.now))
    state = change.recorder.state(known.sequence)
    if (doubt := change.doubt.reasons.get(known.sequence)) is not None:
        judged = handed_over(service, wanted, change.now, doubt, state=state, reference=known.reference)
    else:
        judged = service.judge_line(
            wanted,
            change.whole,
            change.who,
            change.now,
            state=state,
            reference=known.reference,
            decide_by=change.decide_by,
            bound=change.bound,
            repeated=repeated,
            counted=change.seen.counted(wanted),
        )
    under_review = judge.LineUnderReview(wanted, service.runtime, change.now, state=state, reference=known.reference)
    judged = after_people(under_review, judged, change.recorder.events)
    change.record(judged.events, judged.numbers)


def asks_less(known: Line, wanted: LineRequest) -> bool:
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


def _narrow(change: Change, known: Line, wanted: LineRequest) -> None:
    granted = known.authorization
    assert isinstance(granted, Authorization)
    change.recorder.append(requested_event(change.submission, wanted, change.now))
    smaller = msgspec.structs.replace(granted, quantity=wanted.quantity, unit=wanted.unit or granted.unit)
    narrowed = change.provider("narrowed", known.sequence)
    change.recorder.append(msgspec.structs.replace(narrowed, authorization=smaller))
