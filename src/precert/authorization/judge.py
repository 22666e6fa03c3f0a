"""From a line and the engine's decision to the events that record it.

The engine's vocabulary (:class:`Outcome`) is mapped onto lifecycle events here and nowhere else. There is no branch that
ends in a clinical denial: what the rules cannot approve is asked about or handed to a person.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec

from precert.authorization.context import service_day
from precert.authorization.numbers import NumberKind, issue
from precert.authorization.record import Authorization, Determination, Event, LineRequest, OpenQuestions
from precert.policy.explain import explain
from precert.policy.types import Decision, Evaluation, Grant, Outcome, Question
from precert.runtime import Runtime

INFO_DAYS = 5
"""Calendar days given to answer an information request."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The events for one line, in order, and the numbers that must be reserved with them."""

    events: tuple[Event, ...]
    numbers: tuple[str, ...] = ()


def judge(line: LineRequest, decision: Decision, runtime: Runtime, at: datetime, *, deny_allowed: bool) -> Judged:
    """Turn ``decision`` into events from ``screening`` on.

    ``deny_allowed`` is the plan's switch for administrative denials by automation (off: a person looks first).
    """
    determination = determine(decision, runtime, at)
    match decision.outcome:
        case Outcome.NOT_APPLICABLE | Outcome.NO_AUTH:
            return Judged((_event(line, "not_required", at, determination),))
        case Outcome.DENY_ADMIN if deny_allowed:
            return Judged((_event(line, "not_eligible", at, determination),))
        case Outcome.APPROVE:
            return _approve(line, decision.governing, determination, runtime, at)
        case Outcome.PEND_INFO:
            return _ask(line, decision.governing, determination, runtime, at)
        case _:
            return _hand_over(line, determination, runtime, at)


def not_eligible(line: LineRequest, reason: str, runtime: Runtime, at: datetime, *, deny_allowed: bool) -> Judged:
    """No active coverage on the service date: an administrative denial where the plan allows it, else a person."""
    determination = Determination(
        id=runtime.new_id(), at=at, outcome=Outcome.DENY_ADMIN, reason=reason, reasons=("ELIGIBILITY",), notes=(reason,)
    )
    if deny_allowed:
        return Judged((_event(line, "not_eligible", at, determination),))
    return _hand_over(line, determination, runtime, at)


def engine_failure(line: LineRequest, runtime: Runtime, at: datetime) -> Judged:
    """The rules could not be evaluated: a person decides, and the record says why."""
    determination = Determination(
        id=runtime.new_id(),
        at=at,
        outcome=Outcome.REFER_NURSE,
        reason="The coverage rules could not be evaluated; a reviewer will decide.",
    )
    number = issue(NumberKind.REFERENCE, runtime)
    return Judged(
        (_event(line, "evaluate", at), _event(line, "engine_error", at, determination, reference=number)), (number,)
    )


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
        reason=decision.reason,
        reasons=governing.unmet if governing else (),
        trace=explain(decision),
    )


def _event(
    line: LineRequest,
    ev: str,
    at: datetime,
    determination: Determination | None = None,
    *,
    reference: str | None = None,
) -> Event:
    return Event(
        seq=0,
        at=at,
        ev=ev,
        actor="system",
        by="precert",
        line=line.sequence,
        determination=determination,
        reference=reference,
    )


def _approve(
    line: LineRequest, governing: Evaluation | None, determination: Determination, runtime: Runtime, at: datetime
) -> Judged:
    authorization = authorize(line, governing.grant if governing else None, runtime, at)
    met = _event(line, "criteria_met", at, determination)
    events = (
        _event(line, "evaluate", at),
        msgspec.structs.replace(met, authorization=authorization),
        _event(line, "notified", at),
    )
    return Judged(events, (authorization.number,))


def authorize(line: LineRequest, grant: Grant | None, runtime: Runtime, at: datetime) -> Authorization:
    """A new authorization for what was asked, for the time the grant gives.

    Without a period in the grant the requested dates stand. The quantity is what was asked (the engine refers requests
    above the grant), or the grant's maximum when none was asked.
    """
    start = service_day(line, at.date())
    quantity, unit = line.quantity, line.unit
    if quantity is None and grant is not None:
        quantity, unit = grant.max_quantity, grant.unit
    return Authorization(
        number=issue(NumberKind.AUTHORIZATION, runtime),
        issued=at.date(),
        start=start,
        end=grant_end(start, grant) or line.service_end,
        quantity=quantity,
        unit=unit or (grant.unit if grant else None),
    )


def grant_end(start: date, grant: Grant | None) -> date | None:
    """The last day of a grant that begins on ``start`` (a 12-month grant from 1 March ends on the last of February)."""
    if grant is None:
        return None
    if grant.period_months:
        month = start.month - 1 + grant.period_months
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return date(year, month, day) - timedelta(days=1)
    if grant.period_days:
        return start + timedelta(days=grant.period_days - 1)
    return None


def _ask(
    line: LineRequest, governing: Evaluation | None, determination: Determination, runtime: Runtime, at: datetime
) -> Judged:
    number = issue(NumberKind.REFERENCE, runtime)
    questions = OpenQuestions(
        id=runtime.new_id(),
        asked=at,
        due=at + timedelta(days=INFO_DAYS),
        policy=governing.policy if governing else "",
        version=governing.version if governing else "",
        questions=tuple(question_element(q) for q in (governing.questions if governing else ())),
    )
    asked = _event(line, "criteria_unknown", at, determination, reference=number)
    return Judged((_event(line, "evaluate", at), msgspec.structs.replace(asked, questions=questions)), (number,))


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
    if question.options:
        kept["options"] = list(question.options)
    return kept


def _hand_over(line: LineRequest, determination: Determination, runtime: Runtime, at: datetime) -> Judged:
    number = issue(NumberKind.REFERENCE, runtime)
    return Judged(
        (_event(line, "evaluate", at), _event(line, "hand_over", at, determination, reference=number)), (number,)
    )
