"""The preset files: what the generator makes, valid, complete, free of what the official validator refuses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tools.inferno import EDITIONS, FOLDER, inputs, text
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
        earlier = {r["claim"]["reference"] for claim in claims for r in claim.get("related", ())}
        for path, node in walk(bundle):
            if path.endswith(".reference") and node not in earlier:
                assert node in known, (name, path, node)


def test_the_chain_refers_to_the_version_before_and_carries_it_along() -> None:
    steps = [bundle for name, bundle in bundles("2.2.1") if name.startswith("claim_update")]
    assert [len([e for e in b["entry"] if e["resource"]["resourceType"] == "Claim"]) for b in steps] == [1, 2, 2, 2]
    for before, after in itertools.pairwise(steps):
        assert after["entry"][0]["resource"]["related"][0]["claim"]["reference"] == before["entry"][0]["fullUrl"]
        assert after["entry"][1] == before["entry"][0]


def test_the_reviewers_script_is_readable() -> None:
    rules = read_rules((FOLDER / "reviewer.json").read_text("utf-8"))
    assert [(rule.determination["outcome"], rule.when) for rule in rules] == [
        ("modify", None),
        ("approve", "subscribed"),
    ]
