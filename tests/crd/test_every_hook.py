"""What the guides ask of every hook, in both versions: who is always answered, who never asks for documents, with which data."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from crd.building import (
    CPT,
    HCPCS,
    ROOT,
    bundle,
    configured,
    coverage,
    hook,
    infos,
    order,
    patient,
    prefetch,
    searchset,
)
from crd.ehr import serving
from precert.crd.fetch import Deadline
from precert.crd.hooks import HOOKS
from precert.eligibility.load import load_directory
from precert.runtime import Runtime
from precert.security.outbound_http import http_client
from support.app import NOW, frozen_runtime, running

VERSIONS = ["2.2", "2.0"]
PRIMARY = [h.name for h in HOOKS if h.primary]
SECONDARY = [h.name for h in HOOKS if not h.primary]
SNOMED = "http://snomed.info/sct"


def calling(name: str, one: dict[str, Any], version: str, **sent: Any) -> dict[str, Any]:
    """The same service asked about by any hook."""
    context: dict[str, Any] = {"userId": "Practitioner/doc", "patientId": "pat-MA-0001"}
    match name:
        case "order-sign" | "order-select":
            context |= {"draftOrders": bundle(one), "selections": ["ServiceRequest/o1"]}
        case "order-dispatch":
            context |= {"dispatchedOrders": ["ServiceRequest/o1"], "performer": "Practitioner/doc"}
            sent["serviceRequests"] = searchset(one)
        case "appointment-book":
            participant = [{"actor": {"reference": "Patient/pat-MA-0001"}, "status": "accepted"}]
            booked = {"resourceType": "Appointment", "id": "a1", "status": "proposed", "participant": participant}
            context["appointments"] = bundle(booked | {"basedOn": [{"reference": "ServiceRequest/o1"}]})
            sent["serviceRequests"] = searchset(one)
        case _:
            context["encounterId"] = "e1"
            subject = {"reference": "Patient/pat-MA-0001"}
            sent["encounter"] = {"resourceType": "Encounter", "id": "e1", "status": "in-progress", "subject": subject}
            sent["planned"] = one | {"status": "active", "encounter": {"reference": "Encounter/e1"}}
    return hook(name=name, version=version, context=context, prefetch=prefetch(**sent))


# Who is answered


ORDERS = {
    "needs documents": order("E1390"),
    "needs nothing": order("E0100"),
    "too vague": order("397619005", system=SNOMED),
    "no code at all": {k: v for k, v in order("E1390").items() if k != "code"},
    "for somebody else": order("E1390", subject={"reference": "Patient/other"}),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", ORDERS)
@pytest.mark.parametrize("name", PRIMARY)
async def test_primary_hooks_always_answer_on_the_order(world, name, what, version):
    """hook-16: even if more is needed, or what was said is not enough."""
    answer = await world.ask(calling(name, ORDERS[what], version))
    (action,) = answer["systemActions"]
    on_order = "Appointment" if (name, version) == ("appointment-book", "2.0") else "ServiceRequest"
    assert action["resource"]["resourceType"] == on_order
    (info,) = infos(answer)
    assert info["coverage"] == {"reference": "Coverage/cov-MA-0001"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", ["E1390", "K0823"])
@pytest.mark.parametrize("name", SECONDARY)
async def test_secondary_hooks_never_ask_for_documents(world, name, code, version):
    """hook-19 is about what the assertion asks for. A form as a Task comes only to a client that switched Tasks on."""
    answer = await world.ask(calling(name, order(code), version))
    (info,) = infos(answer)
    assert info["pa-needed"] == "auth-needed"
    assert not {"doc-needed", "questionnaire"} & set(info)
    assert "To be documented" not in json.dumps(answer)
    assert len(answer["systemActions"]) == 1
    with_forms = await world.ask(configured(calling(name, order(code), version), appropriate_use=True))
    (info,) = infos(with_forms)
    assert not {"doc-needed", "questionnaire"} & set(info)
    kinds = [action["resource"]["resourceType"] for action in with_forms["systemActions"]]
    assert kinds[1:] == ["Task"]


async def test_dispatch_is_about_what_is_dispatched(world):
    """hook-30: another order in the prefetch is read, but nothing is said on it."""
    body = calling("order-dispatch", order("E1390"), "2.2", more=searchset(order("E0601", id_="o2", status="active")))
    (action,) = (await world.ask(body))["systemActions"]
    assert action["resource"]["id"] == "o1"


@pytest.mark.parametrize("version", VERSIONS)
async def test_one_coverage_one_assertion_id(world, version):
    """2.0.1 wants it (@265), 2.2.1 permits it (resp-33): the orders of one call under one coverage share their id."""
    found = infos(await world.ask(hook(order("E1390"), order("E0601", id_="o2"), version=version)))
    assert len(found) == 2
    assert len({info["coverage-assertion-id"] for info in found}) == 1


# With which data


US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
RACE = {"url": f"{US_CORE}/us-core-race", "extension": [{"url": "text", "valueString": "White"}]}
STYLES: dict[str, dict[str, Any]] = {
    "3.1.1": {
        "patient": {
            "meta": {"profile": [f"{US_CORE}/us-core-patient|3.1.1"]},
            "extension": [RACE, {"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F"}],
        },
        "observation": {
            "meta": {"profile": [f"{US_CORE}/us-core-pulse-oximetry|3.1.1"]},
            "code": {"coding": [{"system": "http://loinc.org", "code": c} for c in ("59408-5", "2708-6")]},
        },
        "coverage": {},
    },
    "6.1.0": {
        "patient": {
            "meta": {"profile": [f"{US_CORE}/us-core-patient|6.1.0"]},
            "extension": [RACE, {"url": f"{US_CORE}/us-core-genderIdentity", "valueCodeableConcept": {"text": "F"}}],
        },
        "observation": {
            "meta": {"profile": [f"{US_CORE}/us-core-pulse-oximetry|6.1.0"]},
            "code": {"coding": [{"system": "http://loinc.org", "code": c} for c in ("59408-5", "2708-6")]},
            "performer": [{"reference": "PractitionerRole/r"}],
        },
        "coverage": {"meta": {"profile": [f"{US_CORE}/us-core-coverage|6.1.0"]}},
    },
    "7.0.0": {
        "patient": {
            "meta": {"profile": [f"{US_CORE}/us-core-patient|7.0.0"]},
            "extension": [RACE, {"url": f"{US_CORE}/us-core-sex", "valueCode": "248152002"}],
            "deceasedBoolean": False,
        },
        "observation": {
            "meta": {"profile": [f"{US_CORE}/us-core-pulse-oximetry|7.0.0"]},
            "code": {"coding": [{"system": "http://loinc.org", "code": c} for c in ("2708-6", "59408-5")]},
            "issued": "2026-11-18T09:00:00Z",
        },
        "coverage": {"meta": {"profile": [f"{US_CORE}/us-core-coverage|7.0.0"]}, "policyHolder": {"display": "x"}},
    },
}


@pytest.mark.parametrize("style", STYLES)
async def test_clients_on_each_us_core(world, style):
    """conf-2: patient, coverage and the saturation at rest are read from all three alike."""
    given = STYLES[style]
    saturation = {
        "resourceType": "Observation",
        "id": "s",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "subject": {"reference": "Patient/pat-MA-0001"},
        "effectiveDateTime": "2026-11-18T08:00:00-05:00",
        "valueQuantity": {"value": 85, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    } | given["observation"]
    sent = prefetch(
        patient=patient("MA-0001") | given["patient"],
        coverage=searchset(coverage("MA-0001", **given["coverage"])),
        observations=searchset(saturation),
    )
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")
    assert "at rest" not in info["reason"][0]["text"], "what is known is not asked for"


MINIMAL = {
    "patient": {"resourceType": "Patient", "id": "pat-MA-0001", "identifier": [{"value": "MA-0001"}]},
    "practitioners": ...,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", PRIMARY)
async def test_what_may_be_left_out_is_no_error(world, name, version):
    """conf-8, conf-12, hook-22: mandatory elements suffice, and no extension of anybody's is needed."""
    bare = {k: v for k, v in order("E1390").items() if k not in ("authoredOn", "requester")}
    covered = coverage("MA-0001")
    slim = {k: covered[k] for k in ("resourceType", "id", "status", "subscriberId", "beneficiary", "payor")}
    sent = MINIMAL | {"coverage": slim}
    (info,) = infos(await world.ask(calling(name, bare, version, **sent)))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")


