"""What holds for every answer, read as an EHR would: cards, links, suggestions, system actions."""

from __future__ import annotations

import copy
import re
import uuid
from typing import Any

import pytest

from crd.building import EXTENSION, configured, hook, infos, order
from crd.checks import TOPICS, check_action, check_answer
from crd.every import Given, all_kinds, asking_for_all, covered, everything
from precert.fhir import json
from precert.fhir.validation import Validator
from support.app import running

PROFILE = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/profile-"
VERSIONS = ["2.2", "2.0"]
URL = re.compile(r"https?://|\]\(|www\.")


@pytest.fixture
async def given(tmp_path, make) -> list[Given]:
    return [one async for one in everything(make(), all_kinds(tmp_path, make))]


def all_cards(given: list[Given]) -> list[tuple[Given, dict[str, Any]]]:
    found = [(one, card) for one in given for card in one.cards]
    assert len(found) > 40
    return found


def all_suggestions(given: list[Given]) -> list[dict[str, Any]]:
    found = [s for _, card in all_cards(given) for s in card.get("suggestions", [])]
    assert len(found) >= 6
    return found


def kind_of(card: dict[str, Any]) -> str:
    """Which response type a card is, by its shape."""
    if card.get("suggestions"):
        kinds = {action["type"] for s in card["suggestions"] for action in s["actions"]}
        return "additional orders" if kinds == {"create"} else "alternate request"
    types = {link["type"] for link in card.get("links", [])}
    return {frozenset(): "instructions", frozenset({"absolute"}): "external reference", frozenset({"smart"}): "smart"}[
        frozenset(types)
    ]


# Which types there are


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["order-sign", "order-select"])
async def test_all_eight_types_of_answer(tmp_path, make, version, name):
    answer = await all_kinds(tmp_path, make).ask(asking_for_all(version, name))
    kinds = {kind_of(card) for card in answer["cards"]}
    for action in answer["systemActions"]:
        kinds.add("coverage information" if covered(action["resource"]) else action["resource"]["resourceType"])
    expected = {"external reference", "instructions", "alternate request", "additional orders", "smart"}
    expected |= {"coverage information", "Coverage", "Task"}
    assert kinds == expected


@pytest.mark.parametrize("version", VERSIONS)
async def test_forms_and_coverage_updates_only_where_asked_for(tmp_path, make, version):
    """DTR and X12 271 are the rule in the US: a Task or a corrected Coverage comes only to clients that say they do without."""
    world = all_kinds(tmp_path, make)
    body = configured(asking_for_all(version))
    answer = await world.ask(body)
    assert [action["resource"]["resourceType"] for action in answer["systemActions"]] == ["ServiceRequest"]
    (update,) = (await world.ask(configured(body, insurance=True)))["systemActions"][1:]
    assert (update["type"], update["resource"]["resourceType"]) == ("update", "Coverage")
    (form,) = (await world.ask(configured(body, appropriate_use=True)))["systemActions"][1:]
    assert (form["type"], form["resource"]["resourceType"]) == ("create", "Task")
    (canonical,) = [i["valueCanonical"] for i in form["resource"]["input"] if "valueCanonical" in i]
    assert canonical in [c.partition("|")[0] for c in infos(answer)[0]["questionnaire"]]


async def test_without_coverage_information_there_is_no_form_for_it(tmp_path, make):
    """A form answers what coverage information asks for; the kit's 2.2.1 suite wants both gone."""
    body = asking_for_all("2.2")
    body["extension"]["davinci-crd.configuration"]["coverage-info"] = False
    answer = await all_kinds(tmp_path, make).ask(body)
    assert [action["resource"]["resourceType"] for action in answer["systemActions"]] == ["Coverage"]


OPTION = {
    "alternate request": "therapy-alternatives-opt",
    "additional orders": "clinical-reminder",
    "instructions": "off-guideline",
    "external reference": "guideline",
}


@pytest.mark.parametrize("kind", OPTION)
async def test_every_type_of_card_has_its_switch(tmp_path, make, kind):
    world, body = all_kinds(tmp_path, make), asking_for_all("2.2")
    assert kind in {kind_of(card) for card in (await world.ask(body))["cards"]}
    quiet = configured(body, **{OPTION[kind].replace("-", "_"): False})
    assert kind not in {kind_of(card) for card in (await world.ask(quiet))["cards"]}


async def test_every_topic_that_is_sent_is_an_option(given, world):
    """dev-5: there is no card that a client could not switch off."""
    services = (await world.client.get("/cds-services")).json()["services"]
    options = services[0]["extension"]["davinci-crd.configuration-options"]
    booleans = {option["code"] for option in options if option["type"] == "boolean"}
    assert {card["source"]["topic"]["code"] for _, card in all_cards(given)} <= booleans
    assert "coverage-info" in booleans


