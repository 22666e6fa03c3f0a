"""The libraries: CQL and ELM say the same as the rules' own facts on the same chart.

Compiled and executed where Node and the packages of ``cql_running`` are present; the rest is checked anywhere.
"""

from __future__ import annotations

import base64
import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from cql_running import executed, node
from dtr_support import SITE
from tools.requests import Json, concept

from precert.dtr import shape20, shape22, urls
from precert.dtr.form import Form
from precert.dtr.forms import Served
from precert.dtr.library import cql_text, elm_library, libraries
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.coding import CodePattern
from precert.fhir.systems import VALUE_SET
from precert.fhir.validation import Validator
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import EvidenceIndex
from precert.policy.fixtures import unfold
from precert.policy.library import PolicyLibrary
from precert.policy.types import EvidenceItem, LineContext
from support.app import EXAMPLES, NOW

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
FORMS = [form for policy in LIBRARY.current if (form := Form(policy, LIBRARY.current.value_sets)).items]
DAY = datetime.date(2026, 11, 2)


def charts(form: Form) -> Iterator[tuple[str, list[Json]]]:
    """(name, resources): what each embedded test puts on file, and charts made to be difficult."""
    for example in form.policy.model.tests:
        context = unfold(example.given, form.policy.model)
        yield example.name, [with_a_member(e.resource) for e in context.evidence if e.source == "structured"]
    yield from difficult()


def with_a_member(resource: Json) -> Json:
    """A policy's test may name a whole code set ("vs|..."); a chart has one of its codes."""
    made = copy.deepcopy(resource)
    for coding in made.get("code", {}).get("coding", ()):
        if coding.get("system") == VALUE_SET:
            pattern = CodePattern.parse(LIBRARY.current.value_sets[coding["code"]][0])
            coding.update(system=pattern.system, code=pattern.code)
    return made


def observation(id: str, value: Any, unit: str = "%", code: str = "loinc|59408-5", **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": concept(code),
        "effectiveDateTime": "2026-10-30",
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    } | more


def condition(id: str, code: str, **more: Any) -> Json:
    active = {"coding": [{"code": "active"}]}
    return {"resourceType": "Condition", "id": id, "code": concept(code), "clinicalStatus": active} | more


