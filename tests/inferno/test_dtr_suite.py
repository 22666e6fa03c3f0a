"""The payer suites of the DTR kit over the shipped presets, test by test: 2.0.1 (``dtr_payer_server``) and 2.2.0.

The numbers are those of the kit's DTR payer suites (docs/conformance-dtr.md). Discovery and tokens are in test_dtr_security.py.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tools.inferno_dtr import EDITIONS, ROOT, UNFILLED, text
from tools.inferno_dtr_parts import NOBODY

from inferno import dtr_rules as rules
from inferno.dtr_must_support import DtrProfile
from inferno.dtr_running import BASES, Json, Played, canonical, contained, is_adaptive, items, play, resources, server
from precert.fhir import json
from precert.fhir.validation import Validator
from support.app import EXAMPLES, NOW

DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
SDC3 = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
PACKAGES = {"2.0.1": ("static", "adaptive"), "2.2.0": ("package",)}
NAMES = {
    "2.0.1": {
        "retrieval_method",
        "url",
        "access_token",
        "custom_endpoint",
        "initial_static_questionnaire_request",
        "initial_adaptive_questionnaire_request",
        "next_question_requests",
        "smart_auth_info",
    },
    "2.2.0": {
        "url",
        "request_mode",
        "backend_services_smart_auth_info",
        "client_fhir_endpoint",
        "questionnaire_package_request_parameters",
        "questionnaire_response_templates",
        "source_data_error_request",
        "invalid_questionnaire_response",
        "questionnaire_canonical",
    },
}
VALIDATOR = Validator.load()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Both presets, each played through a server of its own."""
    return {edition: asyncio.run(play(edition, tmp_path_factory.mktemp("dtr") / "data")) for edition in EDITIONS}


@pytest.fixture
def old(runs: dict[str, Played]) -> Played:
    return runs["2.0.1"]


@pytest.fixture
def new(runs: dict[str, Played]) -> Played:
    return runs["2.2.0"]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with server(tmp_path / "data") as client:
        yield client


def errors(resource: Json, edition: str, profile: str) -> list[str]:
    """What the validator has against a resource that must meet ``profile``."""
    found = VALIDATOR.validate(resource, profiles=(profile,), context=f"dtr-{edition}")
    return [f"{f.expression}: {f.text}" for f in found if f.severity in ("error", "fatal")]


def forms(played: Played, *operations: str) -> list[Json]:
    """The forms of packages."""
    return [bundle["entry"][0]["resource"] for bundle in played.bundles(*operations or PACKAGES[played.edition])]


def wrong(found: Any) -> list[Any]:
    return list(found)


# -- the files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_file_is_what_the_generator_makes(edition: str) -> None:
    written = (EXAMPLES / "inferno" / f"dtr-payer-{edition}.json").read_text("utf-8")
    assert written == text(edition), "run python -m tools.inferno"
    listed = json.loads(written.encode())["inputs"]
    assert {entry["name"] for entry in listed} == NAMES[edition]
    assert all(isinstance(entry["value"], str) for entry in listed)
    assert "example.org" not in written
    assert "example.com" not in written
    assert (UNFILLED in written) is (edition == "2.2.0")


# -- 2.0.1 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["initial_static_questionnaire_request", "initial_adaptive_questionnaire_request"])
def test_1_01_2_01_a_request_is_given_and_valid(old: Played, name: str) -> None:
    """1.01, 1.02, 2.01, 2.02"""
    assert errors(old.preset[name], "2.0.1", DTR + "dtr-qpackage-input-parameters") == []


@pytest.mark.parametrize("operation", ["static", "adaptive"])
def test_1_03_2_03_the_package_is_returned(old: Played, operation: str) -> None:
    (call,) = old.calls[operation]
    assert call.status == 200
    assert errors(call.answer, "2.0.1", DTR + "dtr-qpackage-output-parameters") == []
    assert len(old.bundles(operation)) == 2


