"""Trying a policy out before anybody is decided by it: embedded tests, mutation coverage, replay of old cases.

Mutation coverage replaces each leaf in turn by true, by false, and by unknown (a question that nobody has answered).
If no embedded test then fails, that leaf is not tested. Full coverage shows that every line *matters*, not that it is
*right*; reading each leaf beside its source stays a clinician's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from precert.policy.codeset import ValueSets
from precert.policy.compiled import SECTIONS, CompiledPolicy
from precert.policy.evaluate import evaluate, evaluate_dated
from precert.policy.fixtures import FixtureError, unfold
from precert.policy.load import PolicyFile
from precert.policy.model import Ask, Example, Fact, Node
from precert.policy.severity import severity
from precert.policy.types import Evaluation, LineContext, Outcome

Replacement = Literal["true", "false", "unknown"]
_UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One embedded test. ``differences`` is empty when it passed."""

    policy: str
    name: str
    line: int
    differences: tuple[str, ...]
    evaluation: Evaluation | None = None

    @property
    def passed(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Mutant:
    """A leaf replaced. ``killed_by`` names the first embedded test that noticed; ``None``: it lives."""

    policy: str
    leaf: str
    replacement: Replacement
    killed_by: str | None

    def __str__(self) -> str:
        return f"{self.policy}: {self.leaf} := {self.replacement}"


@dataclass(frozen=True, slots=True)
class Flip:
    """One case that a draft would decide differently. ``gains`` says whether the member is better off."""

    case: str
    before: Outcome
    after: Outcome
    gains: bool
    missing: tuple[str, ...]
    unmet: tuple[str, ...]


def _differences(example: Example, evaluation: Evaluation) -> Iterator[str]:
    expect = example.expect
    if evaluation.outcome.value != expect.decision:
        yield f"decision is {evaluation.outcome.value}, expected {expect.decision}"
    offered = tuple(a.code or a.topic for a in evaluation.alternatives)
    for name, expected, actual in (
        ("missing", expect.missing, evaluation.missing),
        ("unmet", expect.unmet, evaluation.unmet),
        ("alternatives", expect.alternatives, offered),
    ):
        if expected is not None and sorted(expected) != sorted(actual):
            yield f"{name} is [{', '.join(actual)}], expected [{', '.join(expected)}]"


def _try(policy: CompiledPolicy, example: Example, position: int) -> TrialResult:
    line = policy.file.source.line(("tests", position))
    try:
        context = unfold(example.given, policy.model)
    except FixtureError as error:
        return TrialResult(policy.id, example.name, line, (f"given: {error}",))
    evaluation = evaluate_dated(policy, context)
    return TrialResult(policy.id, example.name, line, tuple(_differences(example, evaluation)), evaluation)


def run_tests(policy: CompiledPolicy) -> tuple[TrialResult, ...]:
    """Every embedded test of the policy, in order. Never raises: what cannot be run has failed."""
    return tuple(_try(policy, example, n) for n, example in enumerate(policy.model.tests))


def _leaf_count(node: Node | None) -> int:
    if node is None:
        return 0
    return 1 if node.test is not None else sum(map(_leaf_count, node.children))


def _replaced(node: Node, target: int, test: str, counter: list[int]) -> tuple[Node, str | None]:
    """``node`` with the ``target``-th leaf's test replaced, and that leaf's id."""
    if node.test is not None:
        counter[0] += 1
        if counter[0] - 1 != target:
            return node, None
        return node.model_copy(update={"test": test}), node.id
    found: str | None = None
    children: list[Node] = []
    for child in node.children:
        changed, hit = _replaced(child, target, test, counter)
        children.append(changed)
        found = found or hit
    for key, value in (("all_", node.all_), ("any_", node.any_), ("none_", node.none_), ("of", node.of)):
        if value is not None:
            return node.model_copy(update={key: tuple(children)}), found
    return node, found


def mutate(policy: CompiledPolicy, value_sets: ValueSets | None = None) -> tuple[Mutant, ...]:
    """Every leaf of every tree times three replacements, with the test that kills it.

    Only tests that pass on the policy as it stands count.
    """
    passing = [n for n, result in enumerate(run_tests(policy)) if result.passed]
    file, model = policy.file, policy.model
    question = Fact(ask=Ask(text="Not answered", type="boolean", who="clinical"))
    mutants: list[Mutant] = []
    choices: tuple[tuple[Replacement, str], ...] = (("true", "true"), ("false", "false"), ("unknown", f"%{_UNASKED}"))
    for section in SECTIONS:
        root: Node | None = getattr(model, section)
        for target in range(_leaf_count(root)):
            assert root is not None
            for name, test in choices:
                changed, leaf = _replaced(root, target, test, [0])
                update: dict[str, Any] = {section: changed, "facts": {**model.facts, _UNASKED: question}}
                draft = CompiledPolicy(PolicyFile(model.model_copy(update=update), file.source), value_sets)
                results = (_try(draft, model.tests[n], n) for n in passing)
                killer = next((result.name for result in results if not result.passed), None)
                mutants.append(Mutant(policy.id, leaf or "", name, killer))
    return tuple(mutants)


def replay(cases: Iterable[tuple[str, LineContext, Outcome]], draft: CompiledPolicy) -> tuple[Flip, ...]:
    """Old lines through a draft: those whose outcome would change.

    In: cases as (name, line, outcome then), and the draft. Its status and dates do not matter here, what it applies to
    does. Out: the flips, in the order of the cases.
    """
    flips: list[Flip] = []
    for name, context, before in cases:
        after = evaluate(draft, context)
        if after.outcome is not before:
            gains = severity(after.outcome) < severity(before)
            flips.append(Flip(name, before, after.outcome, gains, after.missing, after.unmet))
    return tuple(flips)
