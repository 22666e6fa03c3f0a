"""What every answer has to satisfy, whatever was asked: card rules, response types, invariants."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from crd.building import EXTENSION, parts

TEMP = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp"
TOPICS = {"2.0": TEMP, "2.2": "http://terminology.hl7.org/CodeSystem/cdshooks-card-type"}
CODES = {
    "2.2": {
        "covered": {"covered", "not-covered", "conditional", "indeterminate"},
        "pa-needed": {"no-auth", "auth-needed", "satisfied", "performpa", "conditional", "indeterminate"},
        "doc-needed": {"clinical", "admin", "patient", "conditional", "indeterminate"},
        "info-needed": {"performer", "location", "timeframe", "contract-window", "detail-code", "OTH"},
    },
    "2.0": {
        "covered": {"covered", "not-covered", "conditional"},
        "pa-needed": {"no-auth", "auth-needed", "satisfied", "performpa", "conditional"},
        "doc-needed": {"clinical", "admin", "both", "conditional"},
        "info-needed": {"performer", "location", "timeframe", "contract-window", "OTH"},
    },
}
REASONS = {
    "2.0": {"gold-card", "detail-code"},
    "2.2": {
        "gold-card",
        "no-member-found",
        "no-active-coverage",
        "coverage-not-found",
        "auth-out-network",
        "technical",
    },
}
CONTEXTS = {
    "2.2": {
        "Appointment",
        "CommunicationRequest",
        "Encounter",
        "DeviceRequest",
        "MedicationRequest",
        "NutritionOrder",
        "ServiceRequest",
        "VisionPrescription",
    }
}
PRIMARY = {"order-sign", "order-dispatch", "appointment-book"}


def check_answer(answer: dict[str, Any], version: str, hook: str) -> None:
    """Raises AssertionError for the first rule that an answer breaks."""
    assert set(answer) <= {"cards", "systemActions"}
    assert isinstance(answer["cards"], list)
    assert answer.get("systemActions", True), "an empty systemActions must be left out"
    for path, value in walk(answer):
        assert value not in (None, "", [], {}) or path == ".cards", f"null or empty at {path} (H@3)"
    seen: set[str] = set()
    for card in answer["cards"]:
        check_card(card, version)
        ids = [card["uuid"], *(s["uuid"] for s in card.get("suggestions", []))]
        assert not seen & set(ids)
        seen |= set(ids)
    ids_by_coverage: dict[str, set[str]] = {}
    for action in answer.get("systemActions", []):
        check_action(action)
        for extension in action["resource"].get("extension", []):
            if extension["url"] == EXTENSION:
                assert action["resource"]["resourceType"] in CONTEXTS["2.2"]
                info = check_info(extension, version)
                assert hook in PRIMARY or not {"clinical", "admin", "both"} & set(info.get("doc-needed", [])), "hook-19"
                ids_by_coverage.setdefault(info["coverage"]["reference"], set()).add(info["coverage-assertion-id"])
    ids = [i for found in ids_by_coverage.values() for i in found]
    assert len(ids) == len(set(ids)), "different coverages need different assertion ids (resp-32)"


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that we made; resources of the client are its own."""
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            if key != "resource":
                yield from walk(member, f"{path}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, f"{path}[{index}]")


def check_card(card: dict[str, Any], version: str) -> None:
    uuid.UUID(card["uuid"])
    assert 0 < len(card["summary"]) < 140
    assert "\n" not in card["summary"]
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["label"]
    topic = card["source"]["topic"]
    assert topic["code"]
    assert topic["system"] == TOPICS[version]
    assert topic["code"] != "coverage-info", "coverage information is never a card (resp-25)"
    links, suggestions = card.get("links", []), card.get("suggestions", [])
    assert not (links and suggestions)
    kinds = {link["type"] for link in links}
    assert kinds <= {"absolute", "smart"}
    assert len(kinds) <= 1, "absolute and smart links never share a card"
    for link in links:
        assert link["label"]
        assert link["url"].startswith(("https://", "http://"))
        assert ("appContext" in link) <= (link["type"] == "smart")
    if not links and not suggestions:
        assert card["detail"], "instructions need a detail (resp-24)"
    if suggestions:
        assert card["selectionBehavior"] in ("any", "at-most-one")
    for suggestion in suggestions:
        uuid.UUID(suggestion["uuid"])
        assert suggestion["label"]
        assert suggestion["actions"]
        types = sorted(action["type"] for action in suggestion["actions"])
        assert types in (["update"], ["create", "delete"]) or set(types) == {"create"}, "crd-respar-1"
        for action in suggestion["actions"]:
            check_action(action)
    for reason in card.get("overrideReasons", []):
        assert reason["code"]
        assert reason["system"]
        assert reason["display"]
    assert "<" not in card.get("detail", "").replace("&lt;", "")
    for resource in card.get("extension", {}).get("davinci-crd.associated-resource", []):
        assert resource["reference"]


def check_action(action: dict[str, Any]) -> None:
    assert action["type"] in ("create", "update", "delete")
    assert action["description"]
    if action["type"] == "delete":
        assert action["resourceId"]
        assert "resource" not in action
    else:
        assert action["resource"]["resourceType"]
        assert "resourceId" not in action


def check_info(extension: dict[str, Any], version: str) -> dict[str, Any]:
    """The codes and the invariants of one version."""
    info = parts(extension)
    for name, allowed in CODES[version].items():
        value = info.get(name, [])
        assert set(value if isinstance(value, list) else [value]) <= allowed, f"{name} in {version}: {value}"
    for name in ("coverage", "covered", "date", "coverage-assertion-id"):
        assert info[name], f"{name} is 1..1"
    documents, needs, reasons = info.get("doc-needed", []), info.get("info-needed", []), info.get("reason", [])
    values = [info["covered"], info.get("pa-needed"), *documents]
    assert not info.get("questionnaire") or documents, "q1"
    assert "withpa" not in info.get("doc-purpose", []), "T1: withpa never validates"
    assert (info.get("pa-needed") == "satisfied") == ("satisfied-pa-id" in info), "q5"
    assert all(reason["text"] for reason in reasons), "q7"
    assert "OTH" not in needs or reasons, "q6"
    for reason in reasons:
        for coding in reason.get("coding", []):
            assert coding["system"] == TEMP
            assert coding["code"] in REASONS[version]
    if version == "2.2":
        assert info["covered"] != "not-covered" or "pa-needed" not in info, "q2"
        assert ("conditional" in values) == bool(needs), "q3, both ways"
        assert "indeterminate" not in values or reasons, "q9"
        assert not info.get("doc-purpose") or reasons, "q8"
        assert "response" not in info
    else:
        assert "pa-needed" in info, "2.0.1 q2"
        assert not needs or "conditional" in values, "2.0.1 q3"
        assert len(documents) <= 1
        assert "expiry-date" not in info
    for detail in info.get("detail", []):
        check_detail({part["url"]: part for part in detail}, version)
    for contact in info.get("contact", []):
        assert ("telecom" in contact) == (version == "2.2")
    return info


def check_detail(detail: dict[str, Any], version: str) -> None:
    assert ("category" in detail) == (version == "2.2")
    kinds = [key for key in detail["value"] if key.startswith("value")]
    allowed = {"valueBoolean", "valueString", "valueQuantity", "valuePeriod"}
    assert set(kinds) <= (allowed | {"valueUrl"} if version == "2.2" else allowed)
    assert "code" in detail
