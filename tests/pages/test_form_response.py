"""What the form page sends holds against the guide's profile, and choices from value sets can be chosen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pages.test_scripts import needs_node, questionnaire
from precert.dtr import shape22
from precert.dtr.artifacts import artifacts, renderer
from precert.dtr.form import Form
from precert.dtr.forms import Served
from precert.dtr.questionnaire import Site
from precert.fhir import json
from precert.fhir.validation import Validator
from precert.policy.catalogue import Catalogue
from precert.policy.library import PolicyLibrary
from support.app import EXAMPLES, NOW

SITE = Site("http://precert.test")
LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
VALIDATOR = Validator.load()
ANSWERED = "q.completed(given[0], given[1], new Map(Object.entries(given[2])), '2026-11-20T15:00:00Z', '1992817498')"
DRAFT = {
    "resourceType": "QuestionnaireResponse",
    "meta": {"profile": ["http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/dtr-questionnaireresponse"]},
    "extension": [
        {
            "url": "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/qr-coverage",
            "valueReference": {"reference": "Coverage/1"},
        },
        {
            "url": "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/intendedUse",
            "valueCodeableConcept": shape22.intended_use("withpa"),
        },
    ],
    "status": "in-progress",
    "subject": {"reference": "Patient/1"},
    "authored": "2026-11-20T15:00:00Z",
}


def standard(policy: str) -> tuple[Form, Any]:
    compiled = LIBRARY.current.get(policy)
    assert compiled is not None
    form = Form(compiled, LIBRARY.current.value_sets)
    return form, renderer(Served(form, "standard"), shape22, SITE).standard()


@needs_node
@pytest.mark.parametrize(
    ("policy", "answers"),
    [
        ("oxygen-home", {"tester_qualified": True, "spo2_rest": 86}),
        ("pap-osa-initial", {"osa_dx": True, "eval_before_test": True, "ahi": 22.5, "events": 140}),
        ("pap-osa-continue", {"days_on_therapy": 60, "benefiting": True, "adherent_nights_pct": 71.5}),
    ],
)
def test_what_the_page_sends_fits_the_profile(policy: str, answers: dict[str, Any]) -> None:
    """dtrx-1: whoever says something by hand is named."""
    _, form = standard(policy)
    draft = DRAFT | {"questionnaire": f"{form['url']}|{form['version']}"}
    made = questionnaire(ANSWERED, json.loads(json.dumps(form)), draft, answers)
    assert made["status"] == "completed"
    found = VALIDATOR.validate(json.loads(json.dumps(made)), context="dtr-2.2.0")
    assert [(f.rule, f.expression, f.text) for f in found if f.severity in ("error", "fatal")] == []
    nameless = json.loads(json.dumps(made))
    del nameless["item"][0]["item"][0]["answer"][0]["extension"][0]["extension"][1]
    assert "invariant:dtrx-1" in {f.rule for f in VALIDATOR.validate(nameless, context="dtr-2.2.0")}


@needs_node
def test_a_form_without_answers_has_no_empty_list() -> None:
    form = {"item": [{"linkId": "a", "text": "?", "type": "boolean"}]}
    assert "item" not in questionnaire(ANSWERED, form, DRAFT, {})


@needs_node
def test_the_answers_of_a_value_set_can_be_chosen() -> None:
    coded = {"item": [{"linkId": "stage", "type": "choice", "text": "?", "answerValueSet": "http://x/vs|1"}]}
    codes = [{"system": "s", "code": "a", "display": "A"}, {"system": "s", "code": "b"}]
    sets = [{"resourceType": "ValueSet", "url": "http://x/vs", "version": "1", "expansion": {"contains": codes}}]
    made = questionnaire("q.withOptions(given[0], given[1])", coded, sets)
    assert [option["valueCoding"] for option in made["item"][0]["answerOption"]] == codes
    assert questionnaire("q.unexpanded(given[0], given[1])", coded, []) == ["http://x/vs|1"]
    assert questionnaire("q.unexpanded(given[0], given[1])", coded, sets) == []


def test_the_package_brings_what_the_page_needs() -> None:
    """A set of more than ten and fewer than forty codes is expanded in the package."""
    form, _ = standard("pap-osa-initial")
    served = Served(form, "standard")
    now = datetime(2026, 11, 20, tzinfo=UTC)
    made = artifacts(served, shape22, SITE, Catalogue([form.policy], LIBRARY.current.value_sets), now, "x")
    assert all("expansion" in each for each in made.value_sets)
