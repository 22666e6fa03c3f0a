"""Who it is about, over every edge: the same Patient and Coverage are one member, somebody to look at, or trouble.

The rows are of the same kind as in tests/authorization/test_person.py; here they travel as PAS, CRD, DTR and CDex send them.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tools.requests import item, observation, request_bundle

from cdex.cdex_support import answered, asking, attachment, parameters
from crd.building import hook, infos, mri
from precert.authorization.record.codes import code_table
from precert.fhir import json
from support.answers import bundle, claim_response, decisions
from support.app import running
from support.pas import CLAIM, COVERAGE, PATIENT, PAYER, example, part, submit

Json = dict[str, Any]
Edit = Callable[[Json, Json], Any]
SYSTEM = "urn:precert:demo:member"
MB = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]}
OTHER = "MA-0002"


def numbered(value: str) -> Json:
    return {"type": MB, "system": SYSTEM, "value": value}


def without(*elements: str) -> Edit:
    def edit(patient: Json, coverage: Json) -> None:
        for element in elements:
            patient.pop(element, None)

    return edit


def nameless(patient: Json, coverage: Json) -> None:
    without("birthDate", "name", "gender")(patient, coverage)


SMITH = [{"family": "Smith", "given": ["Bob"]}]
ROWS: dict[str, tuple[Edit, str]] = {
    "as on file": (lambda p, c: None, "yes"),
    "without name and gender": (without("name", "gender"), "yes"),
    "number and name": (without("birthDate"), "person"),
    "number alone": (nameless, "birth_date_missing"),
    "another birth date": (lambda p, c: p.update(birthDate="1961-03-14"), "birth_date"),
    "another name, no birth date": (lambda p, c: (p.pop("birthDate"), p.update(name=SMITH)), "member_name"),
    "another name": (lambda p, c: p.update(name=SMITH), "person"),
    "another gender": (lambda p, c: p.update(gender="male"), "person"),
    "two numbers": (lambda p, c: p["identifier"].append(numbered(OTHER)), "member_ambiguous"),
    "another number on the coverage": (
        lambda p, c: c.update(subscriberId=OTHER, identifier=[numbered(OTHER)]),
        "member_ambiguous",
    ),
    "another subscriberId": (lambda p, c: c.update(subscriberId=OTHER), "member_ambiguous"),
    "deceased": (lambda p, c: p.update(deceasedBoolean=True), "person"),
    "deceased long ago": (lambda p, c: p.update(deceasedDateTime="2020-02-01"), "person"),
    "inactive record": (lambda p, c: p.update(active=False), "person"),
    "replaced record": (
        lambda p, c: p.update(link=[{"type": "replaced-by", "other": {"reference": "Patient/new"}}]),
        "person",
    ),
}
PAS_ONLY: dict[str, tuple[Edit, str]] = {
    "the beneficiary is somebody else": (
        lambda p, c: c.update(beneficiary={"identifier": numbered(OTHER)}),
        "other_beneficiary",
    ),
    "the beneficiary is a stranger, the number ours": (
        lambda p, c: c.update(beneficiary={"reference": "Patient/unknown-here"}),
        "yes",
    ),
    "the subscriber is another member": (
        lambda p, c: c.update(subscriber={"identifier": numbered(OTHER)}),
        "member_ambiguous",
    ),
    "a stranger's number alone": (
        lambda p, c: (
            nameless(p, c),
            p.update(identifier=[numbered("ZZ-1")]),
            c.update(subscriberId="ZZ-1", identifier=[numbered("ZZ-1")]),
        ),
        "person",
    ),
    "the coverage is in error": (lambda p, c: c.update(status="entered-in-error"), "person"),
}


def fresh(document: Json) -> Json:
    """A request of its own, whatever was sent before."""
    document["identifier"]["value"] = str(uuid.uuid4())
    part(document, CLAIM)["identifier"][0]["value"] = str(uuid.uuid4())
    return document


def pas(edit: Edit) -> Json:
    document = fresh(example("approve"))
    edit(part(document, PATIENT), part(document, COVERAGE))
    return document


def answer_of(sent: httpx.Response) -> str:
    """``yes``, ``person``, or the key of the reject table."""
    answer = bundle(sent)
    response = claim_response(answer)
    if response["outcome"] == "error":
        code = response["error"][0]["code"]["coding"][0]["code"]
        keys = [key for key, reject in code_table().reject.items() if reject.code == code]
        return (
            keys[0]
            if len(keys) == 1
            else next(k for k in keys if code_table().reject[k].text == response["disposition"])
        )
    (decided,) = decisions(answer)
    return {"A1": "yes", "NA": "yes", "A4": "person"}[decided.action]


async def test_over_pas(client: httpx.AsyncClient, tmp_path: Any) -> None:
    rows = ROWS | PAS_ONLY
    told = {}
    for n, (name, (edit, expected)) in enumerate(rows.items()):
        if expected != "yes":
            told[name] = answer_of(await submit(client, pas(edit)))
            continue
        async with running(tmp_path / str(n)) as (_, own):  # nothing may be open or authorized for the member already
            told[name] = answer_of(await submit(own, pas(edit)))
    assert told == {name: expected for name, (_, expected) in rows.items()}


async def test_whoever_else_is_named_must_be_the_same_member(client: httpx.AsyncClient) -> None:
    by_claim = pas(lambda p, c: None)
    part(by_claim, CLAIM)["patient"]["identifier"] = numbered(OTHER)
    assert answer_of(await submit(client, by_claim)) == "member_ambiguous"
    second = pas(lambda p, c: None)
    url = f"urn:uuid:{uuid.uuid4()}"
    further = part(second, COVERAGE) | {"id": "further", "subscriberId": OTHER, "identifier": [numbered(OTHER)]}
    second["entry"].append({"fullUrl": url, "resource": further})
    part(second, CLAIM)["insurance"].append({"sequence": 2, "focal": False, "coverage": {"reference": url}})
    assert answer_of(await submit(client, second)) == "member_ambiguous"


async def test_an_update_is_held_to_the_same(client: httpx.AsyncClient) -> None:
    """Whoever is refused at first is not approved by way of an update of what somebody else asked."""
    first = pas(lambda p, c: None)
    assert answer_of(await submit(client, first)) == "yes"
    for name in ("another birth date", "number alone", "another name", "two numbers", "deceased"):
        later = pas(ROWS[name][0])
        claim = part(later, CLAIM)
        claim["related"] = [{"claim": {"reference": first["entry"][CLAIM]["fullUrl"]}}]
        claim["item"][0]["quantity"] = {"value": 13, "unit": "units"}
        response = await submit(client, later)
        assert response.status_code == 200, name
        actions = [d.action for d in decisions(bundle(response))]
        assert actions.count("A1") <= 1, name  # what the first was granted, and nothing on this one's word
        assert claim_response(bundle(response))["outcome"] == "error" or "A4" in actions or actions == ["A1"], name


async def test_over_crd(client: httpx.AsyncClient) -> None:
    told = {}
    for name, (edit, _) in ROWS.items():
        body = hook(mri("COM-0001"), member="COM-0001", version="2.2", hookInstance=str(uuid.uuid4()))
        body = copy.deepcopy(body)
        edit(body["prefetch"]["patient"], body["prefetch"]["coverage"]["entry"][0]["resource"])
        if name == "another gender":
            body["prefetch"]["patient"]["gender"] = "male"
        sent = await client.post("/cds-services/crd-order-sign", content=json.dumps(body))
        assert sent.status_code == 200, sent.text
        (info,) = infos(json.loads(sent.content))
        reasons = [code for r in info.get("reason", ()) for code in r.get("coding", ())]
        trouble = {"coverage-not-found", "no-member-found"} & {code["code"] for code in reasons}
        told[name] = next(
            iter(trouble),
            {"satisfied": "yes", "conditional": "person", "auth-needed": "person"}.get(info.get("pa-needed", "")),
        )
        assert (info["covered"] == "not-covered") is bool(trouble), (name, info)
    troubles = {"member_ambiguous": "coverage-not-found", "birth_date_missing": "person"}
    expected = {
        name: answer if answer in ("yes", "person") else troubles.get(answer, "no-member-found")
        for name, (_, answer) in ROWS.items()
    }
    assert told == expected


async def test_over_inquire(client: httpx.AsyncClient) -> None:
    """Nobody is shown a record who does not know whose it is: an error says what is missing."""
    assert answer_of(await submit(client, pas(lambda p, c: None))) == "yes"
    shown = {
        "as on file",
        "without name and gender",
        "deceased",
        "deceased long ago",
        "inactive record",
        "replaced record",
    }
    for name, (edit, _) in ROWS.items():
        sent = await submit(client, pas(edit), "/fhir/Claim/$inquire")
        assert sent.status_code == 200, sent.text
        found = json.loads(sent.content)
        responses = [
            entry["resource"]
            for parameter in found.get("parameter", ())
            for entry in parameter["resource"]["entry"]
            if entry["resource"]["resourceType"] == "ClaimResponse"
        ]
        assert any(r["outcome"] == "complete" for r in responses) is (name in shown), name


async def test_a_request_with_two_members_numbers_is_found_under_neither(client: httpx.AsyncClient) -> None:
    for name in ("two numbers", "another number on the coverage", "another subscriberId"):
        assert answer_of(await submit(client, pas(ROWS[name][0]))) == "member_ambiguous"
    for member in ("MA-0001", OTHER):
        inquiry = fresh(request_bundle(f"ask-{member}", member, [item(1, "hcpcs|E0601")], diagnoses=("G47.33",)))
        sent = await submit(client, inquiry, "/fhir/Claim/$inquire")
        assert sent.status_code == 200, sent.text
        assert not json.loads(sent.content).get("parameter")


async def test_over_dtr(client: httpx.AsyncClient) -> None:
    """A Coverage comes alone: whose numbers are of two members is nobody's, and another payer's is not ours."""

    def us(npi: str) -> list[Json]:
        return [{"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": npi}}]

    coverage: Json = {
        "resourceType": "Coverage",
        "id": "coverage",
        "status": "active",
        "subscriberId": "MA-0001",
        "beneficiary": {"reference": "Patient/p"},
        "payor": us("1234567893"),
    }
    rows: dict[str, tuple[Json, str]] = {
        "as on file": ({}, "form"),
        "two members": ({"identifier": [numbered(OTHER)]}, "coverage-not-found"),
        "other payer": ({"payor": us("1679576722")}, "other-payer"),
        "ended": ({"subscriberId": "MA-0009"}, "no-active-coverage"),
        "a stranger's, cancelled": ({"subscriberId": "ZZ-1", "status": "cancelled"}, "no-active-coverage"),
        "a child's, by the subscriber's number": ({"subscriberId": "COM-0001", "dependent": "02"}, "form"),
    }
    told = {}
    for name, (changes, _) in rows.items():
        order = {
            "resourceType": "DeviceRequest",
            "id": "o",
            "status": "draft",
            "intent": "original-order",
            "codeCodeableConcept": part(example("pend-information"), CLAIM)["item"][0]["productOrService"],
            "subject": {"reference": "Patient/p"},
        }
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "coverage", "resource": coverage | changes}, {"name": "order", "resource": order}],
        }
        sent = await client.post("/fhir/Questionnaire/$questionnaire-package", content=json.dumps(body))
        found = json.loads(sent.content)
        issues = found.get("issue", ())
        told[name] = "form" if sent.status_code == 200 else issues[0]["details"]["coding"][0]["code"]
    assert told == {name: expected for name, (_, expected) in rows.items()}


# The payer


@pytest.mark.parametrize("mode", ["presented", "directory"])
async def test_another_insurer_is_another_payer_in_every_mode(mode: str, tmp_path: Any, runtime: Any) -> None:
    them = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1679576722"}
    async with running(tmp_path / "data", runtime, eligibility_mode=mode) as (_, client):
        for member in ("MA-0001", "ZZ-1"):
            document = pas(
                lambda p, c, m=member: (
                    p.update(identifier=[numbered(m)]),
                    c.update(subscriberId=m, identifier=[numbered(m)]),
                )
            )  # type: ignore[misc]
            part(document, PAYER)["identifier"] = [them]
            assert answer_of(await submit(client, document)) == "other_payer"
        document = pas(lambda p, c: c.update(payor=[{"identifier": them}]))
        assert answer_of(await submit(client, document)) == "person"  # sent to us, and the Coverage is of another
        unnamed = pas(lambda p, c: None)
        part(unnamed, PAYER).pop("identifier")
        part(unnamed, CLAIM)["item"][0]["servicedDate"] = "2027-03-01"  # the request before is open for other days
        assert answer_of(await submit(client, unnamed)) == "yes"


async def test_a_stranger_whose_payer_cannot_be_told_is_for_a_person(client: httpx.AsyncClient) -> None:
    def stranger(p: Json, c: Json) -> None:
        p["identifier"] = [numbered("ZZ-1")]
        c |= {"subscriberId": "ZZ-1", "identifier": [numbered("ZZ-1")]}

    document = pas(stranger)
    part(document, PAYER).pop("identifier")
    assert answer_of(await submit(client, document)) == "person"


# The family


async def test_a_child_under_the_subscribers_number_has_a_record_of_its_own(client: httpx.AsyncClient) -> None:
    def child(p: Json, c: Json) -> None:
        p |= {"identifier": [numbered("COM-0001")], "birthDate": "2014-08-30", "gender": "male"}
        p["name"] = [{"family": "Natarajan", "given": ["Arun"]}]
        relationship = {"coding": [{"code": "child"}]}
        c |= {"identifier": [numbered("COM-0001")], "subscriberId": "COM-0001", "relationship": relationship}

    def parent(p: Json, c: Json) -> None:
        child(p, c)
        p |= {"birthDate": "1978-02-19", "gender": "female", "name": [{"family": "Natarajan", "given": ["Priya"]}]}
        c.pop("relationship")

    assert decisions(bundle(await submit(client, pas(child))))
    found = {}
    for name, edit in (("child", child), ("parent", parent)):
        asked = json.loads((await submit(client, pas(edit), "/fhir/Claim/$inquire")).content)
        found[name] = len(asked.get("parameter", ()))
    assert found == {"child": 1, "parent": 0}


# The dates


@pytest.mark.parametrize("born", ["1951-3-14", "14.03.1951", "1951-02-30", "1951-03-14T00:00:00Z", 19510314, ""])
async def test_a_birth_date_that_is_none_is_told_with_its_path(born: Any, client: httpx.AsyncClient) -> None:
    sent = await submit(client, pas(lambda p, c: p.update(birthDate=born)))
    assert sent.status_code == 400
    issues = json.loads(sent.content)["issue"]
    assert "Bundle.entry[1].resource.birthDate" in [where for issue in issues for where in issue["expression"]]
    assert "birth-date" in sent.text
    assert "YYYY-MM-DD" in sent.text


# The evidence


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        ({"reference": "Patient/someone-else"}, "no-subject"),
        (None, "no-subject"),
        ({"identifier": numbered(OTHER)}, "other-subject"),
        ({"reference": "Group/all"}, "other-subject"),
    ],
)
async def test_answers_about_somebody_else_or_nobody_settle_nothing(
    subject: Json | None, rule: str, client: httpx.AsyncClient
) -> None:
    document = pas(lambda p, c: None)
    (response,) = [e["resource"] for e in document["entry"] if e["resource"]["resourceType"] == "QuestionnaireResponse"]
    response.pop("subject")
    if subject is not None:
        response["subject"] = subject
    sent = await submit(client, document)
    assert answer_of(sent) == "person"
    assert [d.reason for d in decisions(bundle(sent))] == ["0U"]  # the questions stay open
    assert sent.text.count(rule) == 1
    case = claim_response(bundle(sent))["identifier"][0]["value"]
    events = (await client.get(f"/api/cases/{case}")).text
    assert "QuestionnaireResponse" in events


async def test_it_is_said_once_for_each_type(client: httpx.AsyncClient) -> None:
    seen = [observation(f"o{n}", "loinc|59408-5", 86, "%", "2026-11-18") for n in range(3)]
    for each in seen:
        each["subject"] = {"reference": "Patient/elsewhere"}
    document = pas(lambda p, c: None)
    document["entry"] += [{"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": each} for each in seen]
    sent = await submit(client, document)
    assert answer_of(sent) == "yes"
    assert sent.text.count("no-subject") == 1
    assert "3 Observation resources" in sent.text


async def test_an_own_reference_of_the_ehr_inside_a_bundle_of_uuids_counts(client: httpx.AsyncClient) -> None:
    def local(p: Json, c: Json) -> None:
        p["id"] = "ehr-17"
        c["beneficiary"] = {"reference": "Patient/ehr-17"}

    document = pas(local)
    for entry in document["entry"]:
        if entry["resource"]["resourceType"] == "QuestionnaireResponse":
            entry["resource"]["subject"] = {"reference": "Patient/ehr-17"}
    assert answer_of(await submit(client, document)) == "yes"


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        ({"reference": "Patient/somebody-else"}, False),
        ({"identifier": numbered("MA-0003")}, False),
        ({"identifier": numbered("MA-0002")}, True),
        (None, True),  # MemberId says whom the attachment is about
    ],
)
async def test_an_attachment_about_somebody_else_decides_nothing(
    subject: Json | None, counts: bool, client: httpx.AsyncClient
) -> None:
    answer = bundle(await submit(client, asking("attached")))
    case = claim_response(answer)["identifier"][0]["value"]
    content = answered()
    if subject is not None:
        content["subject"] = subject
    sent = await client.post("/fhir/$submit-attachment", content=json.dumps(parameters(case, attachment(content))))
    assert sent.status_code == 200, sent.text
    assert ("other-subject" in sent.text) is not counts
    told = (await client.get(f"/api/cases/{case}")).json()
    assert [line["state"] for line in told["lines"]] == (["active"] if counts else ["pended_info"])


@pytest.mark.parametrize(
    ("subject", "counts"),
    [
        ({"reference": "Patient/pat-MA-0001"}, True),
        ({"reference": "https://ehr.example/fhir/Patient/pat-MA-0001"}, True),
        ({"reference": "Patient/pat-MA-0002"}, False),
        ({"reference": "urn:uuid:00000000-0000-4000-8000-00000000cccc"}, False),
        ({"display": "Alma"}, False),
        (None, False),
    ],
)
async def test_what_a_hook_brings_along_counts_only_for_its_patient(
    subject: Json | None, counts: bool, client: httpx.AsyncClient
) -> None:
    from crd.building import order, prefetch, saturation, searchset

    seen = saturation(97)
    seen.pop("subject")
    if subject is not None:
        seen["subject"] = subject
    body = hook(order("E1390"), prefetch=prefetch(observations=searchset(seen)))
    sent = await client.post("/cds-services/crd-order-sign", content=json.dumps(body))
    assert sent.status_code == 200, sent.text
    assert ("Not used, because it is not said to be about the patient" in sent.text) is not counts
