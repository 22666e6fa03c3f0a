"""The one door to a decision: the only builder of a :class:`LineContext` and the only caller of ``Catalogue.decide``.

In: what is asked (:class:`Ask`), whom for (:class:`Subject`), how they stand with the plan (:class:`Standing`) and the
rules. Out: :class:`Decided`. Pure; a rule that fails raises what it raises, and the caller keeps that in the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from precert.authorization.deciding.counted import NOTHING_COUNTED, CountedLines
from precert.authorization.deciding.evidence import evidence_for
from precert.authorization.deciding.modifiers import modifier_doubt
from precert.authorization.deciding.order_amount import amount_doubt
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.service import Service, identify, normalized
from precert.authorization.deciding.standing import (
    Standing,
    patient_view,
    payer_evidence,
    requester_view,
    service_day,
)
from precert.eligibility.directory import Directory
from precert.eligibility.model import Member
from precert.fhir.coding import Code, CodePattern
from precert.fhir.dates import parse_date
from precert.fhir.moments import Moment
from precert.fhir.types import Element, Resource
from precert.policy.catalogue import Catalogue
from precert.policy.codeset import normal
from precert.policy.evidence import ahead_of
from precert.policy.types import Decision, LineContext, Outcome

SERVICE_UNKNOWN = "service-unknown"
"""Reason code of a decision about a service that nobody could identify."""
SERVICE_DATE = "service-date"
"""Reason code of a decision about a service on days that cannot be meant."""
PERSON_UNCERTAIN = "person-uncertain"
"""Reason code of a decision that a person must take, because it is not certain who the member is or that they are covered."""

ORDER_DIFFERS = "order-differs"
"""Reason code of a decision that a person must take, because the order behind the line, its amount or who asks is none that it
can rest on."""
ITEM_UNCLEAR = "item-unclear"
"""Reason code of a decision that a person must take, because a modifier may change whether or how much is covered."""

_RENEWING = ("renewal", "extension")
_RENEWABLE = timedelta(days=731)
_NARROW = "The request says what kind of service it is, but not by a code that is billed which service."
_UNLISTED = "No coverage policy names this service; the plan has a nurse look at such requests."
_UNCOUNTED = "The plan has no record of this member, so what a limit leaves cannot be counted; a person does."
_NOTHING_TO_RENEW = "Nothing of this service is on record that this {kind} could continue: reviewed as a first request."


@dataclass(frozen=True, slots=True)
class Rules:
    """What is decided by, as of one moment: the plan's directory and its coverage policies."""

    directory: Directory
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Decided:
    """What is said about one ask. ``inactive`` says why the member is not covered on ``day``, and then nothing is decided.

    ``who`` is how the member stands on the day of service. ``on_record``: something of the same service is on record for
    the member, an authorization or a paid claim.
    """

    day: date
    who: Standing
    service: Service = field(default_factory=Service)
    decision: Decision | None = None
    inactive: str | None = None
    on_record: bool = False


def decide(
    ask: Ask,
    subject: Subject,
    who: Standing,
    rules: Rules,
    received: date,
    *,
    bound: Mapping[str, str] | None = None,
    counted: CountedLines = NOTHING_COUNTED,
    at: datetime | None = None,
) -> Decided:
    """Decide about ``ask``.

    ``bound`` are the policy versions that a case is decided under (policy id to version), ``counted`` what counts beside the
    line under limits and maxima: the other lines of the request, and what precert's own records hold for the member. ``at`` is
    the instant of the receipt, where it is known: what is dated after it does not count.
    """
    day = service_day(ask.line, received)
    who = who.on(day)
    service = service_of(ask, rules, day)
    inactive = who.inactive(day)
    if inactive is not None:
        return Decided(day, who, service, inactive=inactive)
    doubts = who.uncertain(ask.line, received)
    if not service.known:
        return Decided(day, who, service, doubted(_MESSAGE if ask.communication else _unknown(service), doubts))
    if (odd := _implausible(ask, subject, who, received)) is not None:
        return Decided(day, who, service, Decision(Outcome.REFER_NURSE, odd, reason_code=SERVICE_DATE))
    context = line_context(ask, subject, who, rules, received, bound=bound, counted=counted, service=service, at=at)
    on_record = bool(context.on_record)
    decision = rules.catalogue.decide(context)
    if decision.outcome is Outcome.NOT_APPLICABLE and service.narrow:
        decision = _unknown(service)
    elif decision.outcome is Outcome.NOT_APPLICABLE and who.plan is not None and who.plan.unlisted == "review":
        decision = replace(decision, outcome=Outcome.REFER_NURSE, reason=_UNLISTED, reason_code="unlisted")
    elif decision.outcome is Outcome.NO_AUTH and who.member is None and _by_limit(decision):
        decision = replace(decision, outcome=Outcome.REFER_NURSE, reason=_UNCOUNTED, reason_code="amount")
    elif not on_record and ask.line.request in _RENEWING:
        decision = replace(decision, remarks=(_NOTHING_TO_RENEW.format(kind=ask.line.request),))
    if decision.outcome is Outcome.APPROVE:
        doubts = who.uncertain(ask.line, received, _granted_end(ask, decision, day))
    odd_amount = amount_doubt(ask.line.item)
    about_order = (*ask.doubts, *ask.ahead(received), *([odd_amount] if odd_amount else ()))
    if decision.outcome is Outcome.APPROVE:
        about_order = (*about_order, *ask.unsaid)
    decision = _unclear(doubted(decision, doubts), service, rules.catalogue)
    return Decided(day, who, service, _behind(decision, about_order), on_record=on_record)