async def test_thin_records_are_no_412(world):
    """found-32: everything that was asked for is there and says nothing; that is for people to fill in."""
    keys = ("conditions", "observations", "procedures", "encounters", "documents", "practitioners", "encounter")
    sent = prefetch(**dict.fromkeys(keys, searchset()))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert info["doc-needed"] == ["clinical"]


HCPCS_NAMES = [
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "urn:oid:2.16.840.1.113883.6.285",
    "https://bluebutton.cms.gov/resources/codesystem/hcpcs",
]


@pytest.mark.parametrize("system", HCPCS_NAMES)
async def test_code_systems_by_all_their_names(world, system):
    """clients write HCPCS in four ways."""
    (info,) = infos(await world.ask(hook(order("E1390", system=system), version="2.2")))
    assert info["pa-needed"] == "auth-needed"


async def test_the_elements_that_profiles_call_must_support_count(world):
    """conf-4: how much, when, why, by whom and under which coverage change the answer (each also alone, in other tests)."""
    said = order(
        "E1390",
        quantityQuantity={"value": 3, "unit": "months"},
        occurrencePeriod={"start": "2026-12-24"},
        reasonCode=[{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J44.9"}]}],
        performer=[{"reference": "Practitioner/doc"}],
        insurance=[{"reference": "Coverage/cov-MA-0001"}],
    )
    (info,) = infos(await world.ask(hook(said, version="2.2")))
    periods = [p["valuePeriod"]["start"] for d in info["detail"] for p in d if "valuePeriod" in p]
    assert periods == ["2026-12-24"]
    (assertion,) = await world.stored("Assertion")
    (line,) = assertion["lines"]
    assert line["service_date"] == "2026-12-24"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_member_without_any_coverage_on_record(make, tmp_path, version):
    """resp-45: known here, but there is no coverage record to answer from."""
    folder = tmp_path / "eligibility"
    folder.mkdir()
    for path in (ROOT / "examples" / "eligibility").iterdir():
        text = path.read_text("utf-8")
        if path.name == "members.json":
            held = json.loads(text)
            held["entry"] = [e for e in held["entry"] if e["resource"]["id"] != "cov-MA-0001"]
            text = json.dumps(held)
        (folder / path.name).write_text(text, "utf-8")
    world = make(directory=load_directory(folder, "directory"))
    (info,) = infos(await world.ask(hook(order("E1390"), version=version)))
    assert info["covered"] == "not-covered"
    (reason,) = info["reason"]
    if version == "2.2":
        assert reason["coding"][0]["code"] == "coverage-not-found"
    assert reason["text"]


# Settings


@pytest.mark.parametrize("settings", [{"max-cards": "many"}, {"coverage-info": "no"}, ["x"], "x"], ids=str)
async def test_settings_that_make_no_sense_are_checked_and_on_record(world, settings):
    """dev-6: explicit checks, a full answer all the same, and a note by which the client can be told."""
    body = hook(order("E1390"), version="2.2")
    body["extension"]["davinci-crd.configuration"] = settings
    assert infos(await world.ask(body))
    (logged,) = await world.stored("CrdCall")
    assert logged["notes"]


@pytest.mark.parametrize("off", ["false", "False"])
async def test_a_boolean_that_is_sent_as_text_is_not_taken_for_its_opposite(world, off):
    """dev-6. Above all a what-if question must not bring an authorization."""
    asked = hook(order("E1390"), version="2.2")
    assert await world.ask(configured(asked, coverage_info=off, guideline=off)) == {"cards": []}
    before = len((await world.store.search(world.consult.tenant, "CrdCall")).documents)
    assert infos(await world.ask(configured(asked, unsolicited_determ=off)))
    assert len((await world.store.search(world.consult.tenant, "CrdCall")).documents) == before


@pytest.mark.parametrize("none", ["0", 0.0])
async def test_a_number_that_is_written_otherwise_is_still_that_number(world, none):
    answer = await world.ask(configured(hook(order("E1390"), version="2.2"), max_cards=none))
    assert answer["cards"] == []


async def test_nothing_left_to_answer_is_on_record_too(world):
    body = configured(hook(order("E1390"), version="2.2"), coverage_info=False, max_cards=0)
    assert await world.ask(body) == {"cards": []}
    (logged,) = await world.stored("CrdCall")
    assert any("nothing can be answered" in note for note in logged["notes"])


async def test_a_version_that_is_no_text_is_told_so(world):
    """ "2.2 is not supported, ask for 2.2" would help nobody."""
    body = hook(order("E1390"))
    body["extension"] = {"davinci-crd.requestedVersion": 2.2}
    response = await world.hook(body, "crd-order-sign")
    assert response.status_code == 422
    assert response.json()["issue"][0]["details"]["text"].startswith('The CRD version is text: "2.2".')


@pytest.mark.parametrize("version", ["2.1", "3.0", "2", "", 2.2, ["2.2"]], ids=str)
async def test_a_version_that_is_not_declared(world, version):
    body = hook(order("E1390"))
    body["extension"] = {"davinci-crd.requestedVersion": version}
    response = await world.hook(body, "crd-order-sign")
    assert response.status_code == 422
    assert response.json()["issue"][0]["expression"] == ["extension.davinci-crd.requestedVersion"]


# Time


def test_no_hook_plans_longer_than_its_client_waits():
    """found-2: with what is kept for deciding, within 5 s; appointment-book (2.2) and a patient not seen for a day, 10 s."""
    for one in HOOKS:
        for version in VERSIONS:
            long = one.name == "appointment-book" and version == "2.2"
            assert one.seconds(version, warm=True) + 0.5 < (10 if long else 5)
            cold = one.name in PRIMARY
            assert one.seconds(version, warm=False) + 0.5 < (10 if cold else 5)


@pytest.mark.parametrize(
    ("hours", "name", "version", "seconds"),
    [
        (1, "order-sign", "2.2", 4.2),
        (25, "order-sign", "2.2", 8.5),
        (1, "order-dispatch", "2.0", 4.2),
        (25, "order-dispatch", "2.0", 8.5),
        (1, "appointment-book", "2.0", 4.2),
        (25, "appointment-book", "2.0", 8.5),
        (1, "appointment-book", "2.2", 8.5),
        (25, "order-select", "2.2", 4.2),
    ],
)
async def test_a_patient_not_seen_for_a_day_may_take_longer(make, monkeypatch, hours, name, version, seconds):
    clock = [NOW]
    base = frozen_runtime()
    runtime = Runtime(now=lambda: clock[0], new_id=base.new_id, random_bits=base.random_bits)
    limits: list[float] = []
    plain = Deadline.after.__func__

    def noted(cls: type[Deadline], limit: float) -> Deadline:
        limits.append(limit)
        return plain(cls, limit)

    monkeypatch.setattr(Deadline, "after", classmethod(noted))
    async with http_client(allow_private=True) as http, serving() as ehr:
        world = make(http=http, runtime=runtime)
        body = calling(name, order("E0100"), version) | {"fhirServer": ehr.url}
        await world.ask(body)
        clock[0] = NOW + timedelta(hours=hours)
        await world.ask(body)
    assert limits[1] == seconds


async def test_billing_codes_that_are_assumed_are_said(world):
    """impl-5, resp-30: the assertion names the codes it holds for, without licensed descriptions."""
    coded = {"coding": [{"system": CPT, "code": "72148", "display": "x"}, {"system": SNOMED, "code": "241646009"}]}
    (info,) = infos(await world.ask(hook(order("x") | {"code": coded}, version="2.2")))
    assert info["billingCode"] == [{"system": CPT, "code": "72148"}]
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2")))
    assert info["billingCode"] == [{"system": HCPCS, "code": "E1390"}]


# As accurate as anything else this payer says


def as_order(bundle_: dict[str, Any]) -> dict[str, Any]:
    """The first item of a PAS request as the order that would have come before it, with the same people and papers."""
    claim, patient_, coverage_, payer_, requester, *papers = [e["resource"] for e in bundle_["entry"]]
    item = claim["item"][0]
    coded = [d["diagnosisCodeableConcept"] for d in claim.get("diagnosis", [])]
    asked: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "draft",
        "intent": "original-order",
        "code": item["productOrService"],
        "subject": {"reference": f"Patient/{patient_['id']}"},
        "requester": {"reference": f"Organization/{requester['id']}"},
        "reasonCode": coded,
    }
    asked |= {"occurrenceDateTime": item["servicedDate"]} if "servicedDate" in item else {}
    asked |= {"quantityQuantity": item["quantity"]} if "quantity" in item else {}
    cover = coverage_ | {
        "beneficiary": {"reference": f"Patient/{patient_['id']}"},
        "payor": [{"reference": f"Organization/{payer_['id']}"}],
    }
    told = [paper | {"subject": {"reference": f"Patient/{patient_['id']}"}} for paper in papers]
    body = hook(asked, version="2.2", prefetch={"patient": patient_, "coverage": searchset(cover)})
    body["context"]["patientId"] = patient_["id"]
    body["prefetch"] |= {"payors": payer_, "organizations": requester, "papers": searchset(*told)}
    return body


SUBMITTED = ["approve", "not-required", "pend-information", "gold-card", "refer"]


@pytest.mark.parametrize("name", SUBMITTED)
async def test_a_hook_and_a_request_are_decided_alike(tmp_path, name):
    """found-9: the same core answers both, so the hook says what the request would get."""
    request = json.loads((ROOT / "examples" / "pas" / f"{name}.json").read_text())
    async with running(tmp_path / "pas") as (_, client):
        body = json.dumps(request)
        sent = await client.post("/fhir/Claim/$submit", content=body, headers={"Content-Type": "application/fhir+json"})
        assert sent.status_code == 200, sent.text
        (case,) = (await client.get("/api/cases?state=all")).json()["cases"]
        (decided, *_) = (await client.get(f"/api/cases/{case['case']}")).json()["lines"]
    async with running(tmp_path / "crd") as (_, client):
        answer = (await client.post("/cds-services/crd-order-sign", json=as_order(request))).json()
        (info,) = infos(answer)
        (explained,) = (await client.get(f"/explain/{info['coverage-assertion-id']}")).json()["lines"]
    assert (explained["policy"], explained["version"]) == (decided["policy"], decided["version"])
    said = {"approve": {"auth-needed", "satisfied"}, "pend-info": {"auth-needed"}, "refer": {"auth-needed"}}
    said |= {"not-applicable": {"no-auth"}, "no-auth": {"no-auth"}}
    assert info["pa-needed"] in said[decided["outcome"]]
    assert ("doc-needed" in info) == (decided["outcome"] == "pend-info")
