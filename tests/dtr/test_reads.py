"""Reading and finding forms, libraries and value sets; ``$expand``; reports of errors."""

from __future__ import annotations

from typing import Any

import pytest
from dtr_support import ROOT, SHAPES, SITE, VALIDATOR, Driver, call, canonical, findings, questions
from tools.requests import Json

from policy.support import policy as small_policy
from precert.dtr import shape20, shape22
from precert.dtr.artifacts import renderer
from precert.dtr.form import Form
from precert.dtr.forms import Forms, Served
from precert.dtr.shape import Shape
from precert.dtr.urls import fhir_id
from precert.fhir import json
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from support.answers import only_fault
from support.app import NOW

TODAY = NOW.date()


def policy(version: str = "1", options: int = 3, **changed: Any) -> CompiledPolicy:
    """A policy with a choice of so many answers, and a date and a text."""
    written = {
        "policy": "choosy",
        "version": version,
        "title": "A choice",
        "applies": {"services": ["hcpcs|E9999"]},
        "facts": {
            "stage": {
                "ask": {
                    "text": "Which stage?",
                    "type": "choice",
                    "who": "clinical",
                    "options": [f"stage {n}" for n in range(options)],
                    "help": "As in the last report.",
                }
            },
            "seen": {"ask": {"text": "When seen?", "type": "date", "who": "admin"}},
            "said": {"ask": {"text": "In own words?", "type": "text", "who": "patient"}},
        },
        "criteria": {
            "all": [
                {"id": "A", "text": "Stage", "test": "%stage = 'stage 1'"},
                {"id": "B", "text": "Seen", "test": "%seen >= '2026-01-01'"},
                {"id": "C", "text": "Said", "test": "%said != 'no'"},
            ]
        },
    }
    return small_policy(**written | changed)


@pytest.fixture
def choosy(driver: Driver) -> Driver:
    """The driver with the choosy policies instead of the shipped ones."""
    catalogue = Catalogue([policy(), policy("2", 12), policy("3", 45)])
    driver.forms.catalogue = lambda: catalogue
    return driver


async def read(driver: Driver, path: str, shape: Shape = shape22) -> Json:
    response = await driver.get(path, shape)
    assert response.status_code == 200, response.text
    made: Json = json.loads(response.content)
    return made


