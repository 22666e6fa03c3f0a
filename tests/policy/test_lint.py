"""One test for every lint rule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from policy.support import policy
from precert.fhir.coding import Code
from precert.policy.codecheck import format_problem
from precert.policy.library import PolicyLibrary
from precert.policy.lint import Finding, lint_catalogue, lint_files, lint_policy
from precert.policy.readability import grade, syllables, unexplained_acronyms

TODAY = date(2026, 11, 2)
YES = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
LEAF = {"id": "OK", "text": "t", "test": "%ok", "cite": "c", "why_not": "It is not good."}
TESTS = [
    {
        "name": "yes",
        "given": {"item": {"code": "hcpcs|E0601"}, "answers": {"ok": True}},
        "expect": {"decision": "approve"},
    },
    {
        "name": "no",
        "given": {"item": {"code": "hcpcs|E0601"}, "answers": {"ok": False}},
        "expect": {"decision": "refer"},
    },
    {"name": "none", "given": {"item": {"code": "hcpcs|E0601"}}, "expect": {"decision": "pend-info"}},
]
SERVICE = {"services": ["hcpcs|E0601"]}
MA = {**SERVICE, "lob": ["medicare-advantage"]}


def findings(today: date = TODAY, check_code: Any = None, value_sets: Any = None, **changes: Any) -> list[Finding]:
    base = {"tests": TESTS, "alternatives": [], "criteria": LEAF}
    tried = policy(value_sets, **{**base, **changes})
    return list(lint_policy(tried, today, check_code=check_code, value_sets=value_sets))


def rules(**changes: Any) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in findings(**changes)]


def test_a_good_policy_has_no_findings() -> None:
    assert findings() == []


def test_a_finding_names_file_line_rule_and_key() -> None:
    (found,) = findings(criteria={**LEAF, "cite": None})
    assert str(found).startswith(f"small.yaml:{found.line}: error [cite] criteria: OK has no cite")
    assert found.line > 1


RESULT = {"from": "Observation", "code": ["loinc|59408-5"], "take": "latest", "unit": "%"}


def _number(**changes: Any) -> dict[str, Any]:
    fact = {"ask": {"text": "?", "type": "decimal", "who": "clinical"}, **changes}
    return {
        "facts": {"ok": {key: value for key, value in fact.items() if value is not None}},
        "criteria": {**LEAF, "test": "%ok >= 15"},
    }


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no cite": ({"criteria": {**LEAF, "cite": None}}, "cite", "error"),
    "no why_not": ({"criteria": {**LEAF, "why_not": None}}, "why-not", "error"),
    "unused question": ({"facts": {"ok": YES, "more": YES}}, "fact-unused", "error"),
    "unused fact": ({"facts": {"ok": YES, "more": {"from": "Item", "value": "quantity"}}}, "fact-unused", "warning"),
    **{
        f"raw {path}": ({"facts": {"ok": YES, "x": {"from": "Item", "value": path}}, "criteria": {**LEAF, "test": "%ok and %x = 'E0601'"}}, "raw-element", "error")
        for path in ("productOrService.coding.code.first()", "modifier.coding.code", "detail.productOrService.text",
                     "category.coding.where(code = '1').code", "revenue.coding.code", "programCode.coding.code")
    },
    **{
        f"no system: {path}": ({"facts": {"ok": {"from": "Encounter", "take": "exists", "where": path, **YES}}}, "code-system", "error")
        for path in ("reasonCode.coding.where(code.startsWith('E11')).exists()", "reasonCode.coding.code = 'E11.9'",
                     "class.code = 'AMB'", "reasonCode.coding.where(code = 'system').exists()")
    },
    "exists()": ({"criteria": {**LEAF, "test": "%ok.exists()"}}, "open-world", "error"),
    "contains": ({"criteria": {**LEAF, "test": "%ok contains true"}}, "open-world", "error"),
    "absent": ({"facts": {"ok": {"from": "Condition", "absent": False, **YES}}}, "absent-clinical", "error"),
    "implied by nothing": (
        {"facts": {"ok": {"from": "Condition", "take": "exists", "implied_by": "none"}}},
        "unknown-fact",
        "error",
    ),
    "ask type": (
        {"facts": {"ok": {"from": "Condition", "take": "exists", "ask": {"text": "?", "type": "text", "who": "admin"}}}},
        "ask-type",
        "error",
    ),
    "several values": (
        {"facts": {"ok": {"from": "Observation", **YES}}, "criteria": {**LEAF, "test": "%ok = true"}},
        "take-any",
        "warning",
    ),
    "no range": (_number(), "range", "error"),
    "no max": (_number(min=0), "range", "error"),
    "no range of a whole number": (_number(ask={"text": "?", "type": "integer", "who": "admin"}), "range", "error"),
    "no range of a result": (_number(ask=None, **RESULT), "range", "error"),
    "no range of what is counted together": (
        _number(ask=None, **{"from": "PayerClaim", "take": "sum", "absent": 0}),
        "range",
        "error",
    ),
    "never in range": (_number(min=16, max=200), "range", "error"),
    "no unit": (_number(min=0, max=200, **{**RESULT, "unit": None}), "unit", "error"),
    "type that never counts": ({"facts": {"ok": {"from": "Task", "take": "exists", **YES}}}, "source-type", "error"),
    "internal": ({"applies": MA, "basis": [{"type": "internal", "id": "1", "public_url": "x"}]}, "ma-internal", "error"),
    "rehab": (
        {"applies": {**MA, "services": ["x12st|AB"]}, "basis": [{"type": "internal", "id": "1"}]},
        "ma-no-internal",
        "error",
    ),
    "cost": ({"applies": MA, "criteria": {**LEAF, "text": "Not the cheapest"}}, "cost-words", "error"),
    "unsigned": ({"status": "approved", "approved": None}, "approval", "error"),
    "hard words": (
        {"criteria": {**LEAF, "why_not": "Insufficient documentation of contraindications necessitates reconsideration."}},
        "reading-grade",
        "error",
    ),
    "acronym": ({"criteria": {**LEAF, "why_not": "The AHI is low."}}, "acronym", "warning"),
    "code": ({"applies": {"services": ["hcpcs|E601"]}}, "code-format", "error"),
    "value set": ({"facts": {"ok": {"from": "Condition", "code": ["vs|x"], **YES}}, "value_sets": {}}, "value-set", "warning"),
    "value set beside codes": (
        {"facts": {"ok": {"from": "Condition", "code": ["vs|x", "icd10|I10"], **YES}}, "value_sets": {}},
        "value-set",
        "error",
    ),
    "value set that counts as absent": (
        {"facts": {"ok": {"from": "PayerClaim", "code": ["vs|x"], "absent": 0}}, "value_sets": {}},
        "value-set",
        "error",
    ),
    "value set as service": ({"applies": {"services": ["vs|x"]}, "value_sets": {}}, "value-set", "error"),
    "line of business": ({"applies": {**SERVICE, "lob": ["medicare"]}}, "scope", "error"),
    "state": ({"applies": {**SERVICE, "state": ["tx"]}}, "scope", "error"),
    "jurisdiction": ({"basis": [{"type": "LCD", "id": "1", "jurisdiction": ["Maryland"]}]}, "scope", "error"),
    "nobody's age": ({"applies": {**SERVICE, "age": {"min": 65, "max": 18}}}, "scope", "error"),
    "place": ({"applies": {**SERVICE, "place": ["pos|112"]}}, "code-format", "error"),
    "alternatives": ({"alternatives": None}, "no-alternative", "warning"),
    "few tests": ({"tests": TESTS[:2]}, "tests", "error"),
    "failing test": ({"tests": [*TESTS, {**TESTS[0], "expect": {"decision": "refer"}}]}, "test-fails", "error"),
    "mutant": ({"tests": [TESTS[0]] * 3}, "mutant-alive", "error"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_rule(case: str) -> None:
    changes, rule, severity = CASES[case]
    assert (rule, severity) in rules(**changes), findings(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        _number(min=0, max=200),
        _number(min=0, max=200, **RESULT),
        _number(min=0, max=200, **{**RESULT, "unit": "1"}),
        {"facts": {"ok": {"from": "Item", "value": "quantity.value"}}, "criteria": {**LEAF, "test": "%ok >= 15"}},
        {
            "facts": {"ok": {"from": "PayerClaim", "take": "count", "absent": 0}},
            "criteria": {**LEAF, "test": "%ok >= 15"},
        },
        {"facts": {"ok": {"from": "Observation", "code": ["loinc|1"], "take": "exists", **YES}}},
    ],
)
def test_numbers_with_their_range_and_what_is_no_measured_number(changes: dict[str, Any]) -> None:
    assert not {"range", "unit", "source-type"} & {rule for rule, _ in rules(**changes)}


def test_the_finding_says_what_to_write() -> None:
    (found,) = [finding for finding in findings(**_number(min=0)) if finding.rule == "range"]
    assert "add max" in found.message


def test_what_is_declared_is_not_reported() -> None:
    assert "open-world" not in dict(rules(criteria={**LEAF, "test": "%ok.exists()", "closed_world": True}))
    whole = {"type": "internal", "id": "1", "public_url": "u", "evidence": "e", "rationale": "r", "gap": "g"}
    assert "ma-internal" not in dict(rules(applies=MA, basis=[whole]))
    assert "acronym" not in dict(rules(criteria={**LEAF, "why_not": "The machine (CPAP) was not used."}))
    payer = {"from": "PayerClaim", "code": ["hcpcs|E0601"], "take": "count", "absent": 0}
    used = {"facts": {"ok": payer}, "criteria": {**LEAF, "test": "%ok = 1"}}
    assert "absent-clinical" not in dict(rules(**used))
    fast = {
        "facts": {"ok": YES, "soon": {"from": "Item", "value": "x"}},
        "grant": {"fast_path": "if soon: five visits"},
    }
    assert "fact-unused" not in dict(rules(**fast))


@pytest.mark.parametrize(
    ("today", "severity"),
    [
        (date(2028, 1, 1), None),
        (date(2028, 1, 2), "warning"),
        (date(2028, 1, 31), "warning"),
        (date(2028, 2, 1), "error"),
    ],
)
def test_an_overdue_review_is_a_warning_for_30_days_then_an_error(today: date, severity: str | None) -> None:
    assert dict(rules(today=today)).get("review-overdue") == severity


def test_a_code_table_has_its_say() -> None:
    def retired(code: Code) -> str | None:
        return f"{code.code} was retired" if code.code == "E0601" else None

    (found,) = findings(check_code=retired)
    assert (found.rule, found.key, found.message) == ("code-format", "applies.services[0]", "E0601 was retired")


def test_two_policies_for_the_same_lines_overlap() -> None:
    one, other = (policy(policy=name, tests=TESTS, alternatives=[], criteria=LEAF) for name in ("one", "other"))
    found = lint_catalogue([one, other], TODAY, mutation=False)
    assert [f.rule for f in found] == ["overlap", "overlap"]
    assert "one and other both govern E0601" in found[0].message


@pytest.mark.parametrize(
    "changes",
    [
        {"effective": {"start": "2025-01-01", "end": "2025-12-31"}},
        {"status": "draft"},
        {"applies": {"services": ["hcpcs|E0602"]}},
        {"applies": {"services": ["hcpcs|E0601"], "lob": ["commercial"]}},
        {"applies": {"services": ["hcpcs|E06*"]}},
        {"basis": [{"type": "internal", "id": "1"}]},
        {"policy": "one", "version": "2"},
        {"role": "limit"},
    ],
)
def test_policies_that_precedence_tells_apart_do_not_overlap(changes: dict[str, Any]) -> None:
    one = policy(policy="one", tests=TESTS, alternatives=[], criteria=LEAF)
    other = policy(**{"policy": "other", "tests": TESTS, "alternatives": [], "criteria": LEAF, **changes})
    assert "overlap" not in [f.rule for f in lint_catalogue([one, other], TODAY, mutation=False)]


def test_request_types_and_ages_tell_policies_apart() -> None:
    def with_scope(name: str, **scope: Any) -> Any:
        return policy(policy=name, tests=TESTS, criteria=LEAF, applies={"services": ["hcpcs|E06*"], **scope})

    def overlapping(one: Any, other: Any) -> bool:
        return "overlap" in [f.rule for f in lint_catalogue([one, other], TODAY, mutation=False)]

    assert not overlapping(with_scope("a", request=["initial"]), with_scope("b", request=["renewal"]))
    assert not overlapping(with_scope("a", age={"max": 17}), with_scope("b", age={"min": 18}))
    assert overlapping(with_scope("a", age={"max": 18}), with_scope("b", age={"min": 18}))
    assert overlapping(with_scope("a", request=["initial", "renewal"]), with_scope("b", request=["renewal"]))


def test_files_that_cannot_be_loaded_are_findings(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("policy: bad\nrole: [\n")
    (found,) = lint_files([path], TODAY)
    assert (found.rule, found.severity, found.file) == ("format", "error", str(path))


def test_the_shipped_policies_have_no_errors() -> None:
    folder = Path(__file__).parents[2] / "examples" / "policies"
    library = PolicyLibrary(folder, datetime(2026, 11, 2, tzinfo=UTC))
    found = lint_catalogue(library.current, TODAY, value_sets=library.current.value_sets, mutation=False)
    assert [str(f) for f in found if f.severity == "error"] == []
    assert {f.rule for f in found} <= {"fact-unused"}


@pytest.mark.parametrize(
    ("word", "count"),
    [("the", 1), ("machine", 2), ("records", 2), ("oxygen", 3), ("used", 1), ("needed", 2),
     ("therapy", 3), ("breathing", 2), ("equipment", 3), ("condition", 3), ("because", 2), ("table", 2), ("30", 1)],
)  # fmt: skip
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


def test_reading_grades() -> None:
    assert grade("") == 0
    assert grade("The cat sat on the mat.") < 1
    assert grade("The records do not show that you need this bed.") < 6
    assert grade("Documentation insufficiently substantiates medical necessity determinations.") > 15


def test_acronyms() -> None:
    assert unexplained_acronyms("An MRI and a CPAP (breathing machine), the AHI.") == ("MRI", "AHI")
    assert unexplained_acronyms("A breathing machine (CPAP) for I and A") == ()


@pytest.mark.parametrize(
    "written",
    ["hcpcs|E0601", "cpt|72148", "cpt|0001F", "icd10|G47.33", "icd10|I27*", "loinc|59408-5", "loinc|2703-7", "sct|185349003",
     "rxnorm|274783", "vs|anything", "http://own|x", "x12st|AB", "urn:oid:1.2.3|x"],
)  # fmt: skip
def test_codes_that_look_right(written: str) -> None:
    assert format_problem(written) is None


@pytest.mark.parametrize(
    ("written", "says"),
    [("hcpcs|601", "a letter from A to V and four digits"), ("cpt|721", "five characters"), ("icd10|4733", "for example I27"),
     ("loinc|59408-6", "check digit"), ("loinc|59408", "hyphen"), ("sct|185349004", "check digit"), ("hcpc|E0601", "neither a URL")],
)  # fmt: skip
def test_codes_that_cannot_be_right(written: str, says: str) -> None:
    problem = format_problem(written)
    assert problem is not None
    assert says in problem
