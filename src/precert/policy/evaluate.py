"""One policy and one line: the facts, the trees, and what the engine may say about it.

The order: does it apply; is it excluded; is it exempt; are the criteria met. Whatever is not known is asked for if
somebody can be asked, and goes to a person if not. Source: docs/policies.md ("what the engine says").
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from precert.policy.approval import uncountable, verdict
from precert.policy.asking import alternatives, open_facts, questions
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import EvidenceIndex
from precert.policy.logic import Truth, kleene_all, kleene_any, kleene_not
from precert.policy.run import Run
from precert.policy.scope import PROVIDER_CAN_SAY, Scope, scope, service_codes
from precert.policy.types import CriterionResult, Evaluation, LineContext, Outcome


def evaluate(policy: CompiledPolicy, context: LineContext, index: EvidenceIndex | None = None) -> Evaluation:
    """The policy's view of the line. Never raises for anything in the evidence.

    In: ``index`` is the line's evidence index if the caller has one already. Effective dates and status are the
    caller's business (:class:`precert.policy.catalogue.Catalogue`, :func:`evaluate_dated`).
    """
    found = scope(policy, context, service_codes(context.item))
    if found.fails is not None:
        return _not_applicable(policy, f"The policy does not cover this line ({found.fails}).")
    return evaluate_scoped(policy, context, index or EvidenceIndex(context), found)


def evaluate_dated(policy: CompiledPolicy, context: LineContext, index: EvidenceIndex | None = None) -> Evaluation:
    """The same, and not applicable on a day on which the policy is not in effect."""
    day = governing_day(policy, context)
    if not policy.in_effect(day):
        return _not_applicable(policy, f"The policy is not in effect on {day}.")
    return evaluate(policy, context, index)


def governing_day(policy: CompiledPolicy, context: LineContext) -> date:
    """The day that decides about effective dates: of service for benefits, of receipt for everything else."""
    return context.service_date if policy.model.role == "benefit" else context.received


def evaluate_scoped(policy: CompiledPolicy, context: LineContext, index: EvidenceIndex, found: Scope) -> Evaluation:
    """The policy's view once it is known to speak about the line. ``found`` is what :func:`scope` said."""
    run = Run.of(policy, context, index)
    evaluation = _decide(run)
    if found.unknown:
        evaluation = _scope_unknown(evaluation, found.unknown)
    return evaluation


def _base(run: Run) -> Evaluation:
    policy, model = run.policy, run.policy.model
    criteria: list[CriterionResult] = []
    for tree in run.trees:
        criteria.extend(tree.results())
    return Evaluation(
        policy=policy.id,
        version=policy.version,
        title=model.title,
        role=model.role,
        outcome=Outcome.NOT_APPLICABLE,
        facts=tuple(run.facts.values()),
        criteria=tuple(criteria),
        alternatives=alternatives(run),
        concurrent_review=model.auth.concurrent_review,
        benefit=model.auth.benefit,
        clock=model.auth.clock,
        grant=policy.grant,  # also when a person has to decide: this is what an approval would give
        digest=policy.digest,
        required=model.auth.required,
        doc=model.auth.doc,
        basis=tuple(f"{basis.type} {basis.id}" for basis in model.basis),
    )


def _not_applicable(policy: CompiledPolicy, reason: str) -> Evaluation:
    return Evaluation(
        policy=policy.id,
        version=policy.version,
        title=policy.model.title,
        role=policy.model.role,
        outcome=Outcome.NOT_APPLICABLE,
        reason=reason,
        digest=policy.digest,
    )


def _decide(run: Run) -> Evaluation:
    base, model = _base(run), run.policy.model
    excluded: Truth = run.exclude.truth if run.exclude else False
    exempt: Truth = run.exempt.truth if run.exempt else False
    criteria: Truth = run.criteria.truth if run.criteria else True
    if excluded is True:
        return _excluded(run, base)
    if exempt is True:
        if (trouble := uncountable(run)) is not None:
            return _say(base, *trouble)
        text_of = model.exempt.text if model.exempt and model.exempt.text else "exempt"
        return _say(base, Outcome.NO_AUTH, f"No authorization is needed: {text_of}.", model.auth.reason)
    if model.role == "exemption":
        return _say(base, Outcome.NOT_APPLICABLE, "The exemption has not been shown to hold.")
    if excluded is False and model.role == "benefit" and run.criteria is None:
        return _say(base, Outcome.NOT_APPLICABLE, "The benefit exclusion does not hold.")
    if excluded is False and model.auth.required is False:
        return _say(base, Outcome.NO_AUTH, "The policy asks for no authorization.", model.auth.reason)
    met = kleene_all((kleene_not(excluded), criteria))
    if met is True:
        return _met(run, base)
    if kleene_any((exempt, met)) is False:
        return _unmet(run, base)
    return _unknown(run, base, unmet=met is False)


