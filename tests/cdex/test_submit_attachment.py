"""``$submit-attachment``: filed, held, refused; and what the rules make of it."""

from __future__ import annotations

import base64
import copy
import hashlib
from typing import Any
from urllib.parse import quote

import pytest
from cdex_support import CANONICAL, LIMIT, Driver, Pended, answered, asking, attachment, identifier, parameters
from tools.make_examples import by_name, cpap
from tools.requests import Json, observation, request_bundle

from precert.cdex.holding import early_arrivals
from precert.fhir import json
from precert.fhir.validation import Validator
from support.answers import claim_response, decisions, faults, only_fault

NOTE = b"Seen in person on 2026-11-02; snores, sleepy by day."


def document(**attachment: Any) -> Json:
    return {
        "resourceType": "DocumentReference",
        "id": "note",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "content": [
            {"attachment": {"contentType": "text/plain", "data": base64.b64encode(NOTE).decode()} | attachment}
        ],
    }


async def test_answers_approve_the_waiting_line(driver: Driver, pended: Pended) -> None:
    assert pended.decided[0].action == "A4"
    response = await driver.attach(parameters(pended.tracking, attachment(answered(), "1")))
    fault = only_fault(response, 200)
    assert fault.rule == "attachment-filed"
    assert fault.text == (
        f"Filed QuestionnaireResponse/answers under case {pended.case}, line 1. "
        "Lines that waited for it are decided again."
    )
    assert await driver.inquire(pended.case) == ["active"]


@pytest.mark.parametrize("number", ["case", "reference", "tracking"])
async def test_every_number_leads_to_the_case(driver: Driver, pended: Pended, number: str) -> None:
    response = await driver.attach(parameters(getattr(pended, number), attachment(answered())))
    assert only_fault(response, 200).rule == "attachment-filed"


async def test_the_administration_reference_helps_an_unknown_tracking_id(driver: Driver, pended: Pended) -> None:
    admin = identifier("AdminRefNumber", pended.reference)
    response = await driver.attach(parameters("nobody", attachment(answered()), AdminRefNumber=admin))
    assert only_fault(response, 200).rule == "attachment-filed"


async def test_the_senders_own_claim_number_leads_to_the_case(driver: Driver, pended: Pended) -> None:
    tracking = identifier("TrackingId", "waits-claim", "urn:precert:demo:claim")
    response = await driver.attach(parameters("", attachment(answered()), TrackingId=tracking))
    assert only_fault(response, 200).rule == "attachment-filed"


async def test_a_dtr_bundle_is_read(driver: Driver, pended: Pended) -> None:
    wrapped = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "http://ehr.test/QuestionnaireResponse/answers", "resource": answered()}],
    }
    assert (await driver.attach(parameters(pended.tracking, attachment(wrapped)))).status_code == 200
    assert await driver.inquire(pended.case) == ["active"]


async def test_a_clinical_resource_is_evidence(driver: Driver, pended: Pended) -> None:
    test = observation("ahi", "loinc|69990-0", 22, "{events}/h", "2026-11-01")
    test["subject"] = {"identifier": {"system": "urn:precert:demo:member", "value": "MA-0002"}}
    rest = {"eval_before_test": True, "events": 140}
    sent = parameters(pended.tracking, attachment(test), attachment(answered(answers=rest)))
    assert (await driver.attach(sent)).status_code == 200
    assert await driver.inquire(pended.case) == ["active"]


async def test_a_document_is_filed_and_the_line_keeps_waiting(driver: Driver, pended: Pended) -> None:
    response = await driver.attach(parameters(pended.tracking, attachment(document(), code="11488-4")))
    assert "DocumentReference/note (11488-4)" in only_fault(response, 200).text
    assert await driver.inquire(pended.case) == ["pended_info"]
    found = await driver.app.state.service.find_case(pended.case)
    assert len(found.attachments) == 1


async def test_nothing_is_decided_before_the_last_part(driver: Driver, pended: Pended) -> None:
    final = {"name": "Final", "valueBoolean": False}
    first = parameters(pended.tracking, attachment(answered()), Final=final)
    assert "Final is false" in only_fault(await driver.attach(first), 200).text
    assert await driver.inquire(pended.case) == ["pended_info"]
    assert (await driver.attach(parameters(pended.tracking, attachment(document())))).status_code == 200
    assert await driver.inquire(pended.case) == ["active"]


async def test_sent_twice_it_is_filed_once(driver: Driver, pended: Pended) -> None:
    sent = parameters(pended.tracking, attachment(answered()))
    first, second = await driver.attach(sent), await driver.attach(sent)
    assert first.content == second.content
    found = await driver.app.state.service.find_case(pended.case)
    assert len(found.attachments) == 1