@pytest.mark.parametrize("operation", ["static", "adaptive"])
def test_1_04_2_04_libraries(old: Played, operation: str) -> None:
    assert wrong(rules.libraries(old.bundles(operation))) == []


@pytest.mark.parametrize("operation", ["static", "adaptive"])
def test_1_05_2_05_extensions_of_the_form(old: Played, operation: str) -> None:
    known = [library["url"] for bundle in old.bundles(operation) for library in resources(bundle, "Library")]
    for form in forms(old, operation):
        assert wrong(rules.root_logic(form)) == []
        assert wrong(rules.library_references(form, known)) == []


@pytest.mark.parametrize("operation", ["static", "adaptive"])
def test_1_06_2_06_expressions_of_items(old: Played, operation: str) -> None:
    assert rules.populated(forms(old, operation))
    for form in forms(old, operation):
        assert wrong(rules.languages(form, ("text/cql",))) == []


def test_2_07_the_bundles_are_valid(old: Played) -> None:
    for bundle in old.bundles("static", "adaptive"):
        assert errors(bundle, "2.0.1", DTR + "DTR-QPackageBundle") == []


def test_2_08_each_form_of_the_package_is_an_adaptive_one(old: Played) -> None:
    for form in forms(old, "adaptive"):
        assert is_adaptive(form)
        assert errors(form, "2.0.1", DTR + "dtr-questionnaire-adapt-search") == []


def test_2_09_the_bodies_are_valid(old: Played) -> None:
    assert len(old.preset["next_question_requests"]) >= 4
    for body in old.preset["next_question_requests"]:
        assert errors(body, "2.0.1", SDC3 + "sdc-questionnaireresponse-adapt") == []


def test_2_10_each_step_is_answered_with_a_bare_response(old: Played) -> None:
    assert {call.status for call in old.calls["next"]} == {200}
    for answer in old.answers("next"):
        assert answer["resourceType"] == "QuestionnaireResponse"
        assert errors(answer, "2.0.1", SDC3 + "sdc-questionnaireresponse") == []


def test_2_11_2_12_the_forms_inside(old: Played) -> None:
    known = [library["url"] for bundle in old.bundles("adaptive") for library in resources(bundle, "Library")]
    assert rules.populated(old.asked())
    for form in old.asked():
        assert errors(form, "2.0.1", DTR + "dtr-questionnaire-adapt") == []
        assert wrong(rules.root_logic(form)) == []
        assert wrong(rules.library_references(form, known)) == []
        assert wrong(rules.languages(form, ("text/cql",))) == []


def test_2_13_both_forms_are_completed(old: Played) -> None:
    done = [answer for answer in old.answers("next") if answer["status"] == "completed"]
    assert [contained(answer)["name"] for answer in done] == ["PapOsaInitialAdaptive", "ConformanceSamplerAdaptive"]


def test_the_bodies_can_be_replayed(old: Played) -> None:
    """The suite sends fixed bodies: what one is answered with is what the next one began as."""
    bodies, answers = old.preset["next_question_requests"], old.answers("next")
    for answer, body in zip(answers, bodies[1:], strict=False):
        if answer["status"] != "completed":
            assert contained(answer) == contained(body)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_value_set_of_2_0_1_is_expanded_and_small_ones_in_2_2(runs: dict[str, Played], edition: str) -> None:
    """2.0.1 req 312; 2.2.0 oper-15: below 40 codes, as of today"""
    played = runs[edition]
    sets = [one for bundle in played.bundles(*PACKAGES[edition]) for one in resources(bundle, "ValueSet")]
    assert {len(one["compose"]["include"][0]["concept"]) >= 40 for one in sets} == {True, False}
    for one in sets:
        small = len(one["compose"]["include"][0]["concept"]) < 40
        assert ("expansion" in one) is (edition == "2.0.1" or small)
        if "expansion" in one:
            assert one["expansion"]["timestamp"].startswith(NOW.date().isoformat())


# -- 2.2.0 ---------------------------------------------------------------------------------------------------------


