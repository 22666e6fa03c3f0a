"""The use case "determination by a person": checked, recorded, numbered, rendered and announced in one commit.

A person decides on the record as they saw it: if it moved on since, nothing is stored and they are told (:class:`Stale`). What
else may have moved (the turn of the member, a number that is taken) is no matter of theirs, and is looked at again.

The referral of a line to a physician, by which nothing is decided, is the other half (:func:`refer`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from precert.authorization.deciding.determination_rules import (
    NURSE,
    PHYSICIAN,
    Incomplete,
    PersonDecides,
    PersonRefers,
    Reviewed,
    check,
    check_referral,
)
from precert.authorization.deciding.due import answer_by, decide_by
from precert.authorization.deciding.grounds import Ground, engine_determination, grounds
from precert.authorization.deciding.names import plain_name
from precert.authorization.deciding.parties import human_names
from precert.authorization.deciding.standing import service_day
from precert.authorization.deciding.terms import Measure, Terms
from precert.authorization.record.case import NOTE, Authorization, Case, Determination, Event, Line, OpenQuestions
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.record.numbers import NumberKind, issue
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.turn import turn_of
from precert.authorization.usecases.unit_of_work import Unit, again, loaded, store
from precert.eligibility.directory import Directory
from precert.eligibility.directory import npis as npis_of
from precert.fhir.types import Element, elements
from precert.policy.catalogue import Catalogue
from precert.policy.types import Grant, Outcome
from precert.store.port import Audit, Conflict, Document


class Stale(Exception):
    """The caller's version of the record is not the current one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the record is at version {current} by now")
        self.current = current


async def determine(
    service: AuthorizationService, document: Document, sequence: int, decides: PersonDecides, client: str
) -> tuple[Case, int]:
    """Record a person's decision on one line of the record in ``document``; returns the record and its new version.

    ``client`` is the system through which the person acts; the audit names both. Raises KeyError (no such line), Closed,
    Forbidden and Incomplete of the determination rules, Stale (somebody was faster) and the store's.
    """

    def step(reviewed: Reviewed) -> tuple[list[Event], list[str]]:
        terms = check(decides, reviewed)
        numbers: list[str] = []
        return _events(service, reviewed, decides, terms, numbers), numbers

    audit = (f"determination-{decides.outcome}", decides.by, decides.role, client)
    return await change_line(service, document, sequence, step, audit)


async def refer(
    service: AuthorizationService, document: Document, sequence: int, refers: PersonRefers, client: str
) -> tuple[Case, int]:
    """Hand one line to a physician, with the reason. Returns and raises as :func:`determine` does."""

    def step(reviewed: Reviewed) -> tuple[list[Event], list[str]]:
        check_referral(refers, reviewed)
        detail = {"reason": refers.reason, **({"question": refers.question} if refers.question else {})}
        names = ["nurse_takes_up"] if reviewed.line.state == "pended_info" else []
        events = [_event(name, reviewed, refers) for name in (*names, "refer_up")]
        events[-1] = msgspec.structs.replace(events[-1], detail=detail)
        return events, []

    return await change_line(service, document, sequence, step, ("referral", refers.by, refers.role, client))


async def change_line(
    service: AuthorizationService,
    document: Document,
    sequence: int,
    step: Callable[[Reviewed], tuple[list[Event], list[str]]],
    audit: tuple[str, str, str, str],
) -> tuple[Case, int]:
    """What a person does to one line of the record in ``document``: ``step`` makes the events and the numbers that they use,
    ``audit`` is the action, who, in which role and through which client. Returns and raises as :func:`determine` does."""

    async def decided() -> Case:
        unit = await _unit(service, document, sequence, step, audit)
        try:
            await store(service, unit)
        except Conflict as clash:
            current = await service.store.get(service.tenant, "Case", document.id)
            if current is not None and current.version != document.version:
                raise Stale(current.version) from clash
            raise
        return unit.case

    return await again(decided), document.version + 1


async def _unit(
    service: AuthorizationService,
    document: Document,
    sequence: int,
    step: Callable[[Reviewed], tuple[list[Event], list[str]]],
    audit: tuple[str, str, str, str],
) -> Unit:
    before, version = loaded(document)
    turn = await turn_of(service.store, service.tenant, before.opened.member) if before.opened.member else None
    line = before.lines[sequence]
    now = service.runtime.now()
    submission = await service.submission_of(before)
    who = parties(before, submission, service.directory())
    events, numbers = step(reviewed(service.catalogue(), before, line, now, who))
    recorder = Recorder(before.events)
    for event in events:
        recorder.append(event)
    case = fold(recorder.events)
    action, by, role, client = audit
    return Unit(
        case,
        version,
        service.changed(case, submission),
        [Audit(action, by, case.number, now, {"line": str(sequence), "role": role, "client": client})],
        numbers,
        puts=turn.granting(case, numbers) if turn is not None else (),
    )


def reviewed(
    catalogue: Catalogue, case: Case, line: Line, now: datetime, involved: frozenset[str] = frozenset()
) -> Reviewed:
    """The line as the rules for people see it. ``involved`` are the parties that may not decide."""
    engine = engine_determination(case, line)
    policy = catalogue.get(engine.policy, engine.version) if engine and engine.policy and engine.version else None
    grant, known = _policy_grant(catalogue, engine)
    measure = Measure(line.requested, grant, known, service_day(line.requested, now.date()))
    return Reviewed(line, measure, now, engine, grounds(case, line, policy), involved, decide_by(case.opened))


