"""The published request bundles, as they are: each gets an answer that makes sense, and none of them a failure.

Members and insurers in them are not of the demo world, so that presented mode is what they meet.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from precert.fhir import json
from precert.fhir.bundle import BundleIndex
from support.answers import bundle, claim_response, decisions, extension, only_fault
from support.app import ROOT
from support.pas import submit

PUBLISHED = ROOT.parent / "shared" / "examples" / "pas"
FILES = sorted(PUBLISHED.glob("*/Bundle-*.json")) if PUBLISHED.is_dir() else []
NOT_REQUESTS = ("Response", "Notification")
BYTES = {f: f.read_bytes() for f in FILES}
REQUESTS = [f for f in FILES if not any(word in f.name for word in NOT_REQUESTS)]
OTHERS = [f for f in FILES if f not in REQUESTS]
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not PUBLISHED.is_dir(), reason="../shared is not here"),
]


def named(file: Path) -> str:
    return f"{file.parent.name}-{file.stem.removeprefix('Bundle-')}"


ANSWERS = {
    # the insurer is not the demo payer: another payer's, in every eligibility mode
    "2.0.1-ReferralAuthorizationBundleExample": ("error", ["79"]),
    "2.0.1-SurgicalRequestBundleExample": ("error", ["79"]),
    # this insurer bears the demo payer's NPI; neither member nor line of business is known, so no policy reaches the service
    # an X12 service type says only what kind of service it is: a person; pended is "queued" in 2.0, "complete" in 2.2
    "2.2.1-ReferralAuthorizationBundleExample": ("complete", ["A4"]),
    "2.2.1-SurgicalRequestBundleExample": ("complete", ["NA"]),
}


def test_the_list_is_whole() -> None:
    assert {named(file) for file in REQUESTS} == set(ANSWERS)


@pytest.mark.parametrize("base", ["/fhir", "/fhir/v2.0"])
@pytest.mark.parametrize("file", REQUESTS, ids=named)
async def test_each_published_request_gets_a_sensible_answer(file: Path, base: str, client: httpx.AsyncClient) -> None:
    answer = bundle(await submit(client, BYTES[file], f"{base}/Claim/$submit"))
    response = claim_response(answer)
    errors = [e["code"]["coding"][0]["code"] for e in response.get("error", [])]
    outcome, actions = ANSWERS[named(file)]
    if actions == ["A4"] and base == "/fhir/v2.0":
        outcome = "queued"
    assert (response["outcome"], errors or [d.action for d in decisions(answer)]) == (outcome, actions)
    if errors:
        assert all(extension(e, "extension-errorPath") for e in response["error"])
        assert response["disposition"].endswith(".")
    for decided in decisions(answer):
        if decided.action == "A4":
            assert "says only what kind of service it is" in " ".join(decided.notes)
            continue
        assert decided.notes == ("No coverage policy asks for authorization of this service.",)
    sent = {entry["fullUrl"]: entry["resource"] for entry in json.loads(BYTES[file])["entry"]}
    echoed = [entry for entry in answer["entry"] if entry["fullUrl"] in sent]
    assert echoed
    assert all(entry["resource"] == sent[entry["fullUrl"]] for entry in echoed)
    index = BundleIndex(answer)
    for element in ("patient", "insurer", "requestor"):
        assert index.resolve(response[element], index.entries[0]) is not None


@pytest.mark.parametrize("file", OTHERS, ids=named)
async def test_what_is_no_request_is_told_so(file: Path, client: httpx.AsyncClient) -> None:
    if "Notification" in file.name:
        response = await submit(client, BYTES[file])
        assert response.status_code == 400
        assert "bundle-type" in response.text
    else:
        assert only_fault(await submit(client, BYTES[file])).rule == "claim-first"


@pytest.mark.parametrize("file", REQUESTS, ids=named)
async def test_addressed_to_us_and_for_a_known_member_it_is_decided(file: Path, client: httpx.AsyncClient) -> None:
    """The same request with our insurer and a demo member in it, so that it goes all the way through the rules."""
    document = json.loads(BYTES[file])
    for entry in document["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Organization":
            for identifier in resource.get("identifier", []):
                if "npi" in identifier.get("system", "") and entry["fullUrl"].endswith("InsurerExample"):
                    identifier["value"] = "1234567893"
        if resource["resourceType"] == "Patient":
            resource["birthDate"] = "1978-02-19"
            resource["identifier"] = [{"system": "urn:precert:demo:member", "value": "COM-0001"}]
        if resource["resourceType"] == "Coverage":
            resource["subscriberId"] = "COM-0001"
            resource.pop("identifier", None)
    answer = bundle(await submit(client, document))
    assert claim_response(answer)["outcome"] in ("complete", "error")
    for decided in decisions(answer):
        assert decided.action in ("NA", "A4", "A1")