def test_the_requests_are_valid_and_of_every_kind(new: Played) -> None:
    """3.1.2, 3.1.4"""
    kinds = set()
    for body in new.preset["questionnaire_package_request_parameters"]:
        assert errors(body, "2.2.0", DTR + "dtr-qpackage-input-parameters") == []
        kinds.add(frozenset(p["name"] for p in body["parameter"]) - {"coverage"})
    assert {frozenset({"questionnaire"}), frozenset({"context"}), frozenset({"order"})} <= kinds


def test_the_templates_are_valid(new: Played) -> None:
    for template in new.preset["questionnaire_response_templates"]:
        assert errors(template, "2.2.0", DTR + "dtr-questionnaireresponse-adapt") == []


def test_every_next_question_request_is_valid(new: Played) -> None:
    """3.1.3: the first is our own draft"""
    for call in new.calls["next"]:
        assert errors(call.sent, "2.2.0", DTR + "dtr-questionnaireresponse-adapt") == []


def test_every_package_is_valid_and_begins_with_its_form(new: Played) -> None:
    """3.2: response profile, contents"""
    for call in new.calls["package"]:
        assert call.status == 200
        assert errors(call.answer, "2.2.0", DTR + "dtr-qpackage-output-parameters") == []
        assert any(p["name"] == "packagebundle" for p in call.answer["parameter"])
    for bundle in new.bundles():
        assert bundle["entry"][0]["resource"]["resourceType"] == "Questionnaire"
        assert errors(bundle, "2.2.0", DTR + "DTR-QPackageBundle") == []


def test_the_initial_response(new: Played) -> None:
    """3.2: in progress, linked to the order that was sent"""
    for call in new.calls["package"]:
        orders = [p for p in call.sent["parameter"] if p["name"] == "order"]
        for parameter in call.answer["parameter"]:
            if parameter["name"] == "packagebundle":
                (draft,) = resources(parameter["resource"], "QuestionnaireResponse")
                assert draft["status"] == "in-progress"
                linked = [e for e in draft["extension"] if e["url"] == DTR + "qr-context"]
                assert len(linked) == len(orders)


def test_no_extension_of_our_own(new: Played) -> None:
    """3.2"""
    used = {url for call in new.calls["package"] for url in rules.extension_urls(call.answer)}
    assert {url for url in used if not url.startswith("http://hl7.org/fhir/")} == set()


def test_every_canonical_has_a_version_and_is_in_the_package(new: Played) -> None:
    """3.2: value sets, version-specific; 3.4: libraries"""
    for bundle in new.bundles():
        assert wrong(rules.versions(bundle)) == []
        assert wrong(rules.libraries([bundle])) == []


def test_an_adaptive_response_derives_its_form_from_that_of_the_package(new: Played) -> None:
    """3.2: adaptive QR, canonical (spec-25, spec-122)"""
    for bundle in new.bundles():
        form = bundle["entry"][0]["resource"]
        (draft,) = resources(bundle, "QuestionnaireResponse")
        if is_adaptive(form):
            assert draft["questionnaire"] == f"#{contained(draft)['id']}"
            assert contained(draft)["derivedFrom"] == [canonical(form)]
        else:
            assert draft["questionnaire"] == canonical(form)


def test_references_are_the_clients(new: Played) -> None:
    """3.2, 3.3: two tests each"""
    drafts = [one for bundle in new.bundles() for one in resources(bundle, "QuestionnaireResponse")]
    for response in (*drafts, *new.answers("next")):
        assert wrong(rules.references(response)) == []


def test_next_question_answers(new: Played) -> None:
    """3.3: response profile, endpoint; both forms come to their end"""
    for call in new.calls["next"]:
        assert call.status == 200
        assert call.url.startswith(new.preset["url"])
        assert call.answer["resourceType"] == "QuestionnaireResponse"
        assert errors(call.answer, "2.2.0", DTR + "dtr-questionnaireresponse-adapt") == []
    assert [contained(one)["name"] for one in new.completed] == ["PapOsaInitialAdaptive", "ConformanceSamplerAdaptive"]
    for done in new.completed:
        assert contained(done)["item"][-1]["type"] == "display"  # spec-39


