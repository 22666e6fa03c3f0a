"""The use case "information received": evidence that arrives on its own (an attachment, a completed questionnaire).

Whatever was read is added to what the request brought, the lines that were waiting are decided again, and whoever has to
be told is told through the outbox, all in one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from precert.authorization.deciding import judge
from precert.authorization.record.case import Case, Event, Recorder, decode, fold
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.dependencies import AuthorizationService, bound_versions, with_attachment
from precert.authorization.usecases.metering import exchange
from precert.authorization.usecases.on_record import on_record
from precert.authorization.usecases.submit import record_put
from precert.fhir.types import Element
from precert.store.port import Audit, Busy, Commit, Conflict, Idempotency, Put, Stored

log = structlog.get_logger(__name__)
_ATTEMPTS = 25


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived: a Bundle of the resources that could be read (its id and bytes), from whom, and for which lines.

    ``key`` makes a repetition harmless. An empty ``lines`` means every waiting line.
    """

    bundle: str
    raw: bytes
    sender: str
    key: Idempotency
    lines: Sequence[int] = ()
    detail: Element | None = None


async def receive(service: AuthorizationService, case_id: str, received: Received) -> Case:
    """File ``received`` on the record and decide the waiting lines again. Raises KeyError for an unknown case.

    Lines in nurse or physician review stay there: the person who reviews sees the new evidence.
    """
    for _ in range(_ATTEMPTS):
        document = await service.store.get(service.tenant, "Case", case_id)
        if document is None:
            raise KeyError(case_id)
        case, numbers, granting = await _apply(service, fold(decode(document.body)), received)
        submission = await service.submission_of(case)
        rendered = service.changed(case, submission)
        now = service.runtime.now()
        scope = {"case": [case.id], "submitter": [case.opened.submitter], "id": [received.bundle]}
        filed = Put("Bundle", received.bundle, received.raw, scope, expect=0)
        metered = exchange(service.runtime.new_id(), "subsequent", case, submission, now, now)
        commit = Commit(
            tenant=service.tenant,
            puts=[
                filed,
                record_put(case, rendered, now, document.version),
                *rendered.puts,
                metered,
                *granting,
            ],
            outgoing=rendered.outgoing,
            audit=[Audit("information-received", received.sender, case.number, now)],
            reserve=[reservation(number) for number in numbers],
            idempotency=received.key,
        )
        try:
            outcome = await service.store.commit(commit)
        except Conflict:
            log.info("record moved on, filing the information again", case=case.number)
            continue
        if isinstance(outcome, Stored):
            service.settled()
        return case
    raise Busy


async def _apply(service: AuthorizationService, case: Case, received: Received) -> tuple[Case, list[str], list[Put]]:
    now = service.runtime.now()
    recorder = Recorder(case.events)
    detail: Element = {"bundle": received.bundle, **(received.detail or {})}
    recorder.append(Event(seq=0, at=now, ev="evidence", actor="provider", by=received.sender, detail=detail))
    whole = with_attachment(await service.submission_of(case), received.raw)
    who = service.who(whole, now)
    seen = await on_record(service, whole, own=case)
    numbers: list[str] = []
    for line in case.ordered:
        if line.state != "pended_info" or (received.lines and line.sequence not in received.lines):
            continue
        recorder.append(
            Event(seq=0, at=now, ev="info_received", actor="provider", by=received.sender, line=line.sequence)
        )
        judged = service.judge_line(
            line.requested,
            whole,
            who,
            now,
            state="auto_review",
            reference=line.reference,
            bound=bound_versions(case),
            repeated=seen.repeated(line.requested),
            counted=seen.counted(line.requested),
        )
        bench = judge.Bench(line.requested, service.runtime, now, state="auto_review", reference=line.reference)
        judged = judge.after_a_cut(bench, judged, recorder.events)
        numbers.extend(judged.numbers)
        for event in judged.events:
            recorder.append(event)
    whole_case = fold(recorder.events)
    return whole_case, numbers, seen.record.granting(whole_case, numbers)
