"""A decision as plain JSON: which policy, which facts with which evidence, which criteria, what is missing and why.

The keys are those of the outside contract's ``lines[]``; what is added there stands beside them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from precert.policy.types import Alternative, CriterionResult, Decision, Evaluation, FactValue, Grant, Outcome, Question


def plain(value: Any) -> Any:
    """``value`` in JSON's own types; whole numbers without a point, other decimals as numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return value if isinstance(value, (bool, int, float, str)) or value is None else str(value)


def _fact(fact: FactValue) -> dict[str, Any]:
    values = plain(fact.values)
    shown: dict[str, Any] = {
        "name": fact.name,
        "value": None if not values else values[0] if len(values) == 1 else values,
        "evidence": list(fact.evidence),
        "provenance": fact.provenance,
    }
    if fact.origin is not None:
        shown["origin"] = fact.origin
    if fact.notes:
        shown["notes"] = list(fact.notes)
    return shown


def _criterion(criterion: CriterionResult) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": criterion.id,
        "text": criterion.text,
        "result": criterion.result,
        "cite": criterion.cite,
    }
    if criterion.group:
        shown["group"] = True
    else:
        shown["facts"] = list(criterion.facts)
    if criterion.why_not is not None:
        shown["why_not"] = criterion.why_not
    if criterion.admin:
        shown["admin"] = True
    if criterion.error is not None:
        shown["error"] = criterion.error
    return shown


def _question(question: Question) -> dict[str, Any]:
    shown = {
        "link_id": question.link_id,
        "text": question.text,
        "type": question.type,
        "who": question.who,
        "criteria": list(question.criteria),
        "unit": question.unit,
        "options": list(question.options) or None,
        "help": question.help,
        "document": question.document,
        "within": question.within,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _grant(grant: Grant | None) -> dict[str, Any] | None:
    if grant is None:
        return None
    shown = {
        "period": grant.period,
        "period_days": grant.period_days,
        "period_months": grant.period_months,
        "max_quantity": plain(grant.max_quantity),
        "unit": grant.unit,
        "next_review": grant.next_review,
        "note": grant.note,
        "fast_path": grant.fast_path,
        "on_stop": grant.on_stop,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _alternative(alternative: Alternative) -> dict[str, Any]:
    shown = {
        "topic": alternative.topic,
        "system": alternative.system,
        "code": alternative.code,
        "text": alternative.text,
    }
    return {key: value for key, value in shown.items() if value is not None}


def explain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """One policy's view as JSON-ready values."""
    return {
        "policy": evaluation.policy,
        "version": evaluation.version,
        "title": evaluation.title,
        "role": evaluation.role,
        "digest": evaluation.digest,
        "basis": list(evaluation.basis),
        "outcome": evaluation.outcome.value,
        "reason": evaluation.reason,
        "reason_code": evaluation.reason_code,
        "facts": [_fact(fact) for fact in evaluation.facts],
        "criteria": [_criterion(criterion) for criterion in evaluation.criteria],
        "missing": list(evaluation.missing),
        "unmet": list(evaluation.unmet),
        "questions": [_question(question) for question in evaluation.questions],
        "grant": _grant(evaluation.grant),
        "alternatives": [_alternative(alternative) for alternative in evaluation.alternatives],
        "scope_unknown": list(evaluation.scope_unknown),
    }


def explain(decision: Decision) -> dict[str, Any]:
    """The decision as one entry of ``lines[]``: ``{policy, version, outcome, facts, criteria, missing, reasons, ...}``.

    ``reasons`` holds the sentence why, then the plain-language reason of each criterion that was not met. Without a
    governing policy, ``policy`` and ``version`` are null and the lists empty.
    """
    governing = decision.governing
    if governing is None:
        shown: dict[str, Any] = {
            "policy": None,
            "version": None,
            "facts": [],
            "criteria": [],
            "missing": [],
            "unmet": [],
        }
    else:
        shown = explain_evaluation(governing)
    if decision.reason_code is not None:
        shown["reason_code"] = decision.reason_code
    if decision.remarks:
        shown["remarks"] = list(decision.remarks)
    return {
        **shown,
        "outcome": decision.outcome.value,
        "missing": list(decision.missing),
        "reasons": list(reasons(decision)),
        "conflicts": list(decision.conflicts),
        "considered": [
            {"policy": e.policy, "version": e.version, "role": e.role, "outcome": e.outcome.value, "reason": e.reason}
            for e in decision.considered
        ],
    }


def reasons(decision: Decision) -> tuple[str, ...]:
    """The sentence why, then ``why_not`` (or the text) of every unmet criterion of the policies that apply."""
    found = [decision.reason] if decision.reason else []
    if decision.outcome in (Outcome.REFER, Outcome.DENY_ADMIN):
        for evaluation in decision.applied:
            by_id = {criterion.id: criterion for criterion in evaluation.criteria}
            for unmet in evaluation.unmet:
                criterion = by_id.get(unmet)
                if criterion is not None:
                    found.append(f"{criterion.id}: {criterion.why_not or criterion.text}")
    return tuple(dict.fromkeys(found))