def test_adaptive_forms_of_packages(new: Played) -> None:
    """3.3: adaptive-search profile"""
    shells = [form for form in forms(new) if is_adaptive(form)]
    assert len(shells) == 2
    for form in shells:
        assert errors(form, "2.2.0", DTR + "dtr-questionnaire-adapt-search") == []


def test_design_of_the_forms(new: Played) -> None:
    """3.4: relevance, expression language, ELM, pre-population, definitions, no Binary"""
    every = [*forms(new), *new.asked()]
    assert any("enableWhen" in item for form in every for item in items(form))
    assert rules.populated(every)
    packaged = [library for bundle in new.bundles() for library in resources(bundle, "Library")]
    for form in every:
        assert wrong(rules.languages(form, rules.CQL)) == []
        assert wrong(rules.elm(form, "2.2.0")) == []
        assert wrong(rules.definitions(form, packaged)) == []
        assert "contained" not in form


def test_expansions(new: Played) -> None:
    """3.5: asked for with url|version; as of today, all codes of the definition"""
    assert new.calls["expand"]
    for call in new.calls["expand"]:
        assert call.status == 200
        assert call.answer["expansion"]["timestamp"].startswith(NOW.date().isoformat())
        codes = [one["code"] for one in call.answer["expansion"]["contains"]]
        assert codes == [one["code"] for one in call.answer["compose"]["include"][0]["concept"]]
        assert not any(one.get("inactive") for one in call.answer["expansion"]["contains"])


NEVER_VALID = "Questionnaire.item.answerOption.value[x].extension:answerOptionRenderingXhtml"
"""The profiles want rendering-xhtml on the value of an option; that extension is for strings alone, and 2.2.0 closes the
value to Coding and Reference. Whoever shows it sends what the HL7 validator refuses (docs/conformance-runs.md)."""


def test_3_6_must_support(new: Played) -> None:
    """Base over all forms of packages, standard over standard ones, adaptive over those of ``$next-question``."""
    found = forms(new)
    for name, pool, count in (
        ("dtr-base-questionnaire", found, 54),
        ("dtr-std-questionnaire", [form for form in found if not is_adaptive(form)], 56),
        ("dtr-questionnaire-adapt-search", [form for form in found if is_adaptive(form)], 13),
        ("DTR-QPackageBundle", new.bundles(), 4),
        ("dtr-qpackage-output-parameters", new.answers("package"), 5),
    ):
        profile = DtrProfile(name, "2.2.0")
        assert len(profile.units()) == count, name
        assert profile.missing(pool) == ([NEVER_VALID] if NEVER_VALID in profile.units() else []), name
    adaptive = DtrProfile("dtr-questionnaire-adapt", "2.2.0").missing(new.asked())
    assert not {id for id in adaptive if id.startswith("Questionnaire.extension:")}
    assert any("enableWhen" in item for form in new.asked() for item in form["item"])


def test_the_sampler_shows_all_of_2_0_1_too(old: Played) -> None:
    profile = DtrProfile("dtr-std-questionnaire", "2.0.1")
    assert len(profile.units()) == 48
    sampler = [form for form in forms(old, "static") if form["name"] == "ConformanceSampler"]
    assert profile.missing(sampler) == [NEVER_VALID]


@pytest.mark.parametrize("unit", DtrProfile("dtr-std-questionnaire", "2.2.0").units())
def test_the_count_notices_each_element_that_is_gone(new: Played, unit: str) -> None:
    """The counter itself: without the element, or the whole it stands in, it is reported."""
    found = copy.deepcopy([form for form in forms(new) if not is_adaptive(form)])
    for form in found:
        _remove(form, unit.split(".")[1:], DtrProfile("dtr-std-questionnaire", "2.2.0"), "Questionnaire")
    assert unit in DtrProfile("dtr-std-questionnaire", "2.2.0").missing(found)