async def test_held_until_the_request_arrives(driver: Driver) -> None:
    tracking = identifier("TrackingId", "late-claim", "urn:precert:demo:claim")
    sent = parameters("", attachment(answered()), TrackingId=tracking)
    first = await driver.attach(sent)
    assert only_fault(first, 200).rule == "attachment-held"
    assert (await driver.attach(sent)).content == first.content
    answer = await driver.submit(asking("late"))
    (decided,) = decisions(answer)
    assert decided.action == "A1"  # nothing is asked for that was sent already
    service = driver.app.state.service
    case = await service.find_case(decided.number)
    assert len(case.attachments) == 1
    again = await early_arrivals(service, case)
    assert len(again.attachments) == 1


TRACE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-itemTraceNumber"


def traced(
    name: str, *, claims: bool = True, trace: str | None = None, member: str = "MA-0002", **changed: Any
) -> Json:
    """A request whose item carries a trace number of the sender's; ``claims``: the Claim has an identifier, too."""
    made = copy.deepcopy(asking(name, member))
    claim = made["entry"][0]["resource"]
    given = [e for e in claim["item"][0].get("extension", []) if e["url"] != TRACE]
    number = {"system": "urn:test:trace", "value": trace or f"{name}-trace"}
    claim["item"][0]["extension"] = [*given, {"url": TRACE, "valueIdentifier": number}]
    if not claims:
        del claim["identifier"]
    claim["item"][0] |= changed
    return made


SENDERS_NUMBERS = [
    ("urn:test:trace", "{}-trace"),
    ("urn:precert:demo:claim", "{}-claim"),
    ("", "{}-trace"),
    ("", "{}-claim"),
]


@pytest.mark.parametrize("first", ["request", "attachment"])
async def test_each_of_the_senders_own_numbers_leads_to_the_request(driver: Driver, first: str) -> None:
    for n, (system, value) in enumerate(SENDERS_NUMBERS):
        name = f"own{n}"
        tracking = {"name": "TrackingId", "valueIdentifier": {"value": value.format(name)}}
        if system:
            tracking["valueIdentifier"]["system"] = system  # type: ignore[index]
        sent = parameters("", attachment(answered(f"answers-{n}")), TrackingId=tracking, member=MEMBERS[n])
        request = traced(name, member=MEMBERS[n])
        if first == "request":
            (decided,) = decisions(await driver.submit(request))
            assert decided.action == "A4", (n, decided)
            assert only_fault(await driver.attach(sent), 200).rule == "attachment-filed", n
        else:
            assert only_fault(await driver.attach(sent), 200).rule == "attachment-held", n
            (decided,) = decisions(await driver.submit(request))
        found = await driver.app.state.service.find_case(decided.number or decided.reference)
        assert len(found.attachments) == 1, n
        assert [line.state for line in found.ordered] == ["active"], n


MEMBERS = ("MA-0001", "MA-0002", "MA-0003", "MA-0005")


async def test_a_trace_number_of_another_member_or_system_leads_nowhere(driver: Driver) -> None:
    number = decisions(await driver.submit(traced("theirs")))[0].reference
    for system, member in (("urn:test:trace", "MA-0001"), ("urn:other", "MA-0002"), ("", "MA-0001")):
        tracking = {"name": "TrackingId", "valueIdentifier": {"system": system, "value": "theirs-trace"}}
        if not system:
            del tracking["valueIdentifier"]["system"]  # type: ignore[attr-defined]
        sent = parameters("", attachment(answered()), TrackingId=tracking, member=member)
        assert only_fault(await driver.attach(sent), 200).rule == "attachment-held"
    case = await driver.app.state.service.find_case(number)
    assert (case.attachments, [line.state for line in case.ordered]) == ([], ["pended_info"])


async def test_a_number_without_its_system_that_leads_to_several_requests_is_refused(driver: Driver) -> None:
    for name in ("one", "two"):
        await driver.submit(traced(name, trace="shared"))
    tracking = {"name": "TrackingId", "valueIdentifier": {"value": "shared"}}
    fault = only_fault(await driver.attach(parameters("", attachment(answered()), TrackingId=tracking)), 422)
    assert (fault.rule, fault.expression) == ("attachment-ambiguous", "Parameters.parameter[0].valueIdentifier")


