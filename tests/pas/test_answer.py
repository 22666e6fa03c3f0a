"""What every answer keeps: references that resolve, what was sent as it was sent, sequences, ids, order."""

from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tools.make_examples import examples

from precert.authorization.record.case import Authorization
from precert.authorization.record.numbers import is_valid
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.fhir.bundle import BundleIndex
from precert.pas.intake import read_request
from precert.pas.response import whole_period
from support.answers import SD, bundle, claim_response, decisions, extension
from support.app import EXAMPLES
from support.pas import CLAIM, PATIENT, PAYER, REQUESTER, changed, example, part, submit

Json = dict[str, Any]
NAMES = [e.name for e in examples()]
BASES = ["/fhir", "/fhir/v2.0"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", NAMES)
async def test_what_holds_for_every_answer(name: str, base: str, client: httpx.AsyncClient) -> None:
    request = example(name)
    answer = bundle(await submit(client, request, f"{base}/Claim/$submit"))
    response = claim_response(answer)
    index = BundleIndex(answer)

    # every reference resolves inside, or can be read here: the Claim, which is kept as it came
    for entry in index.entries:
        for path, reference in index.references(entry):
            if index.resolve(reference, entry) is None:
                assert reference.startswith(f"http://precert.test{base}/Claim/"), (path, reference)
                kept = json.loads((await client.get(reference)).content)
                assert {**kept, "id": part(request, CLAIM)["id"]} == part(request, CLAIM)
    # a urn means nothing outside its bundle, so the Claim is named by its identifier
    assert response["request"] == {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}],
        "identifier": part(request, CLAIM)["identifier"][0],
    }

    # no entry twice; every one with a fullUrl that ends in its id, or is a urn
    full_urls = [entry["fullUrl"] for entry in answer["entry"]]
    assert len(set(full_urls)) == len(full_urls)
    for entry in answer["entry"]:
        resource, url = entry["resource"], entry["fullUrl"]
        assert (
            url.startswith("urn:uuid:")
            or url == f"http://precert.test{base}/{resource['resourceType']}/{resource['id']}"
        )

    # what was sent comes back as it was sent, and nothing that was not asked for
    sent = {entry["fullUrl"]: entry["resource"] for entry in request["entry"]}
    echoed = {entry["fullUrl"]: entry["resource"] for entry in answer["entry"] if entry["fullUrl"] in sent}
    assert {sent[url]["resourceType"] for url in echoed} == {"Patient", "Organization"}
    for url, resource in echoed.items():
        assert resource == sent[url]
        assert list(resource) == list(sent[url])

    # items by sequence, in order
    sequences = [item["sequence"] for item in part(request, CLAIM)["item"]]
    if response["outcome"] != "error":
        assert [item["itemSequence"] for item in response["item"]] == sequences
        for item in part(request, CLAIM)["item"]:
            (answered,) = [i for i in response["item"] if i["itemSequence"] == item["sequence"]]
            assert extension(answered, "extension-itemTraceNumber") == extension(item, "extension-itemTraceNumber")
    numbers = [note["number"] for note in response.get("processNote", [])]
    assert numbers == list(range(1, len(numbers) + 1))
    used = {n for item in response.get("item", []) for n in item.get("noteNumber", [])}
    assert used == set(numbers)

    # identity
    assert answer["identifier"]["value"] == f"urn:uuid:{answer['id']}"
    assert answer["type"] == "collection"
    assert is_valid(response["identifier"][0]["value"])
    assert response["use"] == "preauthorization"
    for decided in decisions(answer):
        assert (decided.number is not None) is (decided.action == "A1")
        assert (decided.reference is not None) is (decided.action == "A4")
        assert (decided.reason is None) is (decided.action == "A1")
        assert all(is_valid(n) for n in (decided.number, decided.reference) if n)
    assert response["meta"]["profile"] == [SD + "profile-claimresponse"]


async def test_approval_whole(client: httpx.AsyncClient) -> None:
    response = claim_response(bundle(await submit(client, example("approve"))))
    (item,) = response["item"]
    number = response["preAuthRef"]
    assert extension(item, "extension-itemPreAuthIssueDate") == "2026-11-20"
    assert extension(item, "extension-itemPreAuthPeriod") == {"start": "2027-09-06", "end": "2027-11-28"}
    assert response["preAuthPeriod"] == {"start": "2027-09-06", "end": "2027-11-28"}
    assert extension(response, "extension-claimResponseReviewer")["extension"] == [
        {"url": "wasHumanReviewedFlag", "valueBoolean": False}
    ]
    assert response["processNote"][0]["text"].endswith(f"Authorization {number}.")


def granted(start: date, end: date | None) -> Authorization:
    return Authorization(number="A", issued=date(2026, 11, 20), start=start, end=end)


async def test_the_period_of_all_lines_begins_with_the_first_and_ends_with_the_last_of_them() -> None:
    lines = [
        granted(date(2027, 1, 4), date(2027, 3, 28)),
        granted(date(2027, 5, 3), date(2027, 7, 25)),
        granted(date(2026, 12, 1), date(2027, 2, 1)),
    ]
    for order in itertools.permutations(lines):
        assert whole_period(order) == {"start": "2026-12-01", "end": "2027-07-25"}
    open_ended = granted(date(2027, 1, 1), None)
    for order in itertools.permutations([*lines, open_ended]):
        assert whole_period(order) == {"start": "2026-12-01"}, "one that has no end is not said to end"


