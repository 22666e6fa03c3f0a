"""From a line and the engine's decision to the events that record it.

The engine's vocabulary (:class:`Outcome`) is mapped onto lifecycle events here and nowhere else. There is no branch that
ends in a clinical denial: what the rules cannot approve is asked about or handed to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from precert.authorization.deciding.due import answer_by
from precert.authorization.deciding.standing import service_day
from precert.authorization.record.case import (
    REPEATS,
    Authorization,
    Determination,
    Event,
    Line,
    LineRequest,
    OpenQuestions,
)
from precert.authorization.record.numbers import NumberKind, issue
from precert.policy.explain import explain
from precert.policy.types import Decision, Evaluation, Grant, Outcome, Question
from precert.runtime import Runtime

_NONE_ASKED = "No coverage policy asks for authorization of this service."


@dataclass(frozen=True, slots=True)
class Judged:
    """The events for one line, in order, and the numbers that must be reserved with them."""

    events: tuple[Event, ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """An authorization on record that a line asks for again: the line that has it, and its case's number. ``why`` ends
    the sentence "authorized already ... " with how we know."""

    line: Line
    authorization: Authorization
    case: str
    why: str


@dataclass(frozen=True, slots=True)
class LineUnderReview:
    """What judging one line needs besides the decision.

    ``deny_allowed`` is the plan's switch for administrative denials by automation (off: a person looks first).
    ``state`` is where the line stands: ``screening``, or ``auto_review`` when it is looked at again after an answer.
    ``reference`` is the administration reference number it already has; a line keeps its number while it is pended.
    ``decide_by`` is when an urgent request has to be decided.
    """

    line: LineRequest
    runtime: Runtime
    at: datetime
    deny_allowed: bool = False
    state: str = "screening"
    reference: str | None = None
    decide_by: datetime | None = None

    def event(self, ev: str, determination: Determination | None = None, *, reference: str | None = None) -> Event:
        """An event of this line, caused by the system."""
        return Event(
            seq=0,
            at=self.at,
            ev=ev,
            actor="system",
            by="precert",
            line=self.line.sequence,
            determination=determination,
            reference=reference,
        )

    def to_auto_review(self) -> tuple[Event, ...]:
        """The event that brings the line before the engine, unless it is there already."""
        return (self.event("evaluate"),) if self.state == "screening" else ()

    def number(self) -> tuple[str, tuple[str, ...]]:
        """The line's reference number, and what must be reserved for it."""
        if self.reference:
            return self.reference, ()
        fresh = issue(NumberKind.REFERENCE, self.runtime)
        return fresh, (fresh,)


def judge(under_review: LineUnderReview, decision: Decision) -> Judged:
    """Turn ``decision`` into events. There is no way from here to a clinical denial."""
    determination = determine(decision, under_review.runtime, under_review.at)
    match decision.outcome:
        case Outcome.NOT_APPLICABLE | Outcome.NO_AUTH:
            return Judged((under_review.event("not_required", determination),))
        case Outcome.DENY_ADMIN if under_review.deny_allowed and under_review.state == "screening":
            return Judged((under_review.event("not_eligible", determination),))
        case Outcome.APPROVE:
            return _approve(under_review, decision.governing, determination)
        case Outcome.PEND_INFO:
            return _ask(under_review, decision, determination)
        case _:
            return hand_over(under_review, determination)


def authorized_already(under_review: LineUnderReview, repeated: Repeated) -> Judged:
    """The line is answered with the authorization on record: its number, validity and units. None is made."""
    granted, earlier = repeated.authorization, repeated.line.determination
    reason = (
        f"Authorized already: {granted.number}, given on {granted.issued.isoformat()} (case {repeated.case}) "
        f"{repeated.why}. No second authorization was made."
    )
    determination = Determination(
        id=under_review.runtime.new_id(),
        at=under_review.at,
        outcome="satisfied",
        policy=earlier.policy if earlier else None,
        version=earlier.version if earlier else None,
        title=earlier.title if earlier else None,
        reason=reason,
    )
    detail = {"number": granted.number, "case": repeated.case, "line": repeated.line.sequence}
    event = under_review.event(REPEATS, determination)
    return Judged((msgspec.structs.replace(event, authorization=granted, detail=detail),))


def not_eligible(under_review: LineUnderReview, reason: str) -> Judged:
    """No active coverage on the service date: an administrative denial where the plan allows it, else a person."""
    determination = Determination(
        id=under_review.runtime.new_id(),
        at=under_review.at,
        outcome=Outcome.DENY_ADMIN,
        reason=reason,
        reasons=("ELIGIBILITY",),
        notes=(reason,),
    )
    if under_review.deny_allowed and under_review.state == "screening":
        return Judged((under_review.event("not_eligible", determination),))
    return hand_over(under_review, determination)


