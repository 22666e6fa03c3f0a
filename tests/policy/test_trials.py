"""Embedded tests, mutation coverage, replay, and the unfolding of fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from policy.support import line, policy
from precert.policy.evaluate import evaluate
from precert.policy.fixtures import FixtureError, unfold
from precert.policy.trials import Flip, mutate, replay, run_tests
from precert.policy.types import Outcome

ITEM = {"item": {"code": "hcpcs|E0601"}}


def example(name: str, decision: str, answers: dict[str, Any] | None = None, **expect: Any) -> dict[str, Any]:
    return {"name": name, "given": {**ITEM, "answers": answers or {}}, "expect": {"decision": decision, **expect}}


GOOD = [
    example("yes", "approve", {"ok": True}),
    example("no", "refer", {"ok": False}, unmet=["OK"]),
    example("unknown", "pend-info", missing=["ok"]),
]


def test_tests_that_pass() -> None:
    assert [r.passed for r in run_tests(policy(tests=GOOD))] == [True, True, True]


@pytest.mark.parametrize(
    ("broken", "difference"),
    [
        (example("x", "refer", {"ok": True}), "decision is approve, expected refer"),
        (example("x", "pend-info", missing=[]), "missing is [ok], expected []"),
        (example("x", "refer", {"ok": False}, unmet=["NO"]), "unmet is [OK], expected [NO]"),
        (example("x", "approve", {"ok": True}, alternatives=["K0800"]), "alternatives is [], expected [K0800]"),
    ],
)
def test_tests_that_fail_say_what_differs(broken: dict[str, Any], difference: str) -> None:
    (result,) = run_tests(policy(tests=[broken]))
    assert result.differences == (difference,)
    assert result.line > 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "item is missing"),
        ({"item": {}}, "code is missing"),
        ({**ITEM, "colour": 1}, "colour is not part of a test's given"),
        ({"item": {"code": "E0601"}}, "is not system|code"),
        ({**ITEM, "obs": [{"code": "loinc|1", "value": 1, "at": "yesterday"}]}, "is not a number of days"),
        ({**ITEM, "asof": "soon"}, "not understood"),
        ({**ITEM, "answers": 5}, "not understood"),
    ],
)
def test_a_given_that_is_not_understood_fails_its_test(given: dict[str, Any], says: str) -> None:
    with pytest.raises(FixtureError, match=says.replace("|", r"\|")):
        unfold(given, policy().model)
    (result,) = run_tests(policy(tests=[{"name": "x", "given": given, "expect": {"decision": "approve"}}]))
    assert not result.passed


def test_every_leaf_has_three_mutants_and_good_tests_kill_them() -> None:
    mutants = mutate(policy(tests=GOOD))
    assert [(m.leaf, m.replacement) for m in mutants] == [("OK", "true"), ("OK", "false"), ("OK", "unknown")]
    assert all(m.killed_by for m in mutants)


def test_a_missing_test_lets_a_mutant_live() -> None:
    alive = [m.replacement for m in mutate(policy(tests=GOOD[:1])) if m.killed_by is None]
    assert alive == ["true"]
    assert all(m.killed_by is None for m in mutate(policy(tests=[])))


def test_mutants_reach_every_tree() -> None:
    ask = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
    tree = {
        "all": [
            {"any": [{"id": "A", "test": "%a"}, {"id": "B", "test": "%b"}]},
            {"at_least": 1, "of": [{"id": "C", "test": "%a"}]},
        ]
    }
    tried = policy(
        facts={"a": ask, "b": ask},
        criteria=tree,
        exempt={"id": "E", "test": "%b"},
        exclude={"none": [{"id": "X", "test": "%a"}]},
    )
    assert [m.leaf for m in mutate(tried)][::3] == ["X", "E", "A", "B", "C"]


def test_replay_lists_the_flips_and_who_gains() -> None:
    old = policy()
    draft = policy(version="2", status="draft", criteria={"id": "OK", "test": "%ok.not()", "cite": "c", "why_not": "w"})
    lines = {name: line(answers=answers) for name, answers in (("p", {"ok": True}), ("q", {"ok": False}), ("r", {}))}
    cases = [(name, context, evaluate(old, context).outcome) for name, context in lines.items()]
    assert replay(cases, old) == ()
    assert replay(cases, draft) == (
        Flip("p", Outcome.APPROVE, Outcome.REFER, False, (), ("OK",)),
        Flip("q", Outcome.REFER, Outcome.APPROVE, True, (), ()),
    )


def test_fixtures_unfold_every_kind() -> None:
    given = {
        "asof": "2026-03-01",
        "item": {"code": "hcpcs|E0601", "qty": 3, "request": "renewal", "modifier": []},
        "obs": [
            {"code": "loinc|2703-7", "value": True},
            {"code": "loinc|2703-7", "value": 5, "unit": "kg", "at": "-3d"},
        ],
        "dx": ["G47.33", "sct|1"],
        "proc": [{"code": "cpt|1", "status": "not-done"}],
        "meds": [{"code": "rxnorm|1"}],
        "docs": [{"code": "loinc|1", "more": {"docStatus": "final"}}],
        "enc": [{"code": "sct|1"}],
        "reports": [{"code": "loinc|1"}],
        "claims": [{"code": "cpt|1", "units": 4}],
        "auths": [{"code": "cpt|1"}],
        "age": 48,
        "coverage": {"lob": "commercial"},
        "requester": {"network": "in"},
    }
    context = unfold(given, policy().model)
    kinds = [item.resource["resourceType"] for item in context.evidence]
    assert kinds == ["Observation"] * 2 + ["Condition"] * 2 + [
        "Procedure",
        "MedicationRequest",
        "DocumentReference",
        "Encounter",
        "DiagnosticReport",
        "PayerClaim",
        "PayerAuth",
    ]
    assert [item.source for item in context.evidence][-2:] == ["payer", "payer"]
    assert context.evidence[1].resource["effectiveDateTime"] == "2026-02-26"
    assert context.item["quantity"] == {"value": 3}
    assert (context.patient["age"], context.coverage, context.requester) == (
        48,
        {"lob": "commercial"},
        {"network": "in"},
    )
