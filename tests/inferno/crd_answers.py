"""What the CRD suite demands of answers (tests 2.04, 3.x.05 to 3.x.15), one function per test, over all answers to a hook.

Each returns what it looked at, so that a test can insist that there was something. Sources: the suite's descriptions, CDS Hooks 2.0, CRD 2.0.1.
"""

from __future__ import annotations

import re
from typing import Any

from inferno.crd_requests import ORDERS, Json, Profiles

COVERAGE_INFORMATION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"
PRIMARY = ("appointment-book", "order-sign", "order-dispatch")
TARGETS = {
    "appointment-book": ("Appointment",),
    "encounter-start": ("Encounter",),
    "encounter-discharge": ("Encounter",),
}
ADDITIONAL = ("CommunicationRequest", "Device", "Medication", *ORDERS)
ALTERNATE = ("Device", "Encounter", "Medication", *ORDERS)
# Ruby's URI.parse, by which the suite judges URLs, follows RFC 3986 to the letter: no | and no space, for example.
_URL = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d+)?(/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*)?(\?[^\s|<>\"{}\\^`]*)?(#\S*)?")


def is_url(value: object) -> bool:
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def required(answer: Json, hook: str) -> None:
    """2.04 and 3.x.05: the envelope, and what each card and each system action must have."""
    assert isinstance(answer["cards"], list)
    for card in answer["cards"]:
        assert _text(card["summary"])
        assert len(card["summary"]) < 140
        assert card["indicator"] in ("info", "warning", "critical")
        assert _text(card["source"]["label"])
        assert _text(card["source"]["topic"]["code"])
        assert _text(card["source"]["topic"]["system"])
    if hook in PRIMARY:
        assert answer["systemActions"], "a primary hook says something of each order"
    for action in answer.get("systemActions", []):
        _action(action)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _action(action: Json) -> None:
    assert action["type"] in ("create", "update", "delete")
    assert _text(action["description"])
    if action["type"] == "delete":
        for reference in _ids(action):
            assert re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}", reference)
    else:
        assert _text(action["resource"]["resourceType"])


def _ids(action: Json) -> list[str]:
    named = action["resourceId"]
    return named if isinstance(named, list) else [named]


def optional(card: Json) -> None:
    """3.x.06."""
    for name in ("uuid", "detail"):
        assert name not in card or _text(card[name])
    for name in ("suggestions", "overrideReasons", "links"):
        assert name not in card or (isinstance(card[name], list) and card[name]), f"{name} must not be empty"
    for reason in card.get("overrideReasons", []):
        assert all(_text(reason[name]) for name in ("code", "system", "display"))
    for link in card.get("links", []):
        assert _text(link["label"])
        assert is_url(link["url"])
        assert link["type"] in ("absolute", "smart")
        assert link["type"] == "smart" or "appContext" not in link
    if "suggestions" in card:
        assert card["selectionBehavior"] in ("at-most-one", "any")
    for suggestion in card.get("suggestions", []):
        assert _text(suggestion["label"])
        assert suggestion["actions"], "the suite cannot bear a suggestion without actions"
        for action in suggestion["actions"]:
            _action(action)


def external_references(cards: list[Json]) -> list[Json]:
    """3.x.07: cards whose links are all absolute."""
    return [card for card in cards if card.get("links") and {link["type"] for link in card["links"]} == {"absolute"}]


def smart_launches(cards: list[Json]) -> list[Json]:
    """3.x.08: cards whose links are all to SMART apps."""
    return [card for card in cards if card.get("links") and {link["type"] for link in card["links"]} == {"smart"}]


def instructions(cards: list[Json]) -> list[Json]:
    """3.x.09: cards without links and suggestions."""
    return [card for card in cards if not card.get("links") and not card.get("suggestions")]


def coverage_information(actions: list[Json], hook: str) -> list[Json]:
    """3.x.10: system actions on what the hook is about that carry the extension."""
    return [
        action
        for action in actions
        if action["resource"]["resourceType"] in TARGETS.get(hook, ORDERS) and assertions(action["resource"])
    ]


