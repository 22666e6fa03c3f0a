"""The preset files: what the generator makes, valid, complete, free of what the official validator refuses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.inferno import EDITIONS, FOLDER, inputs, text, write
from tools.inferno_parts import ROOT, SUITES
from tools.review_driver import read_rules

from precert.fhir import json
from precert.fhir.validation import Validator
from support.answers import walk
from support.npi import luhn

Json = dict[str, Any]
SUITE_INPUTS = {
    "server_endpoint",
    "access_token",
    "subscription_resource",
    "approval_pa_submit_request_payload",
    "denial_pa_submit_request_payload",
    "pended_pa_submit_request_payload",
    "must_support_pa_submit_request_payload",
    "must_support_pa_inquire_request_payload",
}
ONLY = {
    "2.2.1": {f"claim_update_{step}_submit_payload" for step in ("initial", "add_item", "modify_cancel", "cancel_all")},
    "2.0.1": {"pended_pa_inquire_request_payload"},
}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.load()


def preset(edition: str) -> dict[str, Any]:
    """Input name to value, as the file gives it."""
    document = json.loads((FOLDER / f"pas-server-{edition}.json").read_bytes())
    return {entry["name"]: entry["value"] for entry in document["inputs"]}


def bundles(edition: str) -> Iterator[tuple[str, Json]]:
    """Every bundle of the file, with a name."""
    for name, value in preset(edition).items():
        if name.endswith("_payload"):
            body = json.loads(value.encode())
            listed = body if isinstance(body, list) else [body]
            yield from ((f"{name}[{position}]", one) for position, one in enumerate(listed))


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_file_is_what_the_generator_makes(edition: str) -> None:
    assert (FOLDER / f"pas-server-{edition}.json").read_text("utf-8") == text(edition), "run python -m tools.inferno"


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_file_gives_every_input_of_the_suite(edition: str) -> None:
    given = preset(edition)
    assert set(given) == SUITE_INPUTS | ONLY[edition]
    assert all(isinstance(value, str) for value in given.values())
    assert set(inputs(edition)) == set(given)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_bundle_is_valid(edition: str, validator: Validator) -> None:
    for name, bundle in bundles(edition):
        found = validator.validate(bundle, context=f"pas-{edition}")
        assert [f for f in found if f.severity in ("error", "fatal")] == [], name


def test_the_subscription_is_valid(validator: Validator) -> None:
    for edition in EDITIONS:
        resource = json.loads(preset(edition)["subscription_resource"].encode())
        profile = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/profile-subscription"
        profiles = [profile] if edition == "2.2.1" else []
        found = validator.validate(resource, context=f"pas-{edition}", profiles=profiles)
        assert [f for f in found if f.severity in ("error", "fatal")] == []
        assert "end" not in resource


@pytest.mark.parametrize("edition", EDITIONS)
def test_nothing_that_the_official_validator_refuses(edition: str) -> None:
    for name, bundle in bundles(edition):
        for path, node in walk(bundle):
            if isinstance(node, str):
                assert "example.org" not in node, (name, path)
                assert "example.com" not in node, (name, path)
            if isinstance(node, dict):
                assert "text" not in node or "resourceType" not in node, (name, path)
                if "x12.org" in str(node.get("system", "")):
                    assert "display" not in node, (name, path)
                if node.get("system") == "http://hl7.org/fhir/sid/us-npi":
                    assert luhn(node["value"]), (name, path)
            if isinstance(node, str) and path.endswith(("Date", ".start", ".end", "birthDate")):
                assert re.match(r"\d{4}-\d\d-\d\d", node), (name, path)


@pytest.mark.parametrize("edition", EDITIONS)
def test_references_resolve_and_no_two_resources_share_an_address(edition: str, validator: Validator) -> None:
    for name, bundle in bundles(edition):
        known = [entry["fullUrl"] for entry in bundle["entry"]]
        assert len(known) == len(set(known)), name
        claims = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Claim"]
        earlier = {r["claim"].get("reference") for claim in claims for r in claim.get("related", ())}
        for path, node in walk(bundle):
            if path.endswith(".reference") and node not in earlier:
                assert node in known, (name, path, node)


def test_the_chain_refers_to_the_version_before_and_carries_it_along() -> None:
    steps = [bundle for name, bundle in bundles("2.2.1") if name.startswith("claim_update")]
    assert [len([e for e in b["entry"] if e["resource"]["resourceType"] == "Claim"]) for b in steps] == [1, 2, 2, 2]
    for before, after in itertools.pairwise(steps):
        assert after["entry"][0]["resource"]["related"][0]["claim"]["reference"] == before["entry"][0]["fullUrl"]
        assert after["entry"][1] == before["entry"][0]


def test_2_0_1_has_one_claim_in_a_bundle_and_names_the_earlier_one_by_its_identifier() -> None:
    """The 2.0.1 request bundle allows one Claim (entry:Claim is 1..1), so a reference to another would lead nowhere."""
    updates = 0
    for name, bundle in bundles("2.0.1"):
        claims = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Claim"]
        assert len(claims) == 1, name
        for related in claims[0].get("related", ()):
            updates += 1
            assert related["claim"].keys() == {"identifier"}
    assert updates


def test_a_medication_is_reported_both_ways_in_2_2_1() -> None:
    """The profile marks both types of MedicationRequest.reported[x] as must-support, and the kit looks for each."""
    named = ("must_support_pa_submit_request_payload", "claim_update", "approval", "denial", "pended")
    orders = [
        entry["resource"]
        for name, bundle in bundles("2.2.1")
        if name.startswith(named)
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "MedicationRequest"
    ]
    for key in ("reportedBoolean", "reportedReference"):
        assert any(key in order for order in orders), key


def test_the_notified_request_has_no_diagnosis_in_2_2_1() -> None:
    """Its echo, communicatedDiagnosis, may not stand on an item of a ClaimResponse; the kit validates the notification."""
    body = json.loads(preset("2.2.1")["pended_pa_submit_request_payload"].encode())
    assert "diagnosis" not in body["entry"][0]["resource"]
    assert "diagnosisSequence" not in str(body)


@pytest.mark.parametrize("suite", SUITES)
def test_inferno_offers_the_preset(suite: str) -> None:
    """https://inferno-framework.github.io/docs/advanced-test-features/input-presets.html"""
    document = json.loads((FOLDER / SUITES[suite].file).read_bytes())
    assert list(document) == ["title", "id", "test_suite_id", "inputs"]
    assert document["test_suite_id"] == SUITES[suite].id
    assert all(set(entry) == {"name", "value"} and isinstance(entry["value"], str) for entry in document["inputs"])