def _by_limit(decision: Decision) -> bool:
    """Whether a limit that is not reached is among what frees from authorization."""
    return any(evaluation.role == "limit" for evaluation in decision.applied)


def _granted_end(ask: Ask, decision: Decision, day: date) -> date | None:
    """The last day of the policy's grant, which is what is authorized when no more than the first day was asked for."""
    grant = decision.governing.grant if decision.governing is not None else None
    several = ask.line.service_end is not None and ask.line.service_end > day
    return None if several or grant is None else grant.last_day(day)


def service_of(ask: Ask, rules: Rules, day: date) -> Service:
    """The service asked for, as of ``day`` (of service): by its codes, the crosswalk, what the policies name, and
    the lists of codes that the plan gives."""
    directory = rules.directory
    found = identify(ask.line.item, directory.crosswalk, day).named_by(rules.catalogue.names)
    return found.on_lists(directory.code_lists, day)


def _continues(member: Member | None, codes: Sequence[Code], day: date, counted: CountedLines) -> bool:
    """Whether something of the service is on record that can be renewed or extended: an authorization of precert's own, or an
    authorization or claim of the plan's history, that began in the two years before ``day``."""
    wanted, earliest = frozenset(map(normal, codes)), day - _RENEWABLE
    for line in counted.lines:
        if line.granted and wanted & frozenset(map(normal, line.codes)) and (line.end is None or line.end >= earliest):
            return True
    for entry in member.history if member is not None else ():
        pattern = CodePattern.parse(entry.code)
        if normal(Code(pattern.system, pattern.code)) in wanted and earliest <= entry.day(day) <= day:
            return True
    return False


def line_context(
    ask: Ask,
    subject: Subject,
    who: Standing,
    rules: Rules,
    received: date,
    *,
    bound: Mapping[str, str] | None = None,
    counted: CountedLines = NOTHING_COUNTED,
    service: Service | None = None,
    renews: bool = False,
    at: datetime | None = None,
) -> LineContext:
    """What the rules may read about one line: as the member stands on the day of service.

    A renewal or extension of something that is not on record is a first request, whatever the sender calls it. ``renews``: it
    is known from elsewhere that something was on record (a stored line that is looked at again as it was decided).
    """
    day = service_day(ask.line, received)
    who = who.on(day)
    service = service or service_of(ask, rules, day)
    item = normalized(ask.line.item, service)
    on_record = renews or _continues(who.member, service.codes, day, counted)
    # a revision is judged like the first request: policies name initial, renewal and extension
    first = ask.line.request == "revision" or (ask.line.request in _RENEWING and not on_record)
    item["request"] = "initial" if first else ask.line.request
    return LineContext(
        item=item,
        service_date=day,
        received=received,
        patient=patient_view(who.member.patient if who.member else subject.patient, day),
        coverage=who.coverage,
        requester=_requester(ask, rules.directory, item),
        diagnoses=_diagnoses(ask, subject, received, at),
        evidence=[
            *evidence_for(ask.line, subject.evidence),
            *payer_evidence(who.member, received, counted.numbers),
            *counted.evidence(),
        ],
        answers=subject.answers,
        bound=bound or {},
        service_end=ask.line.service_end if ask.line.service_end != ask.line.service_start else None,
        counted=counted.lines,
        counted_complete=counted.complete,
        on_record=on_record,
        instant=at,
    )


