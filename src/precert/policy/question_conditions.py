"""Which questions hang on which, worked out from the criteria: when each can still matter, and without which no yes is possible.

A question hangs on an earlier one when some answers to that one make it pointless, whatever everything else turns out to
be; the search for open questions decides that (:func:`precert.policy.questions.relevant`). An earlier question counts in
one of two ways:

* only the form can answer it, and nothing can be approved without it: the later question waits for it, and several of
  them count together (``all``);
* the chart or the payer may know it, too: unanswered it hides nothing (``any``, with "not answered" first). Only one of
  this kind counts, the one that hides most: a later one may itself be hidden, and would then show what the first one hid.

The conditions may show too much and never hide what could still matter. A DTR form writes them as ``enableWhen`` and
``required``. Source: DTR 2.2.0 spec-17, FHIR R4 Questionnaire.item.enableWhen; docs/dtr.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any, Literal

from precert.policy.compiled import CompiledPolicy
from precert.policy.logic import Leaf, Tree, leaves
from precert.policy.questions import comparisons, relevant

Operator = Literal["exists", "=", ">", "<", ">=", "<="]
_BUDGET = 4_000
"""Combinations of answers that are tried for one criterion; beyond that it is taken as possible."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What an earlier question has to be answered with: the question, the operator and the plain value (with ``exists``:
    whether it is answered at all)."""

    question: str
    operator: Operator
    answer: Any


@dataclass(frozen=True, slots=True)
class Shown:
    """When a question is shown: when all, or any, of the conditions hold."""

    behavior: Literal["all", "any"]
    conditions: tuple[Condition, ...]


def shown_when(policy: CompiledPolicy, order: Sequence[str]) -> dict[str, Shown]:
    """For each question that earlier ones can make pointless: when it is shown.

    In: the askable facts in the order in which they are asked.
    """
    tree = policy.whole
    if tree is None:
        return {}
    free = list(policy.facts)
    decisive = required_facts(policy)
    strict: dict[str, list[Condition]] = {}
    soft: dict[str, tuple[float, tuple[Condition, ...]]] = {}
    for position, earlier in enumerate(order):
        values = policy.probe.values[earlier][1:]
        later = order[position + 1 :]
        if len(values) < 2 or not later:
            continue
        waits = earlier in decisive and not policy.fact_models[earlier].sources
        others = [name for name in free if name != earlier]
        nothing: dict[str, Any] = dict.fromkeys(free)
        shown = [frozenset(relevant(tree, {**nothing, earlier: value}, others, policy.probe)) for value in values]
        for name in later:
            enabled = [name in found for found in shown]
            hides = enabled.count(False) / len(values)
            if not hides:
                continue
            if waits and (conditions := _conditions(policy, earlier, values, enabled, together=True)):
                strict.setdefault(name, []).extend(conditions)
            conditions = (Condition(earlier, "exists", False), *_conditions(policy, earlier, values, enabled))
            if (len(conditions) > 1 or hides == 1) and hides > soft.get(name, (0.0, ()))[0]:
                soft[name] = hides, conditions
    found = {name: Shown("any", conditions) for name, (_, conditions) in soft.items()}
    return found | {name: Shown("all", tuple(conditions)) for name, conditions in strict.items()}


def _conditions(
    policy: CompiledPolicy, earlier: str, values: Sequence[Any], enabled: Sequence[bool], *, together: bool = False
) -> tuple[Condition, ...]:
    """Conditions for the enabled values, to be read with ``any`` (or with ``all``: ``together``); none: cannot be said."""
    if not any(enabled):
        return ()
    ask = policy.fact_models[earlier].ask
    kind = ask.type if ask is not None else ""
    if kind in ("boolean", "choice"):
        wanted = [value for value, shown in zip(values, enabled, strict=True) if shown]
        return () if together and len(wanted) > 1 else tuple(Condition(earlier, "=", value) for value in wanted)
    if kind not in ("decimal", "integer"):
        return ()
    ordered = sorted(zip(values, enabled, strict=True))
    ranges = _Ranges(earlier, [v for v, _ in ordered], [e for _, e in ordered], _literals(policy, earlier))
    return ranges.together() if together else ranges.either()


def _literals(policy: CompiledPolicy, name: str) -> set[Decimal]:
    found: set[Decimal] = set()
    for tree in (policy.exclude, policy.exempt, policy.criteria):
        for leaf in leaves(tree) if tree is not None else ():
            for literal in (comparisons(leaf) or {}).get(name, ()):
                if isinstance(literal, int | Decimal) and not isinstance(literal, bool):
                    found.add(Decimal(literal))
    return found


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Sampled numbers in order, which of them show the question, and at which of them the criteria change."""

    earlier: str
    values: Sequence[Any]
    enabled: Sequence[bool]
    literals: set[Decimal]

    @property
    def ends(self) -> tuple[int, int]:
        return self.enabled.index(True), len(self.enabled) - 1 - self.enabled[::-1].index(True)

    def below(self, last: int) -> Condition:
        if self.values[last + 1] in self.literals:
            return Condition(self.earlier, "<", self.values[last + 1])
        return Condition(self.earlier, "<=", self.values[last])

    def above(self, first: int) -> Condition:
        if self.values[first - 1] in self.literals and self.values[first] not in self.literals:
            return Condition(self.earlier, ">", self.values[first - 1])
        return Condition(self.earlier, ">=", self.values[first])

    def together(self) -> tuple[Condition, ...]:
        """The smallest range that holds all enabled values, as conditions that must all hold."""
        first, last = self.ends
        lower = (self.above(first),) if first else ()
        return (*lower, *((self.below(last),) if last < len(self.values) - 1 else ()))

    def either(self) -> tuple[Condition, ...]:
        """Conditions of which at least one holds for every enabled value; a bounded range is widened to one side."""
        first, last = self.ends
        if first == last and self.values[first] in self.literals:
            return (Condition(self.earlier, "=", self.values[first]),)
        gap = [at for at in range(first, last) if not self.enabled[at]]
        if first == 0 and last == len(self.values) - 1:
            whole = gap == list(range(gap[0], gap[-1] + 1))
            return (self.below(gap[0] - 1), self.above(gap[-1] + 1)) if whole else ()
        if first == 0:
            return (self.below(last),)
        if last == len(self.values) - 1 or first >= len(self.values) - 1 - last:
            return (self.above(first),)
        return (self.below(last),)


