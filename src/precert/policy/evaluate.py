"""One policy and one line: the facts, the trees, and what the engine may say about it.

The order: does it apply; is it excluded; is it exempt; are the criteria met. Whatever is not known is asked for if
somebody can be asked, and goes to a person if not. Source: docs/policies.md ("what the engine says").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from precert.fhir.types import elements, text
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import EvidenceIndex, number
from precert.policy.logic import Env, Evaluated, Leaf, Tree, Truth, kleene_all, kleene_any, kleene_not, leaves
from precert.policy.native import ExpressionError
from precert.policy.questions import relevant
from precert.policy.scope import PROVIDER_CAN_SAY, Scope, scope, service_codes
from precert.policy.types import Alternative, CriterionResult, Evaluation, FactValue, LineContext, Outcome, Question

_UNITS = {
    **dict.fromkeys(("d", "da", "day", "days"), "days"),
    **dict.fromkeys(("wk", "week", "weeks"), "weeks"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("vs", "visit", "visits"), "visits"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "hours"),
}
"""Units that can be told apart. Anything else, units and UN included, is taken to be what the grant counts."""


@dataclass(slots=True)
class _Run:
    """What is known half way."""

    policy: CompiledPolicy
    context: LineContext
    facts: dict[str, FactValue]
    env: Env
    exclude: Evaluated | None
    exempt: Evaluated | None
    criteria: Evaluated | None

    @property
    def trees(self) -> tuple[Evaluated, ...]:
        return tuple(e for e in (self.exclude, self.exempt, self.criteria) if e is not None)


def environment(facts: dict[str, FactValue], context: LineContext) -> dict[str, Any]:
    """The variables of the criteria: unknown and conflicting facts are empty."""
    env: dict[str, Any] = {"asof": context.received.isoformat()}
    for name, fact in facts.items():
        known = fact.values if fact.provenance != "conflict" else ()
        env[name] = None if not known else known[0] if len(known) == 1 else known
    return env


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
    facts = {name: fact.resolve(context, index) for name, fact in policy.facts.items()}
    env = environment(facts, context)
    run = _Run(
        policy,
        context,
        facts,
        env,
        *(
            Evaluated(tree, env) if tree is not None else None
            for tree in (policy.exclude, policy.exempt, policy.criteria)
        ),
    )
    evaluation = _decide(run)
    if found.unknown:
        evaluation = _scope_unknown(evaluation, found.unknown)
    return evaluation


def _base(run: _Run) -> Evaluation:
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
        alternatives=_alternatives(run),
        concurrent_review=model.auth.concurrent_review,
        benefit=model.auth.benefit,
        clock=model.auth.clock,
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


def _decide(run: _Run) -> Evaluation:
    base, model = _base(run), run.policy.model
    excluded: Truth = run.exclude.truth if run.exclude else False
    exempt: Truth = run.exempt.truth if run.exempt else False
    criteria: Truth = run.criteria.truth if run.criteria else True
    if excluded is True:
        return _excluded(run, base)
    if exempt is True:
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


def _excluded(run: _Run, base: Evaluation) -> Evaluation:
    assert run.exclude is not None
    decisive = tuple(run.exclude.decisive())
    ids = tuple(leaf.node.id or "" for leaf in decisive)
    conflicts = _used(decisive_facts(decisive), run, "conflict")
    texts = "; ".join(leaf.node.text or leaf.node.id or "" for leaf in decisive)
    root = run.policy.model.exclude
    admin = run.policy.model.role == "benefit" or (root is not None and root.admin)
    if conflicts:
        reason = f"An exclusion seems to hold ({texts}), but the sources disagree about {', '.join(conflicts)}."
        return replace(_say(base, Outcome.REFER_NURSE, reason, "conflict"), unmet=ids)
    if admin or all(leaf.node.admin for leaf in decisive):
        return replace(_say(base, Outcome.DENY_ADMIN, f"Not covered: {texts}.", "excluded"), unmet=ids)
    return replace(_say(base, Outcome.REFER, f"An exclusion seems to hold: {texts}. A clinician decides."), unmet=ids)


def decisive_facts(decisive: Iterable[Leaf]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for leaf in decisive for name in leaf.facts))


def _used(names: tuple[str, ...], run: _Run, provenance: str) -> tuple[str, ...]:
    return tuple(name for name in names if run.facts[name].provenance == provenance)


def _met(run: _Run, base: Evaluation) -> Evaluation:
    """Criteria met: approve, unless somebody has to look first."""
    policy, model = run.policy, run.policy.model
    base = replace(base, grant=policy.grant)
    over = _over_grant(run)
    if over is not None:
        return _say(base, *over)
    true_leaves = [
        leaf
        for tree in (run.criteria, run.exclude)
        if tree is not None
        for leaf, truth in tree.truths.items()
        if isinstance(leaf, Leaf) and truth is (tree is run.criteria)
    ]
    every_fact = decisive_facts(leaf for tree in run.trees for leaf in leaves(tree.tree))
    conflicts = _used(every_fact, run, "conflict")
    if conflicts:
        return _say(base, Outcome.REFER_NURSE, f"The sources disagree about {', '.join(conflicts)}.", "conflict")
    attested = _used(decisive_facts(true_leaves), run, "attested")
    if attested and model.auto_approve.attestation == "review":
        reason = f"The criteria are met, but by statement only: {', '.join(attested)}. A nurse confirms."
        return _say(base, Outcome.REFER_NURSE, reason, "attested")
    if not model.auto_approve.enabled:
        return _say(
            base, Outcome.REFER_NURSE, "The criteria are met; this policy is always confirmed.", "auto-approve-off"
        )
    if _sampled(run):
        return _say(base, Outcome.REFER_NURSE, "The criteria are met; drawn for a quality check.", "sample")
    return _say(base, Outcome.APPROVE, "The criteria are met.")


def _over_grant(run: _Run) -> tuple[Outcome, str, str] | None:
    grant = run.policy.grant
    if grant is None or grant.max_quantity is None:
        return None
    quantity = next(iter(elements(run.context.item.get("quantity"))), {})
    asked = number(quantity.get("value"))
    if asked is None:
        return None
    said = _UNITS.get((text(quantity.get("unit")) or text(quantity.get("code")) or "").lower())
    granted = _UNITS.get((grant.unit or "").lower())
    if said and granted and said != granted:
        reason = f"The request counts in {said}, the grant in {granted}; a person compares them."
        return Outcome.REFER_NURSE, reason, "unit"
    if asked > grant.max_quantity:
        unit = f" {grant.unit}" if grant.unit else ""
        reason = (
            f"Asked for {asked}, the policy grants at most {grant.max_quantity}{unit}; only a clinician may cut it."
        )
        return Outcome.REFER, reason, "over-grant"
    return None


def _sampled(run: _Run) -> bool:
    """Whether this line is in the percentage that a nurse sees anyway: by a hash, so the same line always is or is not."""
    share = run.policy.model.auto_approve.sample
    if share <= 0:
        return False
    context = run.context
    own = context.key or "|".join(
        (str(context.patient.get("id")), *map(str, service_codes(context.item)), context.service_date.isoformat())
    )
    digest = hashlib.sha256(f"{run.policy.id}@{run.policy.version}|{own}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000 < share * 100


def _unmet(run: _Run, base: Evaluation) -> Evaluation:
    reasons: list[str] = []
    if run.criteria is not None and run.criteria.truth is False:
        reasons.extend(leaf.node.id or "" for leaf in run.criteria.decisive())
    ids = tuple(dict.fromkeys(reasons))
    return replace(_say(base, Outcome.REFER, f"Not met: {', '.join(ids)}. A clinician decides."), unmet=ids)


def _unknown(run: _Run, base: Evaluation, *, unmet: bool) -> Evaluation:
    tree = run.policy.whole
    assert tree is not None  # without a tree nothing is unknown
    conflicts = _open(run, tree, "conflict")
    missing = _open(run, tree, "missing")
    base = replace(base, missing=missing, questions=_questions(run, missing))
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


def _open(run: _Run, tree: Tree, provenance: str) -> tuple[str, ...]:
    """Unknown facts of one kind that can still change the result: those one may ask for, or those in conflict."""
    can_ask = [n for n, f in run.facts.items() if f.provenance == "missing" and run.policy.fact_models[n].ask]
    disputed = [n for n, f in run.facts.items() if f.provenance == "conflict"]
    wanted = can_ask if provenance == "missing" else disputed
    if not wanted:
        return ()
    found = relevant(tree, run.env, [*can_ask, *disputed], run.policy.fact_models, run.policy.probe)
    return tuple(name for name in found if name in wanted)


def _questions(run: _Run, missing: tuple[str, ...]) -> tuple[Question, ...]:
    questions: list[Question] = []
    for name in missing:
        model = run.policy.fact_models[name]
        ask = model.ask
        assert ask is not None
        questions.append(
            Question(
                link_id=name,
                text=ask.text,
                type=ask.type,
                who=ask.who,
                criteria=run.policy.criteria_of[name],
                unit=ask.unit or model.unit,
                options=ask.options,
                help=ask.help,
            )
        )
    return tuple(questions)


def _alternatives(run: _Run) -> tuple[Alternative, ...]:
    offered: list[Alternative] = []
    for rule in run.policy.alternatives:
        if rule.when is not None:
            try:
                holds = rule.when.truth(run.env)
            except ExpressionError:  # an offer that cannot be worked out is not made; nothing hangs on it
                holds = None
            if holds is not True:
                continue
        suggest = rule.model.suggest
        offered.append(
            Alternative(
                topic=rule.model.card,
                system=suggest.system if suggest else None,
                code=suggest.code if suggest else None,
                text=rule.model.text,
            )
        )
    return tuple(offered)


def _scope_unknown(evaluation: Evaluation, unknown: tuple[str, ...]) -> Evaluation:
    """It is not known whether the policy applies at all. A yes holds either way; anything else is held back."""
    evaluation = replace(evaluation, scope_unknown=unknown)
    if evaluation.outcome in (Outcome.APPROVE, Outcome.NO_AUTH, Outcome.NOT_APPLICABLE):
        return evaluation
    if evaluation.role in ("exemption", "benefit"):
        return replace(evaluation, outcome=Outcome.NOT_APPLICABLE, reason=f"Not known: {', '.join(unknown)}.")
    outcome = Outcome.PEND_INFO if set(unknown) <= PROVIDER_CAN_SAY else Outcome.REFER_NURSE
    reason = f"Whether the policy applies depends on what is not known: {', '.join(unknown)}."
    return replace(evaluation, outcome=outcome, reason=reason, reason_code="scope-unknown")
