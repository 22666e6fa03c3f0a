"""Ask only what can still change the answer: checked against brute force on small policies."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import line, policy
from precert.policy import relevance
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.logic import Evaluated
from precert.policy.questions import relevant, samples
from precert.policy.types import Outcome

KINDS = {"a": "boolean", "b": "boolean", "n": "decimal", "m": "integer", "t": "text"}
FACTS = {name: {"ask": {"text": "?", "type": kind, "who": "clinical"}} for name, kind in KINDS.items()}
# every value that criteria over these literals can tell apart, and then some; None = stays unknown
POSSIBLE: dict[str, list[Any]] = {
    "a": [None, True, False],
    "b": [None, True, False],
    "n": [None, -9, 0.5, 1, 1.5, 2, 2.5, 3, 99],
    "m": [None, -9, 0, 1, 2, 3, 4, 99],
    "t": [None, "x", "y", "z"],
}
TESTS = [
    "%a",
    "%b",
    "%a.not()",
    "%a and %b",
    "%a or %b.not()",
    "%n >= 2",
    "%n < 1",
    "%n >= 1 and %n < 3",
    "%m = 2",
    "2 < %m",
    "%t = 'x'",
    "%t in ('x'|'y')",
    "(%a and %n <= 2) or (%a.not() and %m >= 3)",
    "(%b and %n >= 3) or %n >= 2",
    "(%t in ('x')) implies %a",
    "%a = false",
    "%t != 'y' or %b",
]
leaf = st.sampled_from(TESTS).map(lambda test: {"test": test})


def _groups(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from(["all", "any", "none"]), some).map(lambda t: {t[0]: t[1]}),
        some.flatmap(lambda kids: st.integers(1, len(kids)).map(lambda n: {"at_least": n, "of": kids})),
    )


trees = st.recursive(leaf, _groups, max_leaves=4)


def numbered(node: dict[str, Any], at: list[int]) -> dict[str, Any]:
    """The tree with an id on every leaf."""
    if "test" in node:
        at[0] += 1
        return {"id": f"L{at[0]}", "cite": "c", "why_not": "w", **node}
    return {
        key: [numbered(kid, at) for kid in value] if isinstance(value, list) else value for key, value in node.items()
    }


def brute_force(tried: CompiledPolicy, env: dict[str, Any], free: list[str]) -> set[str]:
    """The facts for which some value, for some values of the others, changes the result of the whole tree."""
    tree = tried.criteria
    assert tree is not None
    results = {
        row: Evaluated(tree, {**env, **dict(zip(free, row, strict=True))}).truth
        for row in product(*(POSSIBLE[name] for name in free))
    }
    found: set[str] = set()
    for row, result in results.items():
        for position, name in enumerate(free):
            if row[position] is not None and results[(*row[:position], None, *row[position + 1 :])] is not result:
                found.add(name)
    return found


@settings(max_examples=250, deadline=None)
@given(trees, st.data())
def test_asked_is_exactly_what_can_change_the_result(node: dict[str, Any], data: st.DataObject) -> None:
    tried = policy(facts=FACTS, criteria=numbered(node, [0]))
    assert tried.criteria is not None
    used = {name for found in tried.probe.classes for name in found.facts}
    env = {name: data.draw(st.sampled_from(POSSIBLE[name])) for name in KINDS}
    free = [name for name in KINDS if env[name] is None and name in used]
    assert set(relevant(tried.criteria, env, free, tried.probe)) == brute_force(tried, env, free)


@settings(max_examples=150, deadline=None)
@given(trees, st.data())
def test_what_is_not_asked_cannot_change_the_outcome(node: dict[str, Any], data: st.DataObject) -> None:
    tried = policy(facts=FACTS, criteria=numbered(node, [0]))
    told = {name: data.draw(st.sampled_from(POSSIBLE[name])) for name in KINDS}
    answers = {name: value for name, value in told.items() if value is not None}
    before = evaluate(tried, line(answers=answers))
    if before.outcome is not Outcome.PEND_INFO:
        assert before.missing == ()
        return
    assert before.missing
    unasked = [name for name in KINDS if name not in answers and name not in before.missing]
    extra = {name: value for name in unasked if (value := data.draw(st.sampled_from(POSSIBLE[name]))) is not None}
    assert evaluate(tried, line(answers={**answers, **extra})).outcome is Outcome.PEND_INFO


def test_a_question_that_cannot_matter_any_more_disappears() -> None:
    criteria = {
        "any": [
            {"id": "HIGH", "test": "%n >= 10", "cite": "c", "why_not": "w"},
            {"all": [
                {"id": "MID", "test": "%n >= 5", "cite": "c", "why_not": "w"},
                {"id": "SIGN", "test": "%a", "cite": "c", "why_not": "w"},
            ]},
        ]
    }  # fmt: skip
    tried = policy(facts={name: FACTS[name] for name in ("n", "a")}, criteria=criteria)
    assert evaluate(tried, line()).missing == ("n", "a")
    assert evaluate(tried, line(answers={"n": 7})).missing == ("a",)
    assert evaluate(tried, line(answers={"n": 3})).outcome is Outcome.REFER
    assert evaluate(tried, line(answers={"a": False})).missing == ("n",)


def test_a_question_carries_what_a_questionnaire_needs() -> None:
    fact = {
        "from": "Observation",
        "code": ["loinc|59408-5"],
        "unit": "%",
        "take": "lowest",
        "ask": {"text": "Saturation?", "type": "decimal", "who": "admin", "help": "At rest"},
    }
    criteria = {"all": [
        {"id": "A", "test": "%x > 1", "cite": "c", "why_not": "w"},
        {"id": "B", "test": "%x > 2", "cite": "c", "why_not": "w"},
    ]}  # fmt: skip
    (question,) = evaluate(policy(facts={"x": fact}, criteria=criteria), line()).questions
    assert (question.link_id, question.text, question.type, question.who) == ("x", "Saturation?", "decimal", "admin")
    assert (question.criteria, question.unit, question.help) == (("A", "B"), "%", "At rest")


def test_an_expression_that_is_not_worked_out_is_asked_about() -> None:
    tried = policy(facts={"n": FACTS["n"]}, criteria={"id": "N", "test": "%n * 2 > 5", "cite": "c", "why_not": "w"})
    assert evaluate(tried, line()).missing == ("n",)


@pytest.mark.parametrize(
    ("kind", "literals", "expected"),
    [
        ("boolean", [True], {True, False}),
        ("integer", [3], {2, 3, 4}),
        ("choice", [], {"p", "q"}),
    ],
)
def test_samples(kind: str, literals: list[Any], expected: set[Any]) -> None:
    assert set(samples(kind, literals, ("p", "q") if kind == "choice" else ())) == expected


@settings(max_examples=100, deadline=None)
@given(trees, st.data())
def test_what_is_remembered_is_what_a_fresh_search_says(node: dict[str, Any], data: st.DataObject) -> None:
    """One policy asked about many charts, one after the other: an answer found for one must fit all that share it."""
    tried = policy(facts=FACTS, criteria=numbered(node, [0]))
    assert tried.criteria is not None
    assert tried.relevance is not None
    odd = {"n": [2, (1, 3), "text"], "m": [2, (0, 3)], "t": [("x", "z"), 2], "a": [(True, False)], "b": ["x"]}
    for _ in range(12):
        env = {name: data.draw(st.sampled_from([*POSSIBLE[name], *odd[name]])) for name in KINDS}
        free = [name for name in KINDS if env[name] is None]
        assert tried.relevance.of(env, free) == relevant(tried.criteria, env, free, tried.probe), env


def test_alike_charts_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    criteria = {
        "any": [
            {"id": "LOW", "test": "%n <= 88", "cite": "c", "why_not": "w"},
            {"id": "SIGN", "test": "%a", "cite": "c", "why_not": "w"},
        ]
    }
    tried = policy(facts={name: FACTS[name] for name in ("n", "a")}, criteria=criteria)
    searched: list[Any] = []
    monkeypatch.setattr(relevance, "relevant", lambda *given: searched.append(given) or relevant(*given))
    for value in (84, 86.5, 88, 89, 95):
        evaluate(tried, line(answers={"n": value}))
    # at most 88 it is decided and nothing is searched; 89 and 95 are alike
    assert len(searched) == 1
    evaluate(tried, line(answers={"a": False}))
    assert len(searched) == 2


def test_no_more_states_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relevance, "_MOST", 3)
    criteria = {"any": [{"id": "A", "test": "%a", "cite": "c", "why_not": "w"},
                        {"id": "N", "test": " or ".join(f"%n = {n}" for n in range(9)), "cite": "c", "why_not": "w"}]}  # fmt: skip
    tried = policy(facts={name: FACTS[name] for name in ("n", "a")}, criteria=criteria)
    assert tried.relevance is not None
    for value in range(9, 0, -1):
        assert tried.relevance.of({"n": value + 0.5, "a": None}, ["a"]) == ("a",)
        assert len(tried.relevance._known) <= 3