def _diagnoses(ask: Ask, subject: Subject, received: date, at: datetime | None) -> list[Element]:
    """The diagnoses of the line, but for those that were made or recorded after the receipt by what their Condition says."""
    said = (item.resource for item in subject.evidence if item.source == "request")
    ahead = [condition.get("code") for condition in said if _ahead(condition, received, at)]
    return [concept for concept in ask.line.diagnoses if concept not in ahead] if ahead else list(ask.line.diagnoses)


def _ahead(condition: Resource, received: date, at: datetime | None) -> bool:
    began = Moment.parse(condition.get("onsetDateTime"))
    return ahead_of(condition, "Condition", received, at) is not None or (
        began is not None and began.ahead(received, at)
    )


def _requester(ask: Ask, directory: Directory, item: Element) -> Element:
    """The requester decides about gold cards; a performer who is named decides about the network, else the requester."""
    view = requester_view(directory.provider(ask.requester_npis), ask.requester_npis, item)
    if ask.performer_known:
        performer = directory.provider(ask.performer_npis)
        view = {key: value for key, value in view.items() if key != "network"}
        view |= {"network": performer.network} if performer else {}
    return view


def doubted(decision: Decision, doubts: tuple[str, ...]) -> Decision:
    """``decision``, unless it is final and there are ``doubts`` about the person: then a reviewer takes it.

    Questions stay questions, and what a person looks at anyway stays with them.
    """
    if not doubts or decision.outcome in (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE):
        return decision
    reason = f"A reviewer checks who the member is. {' '.join(doubts)}"
    return replace(decision, outcome=Outcome.REFER_NURSE, reason=reason, reason_code=PERSON_UNCERTAIN)


def _unclear(decision: Decision, service: Service, catalogue: Catalogue) -> Decision:
    """``decision``, unless it is final and the service bears a modifier that neither is known nor named by the policies that
    decide: then a reviewer takes it."""
    if not service.modifiers or decision.outcome in (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE):
        return decision
    deciding = (catalogue.get(each.policy, each.version) for each in decision.applied)
    named = [modifier for policy in deciding if policy is not None for modifier in policy.modifiers]
    doubt = modifier_doubt(service.modifiers, named)
    if doubt is None:
        return decision
    return replace(decision, outcome=Outcome.REFER_NURSE, reason=doubt, reason_code=ITEM_UNCLEAR)


def _behind(decision: Decision, doubts: tuple[str, ...]) -> Decision:
    """``decision``, unless it is final and what is asked raises ``doubts``: then a reviewer takes it."""
    if not doubts or decision.outcome in (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE):
        return decision
    reason = f"A reviewer looks at the order. {' '.join(doubts)}"
    return replace(decision, outcome=Outcome.REFER_NURSE, reason=reason, reason_code=ORDER_DIFFERS)


_MESSAGE = Decision(Outcome.NOT_APPLICABLE, "A request to send a message is no service that is billed.")


_LONGEST_PAST, _LONGEST_AHEAD = timedelta(days=5 * 366), timedelta(days=366)


def _implausible(ask: Ask, subject: Subject, who: Standing, received: date) -> str | None:
    """Why the days of the service cannot be meant, in a sentence; ``None`` for days that can."""
    first = service_day(ask.line, received)
    last = ask.line.service_end or first
    if last < first:
        return f"The service ends on {last.isoformat()}, before it begins on {first.isoformat()}."
    born = parse_date((who.member.patient if who.member else subject.patient).get("birthDate"))
    if born is not None and first < born:
        return f"The service is of {first.isoformat()}, before the patient was born."
    if received - first > _LONGEST_PAST or first - received > _LONGEST_AHEAD:
        return f"The service is of {first.isoformat()}, too far from the day of the request ({received.isoformat()})."
    return None


def _unknown(service: Service) -> Decision:
    """A service that nobody identified is not "not needed": a person looks at it, or the provider names it."""
    return Decision(Outcome.REFER_NURSE, service.trouble or _NARROW, reason_code=SERVICE_UNKNOWN)
