"""Adaptive forms: which questions come next, worked out from the answers each time. Nothing is remembered.

The rules are asked, not the form: a question is put only while its answer can still change the result, and the form
ends as soon as nothing can, whichever way it goes. Source: DTR 2.2.0 spec-17, spec-33, spec-36, spec-39, sec-10.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from precert.authorization.deciding.service import identify, normalized
from precert.dtr.form import Form
from precert.dtr.shape import Shape
from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.evaluate import evaluate_scoped
from precert.policy.evidence import EvidenceIndex
from precert.policy.model import REQUEST_SOURCES
from precert.policy.questions import relevant
from precert.policy.run import Run
from precert.policy.scope import Scope
from precert.policy.types import Answer, Evaluation, LineContext, Outcome

_DONE = {
    Outcome.APPROVE: "Complete. As answered, the coverage criteria are met.",
    Outcome.NO_AUTH: "Complete. As answered, no authorization is needed.",
    Outcome.NOT_APPLICABLE: "Complete. As answered, this policy asks for nothing.",
}
_ALL_THERE = Catalogue()
_REVIEW = "Complete. No further question can help; a reviewer will look at the request."


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next. ``ended`` is the closing sentence when nothing does; ``unanswered`` must be answered first."""

    ask: tuple[str, ...]
    unanswered: tuple[str, ...] = ()
    ended: str | None = None


def evaluation(form: Form, context: LineContext, rules: Catalogue = _ALL_THERE) -> Evaluation:
    """The policy's view, whether or not it would be chosen for the line: the form was. ``rules`` says what is lacking."""
    return rules.upheld(evaluate_scoped(form.policy, context, EvidenceIndex(context), Scope()), context)


def next_step(
    form: Form, context: LineContext, asked: Collection[str], shape: Shape, rules: Catalogue = _ALL_THERE
) -> Step:
    """The next batch of questions. ``context`` holds the answers so far; ``asked`` is what the form asks already.

    ``rules`` is what the closing sentence rests on; by default nothing is lacking.
    """
    found = evaluation(form, context, rules)
    still = {*found.missing, *_unstated(form, context)}
    open_ = [name for name in form.items if name in still]
    unanswered = tuple(name for name in open_ if name in asked and form.items[name].required)
    if unanswered:
        return Step((), unanswered)
    batch = [name for name in open_ if name not in asked]
    if shape.ASKS_IN_WAVES:
        batch = [name for name in batch if not _hangs(form, name, batch)]
    if batch:
        return Step(tuple(batch))
    return Step((), ended=_closing(found, [name for name in open_ if name in asked]))


def _unstated(form: Form, context: LineContext) -> tuple[str, ...]:
    """What can matter too while nobody knows what exactly is requested, and for whom: the form was opened without an order.

    Facts of the request itself are nobody's to answer; the rules leave them unknown, but the request will bring them.
    """
    policy, models = form.policy, form.policy.fact_models
    tree = policy.whole
    if tree is None or context.patient or context.coverage:
        return ()
    run = Run.of(policy, context, EvidenceIndex(context))
    unknown = [name for name, fact in run.facts.items() if fact.provenance == "missing"]
    coming = [name for name in unknown if set(REQUEST_SOURCES) & set(models[name].sources)]
    if not coming:
        return ()
    free = [name for name in unknown if models[name].ask is not None or name in coming]
    return tuple(name for name in relevant(tree, run.env, free, policy.probe) if name in form.items)


def _hangs(form: Form, name: str, batch: Sequence[str]) -> bool:
    """Whether the question hangs on one of the batch; the first of a batch never does, because what it hangs on comes earlier."""
    shown = form.items[name].shown
    return shown is not None and any(condition.question in batch for condition in shown.conditions)


def _closing(found: Evaluation, skipped: Sequence[str]) -> str:
    if skipped:
        return f"Complete, with {len(skipped)} question(s) left open. The request can be sent; it will wait for them."
    return _DONE.get(found.outcome, _REVIEW)


def first_questions(form: Form, service: str | None, shape: Shape, today: date) -> tuple[str, ...]:
    """What a form asks before anything is answered."""
    return next_step(form, bare_context(service, {}, today), (), shape).ask


def bare_context(service: str | None, answers: Mapping[str, Answer], today: date) -> LineContext:
    """A line of which only the service is known, if that."""
    system, _, code = (service or "").rpartition("|")
    item: Element = {"productOrService": {"coding": [{"system": system, "code": code}]}} if code else {}
    return LineContext(item=normalized(item, identify(item)), service_date=today, received=today, answers=answers)
