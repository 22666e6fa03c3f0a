"""Answers that arrive with an attachment: wrong ones are refused by name; old ones and odd ones are said; any JSON is safe."""

from __future__ import annotations

from typing import Any

import pytest
from dtr_support import SHAPES, Driver, call, canonical, filled, mounted
from hypothesis import HealthCheck, given, settings
from tools.requests import Json, questionnaire_response

from precert.dtr.answers import answer_review, judge
from precert.dtr.form import Form
from precert.dtr.forms import Forms
from precert.fhir import json
from precert.policy.catalogue import Catalogue
from precert.policy.library import PolicyLibrary
from support.answers import faults, only_fault
from support.app import EXAMPLES, NOW, frozen_runtime, running
from support.strategies import mutated

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
CHAIR = canonical("pmd-group2-standard", "2026.1")


def response(items: list[Json], questionnaire: str = CHAIR) -> Json:
    return questionnaire_response("q", questionnaire, {}, "2026-11-20T14:30:00Z") | {"item": items}


def attachment(content: Json) -> Json:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "TrackingId", "valueIdentifier": {"value": "none"}},
            {"name": "AttachTo", "valueCode": "preauthorization"},
            {"name": "ProviderId", "valueIdentifier": {"value": "1"}},
            {"name": "MemberId", "valueIdentifier": {"value": "MA-0001"}},
            {"name": "Attachment", "part": [{"name": "Content", "resource": content}]},
        ],
    }


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ({"linkId": "weight", "answer": [{"valueQuantity": {"value": 180, "code": "[lb_av]"}}]}, "unit-mismatch"),
        ({"linkId": "weight", "answer": [{"valueQuantity": {"value": -1, "code": "kg"}}]}, "out-of-range"),
        ({"linkId": "weight", "answer": [{"valueString": "80 kg"}]}, "wrong-type"),
        ({"linkId": "willing", "answer": [{"valueInteger": 1}]}, "wrong-type"),
        ({"linkId": "wheels", "answer": [{"valueInteger": 1}]}, "unknown-link-id"),
    ],
)
async def test_a_wrong_answer_is_refused_with_its_place(driver: Driver, item: Json, rule: str) -> None:
    refused = await driver.post("$submit-attachment", attachment(response([item])))
    fault = only_fault(refused, 422)
    assert fault.rule == rule
    assert (fault.expression or "").startswith("Parameters.parameter[4].part[0].resource.item[0]")


async def test_a_bare_number_is_taken_in_the_unit_asked(driver: Driver) -> None:
    sent = attachment(response([{"linkId": "weight", "answer": [{"valueDecimal": 80}]}]))
    answer = await driver.post("$submit-attachment", sent)
    assert [(f.severity, f.rule) for f in faults(answer)] == [
        ("information", "attachment-held"),
        ("warning", "unit-missing"),
    ]


async def test_answers_to_another_payers_form_are_a_document_like_any(driver: Driver) -> None:
    odd = response([{"linkId": "7", "answer": [{"valueString": "yes"}]}], "http://other.test/Questionnaire/x|1")
    assert (await driver.post("$submit-attachment", attachment(odd))).status_code == 200


def test_answers_to_a_version_that_was_replaced_are_said() -> None:
    old = next(p for p in LIBRARY.current if p.id == "pmd-group2-standard")
    newer = old.model.model_copy(update={"version": "2026.9"})
    from precert.policy.compiled import CompiledPolicy
    from precert.policy.load import PolicyFile

    catalogue = Catalogue([old, CompiledPolicy(PolicyFile(newer, old.file.source))])
    review = answer_review(Forms(lambda: catalogue), lambda: NOW)
    issues = review(response([{"linkId": "willing", "answer": [{"valueBoolean": True}]}]), "Q")
    assert [(i.severity, i.rule) for i in issues] == [("warning", "form-retired")]


def test_what_is_read_are_plain_values() -> None:
    form = Form(next(p for p in LIBRARY.current if p.id == "oxygen-home"))
    items = [
        {"linkId": "group-clinical", "item": [{"linkId": "tester_qualified", "answer": [{"valueBoolean": True}]}]},
        {"linkId": "spo2_rest", "answer": [{"valueQuantity": {"value": 86, "unit": "%"}}]},
    ]
    judged = judge(form, response(items), "Q")
    assert judged.issues == []
    assert {name: answer.value for name, answer in judged.answers.items()} == {
        "tester_qualified": True,
        "spo2_rest": 86,
    }


def variations(body: Any) -> list[Any]:
    """Eighty bodies of which one thing was changed; always the same ones."""
    found: list[Any] = []

    @given(mutated(body, 1))
    @settings(max_examples=80, suppress_health_check=list(HealthCheck), derandomize=True)
    def collect(changed: Any) -> None:
        found.append(changed)

    collect()
    return found


async def test_no_json_is_a_server_fault(tmp_path: Any) -> None:
    """Every operation, with valid bodies of which one thing was changed."""
    async with running(tmp_path / "data", frozen_runtime(), raise_app_exceptions=False) as (app, client):
        driver = mounted(app, client)
        package = await driver.package(call(canonical("pmd-group2-standard-adaptive")))
        started = await driver.next(package.draft)
        done = filled(
            (await driver.package(call(canonical("pmd-group2-standard")))).form,
            package.draft,
            {"weight": 80, "willing": True},
        )
        outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
        report = [{"name": "questionnaire", "valueCanonical": CHAIR}, {"name": "operationOutcome", "resource": outcome}]
        order = {"resourceType": "DeviceRequest", "codeCodeableConcept": {"coding": [{"system": "s", "code": "c"}]}}
        url = {"name": "url", "valueUri": "http://precert.test/fhir/ValueSet/insulin-products"}
        bodies = {
            "Questionnaire/$questionnaire-package": call(CHAIR, orders=(order,), changedsince="2026-01-01T00:00:00Z"),
            "Questionnaire/$next-question": started | {"item": done.get("item", [])},
            "Questionnaire/$log-questionnaire-errors": {"resourceType": "Parameters", "parameter": report},
            "ValueSet/$expand": {
                "resourceType": "Parameters",
                "parameter": [url, {"name": "count", "valueInteger": 1}],
            },
            "$submit-attachment": attachment(done | {"questionnaire": CHAIR}),
        }
        for path, body in bodies.items():
            found = variations(json.loads(json.dumps(body)))
            for number, changed in enumerate(found):
                answer = await driver.post(path, changed, SHAPES[number % 2])
                assert answer.status_code < 500, (path, answer.text, changed)
