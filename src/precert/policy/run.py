"""One policy run on one line: its facts, the environment of its criteria, its trees as evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import EvidenceIndex
from precert.policy.logic import Env, Evaluated, Leaf
from precert.policy.types import FactValue, LineContext, Provenance

_NOT_FOUND = ("closed-world", "missing")
_NOT_SAID = (*_NOT_FOUND, "conflict")


@dataclass(slots=True)
class Run:
    """What is known half way."""

    policy: CompiledPolicy
    context: LineContext
    facts: dict[str, FactValue]
    env: Env
    exclude: Evaluated | None
    exempt: Evaluated | None
    criteria: Evaluated | None

    @classmethod
    def of(cls, policy: CompiledPolicy, context: LineContext, index: EvidenceIndex) -> Run:
        """Resolve every fact and evaluate every tree. Never raises for anything in the evidence."""
        told = context.told(policy.id)
        facts = {name: fact.resolve(told, index) for name, fact in policy.facts.items()}
        facts |= dict(_implied(policy, facts))
        env = environment(facts, context)
        exclude, exempt, criteria = (
            Evaluated(tree, env) if tree is not None else None
            for tree in (policy.exclude, policy.exempt, policy.criteria)
        )
        return cls(policy, context, facts, env, exclude, exempt, criteria)

    @property
    def trees(self) -> tuple[Evaluated, ...]:
        return tuple(e for e in (self.exclude, self.exempt, self.criteria) if e is not None)

    def with_provenance(self, leaves: Iterable[Leaf], provenance: Provenance) -> tuple[str, ...]:
        """The facts that ``leaves`` read and that have this provenance, each once."""
        names = dict.fromkeys(name for leaf in leaves for name in leaf.facts)
        return tuple(name for name in names if self.facts[name].provenance == provenance)


def _implied(policy: CompiledPolicy, facts: Mapping[str, FactValue]) -> Iterator[tuple[str, FactValue]]:
    """The facts that are there because another one is known, whatever way that came in: it lends them its evidence.

    Where the other one was told but cannot be read, or contradicts itself, it is not known whether they are there.
    """
    for name, model in policy.model.facts.items():
        other = facts.get(model.implied_by) if model.implied_by is not None else None
        if other is None or facts[name].provenance not in _NOT_FOUND:
            continue
        if other.provenance not in _NOT_SAID:
            yield name, replace(facts[name], values=(True,), evidence=other.evidence, provenance=other.provenance)
        elif other.provenance == "conflict" or other.unreadable:
            yield name, replace(facts[name], values=(), provenance="missing", unreadable=True)


def environment(facts: Mapping[str, FactValue], context: LineContext) -> dict[str, Any]:
    """The variables of the criteria: unknown and conflicting facts are empty."""
    env: dict[str, Any] = {"asof": context.received.isoformat()}
    for name, fact in facts.items():
        known = fact.values if fact.provenance != "conflict" else ()
        env[name] = None if not known else known[0] if len(known) == 1 else known
    return env
