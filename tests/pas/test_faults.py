"""Bad input: each fault gets one clear answer that names the place and the mend, and nothing is stored."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tools.make_examples import by_name

from precert.authorization.deciding.counted import asked
from precert.authorization.deciding.request import Ask
from precert.authorization.usecases import on_record
from precert.policy.types import Counted
from support import shared
from support.answers import Fault, bundle, claim_response, decisions, extension, faults, faults_of, only_fault
from support.app import running
from support.pas import CLAIM, COVERAGE, PATIENT, PAYER, REQUESTER, changed, example, part, submit

Json = dict[str, Any]
pytestmark = shared.in_one_loop
precert, app, client = shared.precert, shared.app, shared.client  # one server for all tests here, but
alone = shared.alone  # one of its own for each that is approved
Edit = Callable[[Json], Any]
CLAIM_PATH = "Bundle.entry[0].resource"


def claim(**changes: Any) -> Edit:
    return lambda b: part(b, CLAIM).update(changes)


def without(*names: str) -> Edit:
    return lambda b: [part(b, CLAIM).pop(name) for name in names]


def item(**changes: Any) -> Edit:
    return lambda b: part(b, CLAIM)["item"][0].update(changes)


def drop_entry(position: int) -> Edit:
    return lambda b: b["entry"].pop(position)


def service(*codings: Json) -> Edit:
    return item(productOrService={"coding": list(codings)})


def another_claim(bundle: Json) -> Json:
    """A second request of its own."""
    more = copy.deepcopy(bundle["entry"][0])
    identifier = [{"system": "urn:precert:demo:claim", "value": "another"}]
    more["resource"] |= {"id": "another", "identifier": identifier}
    return {**more, "fullUrl": "urn:uuid:77777777-7777-4777-8777-777777777777"}


FAULTS: dict[str, tuple[Edit, str, str, str, str]] = {
    # name: (what is done to a good request, issue code, rule, expression, words of the mend)
    "not a bundle": (
        lambda b: (b.clear(), b.update(resourceType="Claim")),
        "invalid",
        "not-a-bundle",
        "Claim",
        "takes a PAS Request Bundle; the resourceType is 'Claim'",
    ),
    "a parameters wrapper": (
        lambda b: (b.clear(), b.update(resourceType="Parameters")),
        "invalid",
        "not-a-bundle",
        "Parameters",
        "takes a PAS Request Bundle",
    ),
    "wrong type of bundle": (
        lambda b: b.update(type="transaction"),
        "value",
        "bundle-type",
        "Bundle.type",
        "'collection'",
    ),
    "bundle without type": (lambda b: b.pop("type"), "value", "bundle-type", "Bundle.type", "'collection'"),
    "no entries": (lambda b: b.pop("entry"), "required", "no-entries", "Bundle.entry", "first must be the Claim"),
    "empty entries": (
        lambda b: b.update(entry=[]),
        "required",
        "no-entries",
        "Bundle.entry",
        "first must be the Claim",
    ),
    "entries that are no list": (
        lambda b: b.update(entry={}),
        "required",
        "no-entries",
        "Bundle.entry",
        "first must be the Claim",
    ),
    "claim is not first": (
        lambda b: b["entry"].reverse(),
        "structure",
        "claim-first",
        CLAIM_PATH,
        "it must be the Claim",
    ),
    "first entry is empty": (
        lambda b: b["entry"].insert(0, {}),
        "structure",
        "claim-first",
        CLAIM_PATH,
        "holds no resource; it must be the Claim",
    ),
    "two claims": (
        lambda b: b["entry"].append(another_claim(b)),
        "structure",
        "several-claims",
        "Bundle.entry[6].resource",
        "Send one Claim per request",
    ),
    "a claim for payment": (
        claim(use="claim"),
        "value",
        "claim-use",
        f"{CLAIM_PATH}.use",
        "needs 'preauthorization'",
    ),
    "no patient": (without("patient"), "required", "claim-patient", f"{CLAIM_PATH}.patient", "reference a Patient"),
    "no provider": (
        without("provider"),
        "required",
        "claim-provider",
        f"{CLAIM_PATH}.provider",
        "Organization, Practitioner or PractitionerRole",
    ),
    "no insurer": (
        without("insurer"),
        "required",
        "claim-insurer",
        f"{CLAIM_PATH}.insurer",
        "reference a Organization",
    ),
    "patient is not there": (
        drop_entry(PATIENT),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.patient.reference",
        "Include the Patient with a fullUrl",
    ),
    "patient is only an identifier": (
        claim(patient={"identifier": {"value": "MA-0001"}}),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.patient.reference",
        "Include the Patient",
    ),
    "provider is not there": (
        drop_entry(REQUESTER),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.provider.reference",
        "Include the Organization, Practitioner or PractitionerRole",
    ),
    "provider is outside, with an identifier beside the reference": (
        claim(provider={"reference": "Organization/elsewhere", "identifier": {"system": "urn:x", "value": "1"}}),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.provider.reference",
        "Include the Organization, Practitioner or PractitionerRole",
    ),
    "insurer is outside, with an identifier beside the reference": (
        claim(insurer={"reference": "https://else.test/fhir/Organization/1", "identifier": {"value": "1"}}),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.insurer.reference",
        "Include the Organization",
    ),
    "insurer is not there": (
        drop_entry(PAYER),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.insurer.reference",
        "Include the Organization",
    ),
    "patient is an organization": (
        lambda b: part(b, CLAIM).update(patient={"reference": b["entry"][PAYER]["fullUrl"]}),
        "invalid",
        "reference-type",
        f"{CLAIM_PATH}.patient.reference",
        "points to a Organization, not a Patient",
    ),
    "no insurance": (without("insurance"), "required", "no-coverage", f"{CLAIM_PATH}.insurance", "Name the member's"),
    "empty insurance": (
        claim(insurance=[]),
        "required",
        "no-coverage",
        f"{CLAIM_PATH}.insurance",
        "Name the member's Coverage",
    ),
    "coverage is not there": (
        drop_entry(COVERAGE),
        "not-found",
        "reference-unresolved",
        f"{CLAIM_PATH}.insurance[0].coverage.reference",
        "Include the Coverage",
    ),
    "coverage is a patient": (
        lambda b: part(b, CLAIM)["insurance"][0].update(coverage={"reference": b["entry"][PATIENT]["fullUrl"]}),
        "invalid",
        "reference-type",
        f"{CLAIM_PATH}.insurance[0].coverage",
        "not a Coverage",
    ),
    "no items": (without("item"), "required", "no-items", f"{CLAIM_PATH}.item", "Each service asked for is one item"),
    "empty items": (claim(item=[]), "required", "no-items", f"{CLAIM_PATH}.item", "Each service asked for is one item"),
    "an item that is no object": (
        claim(item=["E0601"]),
        "structure",
        "item-shape",
        f"{CLAIM_PATH}.item[0]",
        "must be a JSON object",
    ),
    "1000 items": (
        lambda b: part(b, CLAIM).update(item=part(b, CLAIM)["item"] * 1000),
        "too-long",
        "too-many-items",
        f"{CLAIM_PATH}.item",
        "takes up to 999",
    ),
    "item without sequence": (
        lambda b: part(b, CLAIM)["item"][0].pop("sequence"),
        "required",
        "item-sequence",
        f"{CLAIM_PATH}.item[0].sequence",
        "whole number from 1",
    ),
    "sequence zero": (item(sequence=0), "required", "item-sequence", f"{CLAIM_PATH}.item[0].sequence", "from 1"),
    "sequence as text": (item(sequence="1"), "required", "item-sequence", f"{CLAIM_PATH}.item[0].sequence", "from 1"),
    "sequence true": (item(sequence=True), "required", "item-sequence", f"{CLAIM_PATH}.item[0].sequence", "from 1"),
    "sequence beyond any positiveInt": (
        item(sequence=2**31),
        "required",
        "item-sequence",
        f"{CLAIM_PATH}.item[0].sequence",
        "from 1",
    ),
    "sequence twice": (
        lambda b: part(b, CLAIM).update(item=part(b, CLAIM)["item"] * 2),
        "duplicate",
        "item-sequence-repeated",
        f"{CLAIM_PATH}.item[1].sequence",
        "used by item[0] already",
    ),
    "no code": (
        service(),
        "required",
        "item-code",
        f"{CLAIM_PATH}.item[0].productOrService",
        "coding with system and code",
    ),
    "only words": (
        item(productOrService={"text": "a CPAP"}),
        "required",
        "item-code",
        f"{CLAIM_PATH}.item[0].productOrService",
        "coding with system and code",
    ),
    "code without system": (
        service({"code": "E0601"}),
        "code-invalid",
        "code-without-system",
        f"{CLAIM_PATH}.item[0].productOrService.coding[0].system",
        "Add the system",
    ),
    "dates reversed": (
        lambda b: (
            part(b, CLAIM)["item"][0].pop("servicedDate"),
            item(servicedPeriod={"start": "2027-02-01", "end": "2027-01-01"})(b),
        ),
        "invariant",
        "dates-reversed",
        f"{CLAIM_PATH}.item[0].servicedPeriod",
        "Swap or correct",
    ),
    "a date written together": (
        item(servicedDate="20270104"),
        "value",
        "item-date",
        f"{CLAIM_PATH}.item[0].servicedDate",
        "YYYY-MM-DD",
    ),
    "a day that does not exist": (
        item(servicedDate="2027-02-30"),
        "value",
        "item-date",
        f"{CLAIM_PATH}.item[0].servicedDate",
        "YYYY-MM-DD",
    ),
    "a period that cannot be read": (
        lambda b: (
            part(b, CLAIM)["item"][0].pop("servicedDate"),
            item(servicedPeriod={"start": "January"})(b),
        ),
        "value",
        "item-date",
        f"{CLAIM_PATH}.item[0].servicedPeriod.start",
        "YYYY-MM-DD",
    ),
    "a negative quantity": (
        item(quantity={"value": -3, "unit": "months"}),
        "value",
        "quantity-negative",
        f"{CLAIM_PATH}.item[0].quantity.value",
        "negative",
    ),
    "two resources under one url": (
        lambda b: b["entry"].append({"fullUrl": b["entry"][PATIENT]["fullUrl"], "resource": {"resourceType": "Basic"}}),
        "duplicate",
        "full-url-repeated",
        "Bundle.entry[6].fullUrl",
        "Give each resource its own fullUrl",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_named_with_its_place_and_its_mend(name: str, client: httpx.AsyncClient) -> None:
    edit, code, rule, expression, mend = FAULTS[name]
    response = await submit(client, changed(edit))
    fault = only_fault(response)
    assert fault[:4] == ("error", code, rule, expression)
    assert mend in fault.text


@pytest.mark.parametrize("name", FAULTS)
async def test_the_other_base_refuses_the_same(name: str, client: httpx.AsyncClient) -> None:
    body = changed(FAULTS[name][0])
    new, old = await submit(client, body), await submit(client, body, "/fhir/v2.0/Claim/$submit")
    assert new.content == old.content


async def test_all_faults_are_told_at_once(client: httpx.AsyncClient) -> None:
    def spoil(b: Json) -> None:
        without("patient")(b)
        drop_entry(PAYER)(b)
        service({"code": "E0601"})(b)
        item(sequence=0)(b)

    found = faults(await submit(client, changed(spoil)))
    assert {f.rule for f in found} == {"claim-patient", "reference-unresolved", "item-sequence", "code-without-system"}


async def test_a_refusal_stores_nothing(app: FastAPI, client: httpx.AsyncClient) -> None:
    before = await app.state.server.store.health()
    for edit, *_ in FAULTS.values():
        await submit(client, changed(edit))
    after = await app.state.server.store.health()
    assert (after.documents, after.outbox) == (before.documents, before.outbox)


WARNINGS: dict[str, tuple[Edit, Fault]] = {
    "quantity without unit": (
        item(quantity={"value": 3}),
        Fault(
            "warning",
            "required",
            "quantity-unit",
            f"{CLAIM_PATH}.item[0].quantity",
            "The quantity has no unit or code (PAS rule prof-2). "
            "It is read in the unit that the coverage policy counts in.",
        ),
    ),
    "a diagnosis without code": (
        lambda b: part(b, CLAIM)["diagnosis"].append({"sequence": 2}),
        Fault(
            "warning",
            "incomplete",
            "diagnosis-empty",
            f"{CLAIM_PATH}.diagnosis[1]",
            "This diagnosis names no code.",
        ),
    ),
    "an entry without url": (
        lambda b: b["entry"].append({"resource": {"resourceType": "Basic", "id": "x"}}),
        Fault("warning", "required", "full-url-missing", "Bundle.entry[6].fullUrl", "The entry has no fullUrl."),
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
async def test_what_is_merely_odd_travels_with_the_answer(name: str, alone: httpx.AsyncClient) -> None:
    edit, expected = WARNINGS[name]
    answer = bundle(await submit(alone, changed(edit)))
    assert [d.action for d in decisions(answer)] == ["A1"]
    (told,) = [e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "OperationOutcome"]
    found = faults_of(told)
    assert expected in found
    assert {f.severity for f in found} == {"warning"}  # what the profiles say besides is no refusal either


async def test_a_quantity_as_text_is_refused(client: httpx.AsyncClient) -> None:
    fault = only_fault(await submit(client, changed(item(quantity={"value": "3", "unit": "months"}))))
    assert fault[:4] == ("error", "value", "wrong-json-type", f"{CLAIM_PATH}.item[0].quantity.value")
    assert "without quotes" in fault.text


async def test_the_same_resource_twice_is_merely_odd(alone: httpx.AsyncClient) -> None:
    answer = bundle(await submit(alone, changed(lambda b: b["entry"].append(b["entry"][PATIENT]))))
    (told,) = [e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "OperationOutcome"]
    found = faults_of(told)
    assert "full-url-repeated" in {f.rule for f in found}
    assert {f.severity for f in found} == {"warning"}


async def test_500_items_are_answered_one_by_one(alone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(ask: Ask, received: date) -> Counted | None:
        read.append(ask.line.sequence)
        return asked(ask, received)

    monkeypatch.setattr(on_record, "asked", counting)

    def multiply(b: Json) -> None:
        first = part(b, CLAIM)["item"][0]
        part(b, CLAIM)["item"] = [{**first, "sequence": n} for n in range(1, 501)]

    found = decisions(bundle(await submit(alone, changed(multiply))))
    assert [d.sequence for d in found] == list(range(1, 501))
    assert {d.action for d in found} == {"A4"}  # five hundred of one device are a person's matter
    assert len({d.reference for d in found}) == 500
    assert read == list(range(1, 501))  # each was read once, not once for each of the others


# Two coverages -------------------------------------------------------------------------------------------------------


def second_coverage(*, focal: tuple[bool | None, bool | None], payer: str | None) -> Edit:
    """A second Coverage, paid by ``payer`` (an NPI; ``None``: the same insurer)."""

    def edit(b: Json) -> None:
        other = {**part(b, COVERAGE), "id": "other"}
        if payer:
            other |= {"subscriberId": "X-1", "identifier": [{"value": "X-1"}]}
            other["payor"] = [{"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": payer}}]
        b["entry"].append({"fullUrl": "urn:uuid:99999999-0000-4000-8000-000000000000", "resource": other})
        insurance = part(b, CLAIM)["insurance"]
        insurance.append({"sequence": 2, "coverage": {"reference": "urn:uuid:99999999-0000-4000-8000-000000000000"}})
        for which, flag in zip(insurance, focal, strict=True):
            which.pop("focal", None)
            if flag is not None:
                which["focal"] = flag

    return edit


@pytest.mark.parametrize("focal", [(True, False), (None, None), (True, True), (False, False)])
async def test_of_two_coverages_ours_counts(focal: tuple[bool | None, bool | None], alone: httpx.AsyncClient) -> None:
    body = changed(second_coverage(focal=focal, payer="1679576722"))
    assert [d.action for d in decisions(bundle(await submit(alone, body)))] == ["A1"]


async def test_of_two_of_our_coverages_the_focal_one_counts(alone: httpx.AsyncClient) -> None:
    body = changed(second_coverage(focal=(True, False), payer=None))
    assert [d.action for d in decisions(bundle(await submit(alone, body)))] == ["A1"]


@pytest.mark.parametrize("focal", [(True, True), (None, None), (False, False)])
async def test_two_of_our_coverages_are_one_too_many(
    focal: tuple[bool | None, bool | None], client: httpx.AsyncClient
) -> None:
    fault = only_fault(await submit(client, changed(second_coverage(focal=focal, payer=None))))
    assert fault[:4] == ("error", "multiple-matches", "several-coverages", f"{CLAIM_PATH}.insurance")
    assert "mark it alone as focal" in fault.text


# Business faults: 200 with ClaimResponse.error -----------------------------------------------------------------------


async def rejected(client: httpx.AsyncClient, body: Json, base: str = "/fhir") -> tuple[Json, Json]:
    answer = bundle(await submit(client, body, f"{base}/Claim/$submit"))
    response = claim_response(answer)
    assert response["outcome"] == "error"
    assert "item" not in response
    assert "preAuthRef" not in response
    (error,) = response["error"]
    return response, error


@pytest.mark.parametrize(
    ("name", "code", "path"), [("wrong-birth-date", "71", "Claim.patient"), ("other-payer", "79", "Claim.insurer")]
)
async def test_business_faults_are_errors_and_never_denials(
    name: str, code: str, path: str, client: httpx.AsyncClient
) -> None:
    response, error = await rejected(client, example(name))
    assert error["code"]["coding"] == [{"system": "https://codesystem.x12.org/005010/901", "code": code}]
    assert extension(error, "extension-errorFollowupAction")["coding"][0]["code"] == "C"
    assert extension(error, "extension-errorPath") == path
    assert extension(error, "extension-errorElement")["extension"] == [
        {"url": "error", "valueString": response["disposition"]}
    ]


async def test_the_error_in_the_older_shape(client: httpx.AsyncClient) -> None:
    response, error = await rejected(client, example("wrong-birth-date"), "/fhir/v2.0")
    assert extension(error, "extension-errorElement") == response["disposition"]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda b: None, "75"),
        (
            lambda b: (
                [part(b, n).pop("identifier") for n in (PATIENT, COVERAGE)],
                part(b, COVERAGE).pop("subscriberId"),
            ),
            "72",
        ),
    ],
)
async def test_directory_mode_knows_its_members(edit: Edit, code: str, tmp_path: Path) -> None:
    async with running(tmp_path, eligibility_mode="directory") as (_, client):
        _, error = await rejected(client, changed(edit, "unknown-member"))
        assert error["code"]["coding"][0]["code"] == code
        answer = bundle(await submit(client, example("approve")))
        assert [d.action for d in decisions(answer)] == ["A1"]


@pytest.mark.parametrize("mode", ["directory", "presented"])
async def test_several_members_in_one_request(mode: str, tmp_path: Path) -> None:
    def both(b: Json) -> None:
        part(b, PATIENT).pop("birthDate")
        part(b, PATIENT)["identifier"].append({**part(b, PATIENT)["identifier"][0], "value": "MA-0002"})

    async with running(tmp_path, eligibility_mode=mode) as (_, client):
        _, error = await rejected(client, changed(both))
        assert error["code"]["coding"][0]["code"] == "76"


async def test_presented_mode_trusts_the_card_and_refuses_nothing(client: httpx.AsyncClient) -> None:
    (decided,) = decisions(bundle(await submit(client, example("unknown-member"))))
    assert decided.action == "A4"


@pytest.mark.parametrize(
    ("period", "status", "action"),
    [
        ({"start": "2026-01-01"}, "active", "A1"),
        ({"end": "2027"}, "active", "A1"),
        ({"start": "2020-01-01", "end": "2025-06-30"}, "active", "A4"),
        ({"start": "2027-12-01"}, "active", "A4"),
        ({}, "cancelled", "A4"),
    ],
)
async def test_a_presented_coverage_counts_for_its_own_days(
    alone: httpx.AsyncClient, period: Json, status: str, action: str
) -> None:
    """As at a hook: what the card itself says is over approves nothing; a person looks, no machine denies."""

    def stranger(b: Json) -> None:
        part(b, PATIENT)["identifier"] = [{"system": "urn:precert:demo:member", "value": "ZZ-4711"}]
        part(b, PATIENT).update({"name": [{"family": "Unknown", "given": ["Una"]}], "birthDate": "1950-01-02"})
        card = part(b, COVERAGE)
        card |= {"identifier": part(b, PATIENT)["identifier"], "subscriberId": "ZZ-4711", "status": status}
        card |= {"period": period} if period else {}
        # without a plan nobody knows whose rules apply, and no machine says yes
        card["class"] = [{"type": {"coding": [{"code": "plan"}]}, "value": "ma-classic"}]

    answer = bundle(await submit(alone, changed(stranger)))
    (decided,) = decisions(answer)
    assert decided.action == action
    told = (await alone.get(f"/explain/{claim_response(answer)['id']}")).json()
    said = str(told["lines"][0])
    assert ("The Coverage that was sent" in said) is (action == "A4")


async def test_a_rejected_request_is_on_record(client: httpx.AsyncClient) -> None:
    response, _ = await rejected(client, example("wrong-birth-date"))
    told = (await client.get(f"/explain/{response['identifier'][0]['value']}")).json()
    (line,) = told["lines"]
    assert (line["state"], line["decision"], line["outcome"]) == ("dismissed", "error", None)
    assert [e["event"] for e in line["events"]] == ["requested", "member_not_found"]


async def test_each_faulty_request_was_good_before(alone: httpx.AsyncClient) -> None:
    assert [d.action for d in decisions(bundle(await submit(alone, by_name("approve").document())))] == ["A1"]
