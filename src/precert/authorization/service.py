"""The use case "submit": from a request to a stored, answered, explainable case, in one atomic commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from precert.authorization import judge
from precert.authorization.codes import Reject, code_table
from precert.authorization.context import (
    Standing,
    patient_view,
    payer_evidence,
    requester_view,
    service_day,
    standing,
)
from precert.authorization.numbers import NumberKind, issue, reservation
from precert.authorization.record import Case, CaseOpened, Event, LineRequest, Party, Recorder, decode, encode, fold
from precert.authorization.submission import Submission
from precert.eligibility.directory import Directory, Found, NoMember, NotFound
from precert.fhir.coding import codes
from precert.policy.catalogue import Catalogue
from precert.policy.types import LineContext
from precert.runtime import Runtime
from precert.store.port import AlreadyTaken, Audit, Commit, Conflict, Idempotency, Param, Put, Replayed, Store, Stored

log = structlog.get_logger(__name__)

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request could not be processed at all: a key of the reject table and where in the request the fault is."""

    key: str
    path: str

    @property
    def entry(self) -> Reject:
        return code_table().reject[self.key]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an edge made of a case: resources to store with it and the body to send. ``numbers`` lead to the case too."""

    body: bytes
    puts: Sequence[Put] = ()
    numbers: Sequence[str] = ()


Renderer = Callable[[Case, Submission, "Rejection | None"], Rendered]


@dataclass(frozen=True, slots=True)
class Answered:
    """``body`` is what to send; ``replayed`` says it was stored by an earlier, identical request."""

    body: bytes
    replayed: bool = False
    case: Case | None = None
    rejection: Rejection | None = None


@dataclass(slots=True)
class AuthorizationService:
    """Decides and records. ``directory`` and ``catalogue`` are asked for at each use, so that they can be reloaded."""

    store: Store
    directory: Callable[[], Directory]
    catalogue: Callable[[], Catalogue]
    runtime: Runtime = field(default_factory=Runtime)
    tenant: str = "default"

    async def submit(self, submission: Submission, render: Renderer, version: str) -> Answered:
        """Process one request and answer it. ``version`` names the shape of the answer (part of the replay key).

        The same request sent again (same bundle identifier and content) gets the stored answer and makes no second
        case. Raises the store's errors; when it returns, the case and the answer are durable.
        """
        key = Idempotency(
            f"{submission.submitter}|{version}|{submission.identity or ''}|{submission.digest}", submission.digest
        )
        earlier = await self.store.replay(self.tenant, key)
        if isinstance(earlier, Replayed):
            return Answered(earlier.result, replayed=True)
        for attempt in range(1, _ATTEMPTS + 1):
            case, numbers, rejection = self.decide(submission)
            rendered = render(case, submission, rejection)
            puts = [*rendered.puts, *await self._resubmitted(submission, case)]
            try:
                outcome = await self.store.commit(self._commit(case, numbers, rendered, puts, key))
            except (
                AlreadyTaken,
                Conflict,
            ) as clash:  # a number was drawn twice, or the earlier record moved on meanwhile
                log.warning("commit clashed, trying again", attempt=attempt, why=type(clash).__name__)
                if attempt == _ATTEMPTS:
                    raise
                continue
            if isinstance(outcome, Stored):
                return Answered(rendered.body, case=case, rejection=rejection)
            return Answered(outcome.result, replayed=True)
        raise AssertionError("unreachable: the loop returns or raises")

    def _commit(
        self, case: Case, numbers: Sequence[str], rendered: Rendered, puts: Sequence[Put], key: Idempotency
    ) -> Commit:
        tokens = case.tokens()
        tokens["number"] = sorted({*tokens["number"], *rendered.numbers})
        record = Put("Case", case.id, encode(case.events), tokens, expect=0)
        audit = Audit(
            "submit", case.opened.submitter, case.number, case.opened.received, {"lines": str(len(case.lines))}
        )
        return Commit(
            tenant=self.tenant,
            puts=[record, *puts],
            audit=[audit],
            reserve=[reservation(number) for number in numbers],
            idempotency=key,
            result=rendered.body,
        )

    async def _resubmitted(self, submission: Submission, case: Case) -> list[Put]:
        """The same bundle identifier with other content: the earlier record gets an event that points to the new case."""
        if submission.identity is None:
            return []
        page = await self.store.search(self.tenant, "Case", [Param("identifier", [submission.identity])], limit=1)
        puts = []
        for document in page.documents:
            recorder = Recorder(decode(document.body))
            recorder.append(
                Event(
                    seq=0,
                    at=case.opened.received,
                    ev="resubmitted",
                    actor="provider",
                    by=submission.submitter,
                    detail={"case": case.id, "number": case.number, "digest": submission.digest},
                )
            )
            earlier = fold(recorder.events)
            puts.append(Put("Case", document.id, encode(recorder.events), earlier.tokens(), expect=document.version))
        return puts

    def decide(self, submission: Submission) -> tuple[Case, list[str], Rejection | None]:
        """Everything between the request and the commit, without touching the store: (case, numbers used, rejection)."""
        now = self.runtime.now()
        directory = self.directory()
        found = directory.find(submission.patient, submission.coverage, submission.subscriber)
        rejection = _reject(submission, found, directory)
        member = found.member if isinstance(found, Found) else None
        record = member.coverage_on(now.date()) or member.last_coverage if member else None
        who = standing(
            directory, member, record.plan if record else None, submission.coverage, submission.requester_npis
        )
        number = issue(NumberKind.CASE, self.runtime)
        recorder = Recorder()
        recorder.append(_system("opened", now, opened=self._opened(submission, who, number, now)))
        numbers = [number]
        for line in submission.lines:
            recorder.append(_system("requested", now, line=line.sequence, requested=line))
        for line in submission.lines:
            if rejection is not None:
                recorder.append(_system("member_not_found", now, line=line.sequence, detail={"reject": rejection.key}))
                continue
            recorder.append(_system("validated", now, line=line.sequence))
            judged = self.judge_line(line, submission, who, now)
            numbers.extend(judged.numbers)
            for event in judged.events:
                recorder.append(event)
        return fold(recorder.events), numbers, rejection

    def _opened(self, submission: Submission, who: Standing, number: str, now: datetime) -> CaseOpened:
        requester = submission.requester
        if who.provider is not None:
            requester = msgspec.structs.replace(requester, npi=who.provider.npi, network=who.provider.network)
        return CaseOpened(
            case=self.runtime.new_id(),
            number=number,
            submitter=submission.submitter,
            received=now,
            track=submission.track,
            identifiers=submission.identifiers,
            claim=submission.claim,
            submission=self.runtime.new_id(),
            patient=submission.patient,
            insurer=submission.insurer,
            requester=requester,
            coverage=who.coverage,
            member=who.member.id if who.member else None,
            plan=who.plan.id if who.plan else None,
            lob=who.coverage.get("lob"),
            transmission=submission.transmission,
        )

    def judge_line(self, line: LineRequest, submission: Submission, who: Standing, now: datetime) -> judge.Judged:
        """Evaluate one line. A failure of the rules stays in this line and sends it to a person."""
        day = service_day(line, now.date())
        deny_allowed = who.plan is not None and who.plan.not_eligible == "deny"
        if who.member is not None and who.member.coverage_on(day) is None:
            last = who.member.last_coverage
            ended = f" (it ended on {last.end.isoformat()})" if last and last.end and last.end < day else ""
            reason = f"The member's coverage is not active on the service date {day.isoformat()}{ended}."
            return judge.not_eligible(line, reason, self.runtime, now, deny_allowed=deny_allowed)
        try:
            decision = self.catalogue().decide(self.line_context(line, submission, who, now))
        except Exception:  # whatever a rule does, the request must be answered and a person must see it
            log.exception("rules failed", line=line.sequence, code=line.code)
            return judge.engine_failure(line, self.runtime, now)
        return judge.judge(line, decision, self.runtime, now, deny_allowed=deny_allowed)

    def line_context(self, line: LineRequest, submission: Submission, who: Standing, now: datetime) -> LineContext:
        """What the rules may read about one line."""
        day = service_day(line, now.date())
        patient = who.member.patient if who.member else submission.patient
        return LineContext(
            item={**line.item, "request": line.request},
            service_date=day,
            received=now.date(),
            patient=patient_view(patient, day),
            coverage=who.coverage,
            requester=requester_view(who.provider, submission.requester_npis, line.item),
            diagnoses=line.diagnoses,
            evidence=[*submission.evidence, *payer_evidence(who.member, now.date())],
            answers=submission.answers,
        )

    async def find_case(self, number: str) -> Case | None:
        """The current record behind any number or id that was ever issued for it."""
        page = await self.store.search(self.tenant, "Case", [Param("number", [number])], limit=1)
        return fold(decode(page.documents[0].body)) if page.documents else None

    async def case(self, id: str) -> tuple[Case, int] | None:
        """A record and its version by its id."""
        document = await self.store.get(self.tenant, "Case", id)
        return (fold(decode(document.body)), document.version) if document else None


def _system(
    ev: str,
    at: datetime,
    *,
    line: int | None = None,
    opened: CaseOpened | None = None,
    requested: LineRequest | None = None,
    detail: dict[str, object] | None = None,
) -> Event:
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


_NO_MEMBER = {
    NoMember.MISSING_ID: Rejection("missing_member_id", "Claim.patient"),
    NoMember.NOT_FOUND: Rejection("member_not_found", "Claim.patient"),
    NoMember.SEVERAL: Rejection("member_ambiguous", "Claim.patient"),
    NoMember.BIRTH_DATE: Rejection("birth_date", "Claim.patient"),
}


def _reject(submission: Submission, found: Found | NotFound, directory: Directory) -> Rejection | None:
    if submission.us is False:
        return Rejection("other_payer", "Claim.insurer")
    if isinstance(found, Found):
        return None
    trusted = directory.mode == "presented" and found.reason in (NoMember.MISSING_ID, NoMember.NOT_FOUND)
    return None if trusted else _NO_MEMBER[found.reason]


def party(resource: dict[str, object] | None, reference: str | None, numbers: Sequence[str]) -> Party:
    """A provider as the record names them."""
    name = (resource or {}).get("name")
    if isinstance(name, list) and name and isinstance(name[0], dict):
        given = name[0].get("given")
        shown = " ".join([*(given if isinstance(given, list) else []), str(name[0].get("family") or "")]).strip()
    else:
        shown = str(name or "")
    return Party(npi=numbers[0] if numbers else None, name=shown or None, reference=reference)


def first_code(concept: object) -> str:
    """``system|code`` of the first coding, for the record and its index."""
    code = next(codes(concept), None)
    return str(code) if code else ""