def parties(case: Case, submission: Submission, directory: Directory) -> frozenset[str]:
    """The NPIs and names of who asks for, orders or renders something in the request, as sent and as the directory knows
    them, and the names of the member."""
    named = [case.opened.requester, submission.requester]
    named += [line.requested.provider for line in case.ordered if line.requested.provider is not None]
    npis = [*submission.requester_npis, *submission.care_team_npis]
    npis += [npi for order in submission.orders.values() for npi in order.npis]
    npis += [party.npi for party in named if party.npi]
    sent = [entry.get("resource") for entry in elements(submission.bundle.get("entry"))]
    practitioners = [each for each in elements(sent) if each.get("resourceType") == "Practitioner"]
    names = [name for party in named if (name := party.name)]
    names += [name for each in practitioners for human in elements(each.get("name")) for name in human_names(human)]
    npis += [number for each in practitioners for number in npis_of(each)]
    names += [known.name for npi in npis if (known := directory.providers.get(npi)) is not None]
    patients = [each for each in elements(sent) if each.get("resourceType") == "Patient"]
    patients += elements(case.opened.patient)
    names += [name for each in patients for human in elements(each.get("name")) for name in human_names(human)]
    return frozenset(one for one in (*npis, *names) if plain_name(one))


def _policy_grant(catalogue: Catalogue, engine: Determination | None) -> tuple[Grant | None, bool]:
    """What the policy grants, from the version that decided, and whether that can be told.

    The governing policy's terms; where it has none, those of the first policy beside it that has. Display values in the
    trace are never read back: they leave out what they do not show.
    """
    if engine is None or engine.policy is None or engine.version is None:
        return None, False
    beside = [e for e in engine.trace.get("considered", ()) if e.get("outcome") != Outcome.NOT_APPLICABLE]
    for name, version in [(engine.policy, engine.version), *((e.get("policy"), e.get("version")) for e in beside)]:
        policy = catalogue.get(str(name), str(version))
        if policy is None:
            return None, False
        if policy.grant is not None:
            return policy.grant, True
    return None, True


def _event(ev: str, reviewed: Reviewed, person: PersonDecides | PersonRefers) -> Event:
    return Event(seq=0, at=reviewed.now, ev=ev, actor=person.role, by=person.by, line=reviewed.line.sequence)


def _events(
    service: AuthorizationService, reviewed: Reviewed, decides: PersonDecides, terms: Terms | None, numbers: list[str]
) -> list[Event]:
    """The lifecycle events of the decision, from whatever open state the line is in."""
    line, now, role = reviewed.line, reviewed.now, decides.role
    determination = _determination(service, reviewed, decides)
    events: list[Event] = []

    def add(ev: str, **content: object) -> None:
        events.append(msgspec.structs.replace(_event(ev, reviewed, decides), **content))

    if role == PHYSICIAN and line.state != "md_review":
        add("md_takes_up")
    elif role == NURSE and line.state == "pended_info":
        add("nurse_takes_up")
    if decides.outcome == "pend":
        questions = _questions(service, reviewed, decides)
        add("ask_more" if role == NURSE else "ask_more_md", determination=determination, questions=questions)
    elif terms is None:
        add("md_denies", determination=determination)
    else:
        authorization = Authorization(
            number=issue(NumberKind.AUTHORIZATION, service.runtime),
            issued=now.date(),
            start=terms.start,
            end=terms.end,
            quantity=terms.quantity,
            unit=terms.unit,
        )
        numbers.append(authorization.number)
        ev = "md_modifies" if decides.outcome == "modify" else "nurse_approves" if role == NURSE else "md_approves"
        add(ev, determination=determination, authorization=authorization)
        if decides.outcome == "approve":  # one in part stays modified: in force, and its answer says what was cut
            events.append(Event(seq=0, at=now, ev="notified", actor="system", by="precert", line=line.sequence))
    return events


def _determination(service: AuthorizationService, reviewed: Reviewed, decides: PersonDecides) -> Determination:
    """The person's decision on top of the engine's trace, which stays as the grounds it was made on."""
    engine = reviewed.engine
    notes = [text for text in (decides.rationale, decides.note) if text]
    if decides.outcome in ("deny", "modify"):
        notes += [sentence for id in decides.reasons for sentence in _why_not(reviewed.grounds[id])]
    return Determination(
        id=service.runtime.new_id(),
        at=reviewed.now,
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


def _why_not(ground: Ground) -> Sequence[str]:
    """The policy's own plain sentence for a criterion that the physician cites; what was asked, if it is not known."""
    if ground.speaks == "unknown" and ground.asked is not None:
        return [f"Not shown: {ground.text} ({ground.id})", ground.asked.sentence]
    return [f"{ground.why_not or ground.text} ({ground.id})"]


def _questions(service: AuthorizationService, reviewed: Reviewed, decides: PersonDecides) -> OpenQuestions:
    """What goes out: the rules' own questions (of the criteria that are named, if any are) and the person's."""
    engine = reviewed.engine
    asked = [{("linkId" if k == "link_id" else k): v for k, v in q.items()} for q in _asked_by_engine(engine)]
    if decides.reasons:
        asked = [q for q in asked if set(q.get("criteria", ())) & set(decides.reasons)]
    if decides.note:
        asked = [
            *asked,
            {"linkId": NOTE, "text": decides.note, "type": "text", "who": "clinical", "criteria": decides.reasons},
        ]
    if not asked:
        raise Incomplete("note", "The rules have no question for these criteria: write one in note.")
    return OpenQuestions(
        id=service.runtime.new_id(),
        asked=reviewed.now,
        due=answer_by(reviewed.now, reviewed.decide_by),
        policy=(engine.policy if engine else None) or "",
        version=(engine.version if engine else None) or "",
        questions=tuple(asked),
    )


def _asked_by_engine(engine: Determination | None) -> list[Element]:
    return list(engine.trace.get("questions", ())) if engine else []