async def test_what_is_for_a_claim_is_not_said_to_be_filed(driver: Driver) -> None:
    claim = {"name": "AttachTo", "valueCode": "claim"}
    day = {"name": "ServiceDate", "valueDateTime": "2026-11-01"}
    fault = only_fault(
        await driver.attach(parameters("x", attachment(document()), AttachTo=claim, ServiceDate=day)), 200
    )
    assert fault.rule == "attachment-held"
    assert "will be filed" not in fault.text


async def test_held_for_somebody_else_stays_held(driver: Driver) -> None:
    tracking = identifier("TrackingId", "other-claim", "urn:precert:demo:claim")
    await driver.attach(parameters("", attachment(answered()), TrackingId=tracking, member="MA-0001"))
    answer = await driver.submit(asking("other"))
    service = driver.app.state.service
    case = await service.find_case(decisions(answer)[0].reference)
    assert case is not None
    assert (await early_arrivals(service, case)).attachments == []


async def test_only_the_named_line_is_decided(driver: Driver) -> None:
    asked = request_bundle("two", "MA-0002", [cpap(1), cpap(1, sequence=2, start="2027-06-01")], diagnoses=("G47.33",))
    answer = await driver.submit(asked)
    reference = decisions(answer)[1].reference
    assert reference is not None
    response = await driver.attach(parameters(reference, attachment(answered(), "2")))
    assert ", line 2." in only_fault(response, 200).text
    assert await driver.inquire(reference) == ["pended_info", "active"]


async def test_a_line_that_is_not_there_is_said(driver: Driver, pended: Pended) -> None:
    response = await driver.attach(parameters(pended.tracking, attachment(answered(), "7", "x")))
    assert [fault.rule for fault in faults(response)] == ["attachment-filed", "attachment-line", "attachment-line"]
    assert await driver.inquire(pended.case) == ["active"]


async def test_another_member_is_refused(driver: Driver, pended: Pended) -> None:
    fault = only_fault(await driver.attach(parameters(pended.tracking, attachment(answered()), member="MA-0001")), 422)
    assert (fault.rule, fault.expression) == ("attachment-member", "Parameters.parameter[4].valueIdentifier")


async def test_another_payer_is_refused(driver: Driver, pended: Pended) -> None:
    payer = identifier("PayerId", "1679576722", "http://hl7.org/fhir/sid/us-npi")
    sent = parameters(pended.tracking, attachment(answered()), PayerId=payer)
    assert only_fault(await driver.attach(sent), 422).rule == "attachment-payer"


async def test_a_claim_attachment_does_not_fit_a_prior_authorization(driver: Driver, pended: Pended) -> None:
    claim = {"name": "AttachTo", "valueCode": "claim"}
    day = {"name": "ServiceDate", "valueDateTime": "2026-11-01"}
    sent = parameters(pended.tracking, attachment(answered()), AttachTo=claim, ServiceDate=day)
    assert only_fault(await driver.attach(sent), 422).rule == "attachment-attach-to"


async def test_two_cases_at_once_are_refused(driver: Driver, pended: Pended) -> None:
    second = decisions(await driver.submit(asking("second")))[0].reference
    admin = identifier("AdminRefNumber", str(second))
    sent = parameters(pended.tracking, attachment(answered()), AdminRefNumber=admin)
    assert only_fault(await driver.attach(sent), 422).rule == "attachment-reference"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"TrackingId": None}, "parameter-missing"),
        ({"TrackingId": {"name": "TrackingId", "valueString": "x"}}, "parameter-type"),
        ({"TrackingId": {"name": "TrackingId", "valueIdentifier": {"system": "x"}}}, "identifier-value"),
        ({"TrackingId": [identifier("TrackingId", "a"), identifier("TrackingId", "b")]}, "parameter-repeated"),
        ({"AttachTo": None}, "parameter-missing"),
        ({"AttachTo": {"name": "AttachTo", "valueCode": "invoice"}}, "attach-to"),
        ({"AttachTo": {"name": "AttachTo", "valueCode": "claim"}}, "parameter-missing"),
        ({"MemberId": None}, "parameter-missing"),
        ({"ProviderId": None}, "parameter-missing"),
        ({"Attachment": []}, "parameter-missing"),
        ({"Attachment": {"name": "Attachment", "part": []}}, "content"),
        ({"Attachment": {"name": "Attachment", "part": [{"name": "Content", "resource": {}}]}}, "content"),
        ({"Final": {"name": "Final", "valueBoolean": "yes"}}, "final"),
        ({"ServiceDate": {"name": "ServiceDate", "valueDateTime": "soon"}}, "service-date"),
    ],
)
async def test_a_fault_is_named(driver: Driver, changed: Json, rule: str) -> None:
    assert only_fault(await driver.attach(parameters("x", attachment(answered()), **changed))).rule == rule


