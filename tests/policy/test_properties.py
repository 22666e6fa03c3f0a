"""What holds for every policy and all evidence: the vocabulary, no denial by criteria, unknown is never false."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.support import claim, condition, line, observation, policy
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.explain import explain
from precert.policy.types import Evaluation, EvidenceItem, LineContext, Outcome

FACTS: dict[str, dict[str, Any]] = {
    "spo2": {
        "from": "Observation",
        "code": ["loinc|59408-5"],
        "unit": "%",
        "within": "30d",
        "take": "lowest",
        "ask": {"text": "?", "type": "decimal", "who": "clinical"},
    },
    "osa": {
        "from": "Condition",
        "code": ["icd10|G47.33"],
        "take": "exists",
        "ask": {"text": "?", "type": "boolean", "who": "clinical"},
    },
    "told": {"ask": {"text": "?", "type": "boolean", "who": "patient"}},
    "many": {"from": "Observation", "code": ["loinc|59408-5"]},
    "used": {"from": "PayerClaim", "code": ["hcpcs|E0601"], "within": "365d", "take": "sum", "absent": 0},
    "code": {"from": "Item", "value": "productOrService.coding.code.first()"},
}
OPEN = ("spo2", "osa", "told", "many", "code")  # facts without a closed world
TESTS = [
    "%spo2 <= 88",
    "%spo2 > 80 and %osa",
    "%osa",
    "%osa.not()",
    "%told",
    "%told or %osa",
    "%told implies %spo2 < 90",
    "%many < 90",
    "%used + 1 <= 10",
    "%used > %spo2",
    "%code = 'E0601'",
    "%spo2 > 'x'",
    "%spo2 * 2 > 100",
]
leaf = st.tuples(st.sampled_from(TESTS), st.booleans()).map(lambda t: {"test": t[0], "admin": t[1]})


def _groups(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from(["all", "any", "none"]), some).map(lambda t: {t[0]: t[1]}),
        some.map(lambda kids: {"at_least": 1 + len(kids) // 2, "of": kids}),
    )


trees = st.recursive(leaf, _groups, max_leaves=5)
maybe = st.one_of(st.none(), trees)


def numbered(node: dict[str, Any] | None, prefix: str, at: list[int]) -> dict[str, Any] | None:
    if node is None:
        return None
    if "test" in node:
        at[0] += 1
        return {"id": f"{prefix}{at[0]}", "text": "t", "cite": "c", "why_not": "w", **node}
    return {k: [numbered(kid, prefix, at) for kid in v] if isinstance(v, list) else v for k, v in node.items()}


@st.composite
def policies(draw: st.DrawFn) -> CompiledPolicy:
    role = draw(st.sampled_from(["clinical", "clinical", "benefit", "limit", "exemption", "site-of-care", "network"]))
    exclude = draw(trees if role == "benefit" else st.none() if role == "exemption" else maybe)
    exempt = draw(trees if role == "exemption" else maybe)
    criteria = draw(st.none() if role == "exemption" else maybe if role == "benefit" else trees)
    return policy(
        policy=f"p{draw(st.integers(0, 10**9))}",
        role=role,
        facts=FACTS,
        exclude=numbered(exclude, "X", [0]),
        exempt=numbered(exempt, "F", [0]),
        criteria=numbered(criteria, "C", [0]),
        grant=draw(st.sampled_from([None, {"max_quantity": 3, "unit": "months"}])),
        auth={"required": draw(st.sampled_from([True, True, False, "conditional"]))},
        auto_approve={
            "enabled": draw(st.booleans()),
            "attestation": draw(st.sampled_from(["ok", "review"])),
            "sample": draw(st.sampled_from([0, 50])),
        },
    )


days = st.sampled_from(["2026-10-20", "2020-01-01", "2027-01-01", None])
evidence_items = st.one_of(
    st.builds(
        observation,
        st.sampled_from(["loinc|59408-5", "loinc|9999-9"]),
        st.sampled_from([80, 88, 95, None, True]),
        st.sampled_from(["%", "1"]),
        days,
        st.sampled_from(["a", "b"]),
    ),
    st.builds(condition, st.sampled_from(["icd10|G47.33", "icd10|I10"])),
    st.builds(claim, st.sampled_from(["hcpcs|E0601", "hcpcs|E0470"]), st.sampled_from([1, 30, None]), days),
)
answer_sets = st.fixed_dictionaries(
    {},
    optional={
        "spo2": st.sampled_from([80, 88, 95, "88", "bad"]),
        "osa": st.sampled_from([True, False, "yes"]),
        "told": st.booleans(),
    },
)
lines = st.builds(
    line,
    st.sampled_from(["hcpcs|E0601", "hcpcs|E0601", "hcpcs|E0470"]),
    quantity=st.sampled_from([None, 1, 5]),
    evidence=st.lists(evidence_items, max_size=5),
    answers=answer_sets,
)


def blames_missing_data(evaluation: Evaluation) -> list[str]:
    """Leaves that are false although every open fact they read is unknown."""
    unknown = {f.name for f in evaluation.facts if f.provenance in ("missing", "conflict")}
    return [
        c.id for c in evaluation.criteria if c.result is False and not c.group and c.facts and set(c.facts) <= unknown
    ]


def holds(node: Any, results: dict[str, bool | None]) -> bool | None:
    """A criteria tree by strong Kleene logic from the results of its leaves, counted rather than short-circuited."""
    if node.test is not None:
        return results[node.id]
    kids = [holds(kid, results) for kid in (node.all_ or node.any_ or node.none_ or node.of)]
    true, unknown = kids.count(True), kids.count(None)
    least = len(kids) if node.all_ else 1 if node.any_ or node.none_ else node.at_least
    reached = True if true >= least else None if true + unknown >= least else False
    return reached if not node.none_ or reached is None else not reached


@settings(max_examples=400, deadline=None)
@given(policies(), lines)
def test_only_the_vocabulary_and_no_denial_by_criteria(tried: CompiledPolicy, context: LineContext) -> None:
    found = evaluate(tried, context)
    assert isinstance(found.outcome, Outcome)
    if found.outcome is Outcome.DENY_ADMIN:
        by_id = {c.id: c for c in found.criteria}
        assert found.unmet
        assert all(name.startswith("X") and by_id[name].result is not None for name in found.unmet)
        assert holds(tried.model.exclude, {name: criterion.result for name, criterion in by_id.items()}) is True
        assert found.role == "benefit" or all(by_id[name].admin for name in found.unmet)
        disputed = {f.name for f in found.facts if f.provenance == "conflict"}
        assert not any(disputed & set(by_id[name].facts) for name in found.unmet)
    if found.outcome is Outcome.REFER and found.reason_code != "over-grant":
        assert found.unmet
    if found.outcome is Outcome.PEND_INFO and not found.scope_unknown:
        assert found.missing
    explain(Catalogue([tried]).decide(context))


@settings(max_examples=400, deadline=None)
@given(policies(), lines)
def test_false_needs_a_present_value(tried: CompiledPolicy, context: LineContext) -> None:
    assert blames_missing_data(evaluate(tried, context)) == []


@settings(max_examples=300, deadline=None)
@given(policies())
def test_with_nothing_known_nothing_is_refused(tried: CompiledPolicy) -> None:
    """Only what the payer or the request itself says may speak against a line without evidence."""
    found = evaluate(tried, line())
    for name in found.unmet if found.outcome in (Outcome.REFER, Outcome.DENY_ADMIN) else ():
        criterion = next(c for c in found.criteria if c.id == name)
        assert set(criterion.facts) & {"used", "code"}


@settings(max_examples=400, deadline=None)
@given(policies(), lines, st.data())
def test_less_evidence_never_makes_a_referral(tried: CompiledPolicy, context: LineContext, data: st.DataObject) -> None:
    """Taking clinical evidence away may open questions; a criterion that then fails did not fail for lack of data."""
    clinical = [item for item in context.evidence if item.source == "structured"]
    others = [item for item in context.evidence if item.source == "payer"]
    kept = data.draw(st.lists(st.sampled_from(clinical), unique_by=id)) if clinical else []
    told = {k: v for k, v in context.answers.items() if data.draw(st.booleans())}
    less = replace(context, evidence=[*kept, *others], answers=told)
    before, after = evaluate(tried, context), evaluate(tried, less)
    assert blames_missing_data(after) == []
    # with facts that only get lost (none re-decided by other evidence), a result can only become unknown
    lost = {f.name for f in after.facts if f.provenance == "missing"}
    same = {f.name for f in after.facts for g in before.facts if f.name == g.name and f.values == g.values}
    if {f.name for f in after.facts} <= lost | same and not any(f.provenance == "conflict" for f in before.facts):
        truths = {c.id: c.result for c in before.criteria}
        for criterion in after.criteria:
            assert criterion.result is None or criterion.result is truths[criterion.id]


@settings(max_examples=300, deadline=None)
@given(policies(), lines, st.randoms(use_true_random=False))
def test_irrelevant_resources_change_nothing(tried: CompiledPolicy, context: LineContext, shuffle: Any) -> None:
    noise = [
        observation("loinc|9999-9", 1, name="n1"),
        condition("icd10|Z99", name="n2"),
        claim("hcpcs|A0001", name="n3"),
        EvidenceItem({"resourceType": "Basic"}, "Basic/n4"),
        EvidenceItem({"resourceType": None, "code": 5}, "x"),
    ]
    mixed = [*context.evidence]
    for item in noise:
        mixed.insert(shuffle.randint(0, len(mixed)), item)
    assert evaluate(tried, replace(context, evidence=mixed)) == evaluate(tried, context)


@settings(max_examples=200, deadline=None)
@given(st.lists(policies(), max_size=4, unique_by=lambda p: p.id), lines)
def test_combined_decisions_stay_in_the_vocabulary(several: list[CompiledPolicy], context: LineContext) -> None:
    decision = Catalogue(several).decide(context)
    assert isinstance(decision.outcome, Outcome)
    if decision.governing is not None:
        assert decision.governing.outcome is decision.outcome
    if decision.outcome is Outcome.DENY_ADMIN:
        assert any(e.outcome is Outcome.DENY_ADMIN for e in decision.considered)
    assert decision == Catalogue(several).decide(context)