def _say(base: Evaluation, outcome: Outcome, reason: str, code: str | None = None) -> Evaluation:
    return replace(base, outcome=outcome, reason=reason, reason_code=code)


def _excluded(run: Run, base: Evaluation) -> Evaluation:
    assert run.exclude is not None
    decisive = tuple(run.exclude.decisive())
    ids = tuple(leaf.node.id or "" for leaf in decisive)
    conflicts = run.with_provenance(decisive, "conflict")
    texts = "; ".join(leaf.node.text or leaf.node.id or "" for leaf in decisive)
    root = run.policy.model.exclude
    admin = run.policy.model.role == "benefit" or (root is not None and root.admin)
    if conflicts:
        reason = f"An exclusion seems to hold ({texts}), but the sources disagree about {', '.join(conflicts)}."
        return replace(_say(base, Outcome.REFER_NURSE, reason, "conflict"), unmet=ids)
    if admin or all(leaf.node.admin for leaf in decisive):
        return replace(_say(base, Outcome.DENY_ADMIN, f"Not covered: {texts}.", "excluded"), unmet=ids)
    return replace(_say(base, Outcome.REFER, f"An exclusion seems to hold: {texts}. A clinician decides."), unmet=ids)


def _met(run: Run, base: Evaluation) -> Evaluation:
    """Criteria met: approve, unless somebody has to look first."""
    return _say(base, *verdict(run))


def _unmet(run: Run, base: Evaluation) -> Evaluation:
    reasons: list[str] = []
    if run.criteria is not None and run.criteria.truth is False:
        reasons.extend(leaf.node.id or "" for leaf in run.criteria.decisive())
    ids = tuple(dict.fromkeys(reasons))
    return replace(_say(base, Outcome.REFER, f"Not met: {', '.join(ids)}. A clinician decides."), unmet=ids)


def _unknown(run: Run, base: Evaluation, *, unmet: bool) -> Evaluation:
    conflicts = open_facts(run, "conflict")
    missing = open_facts(run, "missing")
    base = replace(base, missing=missing, questions=questions(run, missing))
    if unmet:
        ids = tuple(dict.fromkeys(leaf.node.id or "" for leaf in run.criteria.decisive())) if run.criteria else ()
        base = replace(base, unmet=ids)
    if conflicts:
        return _say(base, Outcome.REFER_NURSE, f"The sources disagree about {', '.join(conflicts)}.", "conflict")
    if missing:
        return _say(base, Outcome.PEND_INFO, f"Still needed: {', '.join(missing)}.", "missing")
    if unmet:
        return _say(base, Outcome.REFER, f"Not met: {', '.join(base.unmet)}. A clinician decides.")
    if any(evaluated.errors for evaluated in run.trees):
        return _say(base, Outcome.REFER_NURSE, "A criterion could not be worked out.", "technical")
    return _say(base, Outcome.REFER_NURSE, "Something is unknown that no question can settle.", "unanswerable")


def _scope_unknown(evaluation: Evaluation, unknown: tuple[str, ...]) -> Evaluation:
    """It is not known whether the policy applies at all (docs/policies.md, "When the scope is not known").

    An exemption has then not been shown to hold. A yes of another policy holds only if it does not matter whether the
    policy applies, and if it is the provider who left something out (place, age, diagnosis, network): either the policy
    applies and says yes, or it does not and asks for nothing. A line of business, state or plan that the payer cannot
    tell leaves open whose rules apply, so no machine says yes. Everything else is held back.
    """
    evaluation = replace(evaluation, scope_unknown=unknown)
    if evaluation.outcome is Outcome.NOT_APPLICABLE:
        return evaluation
    if evaluation.role == "exemption":
        return replace(evaluation, outcome=Outcome.NOT_APPLICABLE, reason=f"Not known: {', '.join(unknown)}.")
    sayable = set(unknown) <= PROVIDER_CAN_SAY
    if sayable and evaluation.outcome in (Outcome.APPROVE, Outcome.NO_AUTH):
        return evaluation
    outcome = Outcome.PEND_INFO if sayable else Outcome.REFER_NURSE
    reason = f"Whether the policy applies depends on what is not known: {', '.join(unknown)}."
    return replace(evaluation, outcome=outcome, reason=reason, reason_code="scope-unknown")