def assertions(resource: Json) -> list[Json]:
    """Each coverage-information of a resource, as name to value (the last one, where a name repeats)."""
    found = [e for e in resource.get("extension", []) if e["url"] == COVERAGE_INFORMATION]
    return [{part["url"]: _value(part) for part in extension["extension"]} for extension in found]


def _value(part: Json) -> Any:
    return next((value for key, value in part.items() if key.startswith("value")), None)


def valid_coverage_information(action: Json, profiles: Profiles) -> None:
    """3.x.11: an update, valid, one assertion id per coverage and one coverage per assertion id; the same for PA ids."""
    assert action["type"] == "update"
    profiles.check(action["resource"])
    for name, least in (("coverage-assertion-id", 1), ("satisfied-pa-id", 0)):
        by_coverage: dict[str, set[str]] = {}
        for info in assertions(action["resource"]):
            ids = by_coverage.setdefault(info["coverage"]["reference"], set())
            ids |= {info[name]} if name in info else set()
        assert all(least <= len(ids) <= 1 for ids in by_coverage.values()), name
        used = [id_ for ids in by_coverage.values() for id_ in ids]
        assert len(used) == len(set(used)), f"different coverages need different {name}"


def proposed_alternates(cards: list[Json], context: Json, profiles: Profiles) -> list[Json]:
    """3.4.12 and 3.6.12: an update, or a delete with a create, of what is drafted."""
    found = [card for card in cards if any(_is_alternate(s["actions"]) for s in card.get("suggestions", []))]
    drafts = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in context["draftOrders"]["entry"]}
    for card in found:
        for suggestion in card["suggestions"]:
            created = {a["resource"]["resourceType"] for a in suggestion["actions"] if a["type"] == "create"}
            for action in suggestion["actions"]:
                if action["type"] == "delete":
                    assert {reference.partition("/")[0] for reference in _ids(action)} <= created
                    assert set(_ids(action)) <= drafts
                    continue
                profiles.check(action["resource"])
                if action["type"] == "update":
                    assert f"{action['resource']['resourceType']}/{action['resource']['id']}" in drafts
    return found


def _is_alternate(actions: list[Json]) -> bool:
    types = {action["type"] for action in actions if _kind(action) in ALTERNATE}
    return "update" in types or {"delete", "create"} <= types


def _kind(action: Json) -> str:
    if action["type"] == "delete":
        return str(_ids(action)[0].partition("/")[0])
    return str(action["resource"]["resourceType"])


def additional_orders(cards: list[Json], profiles: Profiles) -> list[Json]:
    """3.4.13 and 3.6.13: every action of every suggestion creates an order."""
    found = []
    for card in cards:
        actions = [action for suggestion in card.get("suggestions", []) for action in suggestion["actions"]]
        if actions and all(action["type"] == "create" and _kind(action) in ADDITIONAL for action in actions):
            found.append(card)
            for action in actions:
                profiles.check(action["resource"])
    return found


def form_completions(cards: list[Json], actions: list[Json], profiles: Profiles) -> list[Json]:
    """3.x.12 (14): a Task to complete a questionnaire, by card or by system action."""
    suggested = [a for card in cards for s in card.get("suggestions", []) for a in s["actions"]]
    found = [action["resource"] for action in [*actions, *suggested] if _is_form(action)]
    for task in found:
        profiles.check(task)
    return found


def _is_form(action: Json) -> bool:
    if action["type"] != "create" or _kind(action) != "Task":
        return False
    task = action["resource"]
    codes = {coding["code"] for coding in task["code"]["coding"]}
    forms = [given for given in task["input"] if given["type"].get("text") == "questionnaire"]
    return "complete-questionnaire" in codes and any(is_url(given["valueCanonical"]) for given in forms)


def coverage_updates(cards: list[Json], actions: list[Json], profiles: Profiles) -> list[Json]:
    """3.x.13 (15): a Coverage created or updated, by a card with that one action or by a system action."""
    suggested = [
        card["suggestions"][0]["actions"][0]
        for card in cards
        if len(card.get("suggestions", [])) == 1 and len(card["suggestions"][0]["actions"]) == 1
    ]
    found = [a for a in [*actions, *suggested] if a["type"] in ("create", "update") and _kind(a) == "Coverage"]
    for action in found:
        profiles.check(action["resource"])
    return found
