"""The tests of the CRD server suite for CRD 2.2.1 (crd_server_v221, in development), replicated over its preset.

Read in the public repository of the test kit as far as it was stored there; names of tests follow its groups. What the suite
makes optional has to appear as well, except a Launch SMART card (the settings file says why).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tools import inferno_crd_221
from tools.inferno_parts import preset as preset_text

from crd.checks import check_answer
from inferno import crd_answers as answers
from inferno import crd_requests as requests
from inferno import crd_rules_221 as rules
from inferno import crd_running_221 as play
from inferno.crd_requests import CONTEXT, Json, Profiles
from inferno.crd_running import ANY
from precert.crd.discovery import standard_templates
from precert.fhir.validation import Validator
from support.app import frozen_runtime, running

PRIMARY = ("appointment-book", "order-dispatch", "order-sign")
NAMES = (ANY, *CONTEXT, *inferno_crd_221.SPECIAL)
HOOK_GROUPS = tuple(CONTEXT)
EXPECTED = {
    "technical_issues": ("indeterminate", {"technical"}),
    "no_member_found": ("not-covered", {"no-member-found"}),
    "coverage_not_found": ("not-covered", {"coverage-not-found"}),
    "no_active_coverage": ("not-covered", {"no-active-coverage"}),
    "unresolved_coverage": ("not-covered", {"coverage-not-found", "no-active-coverage"}),
}
Plays = dict[str, play.Played]


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return Profiles(Validator.load(), "2.2.1")


@pytest.fixture
async def services(tmp_path: Path) -> list[Json]:
    async with running(tmp_path, frozen_runtime(), **play.SETTINGS) as (_, client):
        response = await client.get("/cds-services", headers={"Accept": "application/json"})
        assert response.status_code == 200
        found: list[Json] = response.json()["services"]
        return found


def coverage_infos(played: Plays, names: tuple[str, ...], kinds: tuple[str, ...] = ("",)) -> list[Json]:
    return [
        extension
        for name in names
        for exchange in played[name].exchanges
        if exchange.kind in kinds
        for action in exchange.informed
        for extension in action["resource"]["extension"]
        if extension["url"] == answers.COVERAGE_INFORMATION
    ]


# The preset


def test_the_file_is_what_the_generator_makes() -> None:
    assert play.FILE.read_text("utf-8") == preset_text("crd-2.2.1", inferno_crd_221.inputs()), (
        "run python -m tools.inferno"
    )


def test_the_file_gives_every_input_of_the_suite() -> None:
    given = play.preset()
    by_hook = {f"{hook.replace('-', '_')}_{what}" for hook in CONTEXT for what in ("request_bodies", "service_ids")}
    single = {f"{n}_{what}" for n in ("any_hook", *EXPECTED) for what in ("request_body", "service_ids")}
    common = {"base_url", "authentication_required", "encryption_method", "jwks_kid", "mock_ehr_bundle"}
    common |= {"crd_discovery_service_ignore_list", "manual_continuation"}
    assert set(given) == common | by_hook | single
    groups = play.groups()
    for name in (ANY, *EXPECTED):
        assert len(groups[name][2]) == 1, "the suite takes exactly one body there"
    instances = [body["hookInstance"] for _, _, bodies in groups.values() for body in bodies]
    assert len(instances) == len(set(instances))


# Discovery


def test_discovery_services_and_versions(services: list[Json]) -> None:
    offered = {service["id"]: service["hook"] for service in services}
    for service in services:
        assert all(isinstance(service[key], str) for key in ("hook", "description", "id"))
        versions = service["extension"]["davinci-crd.version"]
        assert versions
        assert all(re.fullmatch(r"[1-9]\d*\.\d+", version) for version in versions)
        assert inferno_crd_221.VERSION in versions
    for hook, service_id, _ in play.groups().values():
        assert offered[service_id] == hook


def test_discovery_configuration(services: list[Json]) -> None:
    for service in services:
        options = service["extension"]["davinci-crd.configuration-options"]
        assert "coverage-info" in {option["code"] for option in options}
        for key in ("code", "name", "description"):
            assert all(isinstance(option[key], str) for option in options)
            assert len({option[key] for option in options}) == len(options)
        assert all(isinstance(option["type"], str) and "default" in option for option in options)


def test_discovery_prefetch(services: list[Json]) -> None:
    """Each standard expression is offered as published; the suite warns of our own, which ask for other data."""
    for service in services:
        standard = set(standard_templates()[service["hook"]].values())
        assert standard <= set(service["prefetch"].values())
        own = {key for key, value in service["prefetch"].items() if value not in standard}
        assert own <= {
            *("payors", "performer", "plannedServices", "plannedDevices"),
            *("conditions", "observations", "procedures", "encounters", "documents", "reports"),
            *("medicationStatements", "immunizations"),
        }


# Requests


@pytest.mark.parametrize("name", NAMES)
def test_requests_required_fields(name: str, crd_221_plays: Plays) -> None:
    for exchange in crd_221_plays[name].exchanges:
        requests.required_fields(exchange.body, crd_221_plays[name].hook)


@pytest.mark.parametrize("name", NAMES)
def test_requests_keep_to_the_model(name: str, crd_221_plays: Plays, profiles: Profiles) -> None:
    for exchange in crd_221_plays[name].own:
        rules.request(exchange.body, profiles)
        requests.optional_fields(exchange.body)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_prefetched_is_valid(name: str, crd_221_plays: Plays, profiles: Profiles) -> None:
    """Beyond the suite."""
    for exchange in crd_221_plays[name].own:
        if "prefetch" in exchange.body:
            requests.prefetched(exchange.body, profiles)


# Answers


@pytest.mark.parametrize("name", NAMES)
def test_answers_required_and_optional_fields(name: str, crd_221_plays: Plays) -> None:
    """Also of the follow-up calls: a primary hook needs systemActions there too, with coverage-info switched off."""
    for exchange in crd_221_plays[name].exchanges:
        assert exchange.status == 200, exchange.answer
        answers.required(exchange.answer, crd_221_plays[name].hook)
        for card in exchange.cards:
            answers.optional(card)


@pytest.mark.parametrize("name", NAMES)
def test_coverage_information_is_valid(name: str, crd_221_plays: Plays, profiles: Profiles) -> None:
    played = crd_221_plays[name]
    for exchange in played.own:
        assert exchange.informed
        for action in exchange.informed:
            answers.valid_coverage_information(action, profiles)
            rules.coverage_action(action, exchange.body)


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_includes_coverage_information(name: str, crd_221_plays: Plays) -> None:
    played = crd_221_plays[name]
    for exchange in played.exchanges:
        if exchange.kind != play.DISABLED:
            assert rules.covers_every_order(exchange.actions, exchange.body, played.hook)


@pytest.mark.parametrize("name", NAMES)
def test_coverage_information_is_no_card(name: str, crd_221_plays: Plays) -> None:
    for exchange in crd_221_plays[name].exchanges:
        assert all(rules.no_coverage_card(card) for card in exchange.cards)


@pytest.mark.parametrize("name", HOOK_GROUPS)
def test_response_types(name: str, crd_221_plays: Plays, profiles: Profiles) -> None:
    """External reference, instructions, alternate, additional orders, form, coverage update: present and to the model."""
    found: set[str] = set()
    for exchange in crd_221_plays[name].exchanges:
        found |= {rules.card(card, profiles) for card in exchange.cards}
        others = [action for action in exchange.actions if action not in exchange.informed]
        found |= {rules.other_action(action, profiles) for action in others}
    expected = {"external reference", "instructions", "form", "coverage update"}
    if name in ("order-sign", "order-select"):
        expected |= {"alternate request", "additional orders"}
    assert found == expected


@pytest.mark.parametrize("name", HOOK_GROUPS)
def test_coverage_info_switched_off(name: str, crd_221_plays: Plays) -> None:
    """Neither coverage information nor a form nor a card of that topic."""
    (exchange,) = [e for e in crd_221_plays[name].exchanges if e.kind == play.DISABLED]
    assert exchange.informed == []
    assert [a for a in exchange.actions if a["resource"]["resourceType"] == "Task"] == []
    assert "coverage-info" not in {card["source"]["topic"]["code"] for card in exchange.cards}


@pytest.mark.parametrize("kind", [kind for kind in play.FOLLOW_UPS if kind != play.DISABLED])
@pytest.mark.parametrize("name", HOOK_GROUPS)
def test_the_unknown_is_ignored(name: str, kind: str, crd_221_plays: Plays) -> None:
    (exchange,) = [e for e in crd_221_plays[name].exchanges if e.kind == kind]
    assert exchange.status == 200
    assert exchange.informed


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_keep_our_own_rules(name: str, crd_221_plays: Plays) -> None:
    for exchange in crd_221_plays[name].exchanges:
        check_answer(exchange.answer, "2.2", crd_221_plays[name].hook)


# Across hooks


def test_must_support_of_coverage_information(crd_221_plays: Plays) -> None:
    shown = {part["url"] for info in coverage_infos(crd_221_plays, HOOK_GROUPS) for part in info["extension"]}
    assert shown == rules.MUST_SUPPORT


def test_some_answered_request_does_without_billing_options_and_configuration(crd_221_plays: Plays) -> None:
    bodies = [exchange.body for name in HOOK_GROUPS for exchange in crd_221_plays[name].own]
    assert any("ext-billing-options" not in str(body) for body in bodies)
    assert any("davinci-crd.configuration" not in body["extension"] for body in bodies)


@pytest.mark.parametrize("version", ["3.1.1", "6.1.0", "7.0.0"])
def test_resources_fit_every_us_core(version: str, crd_221_plays: Plays, profiles: Profiles) -> None:
    profile = f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|{version}"
    found = [
        r for e in crd_221_plays["order-sign"].own for r in rules.resources(e.body) if r["resourceType"] == "Patient"
    ]
    valid = [profiles.validator.validate(patient, profiles=[profile], context="crd-2.2.1") for patient in found]
    assert any(not [f for f in v if f.severity in ("error", "fatal") or f.rule == "unknown-profile"] for v in valid)


def test_no_request_needs_an_extension(crd_221_plays: Plays) -> None:
    for name in HOOK_GROUPS:
        for exchange in crd_221_plays[name].own:
            assert all("extension" not in resource for resource in rules.resources(exchange.body))


# Specific coverage responses


@pytest.mark.parametrize("name", EXPECTED)
def test_specific_coverage_response(name: str, crd_221_plays: Plays) -> None:
    """The suite looks at the first reason alone. For technical issues it wants words with it."""
    covered, codes = EXPECTED[name]
    found = coverage_infos(crd_221_plays, (name,))
    assert found
    for info in found:
        assert rules.value(info, "covered") == covered
        first: dict[str, Any] = rules.reasons(info)[0]
        assert {coding["code"] for coding in first["coding"]} & codes
        assert first["text"]


def test_technical_issues_come_from_the_clients_server(crd_221_plays: Plays) -> None:
    (exchange,) = crd_221_plays["technical_issues"].exchanges
    (info,) = coverage_infos(crd_221_plays, ("technical_issues",))
    assert exchange.body["fhirAuthorization"]["access_token"] == play.BAD_TOKEN
    assert "500" in rules.reasons(info)[0]["text"]


def test_the_settings_file_is_read(tmp_path: Path) -> None:
    from precert.settings import Settings

    read = Settings(config=play.SETTINGS["config"], data=tmp_path)
    assert read.crd_allow_private
    assert read.crd_apps == ()
    assert {issuer.iss for issuer in read.crd_jwt.issuers} == {
        "http://localhost/custom/crd_server_v221",
        "http://localhost:4567/custom/crd_server_v221",
    }