def _remove(node: Json, steps: list[str], profile: DtrProfile, at: str) -> None:
    """Take away whatever the counter finds at the end of ``steps``."""
    name = steps[0].partition(":")[0]
    stem = name.removesuffix("[x]")
    at = f"{at}.{steps[0]}"
    seen = [id(value) for value in profile._step(node, steps[0], at)]
    for key in [k for k in node if k.lstrip("_") == name or (stem != name and k.lstrip("_").startswith(stem))]:
        listed = node[key] if isinstance(node[key], list) else [node[key]]
        for value in [one for one in listed if id(one) in seen]:
            if len(steps) > 1:
                _remove(value, steps[1:], profile, at)
            elif isinstance(node[key], list):
                node[key] = [one for one in node[key] if one is not value]
            else:
                del node[key]


async def post(http: httpx.AsyncClient, path: str, body: Json) -> httpx.Response:
    headers = {"Content-Type": "application/fhir+json"}
    return await http.post(f"{BASES['2.2.0']}/{path}", content=json.dumps(body), headers=headers)


async def test_3_7_an_unknown_canonical_is_a_warning(http: httpx.AsyncClient, new: Played) -> None:
    body = copy.deepcopy(new.preset["questionnaire_package_request_parameters"][0])
    body["parameter"].append({"name": "questionnaire", "valueCanonical": NOBODY})
    answered = await post(http, "Questionnaire/$questionnaire-package", body)
    assert answered.status_code == 200
    answer = json.loads(answered.content)
    (outcome,) = [p["resource"] for p in answer["parameter"] if p["name"] == "outcome"]
    assert "warning" in {issue["severity"] for issue in outcome["issue"]}
    assert errors(answer, "2.2.0", DTR + "dtr-qpackage-output-parameters") == []


async def test_3_7_an_unknown_context_is_an_error(http: httpx.AsyncClient, new: Played) -> None:
    answered = await post(http, "Questionnaire/$questionnaire-package", new.preset["source_data_error_request"])
    assert 400 <= answered.status_code < 500
    assert json.loads(answered.content)["resourceType"] == "OperationOutcome"


async def test_3_7_a_wrong_answer_is_an_error(http: httpx.AsyncClient, new: Played) -> None:
    answered = await post(http, "Questionnaire/$next-question", new.preset["invalid_questionnaire_response"])
    assert answered.status_code == 400
    (issue,) = json.loads(answered.content)["issue"]
    assert issue["details"]["coding"][0]["code"] == "not-an-option"


async def test_4_errors_are_logged(http: httpx.AsyncClient, new: Played) -> None:
    found = {"severity": "error", "code": "processing", "diagnostics": "Unable to evaluate an expression."}
    parts = [
        {"name": "questionnaire", "valueCanonical": new.preset["questionnaire_canonical"]},
        {"name": "operationOutcome", "resource": {"resourceType": "OperationOutcome", "issue": [found]}},
    ]
    answered = await post(
        http, "Questionnaire/$log-questionnaire-errors", {"resourceType": "Parameters", "parameter": parts}
    )
    assert answered.status_code == 204


async def test_what_the_packages_name_can_be_read(http: httpx.AsyncClient, new: Played) -> None:
    """A fullUrl that ends in type and id is this server's, and a canonical is found by search."""
    for bundle in new.bundles():
        for entry in bundle["entry"]:
            kind = entry["resource"]["resourceType"]
            if kind == "QuestionnaireResponse":
                continue
            assert entry["fullUrl"].startswith(f"{ROOT}/fhir/{kind}/")
            read = await http.get(entry["fullUrl"])
            assert read.status_code == 200
            assert canonical(json.loads(read.content)) == canonical(entry["resource"])
            found = await http.get(f"/fhir/{kind}", params={"url": canonical(entry["resource"])})
            assert json.loads(found.content)["total"] == 1
