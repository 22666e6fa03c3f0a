"""The use case "information received": evidence that arrives on its own (an attachment, a completed questionnaire).

Whatever was read is added to what the request brought, the lines that were waiting are decided again, and whoever has to
be told is told through the outbox, all in one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precert.authorization.deciding import judge
from precert.authorization.deciding.due import decide_by
from precert.authorization.deciding.people import after_people, unread
from precert.authorization.record.case import Case
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.usecases.changed_evidence import changed_evidence, standing_lines
from precert.authorization.usecases.dependencies import AuthorizationService, bound_versions, with_attachment
from precert.authorization.usecases.duplicates import Doubts, approved, doubts, handed_over
from precert.authorization.usecases.metering import exchange
from precert.authorization.usecases.on_record import OnRecord, on_record
from precert.authorization.usecases.recording import provider_event
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import Unit, change
from precert.fhir.types import Element
from precert.store.port import Audit, Idempotency, Put


@dataclass(frozen=True, slots=True)
class ReceivedEvidence:
    """What arrived: a Bundle of the resources that could be read (its id and bytes), from whom, and for which lines.

    ``key`` makes a repetition harmless. An empty ``lines`` means every waiting line. ``known_sender``: a party of the case sent
    it, or somebody who was asked. What anybody else sends is kept for a person; the rules never read it.
    """

    bundle: str
    raw: bytes
    sender: str
    key: Idempotency
    lines: Sequence[int] = ()
    detail: Element | None = None
    known_sender: bool = True


async def receive(service: AuthorizationService, case_id: str, received: ReceivedEvidence) -> Case:
    """File ``received`` on the record and decide the waiting lines again. Raises KeyError for an unknown case.

    Lines in nurse or physician review stay there: the person who reviews sees the new evidence. What arrives
    twice is filed once.
    """

    async def step(case: Case, version: int) -> Unit:
        after, numbers, places, granting = await _filed(service, case, received)
        submission = await service.submission_of(after)
        now = service.runtime.now()
        scope = {"case": [case.id], "submitter": [case.opened.submitter], "id": [received.bundle]}
        filed = Put("Bundle", received.bundle, received.raw, scope, expect=0)
        metered = exchange(service.runtime.new_id(), "subsequent", after, submission, now, now)
        return Unit(
            after,
            version,
            service.changed(after, submission),
            [Audit("information-received", received.sender, case.number, now)],
            numbers,
            places,
            puts=[filed, *granting, metered],
            key=received.key,
        )

    answered = await change(service, case_id, step)
    if answered.case is not None:
        return answered.case
    stored = await service.case(case_id)  # filed before
    assert stored is not None
    return stored[0]


_STRANGER = "Something was sent by who is no party of the case and was not asked; a reviewer looks at it."


async def _filed(
    service: AuthorizationService, case: Case, received: ReceivedEvidence
) -> tuple[Case, Sequence[str], Sequence[str], Sequence[Put]]:
    """(the record with what arrived, numbers drawn, names to be reserved, what is stored with a grant)."""
    was = await service.submission_of(case)
    whole = with_attachment(was, received.raw) if received.known_sender else was
    seen = await on_record(service, whole, own=case)
    after, numbers = _apply(service, case, received, whole, seen, Doubts())
    doubt = await doubts(service, whole, after, approved(after.events[len(case.events) :]))
    if doubt.reasons:
        seen.taken.clear()
        after, numbers = _apply(service, case, received, whole, seen, doubt)
    now = service.runtime.now()
    lines = standing_lines(case, after)
    if news := changed_evidence(service, lines, case, (was, whole), service.who(whole, now), seen, now):
        recorder = Recorder(after.events)
        for event in news:
            recorder.append(event)
        after = fold(recorder.events)
    return after, numbers, doubt.places, seen.record.granting(after, numbers)


def _apply(
    service: AuthorizationService,
    case: Case,
    received: ReceivedEvidence,
    whole: Submission,
    seen: OnRecord,
    doubt: Doubts,
) -> tuple[Case, list[str]]:
    now = service.runtime.now()
    recorder = Recorder(case.events)
    detail: Element = {"bundle": received.bundle, **(received.detail or {})}
    if not received.known_sender:
        detail["unknownSender"] = True
    recorder.append(provider_event("evidence", now, received.sender, detail=detail))
    who = service.who(whole, now)
    numbers: list[str] = []
    for line in case.ordered:
        if line.state != "pended_info" or (received.lines and line.sequence not in received.lines):
            continue
        recorder.append(provider_event("info_received", now, received.sender, line=line.sequence))
        if (reason := doubt.reasons.get(line.sequence)) is not None:
            judged = handed_over(service, line.requested, now, reason, state="auto_review", reference=line.reference)
        else:
            judged = service.judge_line(
                line.requested,
                whole,
                who,
                now,
                state="auto_review",
                reference=line.reference,
                decide_by=decide_by(case.opened),
                bound=bound_versions(case),
                repeated=seen.repeated(line.requested),
                counted=seen.counted(line.requested),
            )
        under_review = judge.LineUnderReview(
            line.requested, service.runtime, now, state="auto_review", reference=line.reference
        )
        if not received.known_sender:
            judged = unread(under_review, judged, _STRANGER)
        judged = after_people(under_review, judged, recorder.events)
        numbers.extend(judged.numbers)
        for event in judged.events:
            recorder.append(event)
    return fold(recorder.events), numbers
