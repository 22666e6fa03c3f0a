"""Must-support: the preset's requests show every element, and so do our answers, in both editions (conf-4, conf-6)."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from tools.inferno import EDITIONS

from inferno.must_support import Profile, resources
from inferno.running import UPDATES, Run, run
from support.answers import claim_response, decisions, extension
from support.app import frozen_runtime, running

PARTIES = ("insurer", "requestor", "beneficiary", "practitioner", "practitionerrole")
ASKED_BY = (*PARTIES, "coverage", "subscriber")
ANSWERS = {
    "submit": ("pas-response-bundle", "claimresponse", "task", "communicationrequest", *PARTIES),
    "inquire": ("pas-inquiry-response-bundle", "claiminquiryresponse", "task", *PARTIES),
}
REQUESTS = {
    "submit": (
        "pas-request-bundle",
        "claim",
        "claim-update",
        "encounter",
        "location",
        "servicerequest",
        "devicerequest",
        "medicationrequest",
        "nutritionorder",
        *ASKED_BY,
    ),
    "inquire": ("pas-inquiry-request-bundle", "claim-inquiry", *ASKED_BY),
}
CASES = [
    pytest.param(edition, side, operation, name, id=f"{edition}-{side}-{operation}-{name}")
    for edition in EDITIONS
    for side, table in (("answers", ANSWERS), ("requests", REQUESTS))
    for operation, names in table.items()
    for name in (
        *names,
        *(("documentreference",) if (edition, side, operation) == ("2.2.1", "requests", "submit") else ()),
    )
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The presets of both editions, each played through a server of its own with every answer validated."""

    async def play(edition: str) -> Run:
        async with running(tmp_path_factory.mktemp(edition), frozen_runtime(), validate_answers=True) as (_, client):
            return await run(client, edition)

    return {edition: asyncio.run(play(edition)) for edition in EDITIONS}


@pytest.mark.parametrize(("edition", "side", "operation", "name"), CASES)
def test_every_element_is_shown(runs: dict[str, Run], edition: str, side: str, operation: str, name: str) -> None:
    played = runs[edition]
    bundles = played.answers(operation) if side == "answers" else played.requests(operation)
    profile = Profile(f"profile-{name}", edition)
    assert len(profile.units()) > 1
    assert profile.missing(resources(bundles)) == []


@pytest.mark.parametrize(
    ("edition", "name", "marked"),
    [
        ("2.2.1", "claimresponse", 32 + 40),
        ("2.2.1", "claiminquiryresponse", 31 + 40),
        ("2.2.1", "task", 18 + 3 + 3),
        ("2.2.1", "communicationrequest", 8 + 3),
        ("2.0.1", "claimresponse", 15 + 13),
        ("2.0.1", "claiminquiryresponse", 13 + 13),
    ],
)
def test_as_many_units_are_counted_as_the_official_kit_looks_for(edition: str, name: str, marked: int) -> None:
    """Elements, slices and extensions in the kit's own lists."""
    assert len(Profile(f"profile-{name}", edition).units()) == marked


@pytest.mark.parametrize("unit", Profile("profile-claimresponse", "2.2.1").units())
def test_the_count_notices_each_unit_that_is_gone(runs: dict[str, Run], unit: str) -> None:
    """The counter itself: without the element (or without the whole it stands in) the unit is reported."""
    profile = Profile("profile-claimresponse", "2.2.1")
    bundles = copy.deepcopy(runs["2.2.1"].answers("submit"))
    for resource in resources(bundles):
        if resource["resourceType"] == "ClaimResponse":
            remove(resource, unit.split(".")[1:])
    assert unit in profile.missing(resources(bundles))


def remove(node: Any, steps: list[str]) -> None:
    """Take an element (or the extensions of a kind) out, wherever the path leads."""
    for inner in node if isinstance(node, list) else [node]:
        name, _, sliced = steps[0].partition(":")
        stem = name.removesuffix("[x]")
        for key in [k for k in inner if k == name or (stem != name and k.startswith(stem))]:
            if len(steps) > 1:
                remove(inner[key], steps[1:])
            elif sliced:
                inner[key] = []
            else:
                del inner[key]


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_workflows_get_what_the_suite_wants(runs: dict[str, Run], edition: str) -> None:
    """Inferno looks for the code in any item of every answer of the workflow."""
    answered = runs[edition].answered
    for name, code in (("approval", "A1"), ("denial", "A3"), ("pended", "A4")):
        for answer in answered[f"{name}_pa_submit_request_payload"]:
            assert code in {d.action for d in decisions(answer)}


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_array_gets_every_kind_of_answer(runs: dict[str, Run], edition: str) -> None:
    everything, documents, approved, error, update = runs[edition].answered["must_support_pa_submit_request_payload"]
    # the item that no policy names asks for a range of codes, which is not one service: a person decides
    assert {d.action for d in decisions(everything)} == {"A4"}
    tasks = [e["resource"] for e in documents["entry"] if e["resource"]["resourceType"] == "Task"]
    assert {t["code"]["coding"][0]["code"] for t in tasks} == {
        "attachment-request-code",
        "attachment-request-questionnaire",
    }
    assert "reference" not in claim_response(approved)["request"]
    assert claim_response(approved)["request"]["extension"][0]["valueCode"] == "unknown"
    assert claim_response(error)["outcome"] == "error"
    assert [d.action for d in decisions(update)] == ["C", "A6", "A4"]


