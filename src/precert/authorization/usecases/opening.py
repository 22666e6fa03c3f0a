"""A request becomes a new record: opened, every line decided, answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from precert.authorization.deciding.counted import NOTHING_COUNTED
from precert.authorization.deciding.due import decide_by
from precert.authorization.deciding.person import Trouble, identify
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, CaseOpened
from precert.authorization.record.chain import Recorder, encode, fold
from precert.authorization.record.numbers import NumberKind, issue
from precert.authorization.usecases.belonging import OTHER_MEMBER, OTHER_PAYER, OTHER_REQUESTER, parties_told
from precert.authorization.usecases.dependencies import (
    AuthorizationService,
    Budget,
    Early,
    Rejection,
    Renderer,
    with_early,
)
from precert.authorization.usecases.duplicates import Doubts, approved, doubts, handed_over
from precert.authorization.usecases.give_up import NOTHING_TO_CANCEL, GivenUp, taken_back
from precert.authorization.usecases.metering import Kind, exchange
from precert.authorization.usecases.on_record import OnRecord
from precert.authorization.usecases.recording import (
    early_puts,
    filed_early,
    provider_event,
    requested_event,
    system_event,
)
from precert.authorization.usecases.same_request import SentBefore
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import Unit
from precert.eligibility.directory import Directory, member_numbers
from precert.store.port import Audit, Idempotency, Put


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known before a request becomes a new record: what its lines may repeat (``seen``), what the client asked
    ``before`` under the same names, the authorizations that end with it (``gone``), whether the earlier request that it
    speaks of was not found, why it cannot be processed, what was attached ``early``, before it came, and ``who`` it is for and
    by, if that is certain enough for it not to be rejected."""

    seen: OnRecord | None = None
    before: SentBefore = field(default_factory=SentBefore)
    gone: GivenUp = field(default_factory=GivenUp)
    unknown_prior: bool = False
    rejection: Rejection | None = None
    early: Sequence[Early] = ()
    who: Standing | None = None


async def opened(
    service: AuthorizationService,
    submission: Submission,
    render: Renderer,
    key: Idempotency,
    opening: Opening,
    kind: Kind = "initial",
) -> Unit:
    """A new record for ``submission``, decided and answered."""
    case, numbers, rejection = decide(service, submission, opening=opening)
    doubt = await doubts(service, submission, case, approved(case.events))
    if doubt.reasons:
        if opening.seen is not None:
            opening.seen.taken.clear()
        case, numbers, rejection = decide(service, submission, opening=opening, doubt=doubt)
    rendered = render(case, submission, rejection)
    received = case.opened.received
    metered = exchange(service.runtime.new_id(), kind, case, submission, received, service.runtime.now(), rejection)
    audit = Audit(
        "submit" if kind == "initial" else kind,
        submission.submitter,
        case.number,
        received,
        {"lines": str(len(case.lines))},
    )
    return Unit(
        case,
        0,
        rendered,
        [audit, *opening.gone.audit],
        numbers,
        places=[*opening.before.places, *doubt.places],
        puts=[
            *early_puts(case, opening.early),
            *_resubmitted(submission, case, opening.before),
            *opening.gone.puts,
            *(opening.seen.record.granting(case, numbers) if opening.seen is not None else ()),
            metered,
        ],
        outgoing=opening.gone.outgoing,
        key=key,
        rejection=rejection,
    )


def _resubmitted(submission: Submission, case: Case, sent: SentBefore) -> list[Put]:
    """The same bundle identifier with other content: the newest earlier record of the same member and requester gets an
    event that points to the new case."""
    if sent.before is None:
        return []
    recorder = Recorder(sent.before.case.events)
    detail = {"case": case.id, "number": case.number, "digest": submission.digest}
    recorder.append(provider_event("resubmitted", case.opened.received, submission.submitter, detail=detail))
    earlier = fold(recorder.events)
    return [Put("Case", earlier.id, encode(earlier.events), earlier.tokens(), expect=sent.before.version)]


def decide(
    service: AuthorizationService,
    submission: Submission,
    seen: OnRecord | None = None,
    *,
    opening: Opening | None = None,
    doubt: Doubts | None = None,
) -> tuple[Case, list[str], Rejection | None]:
    """Everything between the request and the commit, without touching the store: (case, numbers used, rejection).

    ``seen`` is what was found on record that the lines may ask for again; ``doubt`` says of which lines it is not certain that
    they are no duplicates.
    """
    opening = opening or Opening(seen)
    now = service.runtime.now()
    rejection = opening.rejection
    if rejection is None and opening.who is None:
        rejection = reject(submission, service.directory())
    who = opening.who or service.who(submission, now)
    number = issue(NumberKind.CASE, service.runtime)
    recorder = Recorder()
    told = {"parties": parties_told(submission)}
    opened = _opened(service, submission, who, number, now)
    if rejection is not None and rejection.key not in _NUMBERS_STAND:
        opened = msgspec.structs.replace(opened, member_numbers=())  # nobody's record is to be found under them
    recorder.append(system_event("opened", now, opened=opened, detail=told))
    if submission.not_counted:
        left_out = [issue.text for issue in submission.warnings if issue.rule in ("other-subject", "no-subject")]
        recorder.append(system_event("note", now, detail={"notCounted": left_out}))
    numbers = [number]
    for arrived in filed_early(opening.early, now):
        recorder.append(arrived)
    whole = with_early(submission, opening.early)
    if rejection is not None:
        recorder.append(system_event("note", now, detail={"reject": rejection.key, "path": rejection.path}))
    elif opening.unknown_prior:
        recorder.append(system_event("note", now, detail={"prior": "unknown"}))
    for gone in sorted(opening.gone.numbers) if not submission.lines else ():
        recorder.append(provider_event("note", now, submission.submitter, detail={"cancelled": gone}))
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
            said = opening.gone.said.get(line.sequence, NOTHING_TO_CANCEL)
            recorder.append(taken_back(service, submission, line.sequence, now, said))
            continue
        if doubt is not None and line.sequence in doubt.reasons:
            judged = handed_over(service, line, now, doubt.reasons[line.sequence])
        else:
            repeated = opening.seen.repeated(line) if opening.seen is not None else None
            counted = opening.seen.counted(line) if opening.seen is not None else NOTHING_COUNTED
            judged = service.judge_line(
                line, whole, who, now, budget=budget, repeated=repeated, counted=counted, decide_by=decide_by(opened)
            )
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


_NUMBERS_STAND = frozenset(
    {"member_not_found", "missing_member_id", "nothing_to_cancel", OTHER_MEMBER, OTHER_REQUESTER, OTHER_PAYER}
)
"""Rejections of requests whose member numbers are nobody else's, so that their records may be found under them."""


def reject(submission: Submission, directory: Directory) -> Rejection | None:
    """Why the request cannot be processed at all (an error, never a denial), or ``None``."""
    found = identify(submission.subject, directory)
    return Rejection(found.key, found.element) if isinstance(found, Trouble) else None
