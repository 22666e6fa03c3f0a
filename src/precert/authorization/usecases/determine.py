"""The use case "determination by a person": checked, recorded, numbered, rendered and announced in one commit."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from precert.authorization.deciding import judge
from precert.authorization.deciding.determination_rules import NURSE, PHYSICIAN, Incomplete, PersonDecides, check
from precert.authorization.record.case import (
    Authorization,
    Case,
    Determination,
    Event,
    Line,
    OpenQuestions,
    Recorder,
    decode,
    fold,
)
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submit import record_put
from precert.fhir.dates import parse_date
from precert.fhir.types import Element
from precert.policy.periods import Period
from precert.policy.types import Grant
from precert.store.port import Audit, Commit, Conflict, Document


class Stale(Exception):
    """The caller's version of the record is not the current one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the record is at version {current} by now")
        self.current = current


async def determine(
    service: AuthorizationService, document: Document, sequence: int, decides: PersonDecides
) -> tuple[Case, int]:
    """Record a person's decision on one line of the record in ``document``; returns the record and its new version.

    Raises KeyError (no such line), people.Closed / Forbidden / Incomplete, Stale (somebody was faster) and the store's.
    """
    case = fold(decode(document.body))
    line = case.lines[sequence]
    check(decides, line)
    now = service.runtime.now()
    recorder = Recorder(case.events)
    numbers: list[str] = []
    for event in _events(service, line, decides, now, numbers):
        recorder.append(event)
    case = fold(recorder.events)
    submission = await service.submission_of(case)
    rendered = service.changed(case, submission)
    audit = Audit(
        f"determination-{decides.outcome}", decides.by, case.number, now, {"line": str(sequence), "role": decides.role}
    )
    commit = Commit(
        tenant=service.tenant,
        puts=[record_put(case, rendered, now, document.version), *rendered.puts],
        outgoing=rendered.outgoing,
        audit=[audit],
        reserve=[reservation(number) for number in numbers],
    )
    try:
        await service.store.commit(commit)
    except Conflict as clash:
        raise Stale(clash.actual) from clash
    service.settled()
    return case, document.version + 1


def _events(
    service: AuthorizationService, line: Line, decides: PersonDecides, now: datetime, numbers: list[str]
) -> list[Event]:
    """The lifecycle events of the decision, from whatever open state the line is in."""

    def event(ev: str, actor: str = decides.role, **content: object) -> Event:
        by = decides.by if actor != "system" else "precert"
        made = Event(seq=0, at=now, ev=ev, actor=actor, by=by, line=line.sequence)
        return msgspec.structs.replace(made, **content)

    determination = _determination(service, line, decides, now)
    events: list[Event] = []
    if decides.role == PHYSICIAN:
        if line.state != "md_review":
            events.append(event("md_takes_up"))
    elif line.state == "pended_info":
        events.append(event("nurse_takes_up"))
    match decides.outcome, decides.role:
        case "pend", role:
            questions = _questions(service, line, decides, now)
            events.append(
                event("ask_more" if role == NURSE else "ask_more_md", determination=determination, questions=questions)
            )
        case "deny", _:
            events.append(event("md_denies", determination=determination))
        case outcome, role:
            authorization = _grant(service, line, decides, now)
            numbers.append(authorization.number)
            name = {"modify": "md_modifies"}.get(outcome, "nurse_approves" if role == NURSE else "md_approves")
            events.append(event(name, determination=determination, authorization=authorization))
            if outcome == "approve":  # a modified line stays so until its notices are out
                events.append(event("notified", "system"))
    return events


def _determination(service: AuthorizationService, line: Line, decides: PersonDecides, now: datetime) -> Determination:
    """The person's decision on top of the engine's trace, which stays as the grounds it was made on."""
    engine = line.determination
    notes = [text for text in (decides.rationale, decides.note) if text]
    if decides.outcome in ("deny", "modify"):
        notes += _why_not(line, decides.reasons)
    return Determination(
        id=service.runtime.new_id(),
        at=now,
        outcome=decides.outcome,
        by=decides.by,
        role=decides.role,
        human=True,
        policy=engine.policy if engine else None,
        version=engine.version if engine else None,
        title=engine.title if engine else None,
        reason=decides.rationale or decides.note or "",
        reasons=tuple(decides.reasons),
        notes=tuple(dict.fromkeys(notes)),
        npi=decides.npi,
        license=decides.license,
        specialty=decides.specialty,
        trace=engine.trace if engine else {},
    )


def _why_not(line: Line, reasons: list[str]) -> list[str]:
    """The policy's own plain sentences for the criteria that the physician cites."""
    trace = line.determination.trace if line.determination else {}
    texts = {c["id"]: c.get("why_not") or c.get("text") for c in trace.get("criteria", ())}
    return [f"{texts[reason]} ({reason})" for reason in reasons if texts.get(reason)]


def _questions(service: AuthorizationService, line: Line, decides: PersonDecides, now: datetime) -> OpenQuestions:
    engine = line.determination
    asked = [{("linkId" if k == "link_id" else k): v for k, v in q.items()} for q in _asked_by_engine(line)]
    if decides.reasons:
        asked = [q for q in asked if set(q.get("criteria", ())) & set(decides.reasons)]
    if decides.note:
        asked = [
            *asked,
            {"linkId": "note", "text": decides.note, "type": "text", "who": "clinical", "criteria": decides.reasons},
        ]
    return OpenQuestions(
        id=service.runtime.new_id(),
        asked=now,
        due=now + timedelta(days=judge.INFO_DAYS),
        policy=(engine.policy if engine else None) or "",
        version=(engine.version if engine else None) or "",
        questions=tuple(asked),
    )


def _asked_by_engine(line: Line) -> list[Element]:
    return list(line.determination.trace.get("questions", ())) if line.determination else []


def _grant(service: AuthorizationService, line: Line, decides: PersonDecides, now: datetime) -> Authorization:
    """What the person grants: what was asked, unless they say otherwise; the policy's period where they name none."""
    grant = _policy_grant(line)
    authorization = judge.authorize(line.requested, grant, service.runtime, now)
    given = decides.authorized
    if given is None:
        return authorization
    start, end = authorization.start, authorization.end
    if given.period:
        try:
            start, end = period_dates(given.period, start)
        except ValueError as error:
            raise Incomplete("authorized.period", str(error)) from error
    quantity = given.units if given.units is not None else authorization.quantity
    return msgspec.structs.replace(authorization, start=start, end=end, quantity=quantity)


def _policy_grant(line: Line) -> Grant | None:
    shown = line.determination.trace.get("grant") if line.determination else None
    if not isinstance(shown, dict):
        return None
    return Grant(period_days=shown.get("period_days"), period_months=shown.get("period_months"), unit=shown.get("unit"))


def period_dates(written: str, start: date) -> tuple[date, date | None]:
    """``2026-12-01/2027-02-28`` or ``12 weeks`` (from ``start``). Raises ValueError on anything else."""
    first, slash, last = written.partition("/")
    if slash:
        begin, finish = parse_date(first.strip()), parse_date(last.strip())
        if begin is None or finish is None or finish < begin:
            raise ValueError(
                f"{written!r} is not a period: give start/end dates in order, or a length such as '12 weeks'"
            )
        return begin, finish
    period = Period.parse(written)
    return start, judge.grant_end(start, Grant(period_days=period.days, period_months=period.months))