@pytest.mark.parametrize(
    ("level", "track"),
    [("U", "expedited"), ("03", "expedited"), ("E", "standard"), ("01", "standard"), (None, "standard")],
)
async def test_the_level_of_service_sets_the_track(level: str | None, track: str) -> None:
    """X12 1338 as PAS binds it: U (urgent) and 03 (emergency) ask for the expedited decision."""
    body = example("approve")
    if level is not None:
        said = {"coding": [{"system": "https://codesystem.x12.org/005010/1338", "code": level}]}
        url = SD + "extension-levelOfServiceCode"
        part(body, CLAIM).setdefault("extension", []).append({"url": url, "valueCodeableConcept": said})
    directory = load_directory(EXAMPLES / "eligibility", "presented")
    assert read_request(json.dumps(body), body, "open", directory).track == track


async def test_a_pended_answer_promises_nothing(client: httpx.AsyncClient) -> None:
    for name in ("pend-nurse", "refer", "more-than-grant"):
        response = claim_response(bundle(await submit(client, example(name))))
        said = " ".join(note["text"] for note in response["processNote"]).lower()
        for word in ("approved", "denied", "not approved", "criteria", "not met", "likely"):
            assert word not in said, (name, word)
        assert extension(response, "extension-claimResponseReviewer") is None
        assert "preAuthPeriod" not in response


async def test_unknown_elements_decimals_and_order_come_back(client: httpx.AsyncClient) -> None:
    body = changed(
        lambda b: part(b, PATIENT).update(
            {
                "zzz-unknown": {"b": Decimal("1.10"), "a": [Decimal("100.00")]},
                "extension": [{"url": "x", "valueDecimal": 1}],
            }
        )
    )
    response = await submit(client, body)
    assert b'"zzz-unknown":{"b":1.10,"a":[100.00]}' in response.content
    assert bundle(response)["entry"][1]["resource"] == part(body, PATIENT)


async def test_relative_references_resolve_in_the_answer(client: httpx.AsyncClient) -> None:
    base = "https://ehr.example/r4/"

    def relative(b: Json) -> None:
        urls = {}
        for entry in b["entry"]:
            kind, id = entry["resource"]["resourceType"], entry["resource"]["id"]
            urls[entry["fullUrl"]] = f"{kind}/{id}"
            entry["fullUrl"] = f"{base}{kind}/{id}"
        text = json.dumps(b).decode()
        for old, new in urls.items():
            text = text.replace(f'"reference":"{old}"', f'"reference":"{new}"')
        b.clear()
        b.update(json.loads(text.encode()))

    answer = bundle(await submit(client, changed(relative)))
    assert [d.action for d in decisions(answer)] == ["A1"]
    index = BundleIndex(answer)
    response = claim_response(answer)
    assert response["request"] == {"reference": f"{base}Claim/{part(example(), CLAIM)['id']}"}
    for element, kind in (("patient", "Patient"), ("insurer", "Organization"), ("requestor", "Organization")):
        assert response[element]["reference"].startswith(base)
        found = index.resolve(response[element], index.entries[0])
        assert found is not None
        assert found.type == kind


async def test_a_version_in_a_reference_is_no_hindrance(client: httpx.AsyncClient) -> None:
    url = "https://ehr.example/r4/Patient/" + part(example(), PATIENT)["id"]

    def versioned(b: Json) -> None:
        b["entry"][PATIENT]["fullUrl"] = url
        part(b, CLAIM)["patient"]["reference"] = f"{url}/_history/2"
        part(b, 2)["beneficiary"]["reference"] = url
        part(b, 5)["subject"]["reference"] = url

    answer = bundle(await submit(client, changed(versioned)))
    assert [d.action for d in decisions(answer)] == ["A1"]


async def test_parties_named_by_identifier_alone(client: httpx.AsyncClient) -> None:
    def logical(b: Json) -> None:
        for element, position in (("insurer", PAYER), ("provider", REQUESTER)):
            part(b, CLAIM)[element] = {"identifier": part(b, position)["identifier"][0]}

    answer = bundle(await submit(client, changed(logical)))
    assert [d.action for d in decisions(answer)] == ["A1"]
    assert claim_response(answer)["insurer"] == {"identifier": part(example(), PAYER)["identifier"][0]}


async def test_a_transmission_id_is_echoed(client: httpx.AsyncClient) -> None:
    sent = {
        "url": SD + "extension-TransmissionIdentifiers",
        "extension": [{"url": "interchangeSenderID", "valueString": "ISA06"}],
    }
    answer = bundle(await submit(client, changed(lambda b: part(b, CLAIM).update(extension=[sent]))))
    assert sent in claim_response(answer)["extension"]


async def test_the_same_note_for_two_items_is_one_note(client: httpx.AsyncClient) -> None:
    def two(b: Json) -> None:
        first = part(b, CLAIM)["item"][0]
        part(b, CLAIM)["item"] = [first, {**first, "sequence": 2}]

    response = claim_response(bundle(await submit(client, changed(two, "not-required"))))
    assert [item["noteNumber"] for item in response["item"]] == [[1], [1]]