def difficult() -> Iterator[tuple[str, list[Json]]]:
    yield "an empty chart", []
    yield "several results", [observation("a", 91), observation("b", 86), observation("c", 88)]
    yield "another unit", [observation("a", 86, unit="1")]
    yield "only a bound", [observation("a", 86, valueQuantity={"value": 86, "unit": "%", "comparator": "<"})]
    yield "unit without code", [observation("a", 86, valueQuantity={"value": 86, "unit": "%"})]
    yield "entered in error", [observation("a", 86, status="entered-in-error"), observation("b", 95)]
    yield "no value", [{k: v for k, v in observation("a", 86).items() if k != "valueQuantity"}]
    yield (
        "first and last day inside",
        [
            observation("a", 80, effectiveDateTime="2026-10-03"),
            observation("b", 90, effectiveDateTime="2026-11-02T09:00:00Z"),
        ],
    )
    yield (
        "just outside",
        [
            observation("a", 80, effectiveDateTime="2026-10-02"),
            observation("b", 81, effectiveDateTime="2026-11-03"),
        ],
    )
    yield (
        "a period",
        [
            {k: v for k, v in observation("a", 87).items() if k != "effectiveDateTime"}
            | {"effectivePeriod": {"start": "2026-10-20", "end": "2026-10-21"}}
        ],
    )
    yield (
        "codes without the dot, small, of a branch",
        [
            condition("a", "icd10|g4733"),
            condition("b", "icd10|I27.20"),
            condition("c", "icd10|I509"),
            condition("d", "icd10|C50.911"),
        ],
    )
    yield (
        "conditions that do not count",
        [
            condition("a", "icd10|G47.33", clinicalStatus={"coding": [{"code": "resolved"}]}),
            condition("b", "icd10|I27.20", verificationStatus={"coding": [{"code": "refuted"}]}),
            condition("c", "icd10|I10", clinicalStatus={"coding": [{"code": "inactive"}]}),
            condition("d", "icd10|G47.33", verificationStatus={"coding": [{"code": "provisional"}]}),
            condition("e", "icd10|I27.20", verificationStatus={"coding": [{"code": "differential"}]}),
        ],
    )
    flow = {"component": [{"code": concept("loinc|3151-8")}]}
    walking = {"code": {"coding": [*concept("loinc|59408-5")["coding"], *concept("loinc|89276-0")["coding"]]}}
    yield (
        "measured on oxygen or in exercise",
        [observation("a", 80) | flow, observation("b", 81) | walking, observation("c", 90)],
    )
    yield (
        "the latest counts",
        [
            observation("a", 12, "{events}/h", "loinc|69990-0", effectiveDateTime="2026-06-01"),
            observation("b", 30, "{events}/h", "loinc|69990-0", effectiveDateTime="2026-09-01"),
            observation("c", 20, "{events}/h", "loinc|69990-0", effectiveDateTime="2026-07-01"),
            observation("d", 82.5, "kg", "loinc|29463-7", effectiveDateTime="2026-05-03"),
            observation("e", 90, "kg", "loinc|29463-7", effectiveDateTime="2026-05-01"),
        ],
    )
    for unit in ("{apneas_hypopneas}/h", "{anything}/h", "/h{remark}", "{#}/min", "{events}", "{a}/{b}h"):
        yield f"an index in {unit}", [observation("a", 0.4, unit, "loinc|69990-0")]
    yield (
        "two remarks on one unit",
        [observation("a", 21, code="loinc|69990-0", valueQuantity={"value": 21, "unit": "{a}/h", "code": "{b}/h"})],
    )
    weight = "loinc|29463-7"
    yield "pounds", [observation("a", 200, "[lb_av]", weight), observation("b", 150, "%", weight, status="cancelled")]
    yield "pounds in words", [observation("a", 200, code=weight, valueQuantity={"value": 200, "unit": "lbs"})]
    yield (
        "two units in one",
        [observation("a", 1, code=weight, valueQuantity={"value": 80, "unit": "lb", "code": "kg"})],
    )
    yield (
        "a unit of another system",
        [observation("a", 1, code=weight, valueQuantity={"value": 80, "code": "kg", "system": "http://other.test"})],
    )
    yield (
        "impossible values",
        [observation("a", 860), observation("b", 8000, "kg", weight), observation("c", 3000, "mm[Hg]", "loinc|2703-7")],
    )
    yield "a sibling code", [observation("a", 84, code="loinc|2708-6"), observation("b", 41, code="loinc|20570-8")]
    yield (
        "every status",
        [
            observation(status, 80 + n, status=status)
            for n, status in enumerate(("registered", "preliminary", "final", "amended", "corrected", "unknown"))
        ],
    )
    yield "no status", [{k: v for k, v in observation("a", 86).items() if k != "status"}]
    yield (
        "a result said to be absent, about something else, with a modifier",
        [
            observation("a", 81, dataAbsentReason=concept("x|error")),
            observation("b", 82, focus=[{"reference": "Device/1"}]),
            observation("c", 83, modifierExtension=[{"url": "http://other.test", "valueBoolean": True}]),
        ],
    )
    times = {
        "by the time of day": ("2026-10-01T08:00:00Z", "2026-10-01T09:00:00Z"),
        "by the zone": ("2026-10-01T08:00:00-05:00", "2026-10-01T12:59:00Z"),
        "of one instant": ("2026-10-01T08:00:00Z", "2026-10-01T08:00:00Z"),
        "of one day": ("2026-10-01", "2026-10-01"),
        "a day and a time on it": ("2026-10-01", "2026-10-01T08:00:00Z"),
        "months": ("2026-08", "2026-09-15"),
        "a month and a day in it": ("2026-09", "2026-09-15"),
    }
    for name, (one, other) in times.items():
        for first_, second in ((one, other), (other, one)):
            yield (
                f"two weights {name}",
                [
                    observation("a", 80, "kg", weight, effectiveDateTime=first_),
                    observation("b", 90, "kg", weight, effectiveDateTime=second),
                ],
            )
    maybe: list[Json] = [
        {"effectiveDateTime": "2026-11"},
        {"effectiveDateTime": "2026"},
        {"effectiveDateTime": None},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-09-01", "end": "2026-10-20"}},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-09-01"}},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-09-01", "end": "2026-09-20"}},
        {"effectiveDateTime": None, "effectivePeriod": {"end": "2026-09-20"}},
        {"effectiveDateTime": None, "effectiveTiming": {"event": ["2026-10-20"]}},
        {"effectiveDateTime": None, "effectiveTiming": {"event": ["2026-10-20"]}, "issued": "2026-09-20T08:00:00Z"},
        {"effectiveDateTime": "2026-12-01"},
    ]
    for time in maybe:
        for code, unit, high, low in ((weight, "kg", 90, 80), ("loinc|69990-0", "{events}/h", 22, 3)):
            rival = {k: v for k, v in (observation("b", low, unit, code) | time).items() if v is not None}
            yield (
                f"a dated result, and one that may be the newer one: {code} {time}",
                [observation("a", high, unit, code, effectiveDateTime="2026-10-10T08:00:00Z"), rival],
            )
            yield f"alone: {code} {time}", [rival]
    yield (
        "two weights of one time, one of which cannot be read",
        [
            observation("a", 80, "kg", weight, effectiveDateTime="2026-10-01"),
            observation("b", 90, "stone", weight, effectiveDateTime="2026-10-01"),
        ],
    )
    yield (
        "two weights of one day that agree",
        [observation(name, 80, "kg", weight, effectiveDateTime="2026-10-01") for name in "ab"],
    )
    yield (
        "a latest weight that cannot be read",
        [
            observation("a", 80, "kg", weight, effectiveDateTime="2026-09-01"),
            observation("b", 90, "kg", weight, valueQuantity={"value": 90, "code": "kg", "comparator": "<"}),
        ],
    )
    yield (
        "months at the edge",
        [
            observation("a", 81, effectiveDateTime="2026-10"),
            observation("b", 82, effectiveDateTime="2026-11"),
            observation("c", 83, effectiveDateTime="2026-09"),
        ],
    )
    yield (
        "refuted beside asserted",
        [
            condition("a", "icd10|G47.33"),
            condition("b", "icd10|G47.33", verificationStatus={"coding": [{"code": "refuted"}]}),
            condition("c", "icd10|I50.9", verificationStatus={"coding": [{"code": "confirmed"}]}),
        ],
    )
    local = {"system": "http://local.test/status", "code": "confirmed"}
    yield (
        "confirmed by a local list, alone and beside FHIR's own",
        [
            condition("a", "icd10|G47.33", verificationStatus={"coding": [local]}),
            condition("b", "icd10|I27.20", verificationStatus={"coding": [{"code": "confirmed"}, local]}),
            condition("c", "icd10|I50.9", clinicalStatus={"coding": [local | {"code": "active"}]}),
        ],
    )
    yield (
        "conditions over, of the future, in SNOMED CT",
        [
            condition("a", "icd10|G47.33", abatementDateTime="2020-01-01"),
            condition("b", "icd10|I27.20", recordedDate="2027-01-01"),
            condition("c", "sct|84114007", recordedDate="2026-11"),
            condition("d", "icd10|E11.9", verificationStatus={"text": "confirmed"}),
        ],
    )
    during = {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-10-20", "end": "2026-11-03"}}
    yield (
        "what ends, was issued or recorded after today",
        [
            {k: v for k, v in (observation("a", 81) | during).items() if v is not None},
            observation("b", 82, issued="2026-11-04T00:00:00Z"),
            condition("c", "icd10|G47.33", onsetDateTime="2026-01-01", recordedDate="2026-11-03"),
            condition("d", "icd10|I27.20", onsetPeriod={"start": "2026-01-01", "end": "2027-01-01"}),
            condition("e", "icd10|I50.9", onsetDateTime="2026-01-01", recordedDate="2026-11"),
        ],
    )
    nothing = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "error"}
    yield (
        "values that are said to be none",
        [
            observation("a", 81, valueQuantity={"value": 81, "unit": "%", "code": "%", "extension": [nothing]}),
            observation("b", 82, interpretation=[concept("http://x.test|IE")]),
            observation("c", 83, implicitRules="http://other.test/rules"),
            observation("d", 92),
        ],
    )
    for status, content in (
        ("current", [{"attachment": {"url": "http://ehr.test/1"}}]),
        ("superseded", []),
        ("current", []),
    ):
        document = {"resourceType": "DocumentReference", "id": "d", "status": status, "type": concept("loinc|18776-5")}
        yield f"a document {status} {len(content)}", [document | {"date": "2026-10-20T10:00:00Z", "content": content}]
    yield (
        "visits",
        [
            {
                "resourceType": "Encounter",
                "id": "v",
                "status": "finished",
                "class": {"code": "AMB"},
                "type": [concept("sct|185349003")],
                "period": {"start": "2026-08-01", "end": "2026-08-01"},
            }
        ],
    )


