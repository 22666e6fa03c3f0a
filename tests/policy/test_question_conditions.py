"""When a question is shown and which must be answered: checked against the search for open questions and brute force."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import policy
from policy.test_questions import FACTS, KINDS, POSSIBLE, numbered, trees
from precert.policy.compiled import CompiledPolicy
from precert.policy.logic import Evaluated
from precert.policy.question_conditions import Condition, Shown, required_facts, shown_when
from precert.policy.questions import relevant


def _holds(condition: Condition, answer: Any) -> bool:
    """FHIR R4 ``enableWhen``: a comparison with a question that is not answered does not hold."""
    if condition.operator == "exists":
        return (answer is not None) is condition.answer
    if answer is None:
        return False
    wanted = condition.answer
    results = {
        "=": answer == wanted,
        "<": answer < wanted if condition.operator == "<" else None,
        "<=": answer <= wanted if condition.operator == "<=" else None,
        ">": answer > wanted if condition.operator == ">" else None,
        ">=": answer >= wanted if condition.operator == ">=" else None,
    }
    return bool(results[condition.operator])


def _hidden(shown: Shown, answers: dict[str, Any]) -> bool:
    held = [_holds(condition, answers[condition.question]) for condition in shown.conditions]
    return not (all(held) if shown.behavior == "all" else any(held))


def _tried(node: dict[str, Any]) -> tuple[CompiledPolicy, list[str]]:
    tried = policy(facts=FACTS, criteria=numbered(node, [0]))
    used = {name for found in tried.probe.classes for name in found.facts}
    return tried, [name for name in KINDS if name in used]


@settings(max_examples=250, deadline=None)
@given(trees, st.data())
def test_what_could_still_matter_is_never_hidden(node: dict[str, Any], data: st.DataObject) -> None:
    tried, order = _tried(node)
    assert tried.whole is not None
    env = {name: data.draw(st.sampled_from(POSSIBLE[name])) for name in KINDS}
    free = [name for name in order if env[name] is None]
    open_ = relevant(tried.whole, env, free, tried.probe)
    for name, shown in shown_when(tried, order).items():
        assert all(order.index(condition.question) < order.index(name) for condition in shown.conditions)
        if name not in free or not _hidden(shown, env):
            continue
        waits = {c.question for c in shown.conditions if shown.behavior == "all" and env[c.question] is None}
        assert waits <= required_facts(tried)  # what it waits for has to be answered anyhow
        assert waits or name not in open_


@settings(max_examples=80, deadline=None)
@given(trees)
def test_nothing_is_approved_without_a_required_answer(node: dict[str, Any]) -> None:
    tried, order = _tried(node)
    assert tried.whole is not None
    for name in required_facts(tried):
        others = [other for other in order if other != name]
        for row in product(*(POSSIBLE[other] for other in others)):
            env = {**dict.fromkeys(KINDS), **dict(zip(others, row, strict=True))}
            assert Evaluated(tried.whole, env).truth is not True


def _ask(kind: str, **more: Any) -> dict[str, Any]:
    return {"ask": {"text": "?", "type": kind, "who": "clinical"}, **more}


def _leaf(id: str, test: str) -> dict[str, Any]:
    return {"id": id, "test": test, "cite": "c", "why_not": "w"}


OBSERVED = {"from": "Observation", "code": ["loinc|59408-5"], "unit": "%", "take": "lowest"}


@pytest.mark.parametrize(
    ("facts", "criteria", "shown", "required"),
    [
        (  # only the form knows the first, and nothing is approved without it: the second waits
            {"a": _ask("boolean"), "b": _ask("boolean")},
            {"all": [_leaf("A", "%a"), _leaf("B", "%b")]},
            {"b": Shown("all", (Condition("a", "=", True),))},
            {"a", "b"},
        ),
        (  # the chart may know the first: unanswered it hides nothing
            {"n": _ask("decimal", **OBSERVED), "b": _ask("boolean")},
            {"all": [_leaf("N", "%n <= 88"), _leaf("B", "%b")]},
            {"b": Shown("any", (Condition("n", "exists", False), Condition("n", "<=", Decimal(88))))},
            {"n", "b"},
        ),
        (  # either is enough: the second is pointless once the first is a yes, and neither is required
            {"a": _ask("boolean"), "b": _ask("boolean")},
            {"any": [_leaf("A", "%a"), _leaf("B", "%b")]},
            {"b": Shown("any", (Condition("a", "exists", False), Condition("a", "=", False)))},
            set(),
        ),
        (  # the ends of a range as the criteria have them
            {"n": _ask("decimal"), "b": _ask("boolean")},
            {"all": [_leaf("N", "%n >= 10 and %n < 20"), _leaf("B", "%b")]},
            {"b": Shown("all", (Condition("n", ">=", Decimal(10)), Condition("n", "<", Decimal(20))))},
            {"n", "b"},
        ),
        (  # two of three: none of them is required
            {"a": _ask("boolean"), "b": _ask("boolean"), "t": _ask("text")},
            {"at_least": 2, "of": [_leaf("A", "%a"), _leaf("B", "%b"), _leaf("T", "%t = 'x'")]},
            {},
            set(),
        ),
        (  # unanswered it has a value of its own, which is enough
            {"a": _ask("boolean", absent=True), "b": _ask("boolean")},
            {"all": [_leaf("A", "%a"), _leaf("B", "%b")]},
            {"b": Shown("any", (Condition("a", "exists", False), Condition("a", "=", True)))},
            {"b"},
        ),
    ],
)
def test_conditions(facts: Any, criteria: Any, shown: dict[str, Shown], required: set[str]) -> None:
    tried = policy(facts=facts, criteria=criteria)
    assert shown_when(tried, list(facts)) == shown
    assert required_facts(tried) == required