@pytest.mark.parametrize("id", ["oxygen-home", "oxygen-home|2026.2", "oxygen-home-adaptive"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_form_by_its_id(driver: Driver, id: str, shape: Shape) -> None:
    form = await read(driver, f"Questionnaire/{id}", shape)
    assert form["url"] == canonical(id.partition("|")[0])
    assert findings(form, shape) == []
    library = await read(driver, f"Library/{id}", shape)
    assert findings(library, shape) == []


async def test_what_is_not_there(driver: Driver) -> None:
    assert only_fault(await driver.get("Questionnaire/nobody"), 404).rule == "unknown-id"
    assert only_fault(await driver.get("Questionnaire/oxygen-home|1"), 404).rule == "unknown-id"
    assert only_fault(await driver.get("Library/pap-osa-continue"), 404).rule == "unknown-id"  # no chart can answer it
    assert only_fault(await driver.get("ValueSet/nobody"), 404).rule == "unknown-value-set"
    assert only_fault(await driver.get("Questionnaire/tx-goldcard"), 404).rule == "unknown-id"  # no questions


async def test_every_canonical_of_a_package_can_be_found(driver: Driver) -> None:
    package = await driver.package(call(canonical("pap-osa-initial")))
    for kind in ("Questionnaire", "Library", "ValueSet"):
        for resource in package.of(kind):
            found = await driver.get(kind, url=f"{resource['url']}|{resource['version']}")
            entries = json.loads(found.content)["entry"]
            assert [e["resource"]["url"] for e in entries] == [resource["url"]]
            again = await read(driver, entries[0]["fullUrl"].removeprefix(f"{ROOT}/fhir/"))
            assert again["url"] == resource["url"]


async def test_searching_without_words_lists_what_is_in_effect(driver: Driver) -> None:
    found = json.loads((await driver.get("Questionnaire")).content)
    assert found["total"] == 2 * 13
    assert json.loads((await driver.get("Questionnaire", url="http://other.test/x")).content)["total"] == 0
    assert json.loads((await driver.get("Questionnaire", _id="oxygen-home")).content)["total"] == 1
    assert json.loads((await driver.get("ValueSet")).content)["total"] == 2
    assert json.loads((await driver.get("Library")).content)["total"] > 0


async def test_long_choices_are_value_sets(choosy: Driver) -> None:
    short = await choosy.package(call(canonical("choosy", "1")))
    assert len(next(questions(short.form))["answerOption"]) == 3
    middle = await choosy.package(call(canonical("choosy", "2")))
    url = next(questions(middle.form))["answerValueSet"]
    (codes,) = middle.of("ValueSet")
    assert url == f"{codes['url']}|2"
    assert codes["expansion"]["timestamp"].startswith("2026-11-20")
    assert codes["expansion"]["total"] == 12
    long = await choosy.package(call(canonical("choosy", "3")))
    assert "expansion" not in long.of("ValueSet")[0]
    old = await choosy.package(call(canonical("choosy", "3")), shape20)
    assert old.of("ValueSet")[0]["expansion"]["total"] == 45
    for package, shape in ((short, shape22), (middle, shape22), (long, shape22), (old, shape20)):
        assert findings(package.body, shape) == []


async def test_expanding(choosy: Driver) -> None:
    url = f"{ROOT}/fhir/ValueSet/choosy.stage|3"
    body = {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": url}]}
    whole = json.loads((await choosy.post("ValueSet/$expand", body)).content)
    assert whole["expansion"]["total"] == len(whole["expansion"]["contains"]) == 45
    assert [f for f in VALIDATOR.validate(whole, context="r4") if f.severity == "error"] == []
    asked = {"url": url, "filter": "STAGE 4", "count": "2", "offset": "1"}
    part = json.loads((await choosy.get("ValueSet/$expand", **asked)).content)
    assert part["expansion"]["total"] == 9  # 4, 14, 24, 34 and 40 to 44
    assert [c["code"] for c in part["expansion"]["contains"]] == ["stage 14", "stage 24"]
    by_id = json.loads((await choosy.get("ValueSet/choosy.stage/$expand", valueSetVersion="2")).content)
    assert by_id["expansion"]["total"] == 12


@pytest.mark.parametrize(
    ("query", "status", "rule"),
    [
        ({}, 400, "no-url"),
        ({"url": "http://loinc.org/vs"}, 404, "unknown-value-set"),
        ({"url": f"{ROOT}/fhir/ValueSet/nobody"}, 404, "unknown-value-set"),
        ({"url": f"{ROOT}/fhir/ValueSet/choosy.stage", "count": "-1"}, 400, "parameter"),
        ({"url": f"{ROOT}/fhir/ValueSet/choosy.stage|9"}, 404, "unknown-value-set"),
    ],
)
async def test_what_cannot_be_expanded(choosy: Driver, query: dict[str, str], status: int, rule: str) -> None:
    assert only_fault(await choosy.get("ValueSet/$expand", **query), status).rule == rule


async def test_branches_of_a_terminology_are_not_guessed(driver: Driver) -> None:
    driver.forms.catalogue = lambda: Catalogue([], {"branch": ("icd10|I27*", "icd10|I50.1")})
    refused = await driver.get("ValueSet/$expand", url=f"{ROOT}/fhir/ValueSet/branch")
    assert only_fault(refused, 422).rule == "not-expandable"
    definition = await read(driver, "ValueSet/branch")
    assert definition["compose"]["include"][1]["filter"][0]["value"] == "I27.*"


async def test_a_form_is_kept_when_its_policy_is_gone(choosy: Driver) -> None:
    sent = await choosy.package(call(canonical("choosy", "1")))
    choosy.forms.catalogue = lambda: Catalogue([policy("2")])
    again = await choosy.package(call(canonical("choosy", "1")))
    assert again.form == sent.form
    assert again.draft["questionnaire"] == canonical("choosy", "1")
    assert findings(again.body, shape22) == []
    assert await read(choosy, "Questionnaire/choosy|1") == sent.form
    unknown = await choosy.package(call(canonical("choosy", "1")), shape20)  # neither sent nor archived in this one
    assert unknown.issues == [("warning", "unknown-questionnaire")]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_form_is_kept_though_nobody_ever_fetched_it(choosy: Driver, shape: Shape) -> None:
    """CRD or PAS may have named it; it is found after its policy is gone, at the address that the server has then."""
    await choosy.context.issued.keep_all(choosy.forms, choosy.service.runtime)
    choosy.forms.catalogue = lambda: Catalogue([policy("9")])
    package = await choosy.package(call(canonical("choosy", "2")), shape)
    assert package.forms == ["choosy|2"]
    assert findings(package.body, shape) == []
    (codes,) = package.of("ValueSet")
    assert codes["expansion"]["timestamp"].startswith("2026-11-20")
    assert await read(choosy, "ValueSet/choosy.stage|2", shape) == codes
    moved = await choosy.client.get(f"http://elsewhere.test{shape.PREFIX}/Questionnaire/choosy-adaptive|3")
    assert json.loads(moved.content)["url"] == "http://elsewhere.test/fhir/Questionnaire/choosy-adaptive"


async def test_a_draft_is_not_archived(driver: Driver) -> None:
    driver.forms.catalogue = lambda: Catalogue([policy("1", status="draft")])
    await driver.context.issued.keep_all(driver.forms, driver.service.runtime)
    driver.forms.catalogue = lambda: Catalogue([policy("2")])
    assert (await driver.get("Questionnaire/choosy|1")).status_code == 404


async def test_a_form_that_has_ended_says_so(driver: Driver) -> None:
    ended = policy("1", effective={"start": "2025-01-01", "end": "2025-12-31"})
    driver.forms.catalogue = lambda: Catalogue([ended, policy("2")])
    package = await driver.package(call(canonical("choosy", "1")))
    assert package.forms == ["choosy|1"]
    assert package.issues == [("warning", "form-expired")]
    assert (await driver.package(call(canonical("choosy")))).forms == ["choosy|2"]


@pytest.mark.parametrize("names", [("questionnaire", "operationOutcome"), ("Questionnaire", "OperationOutcome")])
async def test_a_report_is_kept_without_people_in_it(driver: Driver, names: tuple[str, str]) -> None:
    said = "Patient/123 'Alma Reyes' (MA-0001, 1951-03-14) broke the form"
    outcome = {
        "issue": [{"severity": "error", "code": "invalid", "details": {"text": said}, "expression": ["item[0]"]}]
    }
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": names[0], "valueCanonical": canonical("oxygen-home-adaptive", "2026.2")},
            {"name": names[1], "resource": {"resourceType": "OperationOutcome", **outcome}},
        ],
    }
    response = await driver.post("Questionnaire/$log-questionnaire-errors", body)
    assert (response.status_code, response.content) == (204, b"")
    (report,) = await driver.context.errors.newest("oxygen-home")
    assert report["questionnaires"] == [canonical("oxygen-home-adaptive", "2026.2")]
    assert report["issues"] == [
        {
            "severity": "error",
            "code": "invalid",
            "text": "[...] [...] ([...], [...]) broke the form",
            "expression": ["item[0]"],
        }
    ]


@pytest.mark.parametrize(
    ("parameters", "rules"),
    [
        ([], ["no-questionnaire", "no-outcome"]),
        ([{"name": "questionnaire"}], ["parameter-value", "no-outcome"]),
        (
            [{"name": "questionnaire", "valueCanonical": "x"}, {"name": "operationOutcome", "resource": {}}],
            ["parameter-resource"],
        ),
    ],
)
async def test_a_report_that_says_nothing(driver: Driver, parameters: list[Json], rules: list[str]) -> None:
    from support.answers import faults

    body = {"resourceType": "Parameters", "parameter": parameters}
    response = await driver.post("Questionnaire/$log-questionnaire-errors", body)
    assert response.status_code == 400
    assert [fault.rule for fault in faults(response)] == rules
    wrong = await driver.post("Questionnaire/$log-questionnaire-errors", {"resourceType": "Patient"})
    assert only_fault(wrong).rule == "not-parameters"


def test_long_names_become_ids() -> None:
    name = "a" * 80
    assert len(fhir_id(name)) == 64
    assert fhir_id("short") == "short"
    long = policy(policy=name)
    forms = Forms(lambda: Catalogue([long]))
    served = forms.by_name(fhir_id(name), None, TODAY)
    assert served is not None
    assert served.form.id == name


def test_all_kinds_of_questions_are_valid() -> None:
    for shape in SHAPES:
        for manner in ("standard", "adaptive"):
            served = Served(Form(policy()), manner)
            render = renderer(served, shape, SITE)
            made = render.standard() if manner == "standard" else render.contained(list(served.form.items), "x", [])
            assert findings(made, shape) == []
    groups = [group.title for group in Form(policy()).groups]
    assert groups == ["For the clinician", "For the office", "For the patient"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_the_capability_statement_says_what_is_served(driver: Driver, shape: Shape) -> None:
    """Read without a token; every operation, and searches by canonical (2.2.0 conf-1)."""
    statement = await read(driver, "metadata", shape)
    rest = {r["type"]: r for r in statement["rest"][0]["resource"]}
    said = {
        kind: [o["name"] for o in rest[kind].get("operation", [])] for kind in ("Questionnaire", "Library", "ValueSet")
    }
    assert said == {
        "Questionnaire": ["questionnaire-package", "next-question", "log-questionnaire-errors"],
        "Library": [],
        "ValueSet": ["expand"],
    }
    for kind in said:
        assert [i["code"] for i in rest[kind]["interaction"]] == ["read", "search-type"]
        assert [p["name"] for p in rest[kind]["searchParam"]] == ["_id", "url", "version"]
    assert any("dtr-payer-service" in url for url in statement["instantiates"])
    assert findings(statement, shape) == []


async def test_a_report_wrapped_as_the_operation_definition_has_it(driver: Driver) -> None:
    """2.2.0 declares one parameter, ``resource``, that is itself Parameters; some clients will take it at its word."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}
    inner = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "questionnaire", "valueCanonical": canonical("oxygen-home", "2026.2")},
            {"name": "operationOutcome", "resource": outcome},
        ],
    }
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": inner}]}
    assert (await driver.post("Questionnaire/$log-questionnaire-errors", body)).status_code == 204
    (report,) = await driver.context.errors.newest("oxygen-home")
    assert report["issues"][0]["code"] == "invalid"
