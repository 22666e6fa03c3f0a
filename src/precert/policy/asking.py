"""What to ask and what to offer: open facts, their questions, alternatives that hold."""

from __future__ import annotations

from typing import Literal

from precert.fhir.coding import LOINC, CodePattern
from precert.policy.closures import ExpressionError
from precert.policy.model import Fact
from precert.policy.run import Run
from precert.policy.types import Alternative, Question


def open_facts(run: Run, provenance: Literal["missing", "conflict"]) -> tuple[str, ...]:
    """Unknown facts of one kind that can still change the result: those one may ask for, or those in conflict."""
    can_ask = [n for n, f in run.facts.items() if f.provenance == "missing" and run.policy.fact_models[n].ask]
    disputed = [n for n, f in run.facts.items() if f.provenance == "conflict"]
    wanted = can_ask if provenance == "missing" else disputed
    relevance = run.policy.relevance
    if not wanted or relevance is None:
        return ()
    found = relevance.of(run.env, [*can_ask, *disputed])
    return tuple(name for name in found if name in wanted)


def questions(run: Run, missing: tuple[str, ...]) -> tuple[Question, ...]:
    """The question of each fact in ``missing``, with the criteria it serves."""
    asked: list[Question] = []
    for name in missing:
        model = run.policy.fact_models[name]
        ask = model.ask
        assert ask is not None
        asked.append(
            Question(
                link_id=name,
                text=ask.text,
                type=ask.type,
                who=ask.who,
                criteria=run.policy.criteria_of[name],
                unit=ask.unit or model.unit,
                options=ask.options,
                help=ask.help,
                document=_document(model),
                within=model.within,
            )
        )
    return tuple(asked)


def _document(fact: Fact) -> str | None:
    """The LOINC code of the document that would answer the fact, where the fact reads documents."""
    if "DocumentReference" not in fact.sources:
        return None
    patterns = (CodePattern.parse(written) for written in fact.code)
    return next((p.code for p in patterns if p.system == LOINC and not p.prefix), None)


def alternatives(run: Run) -> tuple[Alternative, ...]:
    """The policy's alternatives whose ``when`` is true, or that have none."""
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
