"""The tests of the official CRD server suite (crd_server, 2.0.1), replicated over the preset and our answers to it.

The numbers are the suite's. All response types have to appear on every hook that can have them, also
where the suite would only skip. The same bodies asked for in 2.2 are held against the profiles of 2.2.1.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tools import inferno_crd
from tools.inferno import FOLDER
from tools.inferno_parts import preset as preset_text

from crd.checks import check_answer
from inferno import crd_answers as answers
from inferno import crd_requests as requests
from inferno.crd_requests import CONTEXT, Profiles
from inferno.crd_running import ANY, EDITIONS, UNSIGNED, Group, groups, play, preset
from precert.fhir import json
from precert.fhir.validation import Validator
from support.answers import walk
from support.app import FrozenClock, frozen_runtime, running
from support.npi import luhn

NAMES = (ANY, *CONTEXT)
ORDER_HOOKS = ("order-select", "order-sign")


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.load()


@pytest.fixture(scope="module", params=EDITIONS)
def profiles(request: pytest.FixtureRequest, validator: Validator) -> Profiles:
    return Profiles(validator, request.param)


@pytest.fixture
def played(crd_plays: dict[str, dict[str, Group]], profiles: Profiles) -> dict[str, Group]:
    return crd_plays[profiles.edition]


def test_the_file_is_what_the_generator_makes() -> None:
    made = preset_text("crd-2.0.1", inferno_crd.inputs())
    assert (FOLDER / "crd-server.json").read_text("utf-8") == made, "run python -m tools.inferno"


def test_the_file_gives_every_input_of_the_suite() -> None:
    given = preset()
    by_hook = {f"{hook.replace('-', '_')}_{what}" for hook in CONTEXT for what in ("request_bodies", "service_ids")}
    common = {"base_url", "authentication_required", "encryption_method", "jwks_kid"}
    assert set(given) == common | by_hook | {"any_hook_request_body", "any_hook_service_ids"}
    assert given["authentication_required"] in ("yes", "no")
    assert given["encryption_method"] in ("ES384", "RS384")
    assert len(groups()[ANY][2]) == 1, "the suite takes exactly one body there"
    instances = [body["hookInstance"] for _, _, bodies in groups().values() for body in bodies]
    assert len(instances) == len(set(instances))


async def test_1_02_and_1_03_discovery_lists_the_services_of_the_preset(tmp_path: Path) -> None:
    async with running(tmp_path, **UNSIGNED) as (_, client):
        response = await client.get("/cds-services", headers={"Accept": "application/json"})
    assert response.status_code == 200
    services = response.json()["services"]
    assert all(isinstance(service[key], str) for service in services for key in ("hook", "description", "id"))
    offered = {service["id"]: service["hook"] for service in services}
    for hook, service, _ in groups().values():
        assert offered[service] == hook


@pytest.mark.parametrize("name", NAMES)
def test_2_02_and_x_02_required_fields_of_requests(name: str) -> None:
    hook, _, bodies = groups()[name]
    assert name in (ANY, hook)
    for body in bodies:
        requests.required_fields(body, hook)


@pytest.mark.parametrize("name", NAMES)
def test_2_03_and_x_03_context_of_requests(name: str, profiles: Profiles) -> None:
    hook, _, bodies = groups()[name]
    for body in bodies:
        requests.context(body, hook, profiles)


@pytest.mark.parametrize("name", NAMES)
def test_x_04_optional_fields_of_requests(name: str, profiles: Profiles) -> None:
    for body in groups()[name][2]:
        requests.optional_fields(body)
        requests.prefetched(body, profiles)


@pytest.mark.parametrize("name", NAMES)
def test_2_04_and_x_05_answers(name: str, played: dict[str, Group]) -> None:
    group = played[name]
    for answer in group.answers:
        answers.required(answer, group.hook)


@pytest.mark.parametrize("name", NAMES)
def test_x_06_optional_fields_of_cards(name: str, played: dict[str, Group]) -> None:
    for card in played[name].cards:
        answers.optional(card)


@pytest.mark.parametrize("name", CONTEXT)
def test_x_07_external_reference(name: str, played: dict[str, Group]) -> None:
    assert answers.external_references(played[name].cards)


@pytest.mark.parametrize("name", CONTEXT)
def test_x_08_launch_smart_application(name: str, played: dict[str, Group]) -> None:
    assert answers.smart_launches(played[name].cards)


@pytest.mark.parametrize("name", CONTEXT)
def test_x_09_instructions(name: str, played: dict[str, Group]) -> None:
    found = answers.instructions(played[name].cards)
    assert found
    assert all(card["detail"] for card in found)


@pytest.mark.parametrize("name", NAMES)
def test_x_10_and_x_11_coverage_information(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    group = played[name]
    found = answers.coverage_information(group.actions, group.hook)
    assert found
    for action in found:
        answers.valid_coverage_information(action, profiles)
    orders = len(group.bodies[0]["context"].get("draftOrders", {}).get("entry", [1]))
    assert len(found) == orders * len(group.bodies), "one for each order"


@pytest.mark.parametrize("name", ORDER_HOOKS)
def test_x_12_propose_alternate(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    group = played[name]
    assert answers.proposed_alternates(group.cards, group.bodies[0]["context"], profiles)


@pytest.mark.parametrize("name", ORDER_HOOKS)
def test_x_13_additional_orders(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    assert answers.additional_orders(played[name].cards, profiles)


@pytest.mark.parametrize("name", CONTEXT)
def test_x_12_or_14_form_completion(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    tasks = answers.form_completions(played[name].cards, played[name].actions, profiles)
    assert tasks
    for task in tasks:
        assert (task["status"], task["intent"]) == ("ready", "order")
        assert "focus" not in task
        assert len([given for given in task["input"] if given["type"]["text"] == "questionnaire"]) == 1


@pytest.mark.parametrize("name", CONTEXT)
def test_x_13_or_15_coverage_update(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    group = played[name]
    (action,) = answers.coverage_updates(group.cards, group.actions, profiles)
    (sent,) = [entry["resource"] for entry in group.bodies[0]["prefetch"]["coverage"]["entry"]]
    assert action["type"] == "update"
    assert {key for key, value in action["resource"].items() if sent.get(key) != value} == {"period", "class"}


def test_7_every_required_response_type_is_valid_on_some_hook(played: dict[str, Group]) -> None:
    cards = [card for name in CONTEXT for card in played[name].cards]
    assert answers.external_references(cards)
    assert answers.instructions(cards)
    assert any(answers.coverage_information(played[name].actions, name) for name in CONTEXT)


@pytest.mark.parametrize("name", NAMES)
def test_the_answers_keep_our_own_rules(name: str, played: dict[str, Group], profiles: Profiles) -> None:
    version = EDITIONS[profiles.edition] or "2.0"
    for answer in played[name].answers:
        check_answer(answer, version, played[name].hook)


@pytest.mark.parametrize("name", CONTEXT)
async def test_what_is_off_by_default_stays_off(name: str, tmp_path: Path) -> None:
    _, service, (body,) = groups()[name]
    del body["extension"]
    async with running(tmp_path, **UNSIGNED) as (_, client):
        sent = {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}
        answer = (await client.post(f"/cds-services/{service}", **sent)).json()
    changed = {action["resource"]["resourceType"] for action in answer["systemActions"]}
    assert not changed & {"Coverage", "Task"}


async def test_an_app_for_a_policy_that_is_not_there_is_told(tmp_path: Path) -> None:
    app = {"label": "Plan care needs", "url": "https://apps.precert.test/launch", "policies": ["home-heath", "cgm"]}
    with capture_logs() as logs:
        async with running(tmp_path, crd_apps=[app]):
            pass
    assert [entry["policy"] for entry in logs if "SMART app" in entry["event"]] == ["home-heath"]


async def test_the_preset_does_not_grow_stale(crd_plays: dict[str, dict[str, Group]], tmp_path: Path) -> None:
    """Months later everybody is told the same (answers count for a year)."""
    clock = FrozenClock()
    clock.forward(days=300)
    async with running(tmp_path, frozen_runtime(clock), **UNSIGNED) as (_, client):
        later = await play(client)
    for name, group in crd_plays["2.0.1"].items():
        assert [card["summary"] for card in later[name].cards] == [card["summary"] for card in group.cards]
        assert [(a["type"], a["resource"]["resourceType"]) for a in later[name].actions] == [
            (a["type"], a["resource"]["resourceType"]) for a in group.actions
        ]


def test_nothing_in_it_that_the_official_validator_refuses(crd_plays: dict[str, dict[str, Group]]) -> None:
    """Addresses of examples, displays of licensed codes, narratives, provider numbers with a wrong check digit."""
    for name, group in crd_plays["2.0.1"].items():
        for path, node in walk([*group.bodies, *group.actions]):
            if isinstance(node, str):
                assert "example.org" not in node, (name, path)
                assert "example.com" not in node, (name, path)
            elif isinstance(node, dict):
                assert not ("text" in node and "resourceType" in node), (name, path)
                assert not ("display" in node and "ama-assn.org" in str(node.get("system"))), (name, path)
                if node.get("system") == "http://hl7.org/fhir/sid/us-npi":
                    assert luhn(node["value"]), (name, path)


async def test_the_form_of_a_task_is_served(crd_plays: dict[str, dict[str, Group]], tmp_path: Path) -> None:
    """The Task names it without a version: what is current."""
    forms = {
        given["valueCanonical"]
        for group in crd_plays["2.0.1"].values()
        for action in group.actions
        if action["resource"]["resourceType"] == "Task"
        for given in action["resource"]["input"]
        if "valueCanonical" in given
    }
    assert len(forms) == 4
    async with running(tmp_path) as (_, client):
        for form in forms:
            (found,) = (await client.get("/fhir/Questionnaire", params={"url": form})).json()["entry"]
            assert found["resource"]["url"] == form
