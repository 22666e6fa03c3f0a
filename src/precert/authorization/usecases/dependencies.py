"""The service behind every edge: what it needs, how a line is judged, how records are found.

The use cases stand beside it, each in a module of its own: :mod:`submit`, :mod:`update`, :mod:`determine`,
:mod:`receive`, :mod:`inquire`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from precert.authorization.deciding import judge
from precert.authorization.deciding.counted import NOTHING_COUNTED, CountedLines
from precert.authorization.deciding.decide import Rules, decide
from precert.authorization.deciding.person import Patient, Person, identify
from precert.authorization.deciding.standing import Standing, service_day, standing
from precert.authorization.record.case import Case, LineRequest
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.codes import Reject, code_table
from precert.authorization.usecases import on_file
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import Directory
from precert.fhir import json
from precert.fhir.types import Element, Resource
from precert.policy.catalogue import Catalogue
from precert.runtime import Runtime
from precert.store.port import Outgoing, Param, Put, Store, is_id

log = structlog.get_logger(__name__)


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
    """What an edge made of a case: the body to send, resources to store with it, and the numbers that lead to the case.

    ``outgoing`` are messages (notifications) that must leave because of it. When it shows the record as it stands,
    ``answers`` are the stored response Bundles by IG version and ``claim_response`` is the id of the ClaimResponse in them.
    """

    body: bytes
    puts: Sequence[Put] = ()
    numbers: Sequence[str] = ()
    outgoing: Sequence[Outgoing] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    claim_response: str | None = None
    same: bool = False
    """It only says in another IG version's shape what was answered before."""


@dataclass(frozen=True, slots=True)
class Early:
    """What was attached before the request that it belongs to: a Bundle (its id and bytes), what the record keeps of where it
    came from, and the document that says it is no longer held."""

    bundle: str
    raw: bytes
    sender: str
    detail: Element
    filed: Put


async def nothing_early(submission: Submission) -> Sequence[Early]:
    """For a server that takes no attachments."""
    return ()


Renderer = Callable[[Case, Submission, "Rejection | None"], Rendered]
Notifier = Callable[[Case, Submission], Rendered]
"""Renders a case that changed after its answer: the new resources, and who is to be told. Nothing of either (no ids, no
messages) when the answer says what it said before."""


class Budget:
    """The time that deciding may take inside one synchronous exchange. PAS spec-7 allows 15 s for the whole; the answer is
    cut at 13, which leaves the rest for reading, storing and sending."""

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds

    @property
    def spent(self) -> bool:
        """Whether the time is over."""
        return self._clock() >= self._until