# Cards


async def test_who_says_it_and_about_what(given):
    for one, card in all_cards(given):
        assert card["source"]["label"] == "Precert Demo Health Plan", "the insurer as the member knows it"
        topic = card["source"]["topic"]
        assert topic["system"] == TOPICS[one.version]
        assert topic["code"]
        assert topic["display"]
        assert card["source"]["url"].startswith("http://precert.test")
        assert "icon" not in card["source"]


async def test_ids_for_reconciliation_are_new_uuids(given):
    found = [card["uuid"] for _, card in all_cards(given)] + [s["uuid"] for s in all_suggestions(given)]
    assert all(str(uuid.UUID(id_)) == id_ for id_ in found)


async def test_summaries_are_short_and_say_something(given):
    for _, card in all_cards(given):
        assert 10 < len(card["summary"]) < 140
        assert "\n" not in card["summary"]


async def test_details_say_what_matters_first_and_name_the_order_last(given):
    for _, card in all_cards(given):
        if card["source"]["topic"]["code"] in ("network", "insurance"):
            continue  # about the performer or the coverage, not about an order
        first, *_, last = card["detail"].split("\n\n")
        assert first
        assert not first.startswith("Order:")
        assert last.startswith("Order:")
        reference = card["extension"]["davinci-crd.associated-resource"][0]["reference"]
        assert reference in last, "the detail names the order in words (dev-24), the extension for programs (dev-25)"


async def test_details_are_markdown_without_html_and_without_links_of_their_own(given):
    for _, card in all_cards(given):
        assert not re.search(r"<[A-Za-z/!]", card.get("detail", ""))
        assert not URL.search(card.get("detail", "")), "links stand in card.links, where every client shows them"


async def test_indicators_are_the_clinicians(given):
    """Money and limits warn, everything else informs; critical is for harm to patients, which no coverage rule is about."""
    for _, card in all_cards(given):
        expected = "warning" if card["source"]["topic"]["code"] in ("limits", "network") else "info"
        assert card["indicator"] == expected
    kinds = [card["indicator"] for _, card in all_cards(given)]
    assert kinds.count("info") > len(kinds) / 2
    assert "warning" in kinds


async def test_suggestions_are_whole(given):
    for one, card in all_cards(given):
        if "suggestions" not in card:
            assert "selectionBehavior" not in card
            continue
        assert card["selectionBehavior"] == "at-most-one"
        assert "links" not in card
        for suggestion in card["suggestions"]:
            assert suggestion["label"]
            assert "isRecommended" not in suggestion
            assert "actionSelectionBehavior" not in suggestion, "3.0 only"
            for action in suggestion["actions"]:
                check_action(action)
                assert "id" not in action["resource"] if action["type"] == "create" else action["resource"]["id"]
                drafts = {e["resource"].get("id") for e in one.body["context"]["draftOrders"]["entry"]}
                assert action["type"] == "create" or action["resource"]["id"] in drafts


async def test_an_alternative_is_the_whole_order_changed_in_one_place(given):
    for one in given:
        for card in one.cards:
            if kind_of(card) == "alternate request":
                (suggestion,) = card["suggestions"]
                (action,) = suggestion["actions"]
                drafts = [e["resource"] for e in one.body["context"]["draftOrders"]["entry"]]
                (sent,) = [draft for draft in drafts if draft["id"] == action["resource"]["id"]]
                changed = {k for k in sent | action["resource"] if sent.get(k) != action["resource"].get(k)}
                (element,) = changed
                assert element in ("code", "codeCodeableConcept", "medicationCodeableConcept")
                assert action["resource"][element]["text"] in action["description"], "enough to do it by hand (resp-11)"


async def test_links_are_whole(given):
    for _, card in all_cards(given):
        for link in card.get("links", []):
            assert link["label"]
            assert re.match(r"https?://[^\s]+$", link["url"])
            assert link["type"] in ("absolute", "smart")
            assert "appContext" not in link or (link["type"] == "smart" and json.loads(link["appContext"].encode()))
            assert "autolaunchable" not in link