@pytest.mark.parametrize(
    ("content", "status", "rule"),
    [
        (document(data="%%%"), 400, "document-encoding"),
        (document(size=3), 400, "document-size"),
        (document(hash="AAAA"), 400, "document-hash"),
        (document(data=None), 400, "document-empty"),
        ({"resourceType": "DocumentReference"}, 400, "document-empty"),
        ({"resourceType": "Claim"}, 422, "attachment-type"),
        ({"resourceType": "claim"}, 422, "attachment-type"),
        ({"resourceType": "Bundle", "type": "collection"}, 422, "attachment-empty"),
        (answered(status="in-progress"), 422, "questionnaire-not-completed"),
    ],
)
async def test_what_cannot_be_read_is_refused(driver: Driver, content: Json, status: int, rule: str) -> None:
    fault = only_fault(await driver.attach(parameters("x", attachment(content))), status)
    assert fault.rule == rule
    assert fault.expression is not None
    assert fault.expression.startswith("Parameters.parameter[5].part[0].resource")


async def test_hash_and_size_that_fit_are_fine(driver: Driver, pended: Pended) -> None:
    whole = hashlib.sha1(NOTE).digest()
    content = document(size=len(NOTE), hash=base64.b64encode(whole).decode())
    assert (await driver.attach(parameters(pended.tracking, attachment(content)))).status_code == 200


async def test_too_large(driver: Driver) -> None:
    content = document(data=base64.b64encode(b"x" * LIMIT).decode())
    assert only_fault(await driver.attach(parameters("x", attachment(content))), 413).rule == "body-size"


async def test_another_resource_is_refused(driver: Driver) -> None:
    assert only_fault(await driver.attach(answered())).rule == "not-parameters"


async def test_the_call_of_these_tests_is_conformant() -> None:
    assert CANONICAL
    call = parameters("x", attachment(document(), "1", code="11488-4")) | {
        "meta": {
            "profile": ["http://hl7.org/fhir/us/davinci-cdex/StructureDefinition/cdex-parameters-submit-attachment"]
        }
    }
    found = Validator.load().validate(call, context="cdex-2.1.0")
    assert [f for f in found if f.severity == "error"] == []


async def test_the_answer_is_a_conformant_outcome(driver: Driver) -> None:
    response = await driver.attach(parameters("unknown", attachment(document())))
    found = Validator.load().validate(json.loads(response.content), context="r4")
    assert [f for f in found if f.severity == "error"] == []


@pytest.mark.parametrize("value", ["PA/2026/00017", "/", "a//b", "x?y=1"])
async def test_a_tracking_id_may_hold_anything(driver: Driver, value: str) -> None:
    """It is the sender's: what no key of ours may hold leads to nothing here and is held."""
    sent = parameters("", attachment(answered()), TrackingId=identifier("TrackingId", value))
    assert only_fault(await driver.attach(sent), 200).rule == "attachment-held"
    reference = identifier("AdminRefNumber", value)
    sent = parameters("other", attachment(answered()), AdminRefNumber=reference)
    assert (await driver.attach(sent)).status_code < 500
    assert (await driver.client.get(f"/explain/{quote(value, safe='')}")).status_code == 404


async def test_what_belongs_to_a_rejected_request_is_filed_and_decides_nothing(driver: Driver) -> None:
    rejected = await driver.submit(by_name("wrong-birth-date").document())
    number = claim_response(rejected)["identifier"][0]["value"]
    sent = parameters(number, attachment(answered()), member="MA-0001")
    assert only_fault(await driver.attach(sent), 422).rule == "attachment-member"  # nobody knows whose request it was
    case = await driver.app.state.service.find_case(number)
    assert [line.state for line in case.ordered] == ["dismissed"]
    now = (await driver.client.get(f"/fhir/ClaimResponse/{claim_response(rejected)['id']}")).json()
    assert (now["outcome"], now["error"]) == ("error", claim_response(rejected)["error"])


async def test_a_document_that_is_elsewhere_is_not_filed(driver: Driver) -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "application/pdf", "url": "https://ehr.test/Binary/1"}}],
    }
    fault = only_fault(await driver.attach(parameters("x", attachment(document))), 400)
    assert fault.rule == "document-elsewhere"
    assert "inline" in fault.text