def engine(policy: CompiledPolicy, resources: list[Json]) -> dict[str, Any]:
    """What the rules' own extraction makes of the chart."""
    evidence = [EvidenceItem(r, f"{r['resourceType']}/{r['id']}") for r in resources]
    context = LineContext(item={}, service_date=DAY, received=DAY, evidence=evidence)
    index = EvidenceIndex(context)
    return {name: fact.resolve(context, index) for name, fact in policy.facts.items()}


def check_on_charts(libraries_: dict[str, Json]) -> None:
    """Run the libraries of all forms on all charts, in one run of Node, and compare with the rules' own facts."""
    cases = [(form, *chart) for form in FORMS if form.population.definitions for chart in charts(form)]
    jobs = []
    for form, _, resources in cases:
        own = [r | {"subject": {"reference": "Patient/p"}} for r in resources]
        whole = [{"resourceType": "Patient", "id": "p"}, *own]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in whole]}
        jobs.append({"elm": libraries_[form.id], "bundle": bundle, "today": DAY.isoformat()})
    known = 0
    for (form, name, resources), found in zip(cases, node("run.js", jobs), strict=True):
        facts = engine(form.policy, resources)
        assert set(found) == set(form.population.definitions)
        for link_id, value in found.items():
            fact = facts[link_id]
            plain = value["value"] if isinstance(value, dict) else value
            expected = fact.values[0] if fact.values and fact.provenance != "conflict" else None
            same = (
                plain == expected if expected is None or plain is None else abs(float(plain) - float(expected)) < 1e-9
            )
            assert same, (form.id, name, link_id, value, fact)
            known += plain is not None
            if isinstance(value, dict):
                assert value["unit"] == form.items[link_id].unit
    assert known > 50  # the charts do hold something


