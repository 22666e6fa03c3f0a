"""No document whatsoever makes the server fail; every refusal is exactly one OperationOutcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tools.make_examples import by_name, examples

from precert.fhir import json
from support.answers import Decided, decisions, outcome
from support.app import running
from support.pas import SUBMIT, example, submit
from support.strategies import JSON_VALUES, ODD, mutated, paths

BASES = st.sampled_from([SUBMIT, "/fhir/v2.0/Claim/$submit"])
BODIES = {e.name: e.document() for e in examples()}
FULL = by_name("approve").document()
MANY = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
async def fuzzed(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """One server for all the documents of one test: nothing here depends on what came before."""
    async with running(tmp_path, raise_app_exceptions=False) as (_, client):
        yield client


def check(response: httpx.Response, sent: Any) -> None:
    """Answered as the contract says: 200 with a bundle, or 4xx with one OperationOutcome."""
    assert response.status_code == 200 or 400 <= response.status_code < 500, (response.text, json.dumps(sent))
    if response.status_code == 200:
        body = json.loads(response.content)
        kinds = [entry["resource"]["resourceType"] for entry in body["entry"]]
        assert kinds[0] == "ClaimResponse"
        assert kinds.count("ClaimResponse") == 1
        answered = body["entry"][0]["resource"]
        found: list[Decided] = decisions(body)
        assert found or answered["outcome"] == "error" or answered.get("disposition"), "an empty success"
        assert {d.action for d in found} <= {"A1", "A3", "A4", "NA", "C"}
        for decided in found:
            if decided.action == "A3":
                assert decided.reason == "0M"  # administrative: no document gets a clinical refusal from a machine
    else:
        for issue in outcome(response)["issue"]:
            assert issue["severity"] in ("error", "fatal", "warning")
            assert issue["details"]["text"]
            assert issue["details"]["coding"][0]["code"]


@MANY
@given(body=st.binary(max_size=200), base=BASES)
async def test_any_bytes(body: bytes, base: str, fuzzed: httpx.AsyncClient) -> None:
    check(await submit(fuzzed, body, base), {"bytes": repr(body)})


@MANY
@given(document=JSON_VALUES, base=BASES)
async def test_any_json(document: Any, base: str, fuzzed: httpx.AsyncClient) -> None:
    check(await submit(fuzzed, document, base), document)


@MANY
@given(entries=st.lists(JSON_VALUES, max_size=3), claim=st.dictionaries(st.sampled_from(
    ["patient", "provider", "insurer", "insurance", "item", "diagnosis", "related", "careTeam", "supportingInfo",
     "identifier", "extension", "contained", "use", "type", "status"]), ODD), base=BASES)  # fmt: skip
async def test_any_claim(entries: list[Any], claim: dict[str, Any], base: str, fuzzed: httpx.AsyncClient) -> None:
    first = {"fullUrl": "urn:uuid:c", "resource": {**claim, "resourceType": "Claim"}}
    document = {"resourceType": "Bundle", "type": "collection", "entry": [first, *entries]}
    check(await submit(fuzzed, document, base), document)


@settings(MANY, max_examples=250)
@given(document=st.sampled_from(sorted(BODIES)).flatmap(lambda name: mutated(BODIES[name], 3)), base=BASES)
async def test_any_spoiled_example(document: dict[str, Any], base: str, fuzzed: httpx.AsyncClient) -> None:
    check(await submit(fuzzed, document, base), document)


@pytest.mark.parametrize("other", [None, 7, "x", [], {}, ["x"], {"x": []}], ids=repr)
async def test_every_node_of_another_kind(other: Any, fuzzed: httpx.AsyncClient) -> None:
    """Not by chance: each node of one request in turn, exchanged for something of another type."""
    original = json.dumps(FULL)
    for path in paths(FULL):
        document = json.loads(original)
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = other
        check(await submit(fuzzed, document), {"path": path, "other": other})


@settings(MANY, max_examples=150)
@given(document=st.sampled_from(sorted(BODIES)).flatmap(lambda name: mutated(BODIES[name]["entry"][0]["resource"], 2)))
async def test_any_spoiled_claim(document: dict[str, Any], fuzzed: httpx.AsyncClient) -> None:
    body = example("mixed")
    body["entry"][0]["resource"] = document
    check(await submit(fuzzed, body), body)


@settings(MANY, max_examples=60)
@given(document=st.sampled_from(sorted(BODIES)).flatmap(lambda name: mutated(BODIES[name], 2)))
async def test_a_spoiled_example_again_is_the_same_answer(document: dict[str, Any], fuzzed: httpx.AsyncClient) -> None:
    first, second = await submit(fuzzed, document), await submit(fuzzed, document)
    assert (first.status_code, first.content) == (second.status_code, second.content)


@MANY
@given(document=st.sampled_from(sorted(BODIES)).flatmap(lambda name: mutated(BODIES[name], 2)))
async def test_any_spoiled_inquiry(document: dict[str, Any], fuzzed: httpx.AsyncClient) -> None:
    response = await submit(fuzzed, document, "/fhir/Claim/$inquire")
    assert response.status_code == 200 or 400 <= response.status_code < 500, (response.text, json.dumps(document))