async def test_references_lead_to_policies_and_their_sources_only(given):
    """No portal (resp-17, resp-23): a policy's page here, the public source it rests on, and the app a plan has set up."""
    for _, card in all_cards(given):
        for link in card.get("links", []):
            own = link["url"].startswith("http://precert.test/policies/")
            public = link["url"].startswith(
                ("https://www.cms.gov/", "https://www.ecfr.gov/", "https://plan.example/policies/")
            )
            app = link["type"] == "smart"
            assert own or public or app, link
            assert "portal" not in (link["url"] + link["label"]).lower()
        if kind_of(card) == "instructions":
            assert card["detail"]
            assert "portal" not in card["detail"].lower()
        if kind_of(card) == "external reference":
            assert card["links"]
            assert card["detail"], "what the reference is about (resp-20)"


async def test_links_lead_to_the_very_policy(tmp_path):
    """Deep links (resp-21): the page of that policy, on the server that was asked."""
    async with running(tmp_path / "data") as (_, client):
        answer = (await client.post("/cds-services/crd-order-sign", json=hook(order("E1390"), version="2.2"))).json()
        (link, *_) = answer["cards"][0]["links"]
        page = await client.get(link["url"])
        assert page.status_code == 200
        assert "Home oxygen" in page.text
        (info,) = infos(answer)
        (questionnaire,) = info["questionnaire"]
        assert (await client.get(questionnaire.partition("|")[0])).status_code == 200
        assert (await client.get(f"/explain/{info['coverage-assertion-id']}")).status_code == 200


async def test_override_reasons_are_codings_with_a_display(given):
    found = [reason for _, card in all_cards(given) for reason in card.get("overrideReasons", [])]
    assert found
    assert all(reason["code"] and reason["system"] and reason["display"] for reason in found)


# System actions


async def test_coverage_information_is_never_a_card(given):
    for one, card in all_cards(given):
        assert card["source"]["topic"]["code"] != "coverage-info"
        said = card["summary"] + card.get("detail", "")
        for info in infos(one.answer):
            assert info["coverage-assertion-id"] not in said
            assert "satisfied-pa-id" not in info or info["satisfied-pa-id"] not in said
            assert all(reason["text"] not in said for reason in info.get("reason", []))


async def test_system_actions_are_updates_of_what_the_client_holds(given):
    for one in given:
        for action in one.actions:
            check_action(action)
            if covered(action["resource"]):
                assert action["type"] == "update"
                assert "resourceId" not in action
                assert action["resource"]["id"]


async def test_nothing_is_null_or_empty_or_padded(given):
    for one in given:
        assert json.dumps(one.answer) == one.raw, "no whitespace that means nothing (found-40)"
        check_answer(one.answer, one.version, one.hook)
    quiet = next(one for one in given if not one.cards)
    assert "systemActions" in quiet.answer or quiet.answer == {"cards": []}


async def test_the_only_extension_is_the_guides(given):
    """conf-13: what is said stands in the guide's own elements, nowhere else."""
    for one in given:
        for action in one.actions:
            sent = json.dumps(one.body)
            for extension in action["resource"].get("extension", []):
                assert extension["url"] == EXTENSION or json.dumps(extension) in sent
        for card in one.cards:
            assert set(card.get("extension", {})) <= {"davinci-crd.associated-resource"}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.load()


NAMES = {
    "2.2": {"Appointment": "appointment-no-order"},
    "2.0": {"Task": "taskquestionnaire"},
}
# What the guides themselves keep from being valid: 2.0.1 fixes status draft and has no extension on Appointment.
KNOWN = {("2.0", "fixed-value", "ServiceRequest.status"), ("2.0", "extension-context", "Appointment.extension[0]")}


async def test_what_is_suggested_and_updated_fits_the_profiles(given, validator):
    checked = set()
    for one in given:
        package = {"2.2": "crd-2.2.1", "2.0": "crd-2.0.1"}[one.version]
        suggested = [a for card in one.cards for s in card.get("suggestions", []) for a in s["actions"]]
        for action in [*one.actions, *suggested]:
            resource = action["resource"]
            kind = resource["resourceType"]
            if (one.version, kind) == ("2.2", "Task"):
                continue  # its profile is not in the published 2.2.1 package's tables; the elements are checked below
            profile = PROFILE + NAMES[one.version].get(kind, kind.lower())
            found = validator.validate(resource, profiles=[profile], context=package)
            wrong = {(one.version, f.rule, f.expression) for f in found if f.severity in ("error", "fatal")}
            assert wrong - KNOWN == set(), (one.name, [f.text for f in found])
            checked.add((one.version, kind, action["type"]))
    for version in VERSIONS:
        wanted = {("ServiceRequest", "update"), ("ServiceRequest", "create"), ("Coverage", "update")}
        assert {(version, *pair) for pair in wanted} <= checked
    assert ("2.0", "Task", "create") in checked


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_task_for_a_form(tmp_path, make, version):
    answer = await all_kinds(tmp_path, make).ask(asking_for_all(version))
    (task,) = [a["resource"] for a in answer["systemActions"] if a["resource"]["resourceType"] == "Task"]
    assert (task["status"], task["intent"]) == ("ready", "order")
    assert task["code"]["coding"][0]["code"] == "complete-questionnaire"
    assert task["for"] == {"reference": "Patient/pat-MA-0001"}
    assert task["authoredOn"] == "2026-11-20"
    assert task["requester"]
    assert "focus" not in task
    questionnaires = [i for i in task["input"] if i["type"]["text"] == "questionnaire"]
    assert len(questionnaires) == 1
    after = [i for i in task["input"] if i["type"]["text"] == "afterCompletion"]
    assert len(after) == (1 if version == "2.0" else 0)


