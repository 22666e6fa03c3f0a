"""The closures and the FHIRPath engine say the same about every invariant; the crafted cases go both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest

from precert.fhir.path import compile_path
from precert.fhir.validation import Validator
from precert.fhir.validation.engine import engine_answers, instances
from precert.fhir.validation.fastpath import Unsupported, compile_fast
from precert.fhir.validation.findings import Path
from precert.fhir.validation.invariants import Invariant, invariant, satisfied
from precert.fhir.validation.natives import BY_KEY, NATIVES
from precert.fhir.validation.report import Reporter
from precert.fhir.validation.tables import CONTEXTS, Library, data_dir
from precert.fhir.validation.unit import Unit
from validation.seeds import BUILD, CONTEXT, SEEDS

SHARED = File(__file__).resolve().parents[3] / "shared" / "examples"

ENGINE_FAULTS = {
    "ref-1": "on a Reference without reference the expression is empty; it was never meant to forbid those",
    "dom-3": "the engine finds no canonical or uri among descendants(): it calls used contained resources unused",
    "txt-1": "the engine has no htmlChecks()",
    "txt-2": "the engine has no htmlChecks()",
    "sdc-adapt-1": "the engine gives variables no type, so %rootResource.ofType(…) is empty",
    "ctm-1": "the engine cannot resolve references",
    "crd-ci-q7": "the engine knows no value sets",
}
"""Where the engine is not the measure."""


def recorded(monkeypatch: pytest.MonkeyPatch, documents: Iterator[tuple[dict[str, Any], str]]) -> list[tuple[Any, ...]]:
    """Every invariant judged while the documents are validated: (rule, value, element path, unit)."""
    seen: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    judge = Reporter._invariants

    def spy(self: Reporter, rules: tuple[Invariant, ...], value: Any, path: Path) -> None:
        for rule in rules:
            if rule.way in ("native", "subset"):
                key = (rule.expression, path.element, json.dumps(value, sort_keys=True, default=str))
                seen.setdefault(key, (rule, value, path.element, self._around))
        judge(self, rules, value, path)

    monkeypatch.setattr(Reporter, "_invariants", spy)
    validator = Validator.load()
    for document, context in documents:
        validator.validate(document, context=context)
    return list(seen.values())


def disagreements(cases: list[tuple[Any, ...]]) -> tuple[list[str], int]:
    wrong: list[str] = []
    compared = 0
    for rule, value, path, unit in cases:
        if rule.key in ENGINE_FAULTS:
            continue
        (theirs,) = engine_answers(rule, unit.resource, unit.root, path, [value])
        ours = rule.test(value, unit)
        if theirs is None or ours is None:
            continue
        compared += 1
        if ours is not theirs:
            wrong.append(f"{rule.key} at {path}: ours {ours}, engine {theirs}: {json.dumps(value, default=str)[:300]}")
    return wrong, compared


def seeded() -> Iterator[tuple[dict[str, Any], str]]:
    for name, build in BUILD.items():
        yield build(), CONTEXT[name]
    for seed in SEEDS:
        yield seed.plant(), CONTEXT[seed.document]


def test_closures_agree_with_the_engine_on_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, compared = disagreements(recorded(monkeypatch, seeded()))
    assert not wrong, chr(10).join(wrong)
    assert compared > 1_000


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared examples are not here")
@pytest.mark.slow
def test_closures_agree_with_the_engine_on_published_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    def documents() -> Iterator[tuple[dict[str, Any], str]]:
        for file in sorted(SHARED.rglob("*.json")):
            document = json.loads(file.read_bytes())
            if isinstance(document, dict) and "resourceType" in document and file.stat().st_size < 60_000:
                yield document, "pas-2.2.1"

    wrong, compared = disagreements(recorded(monkeypatch, documents()))
    assert not wrong, chr(10).join(wrong)
    assert compared > 2_500


def holds(rule: Invariant, value: dict[str, Any], root: dict[str, Any] | None = None) -> bool | None:
    class Nobody:
        def member_of(self, value: Any, url: str) -> bool | None:
            return None

        def conforms(self, asking: Unit, value: Any, profile: str) -> bool | None:
            return None

    document = root or value
    unit = Unit(Nobody(), document, Path(None, "X", root="X"), None)
    assert rule.test is not None
    return rule.test(value, unit)


CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("per-1", {"start": "2026-01-02", "end": "2026-01-01"}, False),
    ("per-1", {"start": "2026-01", "end": "2026-01-15"}, True),
    ("per-1", {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T10:30:00+02:00"}, False),
    ("per-1", {"start": "2026-01-01T10:00:00Z"}, True),
    ("rng-2", {"low": {"value": 2, "unit": "d"}, "high": {"value": 1, "unit": "d"}}, False),
    ("rng-2", {"low": {"value": 2, "unit": "d"}, "high": {"value": 1, "unit": "wk"}}, True),
    ("qty-3", {"value": 1, "code": "d"}, False),
    ("qty-3", {"value": 1, "code": "d", "system": "http://unitsofmeasure.org"}, True),
    ("rat-1", {"numerator": {"value": 1}}, False),
    ("rat-1", {"numerator": {"value": 1}, "denominator": {"value": 2}}, True),
    ("ext-1", {"url": "http://a"}, False),
    ("ext-1", {"url": "http://a", "valueCode": "x"}, True),
    ("tim-1", {"duration": 1}, False),
    ("tim-9", {"offset": 1, "when": ["C"]}, False),
    ("tim-9", {"offset": 1, "when": ["HS"]}, True),
    ("att-1", {"data": "YQ=="}, False),
    ("cpt-2", {"value": "1"}, False),
    ("us-core-16", {"value": "12345678901"}, False),
    ("us-core-17", {"value": "1234567893"}, True),
    ("us-core-17", {"value": "1234567894"}, False),
    ("us-core-6", {"given": ["A"]}, True),
    ("us-core-6", {"use": "usual"}, False),
    ("org-1", {"resourceType": "Organization", "active": True}, False),
    ("org-1", {"resourceType": "Organization", "name": "x"}, True),
    ("que-13", {"linkId": "1", "type": "string", "initial": [{"valueString": "a"}, {"valueString": "b"}]}, False),
    ("que-12", {"linkId": "1", "enableWhen": [{}, {}, {}]}, False),
    ("que-8", {"linkId": "1", "type": "group", "initial": [{"valueString": "a"}]}, False),
    ("app-2", {"start": "2026-01-01T00:00:00Z"}, False),
    ("app-3", {"status": "proposed"}, True),
    ("app-3", {"status": "booked"}, False),
    ("con-4", {"abatementDateTime": "2026"}, False),
    ("bdl-1", {"type": "collection", "total": 1}, False),
    ("tdr-2", {"status": "rejected"}, False),
    ("obs-7", {"code": {"coding": [{"code": "a"}]}, "valueString": "x", "component": [{"code": {"text": "a"}}]}, True),
    (
        "obs-7",
        {"code": {"coding": [{"code": "a"}]}, "valueCode": "x", "component": [{"code": {"coding": [{"code": "a"}]}}]},
        False,
    ),
    ("ctm-1", {"onBehalfOf": {"reference": "Organization/o"}, "member": {"reference": "Practitioner/p"}}, True),
    ("sqty-1", {"comparator": "<"}, False),
    ("exp-1", {"language": "text/cql"}, False),
]


def by_key() -> dict[str, Invariant]:
    found: dict[str, Invariant] = {}
    library = Library(data_dir("profiles"))
    for name in sorted(library.names):
        package = library.package(name)
        for row in package._table.constraints:
            found.setdefault(row.key, invariant(row.key, row.severity, row.expression, name))
    return found


@pytest.mark.parametrize(("key", "value", "expected"), CASES)
def test_crafted_cases(key: str, value: dict[str, Any], expected: bool) -> None:
    wanted = "url.exists() or data.exists()"
    rules = by_key()
    rule = rules[key]
    if rule.expression == wanted:  # US Core numbers two rules us-core-6
        rule = invariant(
            key,
            "error",
            "(family.exists() or given.exists()) xor extension.where(url='http://hl7.org/fhir/StructureDefinition/data-absent-reason').exists()",
            "x",
        )
    assert holds(rule, value) is expected


ALL_EXPRESSIONS = sorted({row.expression for row in by_key().values()})


def test_the_engine_has_little_left_to_do() -> None:
    ways: dict[str, list[str]] = {}
    library = Library(data_dir("profiles"))
    for name in library.names:
        for row in library.package(name)._table.constraints:
            rule = invariant(row.key, row.severity, row.expression, "")
            ways.setdefault(rule.way, []).append(row.key)
    assert set(ways["unchecked"]) == {"sdc-rend-1", "crdver-1"}
    assert len(set(ways["engine"])) < 15
    assert len(set(ways["subset"])) > 150


def test_every_native_is_used_by_some_package() -> None:
    expressions: set[str] = set()
    keys: set[str] = set()
    library = Library(data_dir("profiles"))
    for name in library.names:
        for row in library.package(name)._table.constraints:
            expressions.add(" ".join(row.expression.split()))
            keys.add(row.key)
    assert set(NATIVES) <= expressions
    assert set(BY_KEY) <= keys


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("a = 1 and b = 2", {"a": 1}, []),
        ("a = 1 or b = 2", {"a": 1}, [True]),
        ("a.exists() implies b.exists()", {}, [True]),
        ("a = 1 xor b = 1", {"a": 1, "b": 1}, [False]),
        ("(a | b).count()", {"a": 1, "b": 1}, [1]),
        ("a in ('x' | 'y')", {"a": "x"}, [True]),
        ("a.where($this = 'x').count() = 1", {"a": ["x", "y"]}, [True]),
        ("a.all(b.exists())", {"a": [{"b": 1}, {}]}, [False]),
        ("a.matches('^[0-9]+$')", {"a": "12"}, [True]),
        ("a.select(b).isDistinct()", {"a": [{"b": "1"}, {"b": "1"}]}, [False]),
        ("a.repeat(b).count()", {"a": {"b": {"b": {}}}}, [2]),
        ("iif(a.exists(), 'y', 'n')", {"a": 1}, ["y"]),
        ("a != 'x'", {"a": "y"}, [True]),
        ("a.b.first() is Patient", {"a": {"b": [{"resourceType": "Patient"}]}}, [True]),
        ("a.count() + b.count() > 2", {"a": [1, 2], "b": [1]}, [True]),
        ("a.extension('u').value = 'c'", {"a": {"extension": [{"url": "u", "valueCode": "c"}]}}, [True]),
        ("a.toString().length() = 4", {"a": "true"}, [True]),
        ("a.not()", {"a": True}, [False]),
        ("a.tail().allTrue()", {"a": [False, True]}, [True]),
        ("a.hasValue()", {"_a": {"id": "x"}}, [False]),
    ],
)
def test_the_subset(expression: str, value: dict[str, Any], expected: list[Any]) -> None:
    class Frame:
        resource = value
        root = value

        def resolve(self, reference: Any) -> None:
            return None

        def member_of(self, value: Any, url: str) -> None:
            return None

    assert compile_fast(expression)([value], [value], Frame()) == expected
    if "extension(" not in expression and "_a" not in value:
        assert compile_path(expression)(value, {}) == expected


@pytest.mark.parametrize(
    "expression",
    ["a +", "a.unknown()", "$index", "%other", "a.is(Quantity)", "'open", "a b", "(a", "a.where(", "@2020"],
)
def test_outside_the_subset(expression: str) -> None:
    with pytest.raises(Unsupported):
        compile_fast(expression)


def test_nothing_counts_as_broken() -> None:
    assert not satisfied([])
    assert satisfied([{"any": "thing"}])


def test_instances_are_in_document_order() -> None:
    document = {"item": [{"a": 1, "valueString": "x"}, {"item": [{}]}, {"valueCode": "y"}]}
    assert instances(document, ["item", "value"]) == ["x", "y"]


def test_the_engine_judges_each_element_by_itself() -> None:
    document = {
        "resourceType": "Observation",
        "component": [{"code": {"text": "a"}}, {"code": {"coding": [{"code": "c"}]}}],
    }
    rule = invariant("x-1", "error", "code.coding.code.matches('c').exists() and $this.code is CodeableConcept", "x")
    assert rule.way == "engine"
    assert engine_answers(rule, document, document, "Observation.component", document["component"]) == [False, True]


def test_a_fault_of_the_engine_is_no_fault_of_the_document() -> None:
    document = {"resourceType": "Patient", "name": [{"family": "x"}]}
    rule = Invariant("x-2", "error", "name.noSuchFunction()", "engine", None, None)
    assert engine_answers(rule, document, document, "Patient", [document]) == [None]
    assert CONTEXTS
