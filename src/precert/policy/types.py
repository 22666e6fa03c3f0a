"""What goes into a coverage decision and what comes out. Plain values; nothing here knows HTTP, FHIR bundles or time.

The whole vocabulary of automation is :class:`Outcome`. There is deliberately no member for a denial on
clinical grounds: a machine approves, asks, or hands to a person.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from precert.fhir.coding import Code
from precert.fhir.types import Element, Resource

_REACH = 366
"""Days; the time in which a claim may still be filed (42 CFR 424.44) and an authorization still given."""


class Outcome(StrEnum):
    """Everything a machine may say about one line."""

    NOT_APPLICABLE = "not-applicable"  # no policy asks for authorization of this service
    NO_AUTH = "no-auth"  # a policy says: none needed (exempt)
    APPROVE = "approve"  # criteria met, within the grant, and the policy lets the engine say so alone
    PEND_INFO = "pend-info"  # unknown, and some fact can still change the result: ask
    REFER_NURSE = "refer-nurse"  # criteria met, but a person must confirm (attested only, conflict, auto-approval off)
    REFER = "refer"  # criteria not met, or asked for more than the grant: only a clinician can decide
    DENY_ADMIN = "deny-admin"  # benefit exclusion or eligibility: not a clinical judgement


Origin = Literal["auto", "override", "manual"]
"""How an answer came about: from the chart by the client or the payer, changed by hand, or given by hand (DTR)."""
Provenance = Literal["structured", "payer", "attested", "request", "closed-world", "conflict", "missing"]


class EvidenceItem(NamedTuple):
    """One resource that facts may read. ``reference`` is how the trace names it (for example ``Observation/o1``).

    ``source`` is ``structured`` for what the provider sent, ``request`` for a diagnosis that the request names without
    a record of its own, and ``payer`` for what the plan holds itself (pseudo-resources of type ``PayerClaim``,
    ``PayerAuth`` and ``PayerUnits``).
    """

    resource: Resource
    reference: str
    source: Literal["structured", "request", "payer"] = "structured"
    contested: bool = False  # the resource came in versions that differ, and none is known to be the newest
    url: str = ""  # the fullUrl of its entry, by which others may refer to it


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer from a questionnaire; the key it is filed under is the fact's name (= linkId).

    ``given`` is the ``answer`` element as it arrived; :mod:`precert.policy.answer_reading` alone reads it, ``value`` is
    for showing. ``others`` are further answers to the same question, of the same response or of other ones.
    """

    value: Any
    reference: str  # where it stands, for example ``QuestionnaireResponse/1#ahi``
    origin: Origin | None = None  # how it came about, if the response says so
    unit: str | None = None  # of an answer that is a quantity; another unit than the question's says nothing
    version: str | None = None  # of the policy whose form asked, if the response says so
    authored: str | None = None  # when, as the response says it
    given: Element | None = None
    repeated: bool = False  # the response answers the question more than once
    others: tuple[Answer, ...] = ()

    def beside(self, other: Answer) -> Answer:
        """This answer and ``other`` to one question; which of them counts is said where they are read."""
        return replace(self, others=(*self.others, replace(other, others=()), *other.others))


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts beside a line under limits and maxima: another line of the request, or a line on record.

    ``codes`` and ``modifiers`` name its service, normalized. ``quantity`` (a FHIR Quantity) is what was granted, else
    asked; ``None`` when nobody said. ``since`` is the day of its decision or receipt, ``reference`` names it for people.
    ``granted``: it is an authorization on record; ``was_granted``: it was one, which began before it was given up or replaced;
    ``same_request``: it stands in the request that is being decided; ``same_line``: it was given for the very line.
    """

    reference: str
    codes: tuple[Code, ...]
    since: date
    start: date
    end: date | None = None
    quantity: Element | None = None
    modifiers: tuple[str, ...] = ()
    granted: bool = False
    was_granted: bool = False
    same_request: bool = False
    same_line: bool = False
    order: str | None = None  # the order it was given for, as far as that is known


@dataclass(frozen=True, slots=True)
class LineContext:
    """Everything that one line of a request offers to the rules.

    ``item`` is what :func:`precert.policy.item.item_view` makes of a ``Claim.item`` (``code``, ``modifiers``, quantity,
    serviced[x], location[x], extension) plus ``request``: ``initial`` | ``renewal`` | ``extension``. ``patient`` is the Patient plus
    ``age`` in years at ``service_date``. ``coverage`` is the payer's view: ``lob``, ``state``, ``plan``, ``funding``.
    ``requester`` likewise: ``npi``, ``network`` (``in``|``out``), ``goldcard``. An absent key is unknown.
    ``service_date`` decides benefit policies' effective dates and ages, ``received`` that of clinical criteria and the
    answers' windows; evidence looks back from :attr:`evidence_until`. ``answers`` are by the fact's name, or by
    ``policy#fact`` when it is known which policy's form they answer.
    """

    item: Element
    service_date: date
    received: date
    patient: Resource = field(default_factory=dict)
    coverage: Element = field(default_factory=dict)
    requester: Element = field(default_factory=dict)
    diagnoses: Sequence[Element] = ()  # CodeableConcepts named for this line
    evidence: Sequence[EvidenceItem] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)  # policy id -> version bound at receipt
    reviewed: date | None = None  # day of a re-evaluation: a newer version may be used if the member gains by it
    service_end: date | None = None  # the last day asked for, where more than one day is
    counted: Sequence[Counted] = ()  # the other lines of the request and the member's lines on record
    counted_complete: bool = True  # false: more is on record than could be read
    on_record: bool | None = None  # whether something of the same service can be renewed; None: not looked up
    instant: datetime | None = None  # when it was received, where that is known to the instant; on the day ``received``
    key: str = ""  # what the auto-approval sample is drawn by (case and line); empty: patient, service and day

    def told(self, policy: str) -> LineContext:
        """The same with the answers that count for ``policy``: those to its own form, and those to no form in particular."""
        if not any("#" in key for key in self.answers):
            return self
        told = {key: answer for key, answer in self.answers.items() if "#" not in key}
        for key, answer in self.answers.items():
            if key.startswith(f"{policy}#"):
                name = key.removeprefix(f"{policy}#")
                told[name] = answer.beside(told[name]) if name in told else answer
        return replace(self, answers=told)

    @property
    def evidence_until(self) -> date:
        """The last day of which evidence can speak for the service: of receipt, or of the service if that is over."""
        return min(self.received, max(self.service_date, self.service_end or self.service_date))

    @property
    def out_of_reach(self) -> bool:
        """Whether the service is more than a year away from the receipt, before or after: what is known and stated now
        says nothing about a need of that day."""
        apart = (
            self.service_date - self.received
            if self.service_date > self.received
            else self.received - self.evidence_until
        )
        return apart.days > _REACH


@dataclass(frozen=True, slots=True)
class FactValue:
    """What became of one fact. ``values`` is empty when unknown; ``notes`` says why evidence was passed over."""

    name: str
    values: tuple[Any, ...]
    evidence: tuple[str, ...]
    provenance: Provenance
    notes: tuple[str, ...] = ()
    origin: Origin | None = None  # of the answer, where one is behind it
    asked_in: str | None = None  # the version of the form that the answer is to, likewise
    unreadable: bool = False  # unknown although something was found or said: it could not be read


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One node of a criteria tree, as evaluated. ``result`` is ``None`` for unknown."""

    id: str
    text: str
    result: bool | None
    cite: str | None = None
    why_not: str | None = None
    admin: bool = False
    group: bool = False
    facts: tuple[str, ...] = ()
    error: str | None = None  # the expression failed: the result is unknown, never false