async def test_an_update_reads_what_was_attached_ahead_too(driver: Driver) -> None:
    """Under the identifier of the Claim that is to come, be it a first one or an update."""
    first = asking("ahead")
    assert decisions(await driver.submit(first))[0].action == "A4"
    tracking = identifier("TrackingId", "the-update", "urn:precert:demo:claim")
    await driver.attach(parameters("", attachment(answered()), TrackingId=tracking))
    claim = first["entry"][0]["resource"]
    earlier = {"claim": {"identifier": copy.deepcopy(claim["identifier"][0])}}
    claim |= {"related": [earlier], "identifier": [{"system": "urn:precert:demo:claim", "value": "the-update"}]}
    first["identifier"]["value"] = "the-update-bundle"
    first["entry"][0]["fullUrl"] = "urn:uuid:5d0a1f2e-0000-4000-8000-00000000d001"
    (decided,) = decisions(await driver.submit(first))
    assert decided.action == "A1"
    case = await driver.app.state.service.find_case(decided.number)
    assert len(case.attachments) == 1


NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"
STRANGERS: dict[str, Json] = {
    "another provider": {"ProviderId": identifier("ProviderId", "1245319599", NPI_SYSTEM)},
    "an organization": {"ProviderId": None, "OrganizationId": identifier("OrganizationId", "1003000126", NPI_SYSTEM)},
    "a number of its own": {"ProviderId": identifier("ProviderId", "1992817498", "urn:lab:staff")},
    "the payer": {"ProviderId": identifier("ProviderId", "1234567893", NPI_SYSTEM)},
}


@pytest.mark.parametrize("number", ["case", "reference"])
@pytest.mark.parametrize("sender", STRANGERS.values(), ids=STRANGERS)
async def test_what_a_stranger_sends_is_for_a_person(driver: Driver, pended: Pended, number: str, sender: Json) -> None:
    """Neither a party of the case nor asked: filed and said so; no machine decides on it, now or later."""
    sent = parameters(getattr(pended, number), attachment(answered()), **sender)
    response = await driver.attach(sent)
    assert response.status_code == 200
    told = {issue["details"]["coding"][0]["code"]: issue for issue in json.loads(response.content)["issue"]}
    assert told.keys() == {"attachment-filed", "attachment-sender"}
    assert told["attachment-sender"]["severity"] == "warning"
    assert await driver.inquire(pended.case) == ["nurse_review"]
    case = await driver.app.state.service.find_case(pended.case)
    assert len(case.attachments) == 1  # the reviewer sees it
    assert "ahi" in case.lines[1].determination.trace["missing"]  # and what is open by the rules
    assert (await driver.app.state.service.submission_of(case)).answers == {}
    assert (await driver.attach(sent)).content == response.content


@pytest.mark.parametrize("sender", STRANGERS.values(), ids=STRANGERS)
async def test_who_was_asked_may_send(driver: Driver, pended: Pended, sender: Json) -> None:
    """A laboratory that was handed the attachment control number."""
    await driver.attach(parameters(pended.tracking, attachment(answered()), **sender))
    assert await driver.inquire(pended.case) == ["active"]


@pytest.mark.parametrize("place", ["organization", "rendering", "careTeam", "facility"])
async def test_who_is_named_in_the_request_may_send(driver: Driver, place: str) -> None:
    request = asking("named")
    lab = {
        "resourceType": "Organization",
        "id": "lab",
        "identifier": [{"system": NPI_SYSTEM, "value": "1245319599"}],
        "active": True,
        "name": "Sleep Laboratory",
    }
    url, claim = "urn:uuid:00000000-0000-4000-8000-0000000000aa", request["entry"][0]["resource"]
    request["entry"].append({"fullUrl": url, "resource": lab})
    if place in ("rendering", "careTeam"):
        claim["careTeam"] = [{"sequence": 1, "provider": {"reference": url}}]
        claim["item"][0]["careTeamSequence"] = [1]
    elif place == "facility":
        claim["facility"] = {"reference": url}
    answer = await driver.submit(request)
    reference = decisions(answer)[0].reference
    assert reference is not None
    sender = {"ProviderId": identifier("ProviderId", "1245319599", NPI_SYSTEM)}
    await driver.attach(parameters(reference, attachment(answered()), **sender))
    assert await driver.inquire(reference) == ["active"]


@pytest.mark.parametrize("sender", STRANGERS.values(), ids=STRANGERS)
async def test_what_a_stranger_sent_ahead_decides_nothing(driver: Driver, sender: Json) -> None:
    tracking = identifier("TrackingId", "late-claim", "urn:precert:demo:claim")
    await driver.attach(parameters("", attachment(answered()), TrackingId=tracking, **sender))
    (decided,) = decisions(await driver.submit(asking("late")))
    assert decided.action == "A4"
    service = driver.app.state.service
    case = await early_arrivals(service, await service.find_case(decided.reference))
    assert (len(case.attachments), case.lines[1].state) == (1, "nurse_review")
