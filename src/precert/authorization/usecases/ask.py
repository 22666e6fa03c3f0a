"""The use case "ask": what would be decided about an order, and is there an authorization for it already?

The same catalogue, eligibility and history as ``submit``, and no case: asking never creates one. What the caller wants
kept (assertions, its call log) goes into one atomic commit of :meth:`ConsultService.keep`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, TypeVar

import structlog

from precert.authorization.deciding.authorized import Held, Used, covers
from precert.authorization.deciding.counted import NOTHING_COUNTED, CountedLines
from precert.authorization.deciding.decide import Rules, decide
from precert.authorization.deciding.person import Person, holder, identify
from precert.authorization.deciding.person import Trouble as Unidentified
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.service import Service, kept
from precert.authorization.deciding.standing import (
    Standing,
    service_day,
    standing,
)
from precert.authorization.record.codes import code_table
from precert.authorization.record.numbers import NumberKind, issue
from precert.authorization.usecases.on_record import MemberRecord, member_record
from precert.eligibility.directory import Directory
from precert.policy.catalogue import Catalogue
from precert.policy.types import Decision, Outcome
from precert.runtime import Runtime
from precert.store.port import Audit, Commit, Put, Store

log = structlog.get_logger(__name__)

T = TypeVar("T")

Trouble = Literal["no-member-found", "coverage-not-found", "no-active-coverage", "timeframe", "technical"]
"""Why no rule could be asked. None of them is a denial. ``timeframe``: it hangs on a day that the order does not say."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The member behind a question. ``trouble`` says why nobody can be decided about."""

    who: Standing | None
    trouble: Trouble | None = None
    text: str = ""
    presented: bool = False  # the Coverage was trusted because the directory does not know the member


@dataclass(frozen=True, slots=True)
class Consulted:
    """What became of one order. Exactly one of ``decision`` and ``trouble`` is set; ``held`` outranks the decision."""

    order: Ask
    day: date
    decision: Decision | None = None
    trouble: Trouble | None = None
    text: str = ""
    held: Held | None = None
    plan: str | None = None
    who: Standing | None = None  # on the day of service
    service: Service = field(default_factory=Service)  # as it was identified
    expiry: date | None = None  # the day after which the assertion cannot hold: coverage or policy ends
    uncertain: bool = False  # a person has to look who the member is: no authorization on record satisfies the order

    @property
    def needs_authorization(self) -> bool:
        """Whether an authorization in force would change the answer."""
        return self.decision is not None and self.decision.outcome not in (Outcome.NOT_APPLICABLE, Outcome.NO_AUTH)

    def failed(self, text: str) -> Consulted:
        """The same order, when our own trouble keeps it from being answered."""
        return replace(self, decision=None, trouble="technical", text=text)

    def under(self, held: Iterable[Held], used: Used, key: str | None, today: date) -> Consulted:
        """The same, with the first of ``held`` that authorizes the order and has units left for it. ``key`` is the order's
        (:func:`precert.authorization.deciding.authorized.order_key`); what it takes is noted in ``used``."""
        if not self.needs_authorization or self.who is None or self.uncertain or not self.service.known:
            return self
        for each in held:
            if covers(each, self.order, self.who, today, used.left(each, key)):
                used.take(each, key, self.order.line.quantity)
                return replace(self, held=each)
        return self


