"""No document crashes or hangs the validator, and what does not matter does not change the verdict."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precert.fhir.validation import Validator
from precert.fhir.validation.run import MAX_FINDINGS
from validation import builders as b
from validation.seeds import BUILD, CONTEXT

VALIDATOR = Validator.load()
SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
NAMES = """resourceType entry resource fullUrl type contained extension modifierExtension url valueReference reference item
id meta profile coding system code _status text div identifier value Claim"""
member_names = st.sampled_from(NAMES.split())
fhir_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Bundle", "Claim", "#a", "active", "x", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(member_names, inner, max_size=5),
    max_leaves=25,
)


def points(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        top = stack.pop()
        keys = list(top) if isinstance(top, dict) else range(len(top)) if isinstance(top, list) else ()
        for key in keys:
            found.append((top, key))
            stack.append(top[key])
    return found


@given(st.dictionaries(st.text(max_size=12), json_values, max_size=5))
@SLOW
def test_arbitrary_json_never_crashes(document: dict[str, Any]) -> None:
    assert VALIDATOR.validate(document)


@given(
    st.dictionaries(member_names, fhir_like, max_size=6),
    st.sampled_from(["Bundle", "Claim", "Parameters", "Questionnaire", "QuestionnaireResponse", "Task", "Patient"]),
)
@SLOW
def test_documents_that_look_like_fhir_never_crash(document: dict[str, Any], kind: str) -> None:
    VALIDATOR.validate({**document, "resourceType": kind})


@given(st.sampled_from(sorted(BUILD)), st.integers(0, 10_000), json_values | fhir_like)
@SLOW
def test_any_value_anywhere_never_crashes(name: str, place: int, value: Any) -> None:
    document = BUILD[name]()
    places = points(document)
    container, key = places[place % len(places)]
    container[key] = value
    before = json.dumps(document, sort_keys=True)
    VALIDATOR.validate(document, context=CONTEXT[name])
    assert json.dumps(document, sort_keys=True) == before


@given(st.sampled_from(sorted(BUILD)), st.randoms(use_true_random=False))
@SLOW
def test_the_order_of_keys_does_not_matter(name: str, shuffle: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            shuffle.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert VALIDATOR.validate(shuffled(BUILD[name]()), context=CONTEXT[name]) == []


@given(st.sampled_from(sorted(BUILD)), st.integers(0, 10_000), st.sampled_from(["extension", "nested"]))
@SLOW
def test_unknown_extensions_do_not_matter(name: str, place: int, shape: str) -> None:
    document = BUILD[name]()
    open_places = [
        container[key]
        for container, key in points(document)
        if isinstance(container[key], dict)
        and "url" not in container[key]
        and (key != "resource")
        and not (isinstance(container, dict) and "url" in container)
    ]
    target = open_places[place % len(open_places)]
    extra = b.extension("https://clinic.test/note", "String", "unknown to the payer")
    if shape == "nested":
        inside = [b.extension("part", "Code", "a"), b.extension("other", "Boolean", False)]
        extra = {"url": "https://clinic.test/nested", "extension": inside}
    target.setdefault("extension", []).append(extra)
    assert VALIDATOR.validate(document, context=CONTEXT[name]) == []


def seconds(document: dict[str, Any]) -> float:
    start = time.process_time()
    VALIDATOR.validate(document)
    return time.process_time() - start


def nested(key: str, depth: int, wrap: bool) -> dict[str, Any]:
    top: dict[str, Any] = {"linkId": "x", "type": "group"}
    for _ in range(depth):
        top = {"linkId": "x", "type": "group", key: [top] if wrap else top}
    return top


def test_depth_is_capped() -> None:
    deep = {**nested("item", 400, True), "resourceType": "Questionnaire"}
    rules = {finding.rule for finding in VALIDATOR.validate(deep)}
    assert "too-deep" in rules


def test_contained_resources_nest_without_recursion() -> None:
    top: dict[str, Any] = {"resourceType": "Patient", "id": "p0"}
    for number in range(300):
        top = {"resourceType": "Patient", "id": f"p{number}", "contained": [top]}
    assert "invariant:dom-2" in {finding.rule for finding in VALIDATOR.validate(top)}


def test_references_in_a_ring_end() -> None:
    ring = b.bundle(
        b.PAS + "profile-pas-request-bundle",
        *(
            {
                "resourceType": "Organization",
                "id": f"o{n}",
                "name": "o",
                "partOf": {"reference": f"Organization/o{(n + 1) % 50}"},
            }
            for n in range(50)
        ),
    )
    assert seconds(ring) < 2


def test_contained_resources_in_a_ring_end() -> None:
    claim = b.claim()
    claim["contained"] = [
        {"resourceType": "Organization", "id": f"o{n}", "name": "o", "partOf": {"reference": f"#o{(n + 1) % 20}"}}
        for n in range(20)
    ]
    claim["insurer"] = {"reference": "#o0"}
    assert seconds(claim) < 1


LONG = [
    "a" * 500_000,
    " " * 500_000,
    "<div" + " " * 500_000,
    "<" * 300_000,
    "<div>" + "<a" * 200_000,
    "on" * 300_000,
    "a/" * 200_000,
    "urn:oid:0" + ".1" * 200_000,
    "2026-01-01T00:00:00." + "1" * 300_000,
    "=" * 500_000,
    "http://" + "a." * 200_000 + "/Patient/1",
    "a b" * 200_000,
    "A" + "a" * 400_000 + "!",
]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:12])
def test_long_strings_are_read_once(text: str) -> None:
    questionnaire = {
        "resourceType": "Questionnaire",
        "status": text,
        "id": text,
        "url": text,
        "name": text,
        "version": text,
        "date": text,
        "text": {"status": "generated", "div": text},
        "identifier": [{"system": text, "value": text}],
        "meta": {"profile": [text], "tag": [{"system": text, "code": text}], "lastUpdated": text},
        "extension": [{"url": text, "valueBase64Binary": text}, {"url": "http://a", "valueOid": text}],
        "item": [{"linkId": text, "type": "choice", "answerValueSet": text}],
        "derivedFrom": [text],
        "publisher": text,
    }
    assert seconds(questionnaire) < 1.5


def test_cost_grows_with_size_not_faster() -> None:
    def wide(count: int) -> dict[str, Any]:
        document = b.request_bundle()
        claim = document["entry"][0]["resource"]
        claim["item"] = [{**claim["item"][0], "sequence": n + 1} for n in range(count)]
        return document

    VALIDATOR.validate(wide(1))
    small = min(seconds(wide(100)) for _ in range(3))
    large = min(seconds(wide(1_000)) for _ in range(3))
    assert large < small * 25


def test_many_contained_and_references_stay_linear() -> None:
    claim = b.claim()
    claim["contained"] = [{"resourceType": "Organization", "id": f"o{n}", "name": "o"} for n in range(4_000)]
    claim["careTeam"] = [{"sequence": n + 1, "provider": {"reference": f"#o{n % 4_000}"}} for n in range(4_000)]
    assert seconds(claim) < 8


def test_findings_are_capped() -> None:
    claim = b.claim()
    claim["item"] = [{} for _ in range(20_000)]
    findings = VALIDATOR.validate(claim)
    assert len(findings) <= MAX_FINDINGS + 1


def test_unknown_names_are_not_remembered() -> None:
    schemas = VALIDATOR.schemas("pas-2.2.1")
    before = None
    for number in range(200):
        claim = b.claim()
        claim["meta"]["profile"] += [f"https://x.test/p{number}", f"{b.PAS}profile-claim|{number}"]
        claim["extension"].append(b.extension(f"https://x.test/e{number}", "Code", "x"))
        VALIDATOR.validate(claim)
        before = before or len(schemas._roots)  # the first round reads in what every such claim needs
    assert len(schemas._roots) == before
