"""The one door to a decision: the only builder of a :class:`LineContext` and the only caller of ``Catalogue.decide``.

In: what is asked (:class:`Ask`), whom for (:class:`Subject`), how they stand with the plan (:class:`Standing`) and the
rules. Out: :class:`Decided`. Pure; a rule that fails raises what it raises, and the caller keeps that in the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

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
from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.types import Decision, LineContext, Outcome

SERVICE_UNKNOWN = "service-unknown"
"""Reason code of a decision about a service that nobody could identify."""
PERSON_UNCERTAIN = "person-uncertain"
"""Reason code of a decision that a person must take, because it is not certain who the member is or that they are covered."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is decided by, as of one moment: the plan's directory and its coverage policies."""

    directory: Directory
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Decided:
    """What is said about one ask. ``inactive`` says why the member is not covered on ``day``, and then nothing is decided.

    ``who`` is how the member stands on the day of service.
    """

    day: date
    who: Standing
    service: Service = field(default_factory=Service)
    decision: Decision | None = None
    inactive: str | None = None


def decide(
    ask: Ask,
    subject: Subject,
    who: Standing,
    rules: Rules,
    received: date,
    *,
    bound: Mapping[str, str] | None = None,
) -> Decided:
    """Decide about ``ask``. ``bound`` are the policy versions that a case is decided under (policy id to version)."""
    day = service_day(ask.line, received)
    who = who.on(day)
    service = identify(ask.line.item)
    inactive = who.inactive(day)
    if inactive is not None:
        return Decided(day, who, service, inactive=inactive)
    doubts = who.uncertain(ask.line, received)
    if not service.known:
        return Decided(day, who, service, doubted(_MESSAGE if ask.communication else _unknown(service), doubts))
    context = line_context(ask, subject, who, rules.directory, received, bound=bound, service=service)
    return Decided(day, who, service, doubted(rules.catalogue.decide(context), doubts))


def line_context(
    ask: Ask,
    subject: Subject,
    who: Standing,
    directory: Directory,
    received: date,
    *,
    bound: Mapping[str, str] | None = None,
    service: Service | None = None,
) -> LineContext:
    """What the rules may read about one line: as the member stands on the day of service."""
    day = service_day(ask.line, received)
    who = who.on(day)
    item = normalized(ask.line.item, service or identify(ask.line.item))
    # a revision is judged like the first request: policies name initial, renewal and extension
    item["request"] = "initial" if ask.line.request == "revision" else ask.line.request
    return LineContext(
        item=item,
        service_date=day,
        received=received,
        patient=patient_view(who.member.patient if who.member else subject.patient, day),
        coverage=who.coverage,
        requester=_requester(ask, directory, item),
        diagnoses=ask.line.diagnoses,
        evidence=[*subject.evidence, *payer_evidence(who.member, received)],
        answers=subject.answers,
        bound=bound or {},
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


_MESSAGE = Decision(Outcome.NOT_APPLICABLE, "A request to send a message is no service that is billed.")


def _unknown(service: Service) -> Decision:
    """A service that nobody identified is not "not needed": a person looks at it, or the provider names it."""
    return Decision(Outcome.REFER_NURSE, service.trouble, reason_code=SERVICE_UNKNOWN)