def for_a_person(under_review: LineUnderReview, reason: str) -> Judged:
    """Something only people decide."""
    determination = Determination(
        id=under_review.runtime.new_id(), at=under_review.at, outcome=Outcome.REFER_NURSE, reason=reason
    )
    return hand_over(under_review, determination)


def engine_failure(under_review: LineUnderReview) -> Judged:
    """The rules could not be evaluated: a person decides, and the record says why."""
    determination = Determination(
        id=under_review.runtime.new_id(),
        at=under_review.at,
        outcome=Outcome.REFER_NURSE,
        reason="The coverage rules could not be evaluated; a reviewer will decide.",
    )
    number, fresh = under_review.number()
    failed = under_review.event("engine_error", determination, reference=number)
    return Judged((*under_review.to_auto_review(), failed), fresh)


def determine(decision: Decision, runtime: Runtime, at: datetime) -> Determination:
    """The engine's decision as a determination, with its whole trace."""
    governing = decision.governing
    return Determination(
        id=runtime.new_id(),
        at=at,
        outcome=decision.outcome.value,
        policy=governing.policy if governing else None,
        version=governing.version if governing else None,
        title=governing.title if governing else None,
        # what an exemption that was looked at and did not hold has to say is no news for the provider
        reason=_NONE_ASKED if decision.outcome is Outcome.NOT_APPLICABLE else decision.reason,
        reasons=governing.unmet if governing else (),
        trace=explain(decision),
    )


def _approve(under_review: LineUnderReview, governing: Evaluation | None, determination: Determination) -> Judged:
    authorization = authorize(
        under_review.line, governing.grant if governing else None, under_review.runtime, under_review.at
    )
    met = msgspec.structs.replace(under_review.event("criteria_met", determination), authorization=authorization)
    return Judged((*under_review.to_auto_review(), met, under_review.event("notified")), (authorization.number,))


def authorize(line: LineRequest, grant: Grant | None, runtime: Runtime, at: datetime) -> Authorization:
    """A new authorization for what was asked: the days asked for, or, where only a first day is said, the grant's period.

    The quantity is what was asked (the engine refers requests above the grant), or the grant's maximum when none was asked.
    """
    start = service_day(line, at.date())
    several = line.service_end is not None and line.service_end > start
    quantity, unit = line.quantity, line.unit
    if quantity is None and grant is not None:
        quantity, unit = grant.max_quantity, grant.unit
    return Authorization(
        number=issue(NumberKind.AUTHORIZATION, runtime),
        issued=at.date(),
        start=start,
        end=line.service_end if several else grant_end(start, grant) or line.service_end,
        quantity=quantity,
        unit=unit or (grant.unit if grant else None),
    )


def grant_end(start: date, grant: Grant | None) -> date | None:
    """The last day of a grant that begins on ``start`` (:meth:`Grant.last_day`)."""
    return grant.last_day(start) if grant is not None else None


def _ask(under_review: LineUnderReview, decision: Decision, determination: Determination) -> Judged:
    governing = decision.governing
    questions = OpenQuestions(
        id=under_review.runtime.new_id(),
        asked=under_review.at,
        due=answer_by(under_review.at, under_review.decide_by),
        policy=governing.policy if governing else "",
        version=governing.version if governing else "",
        questions=tuple(question_element(q) for q in decision.questions),
    )
    number, fresh = under_review.number()
    asked = msgspec.structs.replace(
        under_review.event("criteria_unknown", determination, reference=number), questions=questions
    )
    return Judged((*under_review.to_auto_review(), asked), fresh)


def question_element(question: Question) -> dict[str, object]:
    """A question as the record keeps it."""
    kept: dict[str, object] = {
        "linkId": question.link_id,
        "text": question.text,
        "type": question.type,
        "who": question.who,
        "criteria": list(question.criteria),
    }
    if question.unit:
        kept["unit"] = question.unit
    if question.document:
        kept["document"] = question.document
    if question.within:
        kept["within"] = question.within
    if question.options:
        kept["options"] = list(question.options)
    return kept


def hand_over(under_review: LineUnderReview, determination: Determination) -> Judged:
    """The line goes to a reviewer with this determination."""
    number, fresh = under_review.number()
    handed = under_review.event("hand_over", determination, reference=number)
    return Judged((*under_review.to_auto_review(), handed), fresh)