def test_no_two_presets_have_one_id() -> None:
    documents = [json.loads((FOLDER / suite.file).read_bytes()) for suite in SUITES.values()]
    for key in ("id", "title", "test_suite_id"):
        assert len({document[key] for document in documents}) == len(SUITES)
    assert {suite.file for suite in SUITES.values()} == {
        file.name for file in FOLDER.glob("*.json") if "inputs" in json.loads(file.read_bytes())
    }


def test_the_address_of_the_server_is_given_once(tmp_path: Path) -> None:
    """Written for another server, no file names the one of the shipped presets, and nothing else is different."""
    root = "https://payer.test:9443"
    write(tmp_path, root)
    for suite in SUITES.values():
        made, shipped = ((folder / suite.file).read_text("utf-8") for folder in (tmp_path, FOLDER))
        assert root in made
        assert "127.0.0.1" not in made
        if not suite.file.startswith("dtr"):  # ids in the answers of a server hang on its address
            assert made.replace(root, ROOT) == shipped


def test_the_reviewers_script_is_readable() -> None:
    rules = read_rules((FOLDER / "reviewer.json").read_text("utf-8"))
    assert [(rule.determination["outcome"], rule.when) for rule in rules] == [
        ("modify", None),
        ("approve", "subscribed"),
    ]
