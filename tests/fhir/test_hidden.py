"""What is not understood, or contradicts itself, is found wherever it stands; what is only absent is in order."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from precert.authorization.deciding.answers import answers
from precert.authorization.deciding.order_elements import doubts, is_open
from precert.fhir.bundle import BundleIndex
from precert.fhir.hidden import ABSENT, DATA_ABSENT, IMPLICIT, INFO_CANCELLED, MODIFIER, first_hidden, hidden, refusals
from precert.policy.evidence import rejection_of
from support.app import EXAMPLES

UNKNOWN = {"url": DATA_ABSENT, "valueCode": "unknown"}
FILES = ["pas/approve", "pas/mixed", "pas/urgent", "dtr/submit-attachment-early", "dtr/next-question-last"]
Way = tuple[str | int, ...]


def document(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


def places(value: Any, way: Way = ()) -> Iterator[Way]:
    """Everything in a document: objects and primitives, those in lists too."""
    yield way
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*way, key))


def at(value: Any, way: Way) -> Any:
    for step in way:
        value = value[step]
    return value


def path(root: Any, way: Way) -> str:
    return root["resourceType"] + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)


def spoiled(root: Any, way: Way) -> Iterator[tuple[Any, str, str]]:
    """``root`` with each form of the kind at one place: the document, the path to be named and the rule."""
    value = at(root, way)
    if isinstance(value, dict):
        for key, more, where, rule in (
            ("modifierExtension", [{"url": "urn:x", "valueBoolean": True}], ".modifierExtension[0]", MODIFIER),
            ("implicitRules", "urn:x", ".implicitRules", IMPLICIT),
            ("extension", [UNKNOWN, *value.get("extension", [])], "", ABSENT),
        ):
            made = copy.deepcopy(root)
            at(made, way)[key] = more
            yield made, path(root, way) + where, rule
    elif not isinstance(value, list) and way and isinstance(way[-1], str):
        made = copy.deepcopy(root)
        at(made, way[:-1])["_" + way[-1]] = {"extension": [UNKNOWN]}
        yield made, path(root, way), ABSENT
    elif not isinstance(value, list) and len(way) > 1:
        made = copy.deepcopy(root)
        owner, name, n = at(made, way[:-2]), way[-2], way[-1]
        owner[f"_{name}"] = [None] * int(n) + [{"extension": [UNKNOWN]}]
        yield made, path(root, way), ABSENT


@pytest.mark.parametrize("name", FILES)
def test_it_is_found_wherever_it_stands(name: str) -> None:
    root = document(name)
    assert list(hidden(root, root["resourceType"])) == []
    tried = 0
    for way in places(root):
        for made, where, rule in spoiled(root, way):
            found = [(one.path, one.rule) for one in hidden(made, root["resourceType"])]
            assert (where, rule) in found, (where, rule)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    "element",
    [
        {"_birthDate": {"extension": [UNKNOWN]}},
        {"_birthDate": {"extension": [UNKNOWN]}, "birthDate": None},
        {"birthDate": "1950-01-01", "_birthDate": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}},
        {"locationCodeableConcept": {"extension": [UNKNOWN]}},
        {"locationCodeableConcept": {"id": "a", "extension": [UNKNOWN]}},
        {"name": [{"_family": {"extension": [UNKNOWN]}, "given": ["A"]}]},
        {"given": ["A", None], "_given": [None, {"extension": [UNKNOWN]}]},
        {"item": [{"linkId": "1", "text": "Why?", "extension": [UNKNOWN]}]},
        {"code": {"coding": [{"extension": [UNKNOWN]}], "text": "said in words"}},
        {"identifier": [{"system": "urn:x", "_value": {"extension": [UNKNOWN]}}]},
        {"extension": [{"url": "urn:x", "extension": [UNKNOWN]}]},
        {"extension": [{"url": "urn:x", "_valueCode": {"extension": [UNKNOWN]}}]},
        {"resourceType": "Claim", "supportingInfo": [{"modifierExtension": [{"url": INFO_CANCELLED}]}]},
        {"resourceType": "ClaimResponse", "request": {"extension": [UNKNOWN], "identifier": {"value": "c"}}},
    ],
    ids=json.dumps,
)
def test_what_is_only_absent_or_is_understood_is_in_order(element: Any) -> None:
    assert refusals(element, "X") == []
    assert first_hidden(element) is None


@pytest.mark.parametrize(
    ("element", "where"),
    [
        ({"_valueBoolean": {"extension": [UNKNOWN]}, "valueString": "yes"}, "X.valueString"),
        ({"valueQuantity": {"extension": [UNKNOWN]}, "valueString": "yes"}, "X.valueString"),
        ({"_deceasedDateTime": {"extension": [UNKNOWN]}, "deceasedBoolean": False}, "X.deceasedBoolean"),
        (
            {"medicationReference": {"reference": "#m"}, "medicationCodeableConcept": {"extension": [UNKNOWN]}},
            "X.medic",
        ),
        ({"given": ["A", "B"], "_given": [None, {"extension": [UNKNOWN]}]}, "X.given[1]"),
        ({"status": False, "_status": {"extension": [UNKNOWN]}}, "X.status"),
        ({"attachment": {"url": "http://x.test/doc", "extension": [UNKNOWN]}}, "X.attachment"),
        ({"modifierExtension": []}, "X.modifierExtension"),
        ({"modifierExtension": {"url": "urn:x"}}, "X.modifierExtension"),
        ({"modifierExtension": [{"url": INFO_CANCELLED}]}, "X.modifierExtension[0]"),
        ({"resourceType": "Claim", "contained": [{"resourceType": "Basic", "modifierExtension": [{}]}]}, "X.contained"),
        ({"extension": [{"url": "urn:x", "valueCode": "a", "extension": [UNKNOWN]}]}, "X.extension[0]"),
    ],
    ids=json.dumps,
)
def test_other_spellings_of_the_same(element: Any, where: str) -> None:
    issues = refusals(element, "X")
    assert issues
    assert str(issues[0].expression).startswith(where)


def test_a_flood_of_them_is_named_up_to_a_bound() -> None:
    assert len(refusals({"item": [{"implicitRules": "urn:x"}] * 5000}, "X")) == 50


OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "69990-0"}]},
    "effectiveDateTime": "2026-11-01",
    "valueQuantity": {"value": 22, "unit": "/h"},
}
RESPONSE = {
    "resourceType": "QuestionnaireResponse",
    "questionnaire": "https://precert.example/fhir/Questionnaire/pap-osa-initial|2026.1",
    "status": "completed",
    "authored": "2026-11-20",
    "item": [{"linkId": "ahi", "answer": [{"valueDecimal": 22}]}],
}
ORDER = {
    "resourceType": "ServiceRequest",
    "id": "o",
    "status": "active",
    "intent": "order",
    "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]},
    "subject": {"reference": "Patient/1"},
}


def _all(resource: Any) -> list[Any]:
    return [made for way in places(resource) for made, _, _ in spoiled(resource, way) if way != ("resourceType",)]


@pytest.mark.parametrize("made", _all(OBSERVATION), ids=json.dumps)
def test_evidence_with_it_does_not_count(made: Any) -> None:
    assert rejection_of(OBSERVATION, "Observation") is None
    found = rejection_of(made, "Observation")
    assert found is not None
    assert found.open


def _told(response: Any) -> dict[str, Any]:
    return answers(BundleIndex({"entry": [{"resource": response}]}).entries)


@pytest.mark.parametrize("made", [m for m in _all(RESPONSE) if first_hidden(m) is not None], ids=json.dumps)
def test_answers_with_it_do_not_count(made: Any) -> None:
    assert set(_told(RESPONSE)) == {"pap-osa-initial#ahi"}
    assert _told(made) == {}


@pytest.mark.parametrize("made", _all(ORDER), ids=json.dumps)
def test_an_order_with_it_raises_a_doubt(made: Any) -> None:
    (plain,) = BundleIndex({"entry": [{"resource": ORDER}]}).entries
    (entry,) = BundleIndex({"entry": [{"resource": made}]}).entries
    assert list(doubts(plain)) == []
    assert list(doubts(entry))
    assert is_open(plain)
    assert not is_open(entry)