@dataclass(slots=True)
class AuthorizationService:
    """Decides and records. ``directory`` and ``catalogue`` are asked for at each use, so that they can be reloaded.

    ``intake`` takes a request apart: its bytes, what they parse to, and who sent it (it is the PAS edge's, handed in by the
    composition); see :meth:`read` and :meth:`read_resource`. ``changed`` renders what has to be told when a record changes without a request to answer.
    """

    store: Store
    directory: Callable[[], Directory]
    catalogue: Callable[[], Catalogue]
    runtime: Runtime = field(default_factory=Runtime)
    tenant: str = "default"
    intake: Callable[[bytes, Resource, str], Submission] = field(kw_only=True)
    changed: Notifier = field(kw_only=True)
    early: Callable[[Submission], Awaitable[Sequence[Early]]] = nothing_early
    """Attachments that were sent ahead of a request and are held for it (the CDex edge's, handed in)."""
    settled: Callable[[], None] = lambda: None
    """Called after a commit that put messages into the outbox, so that whoever delivers them need not poll."""

    def read(self, raw: bytes, submitter: str) -> Submission:
        """A PAS Request Bundle as it was sent or stored. Raises FhirError with every fault found."""
        return self.intake(raw, json.load_resource(raw), submitter)

    def read_resource(self, bundle: Resource, submitter: str) -> Submission:
        """A PAS Request Bundle that was made here; it is written to bytes once, to be stored. Raises as :meth:`read` does."""
        return self.intake(json.dumps(bundle), bundle, submitter)

    def rules(self) -> Rules:
        """The directory and the policies as they are now."""
        return Rules(self.directory(), self.catalogue())

    def who(self, submission: Submission, now: datetime) -> Standing:
        """Who the request is for and by, as the payer sees it."""
        return who_asks(self.directory(), submission, now)

    def judge_line(
        self,
        line: LineRequest,
        submission: Submission,
        who: Standing,
        now: datetime,
        *,
        state: str = "screening",
        reference: str | None = None,
        decide_by: datetime | None = None,
        bound: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        repeated: judge.Repeated | None = None,
        counted: CountedLines = NOTHING_COUNTED,
    ) -> judge.Judged:
        """Evaluate one line. A failure of the rules stays in this line and sends it to a person.

        ``bound`` are the policy versions that the case is decided under (policy id to version). When the ``budget`` of the
        synchronous answer is used up, the line goes to a person as well. ``repeated`` is the authorization on record that
        it certainly asks for again; ``counted`` is what counts beside it. ``decide_by`` is when an urgent request has to be
        decided: no question may be due after it.
        """
        ask, today = submission.ask(line), now.date()
        under_review = judge.LineUnderReview(
            line,
            self.runtime,
            now,
            deny_allowed=_deny_allowed(who.on(service_day(line, now.date()))) and not (who.doubts or ask.doubts),
            state=state,
            reference=reference,
            decide_by=decide_by,
        )
        if (inactive := who.inactive(service_day(line, now.date()))) is not None:
            return judge.not_eligible(under_review, inactive)
        if line.request in ("appeal", "reconsideration"):
            return judge.for_a_person(under_review, f"A request for {line.request} is decided by a person.")
        if repeated is not None and not who.uncertain(line, now.date()):
            return judge.authorized_already(under_review, repeated)
        if budget is not None and budget.spent:
            log.error("decision budget used up", line=line.sequence)
            return judge.engine_failure(under_review)
        try:
            decided = decide(ask, submission.subject, who, self.rules(), today, bound=bound, counted=counted, at=now)
        except Exception:  # whatever a rule does, the request must be answered and a person must see it
            log.exception("rules failed", line=line.sequence, code=line.code)
            return judge.engine_failure(under_review)
        assert decided.decision is not None  # the coverage is active
        return judge.judge(under_review, decided.decision)

    async def find_case(self, number: str) -> Case | None:
        """The current record behind any number or id that was ever issued for it."""
        page = await self.store.search(self.tenant, "Case", [Param("number", [number])], limit=1)
        return fold(decode(page.documents[0].body)) if page.documents else None

    async def case(self, id: str) -> tuple[Case, int] | None:
        """A record and its version by its id or any of its numbers."""
        document = await self.store.get(self.tenant, "Case", id) if is_id(id) else None
        if document is None:
            page = await self.store.search(self.tenant, "Case", [Param("number", [id])], limit=1)
            document = page.documents[0] if page.documents else None
        return (fold(decode(document.body)), document.version) if document else None

    async def submission_of(self, case: Case) -> Submission:
        """The newest version of the request behind a record, read again, with what else is on file: the evidence and the
        answers of its earlier versions and of everything attached to it (see :mod:`.on_file`)."""
        document = await self.store.get(self.tenant, "Bundle", case.submission)
        assert document is not None  # stored in the same commit as the record
        newest = self.read(document.body, case.opened.submitter)
        if len(on_file.filed(case)) == 1:
            return newest
        return on_file.with_files(newest, await self.files(case, newest.whose))

    async def files(self, case: Case, whose: Patient) -> list[on_file.Contents]:
        """What each bundle on file for ``case`` says about its patient, oldest first."""
        found = []
        for id in on_file.filed(case):
            kept = await self.store.get(self.tenant, "Bundle", id)
            if kept is not None:
                found.append(on_file.contents(json.loads(kept.body), whose))
        return found


def who_asks(directory: Directory, submission: Submission, now: datetime) -> Standing:
    """Who a request is for and by, as the directory knows them on the first day of service.

    A request whose member cannot be told is refused before; should one get here, nothing is approved on it.
    """
    found = identify(submission.subject, directory)
    person = found if isinstance(found, Person) else Person(None, (code_table().reject[found.key].text,))
    days = [service_day(line, now.date()) for line in submission.lines]
    day = min(days, default=now.date())
    record = person.member.coverage_on(day) or person.member.last_coverage if person.member else None
    plan = record.plan if record else None
    return standing(
        directory,
        person.member,
        plan,
        submission.coverage,
        submission.requester_npis,
        patient=submission.patient,
        doubts=person.doubts,
    )


def _deny_allowed(who: Standing) -> bool:
    """Whether the plan lets automation deny administratively. What a Coverage that the directory does not know says of
    itself is for a person to look into."""
    return who.member is not None and who.plan is not None and who.plan.not_eligible == "deny"


def with_attachment(submission: Submission, bundle: bytes) -> Submission:
    """The request with the evidence and answers of an attached bundle added; the newer answer counts, by its ``authored``.

    Who attached it said whom it is about; what names somebody else in it does not count.
    """
    return _with_attachments(submission, [bundle])


def _with_attachments(submission: Submission, bundles: Sequence[bytes]) -> Submission:
    if not bundles:
        return submission
    whose = submission.whose
    responses = on_file.contents(submission.bundle, whose).responses
    own = on_file.Contents(submission.evidence, submission.answers, responses=responses)
    return on_file.with_files(submission, [own, *(on_file.contents(json.loads(each), whose) for each in bundles)])


def with_early(submission: Submission, early: Sequence[Early]) -> Submission:
    """The request with what was attached before it."""
    return _with_attachments(submission, [each.raw for each in early])


def bound_versions(case: Case) -> dict[str, str]:
    """The policy versions that a record's lines were decided under: re-evaluation uses the same ones."""
    determinations = (line.determination for line in case.ordered)
    return {d.policy: d.version for d in determinations if d is not None and d.policy and d.version}