def required_facts(policy: CompiledPolicy) -> frozenset[str]:
    """The facts without which the request can never be approved: whoever asks has to get an answer."""
    return _required(policy, policy.whole, True) if policy.whole is not None else frozenset()


def _required(policy: CompiledPolicy, tree: Tree, truth: bool) -> frozenset[str]:
    if isinstance(tree, Leaf):
        return frozenset(name for name in tree.facts if not _reaches(policy, tree, truth, name))
    if tree.operator == "at_least":
        return frozenset()
    inner = truth if tree.operator != "none" else not truth
    parts = [_required(policy, child, inner) for child in tree.children]
    together = (tree.operator == "all") is truth if tree.operator != "none" else truth
    return frozenset[str]().union(*parts) if together else parts[0].intersection(*parts[1:])


def _reaches(policy: CompiledPolicy, leaf: Leaf, truth: bool, without: str) -> bool:
    """Whether the leaf can become ``truth`` although nobody answers ``without``; yes when it is too much to try.

    A fact that has a value without an answer (``absent``) has that value then.
    """
    others = [name for name in leaf.facts if name != without]
    choices = [policy.probe.values[name] for name in others]
    if policy.probe.classes[leaf] is None or prod(map(len, choices)) > _BUDGET:
        return True
    unanswered: dict[str, Any] = {without: policy.fact_models[without].absent}
    return any(
        leaf.truth({**unanswered, **dict(zip(others, row, strict=True))})[0] is truth for row in product(*choices)
    )
