"""The rules of the guide for whoever writes forms, held against every form that is shipped, in both versions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from dtr_support import SHAPES, SITE, questions
from tools.requests import Json

from precert.dtr.artifacts import artifacts, renderer
from precert.dtr.form import Form
from precert.dtr.forms import Served
from precert.dtr.library import cql_text
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.policy.library import PolicyLibrary
from support.app import EXAMPLES, NOW

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
FORMS = [form for policy in LIBRARY.current if (form := Form(policy, LIBRARY.current.value_sets)).items]
US_CORE = {
    "Condition",
    "Observation",
    "Procedure",
    "Encounter",
    "DiagnosticReport",
    "DocumentReference",
    "ServiceRequest",
}
by_form = pytest.mark.parametrize("form", FORMS, ids=lambda f: str(f.id))
by_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))


def rendered(form: Form, shape: Shape) -> Iterator[Json]:
    """The standard form, the adaptive shell, and the adaptive form with all its questions."""
    yield renderer(Served(form, "standard"), shape, SITE).standard()
    adaptive = renderer(Served(form, "adaptive"), shape, SITE)
    yield adaptive.shell(list(form.items))
    yield adaptive.contained(list(form.items), "00000000-0000-4000-8000-000000000001", [])


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a resource, however deep."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield key, member
            yield from inside(member)
    elif isinstance(value, list):
        for member in value:
            yield from inside(member)


@by_form
@by_shape
def test_expressions_are_qualified_cql_with_their_elm(form: Form, shape: Shape) -> None:
    """spec-18, spec-87, spec-96, spec-98."""
    for made in rendered(form, shape):
        for key, expression in inside(made.get("item", [])):
            if key != "valueExpression" or expression["language"] == "application/elm+json":
                continue
            assert expression["language"] == "text/cql"
            library, name = expression["expression"].strip('"').split('"."')
            assert library == made["name"]
            (alternative,) = expression["extension"]
            assert alternative["url"] == shape.ALTERNATIVE
            elm = json.loads(alternative["valueExpression"]["expression"].encode())
            assert elm == {"name": name, "type": "ExpressionRef"}


@by_form
@by_shape
def test_nothing_is_filled_in_behind_anybodys_back(form: Form, shape: Shape) -> None:
    """sec-4: what the chart fills in is seen and can be changed. spec-160, spec-165: no pages or pictures inside."""
    for made in rendered(form, shape):
        for key, value in inside(made):
            assert key not in ("readOnly", "Binary")
            assert not (key == "url" and str(value).endswith(("questionnaire-hidden", "itemOptionalDisplay")))
        assert "contained" not in made


@by_form
def test_the_clinician_is_asked_first(form: Form) -> None:
    """spec-22: clinical and administrative questions stand apart."""
    order = ["clinical", "admin", "patient"]
    asked = [group.who for group in form.groups]
    assert asked == sorted(asked, key=order.index)


@by_form
def test_each_question_says_what_it_is_needed_for(form: Form) -> None:
    """spec-17 and the issue: a criterion reads it, and the help names criterion and source."""
    standard = renderer(Served(form, "standard"), SHAPES[0], SITE).standard()
    for question in questions(standard):
        (help_,) = [each for each in question["item"] if each["type"] == "display"]
        assert "Needed for:" in help_["text"]


def test_questions_hang_on_each_other() -> None:
    """spec-17: forms have conditions, and each names a question that stands before it."""
    conditioned = 0
    for form in FORMS:
        seen: list[str] = []
        for question in questions(renderer(Served(form, "standard"), SHAPES[0], SITE).standard()):
            conditions = question.get("enableWhen", [])
            assert {condition["question"] for condition in conditions} <= set(seen)
            conditioned += bool(conditions)
            seen.append(question["linkId"])
    assert conditioned > 10


@by_form
def test_libraries_are_small_plain_cql_on_us_core_data(form: Form) -> None:
    """spec-55, spec-92..94, sec-3: CQL on FHIR 4.0.1, context Patient, only coded data that the facts are about."""
    text = cql_text(form.library_name, form.version, form.population)
    assert "using FHIR version '4.0.1'" in text
    assert "context Patient" in text
    assert {requirement["type"] for requirement in form.population.requirements} <= US_CORE
    assert set(form.population.definitions) <= set(form.items)


def test_libraries_have_names_of_their_own() -> None:
    """spec-97; 2.0.1 counts over the whole answer."""
    names = [form.library_name for form in FORMS]
    assert len(set(names) | {f"{name}Adaptive" for name in names}) == 2 * len(names)


@by_form
@by_shape
def test_a_package_is_whole_and_versioned(form: Form, shape: Shape) -> None:
    """oper-12..16: every library and value set that is referred to is there, once, in that version."""
    for manner in ("standard", "adaptive"):
        served = Served(form, "standard" if manner == "standard" else "adaptive")
        made = artifacts(served, shape, SITE, LIBRARY.current, NOW, "00000000-0000-4000-8000-000000000001")
        libraries = {f"{each['url']}|{each['version']}" for each in made.libraries}
        named = {e["valueCanonical"] for e in made.questionnaire["extension"] if e["url"].endswith("cqf-library")}
        plain = {url.partition("|")[0] for url in libraries}
        assert named == (libraries if shape.VERSION == "2.2" else plain)
        for library in made.libraries:
            kinds = {content["contentType"]: base64.b64decode(content["data"]) for content in library["content"]}
            assert set(kinds) == {"text/cql", "application/elm+json"}
            assert library["name"] == json.loads(kinds["application/elm+json"])["library"]["identifier"]["id"]
        sets = [f"{each['url']}|{each['version']}" for each in made.value_sets]
        assert len(sets) == len(set(sets))
        wanted = {v for key, v in inside(made.questionnaire) if key == "answerValueSet"}
        assert wanted <= set(sets)
        assert len(json.dumps(made.questionnaire)) < 100_000  # spec-164