@dataclass(slots=True)
class ConsultService:
    """Asks and remembers. ``directory`` and ``catalogue`` are called at each use, so that they can be reloaded."""

    store: Store
    directory: Callable[[], Directory]
    catalogue: Callable[[], Catalogue]
    runtime: Runtime = field(default_factory=Runtime)
    tenant: str = "default"

    def identify(self, subject: Subject) -> Identified:
        """Find the member. In ``presented`` mode an unknown number is trusted; a wrong birth date never is."""
        if not subject.patient.keys() - {"resourceType", "id"}:
            return self.holder(subject)  # the call named the patient and did not bring it along
        found = identify(subject, self.directory())
        if isinstance(found, Unidentified) and found.key == "birth_date_missing":
            return self.holder(subject)  # a number alone: what is needed may be said, and never a yes
        return self._identified(found, subject)

    def holder(self, subject: Subject) -> Identified:
        """The member behind a Coverage that came without a Patient: good for choosing a form, never for a yes."""
        return self._identified(holder(subject, self.directory()), subject)

    def _identified(self, found: Person | Unidentified, subject: Subject) -> Identified:
        directory = self.directory()
        if isinstance(found, Unidentified):
            kind: Trouble = "coverage-not-found" if found.key in _OF_COVERAGE else "no-member-found"
            return Identified(None, kind, code_table().reject[found.key].text)
        record = None
        if found.member is not None:
            record = found.member.coverage_on(self.today()) or found.member.last_coverage
            if record is None:
                return Identified(None, "coverage-not-found", "The member has no coverage on record with this plan.")
        plan = record.plan if record is not None else None
        who = standing(
            directory, found.member, plan, subject.coverage, (), patient=subject.patient, doubts=found.doubts
        )
        return Identified(who, presented=found.member is None)

    def today(self) -> date:
        return self.runtime.now().date()

    async def record(self, who: Standing | None, orders: Iterable[Ask]) -> MemberRecord:
        """The member's record, with the authorizations in force of services in ``orders``. Empty for members the directory
        does not know. Raises the store's errors."""
        if who is None or who.member is None:
            return MemberRecord()
        wanted = {code for order in orders for code in kept(order.line).codes}
        return await member_record(self.store, self.tenant, self.catalogue(), who.member.id, wanted)

    def ask(
        self,
        order: Ask,
        subject: Subject,
        identified: Identified,
        counted: CountedLines = NOTHING_COUNTED,
    ) -> Consulted:
        """Decide one order. A failure of the rules stays in this order and is said to be technical. ``counted`` is what
        counts beside it: the member's record and the other orders of the call."""
        now = self.runtime.now()
        today = now.date()
        day = service_day(order.line, today)
        if identified.who is None or identified.trouble is not None:
            return Consulted(order, day, trouble=identified.trouble or "technical", text=identified.text)
        who = identified.who
        try:
            rules = Rules(self.directory(), self.catalogue())
            decided = decide(order, subject, who, rules, today, counted=counted, at=now)
        except Exception:  # whatever a rule does, the other orders must be answered, and this one says so
            log.exception("rules failed", code=order.line.code)
            return Consulted(order, day, trouble="technical", text="The coverage rules could not be evaluated.")
        if decided.inactive is not None:
            begins = who.begins(today)
            if order.line.service_start is None and begins is not None:
                text = f"The coverage begins on {begins.isoformat()}; the order does not say when the service is due."
                return Consulted(order, day, trouble="timeframe", text=text)
            return Consulted(order, day, trouble="no-active-coverage", text=decided.inactive)
        assert decided.decision is not None  # the coverage is active
        return Consulted(
            order,
            day,
            who=decided.who,
            decision=decided.decision,
            plan=decided.who.plan.id if decided.who.plan else None,
            service=decided.service,
            expiry=self._expiry(decided.decision, who.ends(day), today),
            uncertain=bool(who.uncertain(order.line, today)),
        )

    def _expiry(self, decision: Decision, coverage_end: date | None, today: date) -> date | None:
        """The first day on which something that the assertion rests on ends: the coverage or a policy's validity."""
        ends = [coverage_end] if coverage_end else []
        for evaluation in decision.applied:
            policy = self.catalogue().get(evaluation.policy, evaluation.version)
            if policy is not None and policy.model.effective.end is not None:
                ends.append(policy.model.effective.end)
        return min((end for end in ends if end >= today), default=None)

    async def keep(
        self, prepare: Callable[[Sequence[str]], tuple[T, Sequence[Put]]], assertions: int, audit: Audit
    ) -> T:
        """Draw ``assertions`` new ids, let ``prepare`` make an answer and a new document of each of them, and store those.

        All or nothing, and durable when the answer is returned. Raises the store's errors: Conflict when an id was drawn
        before (once in 2**60) or when another call used up what this one says is left; then ask again.
        """
        ids = [issue(NumberKind.ASSERTION, self.runtime) for _ in range(assertions)]
        answer, puts = prepare(ids)
        await self.store.commit(Commit(tenant=self.tenant, puts=puts, audit=[audit]))
        return answer

    def draw(self) -> str:
        """An assertion id that is not kept: for questions that must leave no trace."""
        return issue(NumberKind.ASSERTION, self.runtime)


_OF_COVERAGE = frozenset({"member_ambiguous", "other_payer", "other_beneficiary"})
