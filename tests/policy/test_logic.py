"""Kleene's laws, trees, and what makes a tree false."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy.support import policy
from precert.policy.logic import (
    Evaluated,
    Truth,
    kleene_all,
    kleene_any,
    kleene_at_least,
    kleene_not,
    leaves,
)

truths = st.sampled_from([True, False, None])
several = st.lists(truths, max_size=6)


def known(values: list[Truth]) -> list[list[Truth]]:
    """Every way in which the unknown ones could turn out."""
    if None not in values:
        return [values]
    at = values.index(None)
    return [full for told in (True, False) for full in known([*values[:at], told, *values[at + 1 :]])]


@given(several)
def test_de_morgan(values: list[Truth]) -> None:
    assert kleene_not(kleene_all(values)) is kleene_any(map(kleene_not, values))
    assert kleene_not(kleene_any(values)) is kleene_all(map(kleene_not, values))


@given(several)
def test_order_does_not_matter(values: list[Truth]) -> None:
    assert kleene_all(values) is kleene_all(reversed(values))
    assert kleene_any(values) is kleene_any(reversed(values))


@given(several, st.integers(1, 6))
def test_known_results_hold_however_the_unknown_turns_out(values: list[Truth], count: int) -> None:
    for function in (kleene_all, kleene_any, lambda v: kleene_at_least(count, v)):
        results = {function(full) for full in known(values)}
        result = function(values)
        assert result is (results.pop() if len(results) == 1 else None)


@given(several)
def test_at_least_one_is_any_and_at_least_all_is_all(values: list[Truth]) -> None:
    assert kleene_at_least(1, values) is kleene_any(values)
    assert kleene_at_least(len(values), values) is kleene_all(values)


def _tree(node: dict[str, Any]) -> Any:
    ask = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
    return policy(facts=dict.fromkeys("abcd", ask), criteria=node).criteria


def _leaf(name: str) -> dict[str, Any]:
    return {"id": name.upper(), "test": f"%{name}"}


def test_minimal_reasons_walk_only_the_branches_that_are_false() -> None:
    tree = _tree({"all": [_leaf("a"), {"any": [_leaf("b"), _leaf("c")]}, _leaf("d")]})
    evaluated = Evaluated(tree, {"a": True, "b": False, "c": False, "d": None})
    assert evaluated.truth is False
    assert [leaf.node.id for leaf in evaluated.decisive()] == ["B", "C"]


def test_for_none_the_reasons_are_the_leaves_that_hold() -> None:
    evaluated = Evaluated(_tree({"none": [_leaf("a"), _leaf("b")]}), {"a": True, "b": False, "c": None, "d": None})
    assert evaluated.truth is False
    assert [leaf.node.id for leaf in evaluated.decisive()] == ["A"]


def test_the_trace_shows_every_leaf_and_every_named_group_once_parents_first() -> None:
    node = {"id": "TOP", "text": "top", "all": [_leaf("a"), {"at_least": 1, "of": [_leaf("b"), _leaf("c")]}]}
    evaluated = Evaluated(_tree(node), {"a": False, "b": True, "c": None, "d": None})
    assert [(r.id, r.result, r.group) for r in evaluated.results()] == [
        ("TOP", False, True),
        ("A", False, False),
        ("B", True, False),
        ("C", None, False),
    ]


def test_a_failing_expression_is_unknown_with_its_error() -> None:
    tree = _tree({"id": "A", "test": "%a > 'x'"})
    evaluated = Evaluated(tree, {"a": 5})
    assert evaluated.truth is None
    (leaf,) = leaves(tree)
    assert "cannot compare" in evaluated.errors[leaf]
    assert next(evaluated.results()).error