def test_a_changed_line_says_what_was_asked_and_what_was_granted(runs: dict[str, Run]) -> None:
    """spec-36, spec-37: 2.2.1 keeps what was asked on the item and grants in ``addItem``; 2.0.1 grants on the item."""
    new = claim_response(runs["2.2.1"].answered["must_support_pa_submit_request_payload"][-1])
    asked = extension(new["item"][1], "extension-itemAuthorizedDetail")
    assert extension(asked, "quantity") == {"value": 40, "unit": "visits"}
    (added,) = new["addItem"]
    assert added["itemSequence"] == [2]
    assert added["quantity"] == {"value": 24, "unit": "visits"}
    old = claim_response(runs["2.0.1"].answered["must_support_pa_submit_request_payload"][-1])
    granted = extension(old["item"][1], "extension-itemAuthorizedDetail")
    assert extension(granted, "quantity") == {"value": 24, "unit": "visits"}
    assert "addItem" not in old


def test_each_step_of_the_chain_answers_exactly_the_sequences_sent(runs: dict[str, Run]) -> None:
    """spec-34, spec-46 as the suite checks them."""
    played = runs["2.2.1"]
    for name in UPDATES:
        (sent,), (answer,) = played.sent[name], played.answered[name]
        asked = [item["sequence"] for item in sent["entry"][0]["resource"]["item"]]
        assert [d.sequence for d in decisions(answer)] == asked
    last = decisions(played.answered[UPDATES[-1]][0])
    assert {d.action for d in last} == {"C"}


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_is_echoed_is_as_it_came(runs: dict[str, Run], edition: str) -> None:
    """spec-33: fullUrl and content of what the client sent; spec-31: each resource once."""
    played = runs[edition]
    known = {e["fullUrl"]: e["resource"] for b in played.requests("submit") for e in b["entry"]}
    for answer in played.answers("submit"):
        addresses = [entry["fullUrl"] for entry in answer["entry"]]
        assert len(addresses) == len(set(addresses))
        for entry in answer["entry"]:
            if entry["fullUrl"] in known:
                assert entry["resource"] == known[entry["fullUrl"]]


def test_the_requests_own_marks_come_back(runs: dict[str, Run]) -> None:
    """Trace numbers, the sender's ids and identifiers, dates of the stay: what the IG wants echoed."""
    sent = runs["2.2.1"].sent["must_support_pa_submit_request_payload"][0]["entry"][0]["resource"]
    answer = claim_response(runs["2.2.1"].answered["must_support_pa_submit_request_payload"][0])
    assert answer["extension"][0] == sent["extension"][0]  # TransmissionIdentifiers
    assert sent["identifier"][0] in answer["identifier"]
    for asked, item in zip(sent["item"], answer["item"], strict=True):
        for name in ("extension-itemTraceNumber", "extension-authorizationNumber"):
            assert extension(item, name) == extension(asked, name)
        assert extension(item, "extension-dischargeDate") == claims_date(sent, "dischargeDates")


def claims_date(claim: dict[str, Any], kind: str) -> str:
    """The date of a kind of supporting information."""
    return next(
        str(info["timingDate"]) for info in claim["supportingInfo"] if info["category"]["coding"][0]["code"] == kind
    )


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_reviewer_decided_what_no_machine_may(runs: dict[str, Run], edition: str) -> None:
    assert len(runs[edition].decided) == 1  # nobody is subscribed here, so the pended line stays


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_published_inquiry_without_a_match(runs: dict[str, Run], edition: str) -> None:
    """Numbers that were never issued find nothing: an empty Parameters, or in 2.0.1 an error."""
    nothing = runs[edition].answered["must_support_pa_inquire_request_payload"][-1]
    if edition == "2.2.1":
        assert nothing == {"resourceType": "Parameters"}
    else:
        assert claim_response(nothing)["outcome"] == "error"