@dataclass(frozen=True, slots=True)
class Question:
    """One fact that is unknown and could still change the result. ``link_id`` is the fact's name."""

    link_id: str
    text: str
    type: Literal["boolean", "decimal", "integer", "date", "text", "choice"]
    who: Literal["clinical", "admin", "patient"]
    criteria: tuple[str, ...]  # ids of the criteria it serves
    unit: str | None = None
    options: tuple[str, ...] = ()
    help: str | None = None
    document: str | None = None  # LOINC code of a document that would answer it as well
    within: str | None = None  # how fresh the evidence must be, as the policy says it: "90d"


@dataclass(frozen=True, slots=True)
class Grant:
    """What an approval gives. ``period_days`` counts from the first day of service."""

    period: str | None = None  # as written: "12 months"
    period_days: int | None = None
    period_months: int | None = None
    max_quantity: Decimal | None = None
    unit: str | None = None
    next_review: str | None = None
    note: str | None = None
    fast_path: str | None = None
    on_stop: str | None = None

    def last_day(self, start: date) -> date | None:
        """The last day of a grant that begins on ``start``; ``None`` when it has no period.

        A 12-month grant from 1 March ends on the last of February. A start so late that the calendar ends before the
        grant does: the last day there is.

        >>> Grant(period_months=1).last_day(date(2027, 1, 31))
        datetime.date(2027, 2, 28)
        """
        try:
            return self._last_day(start)
        except (OverflowError, ValueError):
            return date.max

    def _last_day(self, start: date) -> date | None:
        if self.period_months:
            month = start.month - 1 + self.period_months
            year, month = start.year + month // 12, month % 12 + 1
            last = calendar.monthrange(year, month)[1]
            if start.day > last:  # there is no 31 February, so the month's last day is the end
                return date(year, month, last)
            return date(year, month, start.day) - timedelta(days=1)
        if self.period_days:
            return start + timedelta(days=self.period_days - 1)
        return None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Something else that would do, offered as a card or to the reviewer. Never forced."""

    topic: str
    system: str | None = None
    code: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One policy's view of one line, with its whole trace."""

    policy: str
    version: str
    title: str
    role: str
    outcome: Outcome
    reason: str = ""  # one sentence why, for people
    reason_code: str | None = None  # for example ``gold-card``
    facts: tuple[FactValue, ...] = ()
    criteria: tuple[CriterionResult, ...] = ()
    missing: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    grant: Grant | None = None
    alternatives: tuple[Alternative, ...] = ()
    concurrent_review: bool = False
    benefit: str | None = None
    clock: str | None = None
    digest: str = ""  # SHA-256 of the policy file that decided
    scope_unknown: tuple[str, ...] = ()  # keys of ``applies`` that could not be looked at: place, age, network, lob ...
    required: bool | str = True  # ``auth.required`` as the policy says it: true, false or conditional
    doc: tuple[str, ...] = ()  # who has to bring documents: clinical, admin, patient
    basis: tuple[str, ...] = ()  # "NCD 240.2", in the policy's order


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one line: the governing evaluation's outcome after precedence.

    ``governing`` is ``None`` when no policy names the service. ``considered`` are all evaluations made, in order.
    ``conflicts`` names things the policy owner must look at (two policies of the same scope).
    """

    outcome: Outcome
    reason: str
    governing: Evaluation | None = None
    considered: tuple[Evaluation, ...] = ()
    conflicts: tuple[str, ...] = ()
    applied: tuple[Evaluation, ...] = ()  # the evaluations that the outcome was combined from; the governing one first
    reason_code: str | None = None  # why no policy decides: ``service-unknown``, ``no-rule``
    remarks: tuple[str, ...] = ()  # what the provider is told beside the outcome

    @property
    def questions(self) -> tuple[Question, ...]:
        """What to ask, over all policies that apply; each fact once. Empty unless the outcome is to ask or to refer."""
        asked: dict[str, Question] = {}
        for evaluation in self.applied:
            for question in evaluation.questions:
                asked.setdefault(question.link_id, question)
        return tuple(asked.values())

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the facts to ask for, over all policies that apply."""
        return tuple(dict.fromkeys(name for evaluation in self.applied for name in evaluation.missing))