@executed
@pytest.mark.slow
def test_a_chart_says_the_same_to_the_elm_and_to_the_rules() -> None:
    check_on_charts({form.id: elm_library(form.library_name, form.version, form.population) for form in FORMS})


@executed
@pytest.mark.slow
def test_the_text_compiles_and_says_the_same() -> None:
    """The official translator finds no fault with the CQL, and what it makes of it agrees with the rules too."""
    forms = [form for form in FORMS if form.population.definitions]
    compiled = node("compile.mjs", [cql_text(form.library_name, form.version, form.population) for form in forms])
    assert [one["errors"] for one in compiled] == [[] for _ in forms]
    check_on_charts({form.id: one["elm"] for form, one in zip(forms, compiled, strict=True)})


def test_most_questions_with_a_source_are_populated() -> None:
    askable = [
        (form.id, link_id)
        for form in FORMS
        for link_id in form.items
        if form.policy.fact_models[link_id].sources and "Payer" not in form.policy.fact_models[link_id].sources[0]
    ]
    populated = [(form.id, link_id) for form in FORMS for link_id in form.population.definitions]
    assert set(populated) <= set(askable)
    assert len(populated) >= 0.8 * len(askable), set(askable) - set(populated)


def test_a_library_holds_both_languages_of_one_name() -> None:
    form = next(f for f in FORMS if f.id == "oxygen-home")
    (standard,) = libraries(Served(form, "standard"), shape22, SITE)
    (adaptive,) = libraries(Served(form, "adaptive"), shape22, SITE)
    assert (standard["name"], adaptive["name"]) == ("OxygenHome", "OxygenHomeAdaptive")
    texts = {c["contentType"]: base64.b64decode(c["data"]) for c in adaptive["content"]}
    assert texts["text/cql"].decode().startswith("library OxygenHomeAdaptive version '2026.2'")
    elm = json.loads(texts["application/elm+json"])
    assert elm["library"]["identifier"] == {"id": "OxygenHomeAdaptive", "version": "2026.2"}
    assert "FHIRHelpers" not in texts["text/cql"].decode()
    assert {
        "type": "Observation",
        "codeFilter": [
            {
                "path": "code",
                "code": [{"system": "http://loinc.org", "code": c} for c in ("59408-5", "2708-6", "59417-6")],
            }
        ],
    } in standard["dataRequirement"]


@pytest.mark.parametrize(("shape", "said"), [(shape22, True), (shape20, False)])
def test_how_versions_compare_is_said_where_the_guide_has_a_code_for_it(shape: Shape, said: bool) -> None:
    """The code system of artifact-versionAlgorithm came with FHIR R5; what 2.0.1 builds on does not have it."""
    (library,) = libraries(Served(next(f for f in FORMS if f.id == "oxygen-home"), "standard"), shape, SITE)
    assert (urls.VERSION_ALGORITHM in json.dumps(library).decode()) is said
    context, profile = shape.CONTEXT, "http://hl7.org/fhir/StructureDefinition/Library"
    found = Validator.load().validate(library, context=context, profiles=[profile])
    assert [f for f in found if f.severity == "error"] == []


def test_the_cql_of_one_question() -> None:
    form = next(f for f in FORMS if f.id == "oxygen-home")
    text = cql_text("OxygenHome", form.version, form.population)
    assert 'code "loinc.org 59408-5": \'59408-5\' from "loinc.org"' in text
    assert 'define "cor_pulmonale":\n  if (exists (([Condition]) R where' in text
    assert "StartsWith(ReplaceMatches(Upper(X.code.value), '[.]', ''), 'I27')" in text


@pytest.mark.parametrize("form", FORMS, ids=lambda f: str(f.id))
def test_elm_is_small(form: Form) -> None:
    size = len(json.dumps(elm_library(form.library_name, form.version, form.population)))
    assert (
        size < 80_000
    )  # the largest, home oxygen, reads five measurements by ten codes, each with all that keeps one from counting