# The checker itself: each kind of fault in an answer is found, or the tests above show nothing.


def corrupted(answer: dict[str, Any], change: Any) -> dict[str, Any]:
    made = copy.deepcopy(answer)
    change(made)
    return made


def _info(answer: dict[str, Any]) -> list[dict[str, Any]]:
    extensions = answer["systemActions"][0]["resource"]["extension"]
    return next(e for e in extensions if e["url"] == EXTENSION)["extension"]


def _set(name: str, key: str, value: Any) -> Any:
    def change(answer: dict[str, Any]) -> None:
        parts = _info(answer)
        parts[:] = [p for p in parts if p["url"] != name]
        parts.append({"url": name, key: value})

    return change


def _without(name: str) -> Any:
    def change(answer: dict[str, Any]) -> None:
        parts = _info(answer)
        parts[:] = [p for p in parts if p["url"] != name]

    return change


def _card(**changes: Any) -> Any:
    return lambda answer: answer["cards"][0].update(changes)


FAULTS = {
    "no cards": lambda a: a.pop("cards"),
    "an unknown member": lambda a: a.update(extension={"x": 1}),
    "a null": _card(detail=None),
    "an empty list": _card(links=[]),
    "a long summary": _card(summary="x" * 140),
    "an unknown indicator": _card(indicator="hard-stop"),
    "no topic": lambda a: a["cards"][0]["source"].pop("topic"),
    "the topic of the other version": lambda a: a["cards"][0]["source"]["topic"].update(system=TOPICS["2.0"]),
    "coverage information as a card": lambda a: a["cards"][0]["source"]["topic"].update(code="coverage-info"),
    "HTML": _card(detail="<b>x</b>"),
    "no uuid of a suggestion": lambda a: a["cards"][0]["suggestions"][0].pop("uuid"),
    "no description": lambda a: a["systemActions"][0].pop("description"),
    "a code that is none": _set("covered", "valueCode", "maybe"),
    "no coverage": _without("coverage"),
    "no assertion id": _without("coverage-assertion-id"),
    "q1: a questionnaire without doc-needed": _without("doc-needed"),
    "q2: not-covered with pa-needed": _set("covered", "valueCode", "not-covered"),
    "q3: conditional without info-needed": _set("covered", "valueCode", "conditional"),
    "q3: info-needed without conditional": _set("info-needed", "valueCode", "performer"),
    "q4: withpa": _set("doc-purpose", "valueCode", "withpa"),
    "q5: satisfied without a number": _set("pa-needed", "valueCode", "satisfied"),
    "q5: a number without satisfied": _set("satisfied-pa-id", "valueString", "1"),
    "q7: a reason without text": _set("reason", "valueCodeableConcept", {"coding": [{"code": "x"}]}),
    "q8: a purpose without reason": lambda a: (
        _without("reason")(a),
        _set("doc-purpose", "valueCode", "withclaim")(a),
    ),
    "q9: indeterminate without reason": lambda a: (
        _without("reason")(a),
        _set("covered", "valueCode", "indeterminate")(a),
    ),
    "a detail without category": _set("detail", "extension", [{"url": "code"}, {"url": "value", "valueString": "x"}]),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_checker_finds(tmp_path, make, fault):
    answer = await all_kinds(tmp_path, make).ask(configured(asking_for_all("2.2")))
    check_answer(answer, "2.2", "order-sign")
    with pytest.raises((AssertionError, KeyError)):
        check_answer(corrupted(answer, FAULTS[fault]), "2.2", "order-sign")


async def test_the_checker_finds_documents_asked_for_too_early(tmp_path, make):
    answer = await all_kinds(tmp_path, make).ask(asking_for_all("2.2"))
    with pytest.raises(AssertionError, match="hook-19"):
        check_answer(answer, "2.2", "order-select")
