"""The six hooks: what each is about, in every spelling of its context, and what differs between the versions."""

from __future__ import annotations

from typing import Any

import pytest

from crd.building import (
    CPT,
    HCPCS,
    NPI,
    bundle,
    configured,
    hook,
    infos,
    order,
    practitioner,
    prefetch,
    searchset,
)
from crd.policies import catalogue

X12 = "https://codesystem.x12.org/005010/1365"
SUPPLIER = {
    "resourceType": "Organization",
    "id": "supplier",
    "identifier": [{"system": NPI, "value": "1245319599"}],
    "name": "Chesapeake Home Medical Supply",
}


def dispatch(context: dict[str, Any], version: str | None = "2.2", **more: Any) -> dict[str, Any]:
    sent = {"serviceRequests": searchset(order("E1390", status="active")), "performer": SUPPLIER} | more
    return hook(
        name="order-dispatch",
        version=version,
        context={"patientId": "pat-MA-0001"} | context,
        prefetch=prefetch(**sent),
    )


def device(code: str, **changes: Any) -> dict[str, Any]:
    """A DeviceRequest that was signed."""
    made = {
        "resourceType": "DeviceRequest",
        "id": "d1",
        "status": "active",
        "codeCodeableConcept": {"coding": [{"system": HCPCS, "code": code}]},
        "subject": {"reference": "Patient/pat-MA-0001"},
    }
    return made | changes


def targets(answer: dict[str, Any]) -> list[str]:
    return [f"{a['resource']['resourceType']}/{a['resource']['id']}" for a in answer.get("systemActions", [])]


# order-sign, order-select


@pytest.mark.parametrize(
    "patient", ["pat-MA-0001", "Patient/pat-MA-0001", "https://ehr.example/fhir/Patient/pat-MA-0001"]
)
async def test_the_patient_in_every_spelling(world, patient):
    body = hook(order("E1390"), version="2.2")
    body["context"]["patientId"] = patient
    assert infos(await world.ask(body))[0]["pa-needed"] == "auth-needed"


async def test_what_is_not_known_is_ignored(world):
    body = hook(order("E1390"), version="2.2")
    body["context"] |= {"selections": ["ServiceRequest/zzz"], "unheard": {"of": 1}}
    body["extension"] |= {"davinci-crd.configuration": {"prior-auth": True, "coverage": False, "max-cards": 3}, "x": 1}
    body["prefetch"]["unheard"] = {"resourceType": "Basic", "id": "b"}
    body["unheard"] = []
    assert infos(await world.ask(body))[0]["pa-needed"] == "auth-needed"


async def test_a_bundle_of_an_old_client(world):
    """The sandbox sends Bundles without type and fullUrl, orders without intent and requester."""
    bare = {"resourceType": "Bundle", "entry": [{"resource": order("E1390", intent="plan", requester=None)}]}
    body = hook(version="2.2")
    body["context"]["draftOrders"] = bare
    assert infos(await world.ask(body))[0]["pa-needed"] == "auth-needed"


async def test_resource_types_of_dstu2_are_answered_with_nothing(world):
    body = hook({"resourceType": "MedicationOrder", "id": "m", "status": "draft"}, prefetch=...)
    assert await world.ask(body) == {"cards": []}


async def test_order_select_answers_the_selected_only(world):
    body = hook(order("E1390"), order("E0601", id_="o2"), name="order-select", version="2.2")
    body["context"]["selections"] = ["ServiceRequest/o2"]
    assert targets(await world.ask(body)) == ["ServiceRequest/o2"]


@pytest.mark.parametrize("selection", ["o2", "ServiceRequest/o2", "https://ehr.example/fhir/ServiceRequest/o2"])
async def test_selections_in_every_spelling(world, selection):
    body = hook(order("E1390"), order("E0601", id_="o2"), name="order-select", version="2.2")
    body["context"]["selections"] = [selection]
    assert targets(await world.ask(body)) == ["ServiceRequest/o2"]


async def test_a_selection_that_is_no_draft_selects_nothing(world):
    body = hook(order("E1390"), name="order-select", version="2.2")
    body["context"]["selections"] = ["ServiceRequest/elsewhere"]
    assert await world.ask(body) == {"cards": []}


@pytest.mark.parametrize("selections", [..., [], None])
async def test_order_select_without_selections_answers_all(world, selections):
    body = hook(order("E1390"), order("E0601", id_="o2"), name="order-select", version="2.2")
    del body["context"]["selections"]
    if selections is not ...:
        body["context"]["selections"] = selections
    assert len(targets(await world.ask(body))) == 2


async def test_order_select_asks_for_no_documents(world):
    body = hook(order("E1390"), name="order-select", version="2.2")
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] == "auth-needed"
    assert not {"doc-needed", "questionnaire"} & set(info)


ORDERS = {
    "ServiceRequest": order("E1390"),
    "DeviceRequest": {"codeCodeableConcept": {"coding": [{"system": HCPCS, "code": "E1390"}]}},
    "DeviceRequest by reference": {
        "resourceType": "DeviceRequest",
        "codeReference": {"reference": "#dev"},
        "contained": [
            {"resourceType": "Device", "id": "dev", "type": {"coding": [{"system": HCPCS, "code": "E1390"}]}}
        ],
    },
    "MedicationRequest": {"medicationCodeableConcept": {"coding": [{"system": HCPCS, "code": "Q5103"}]}},
    "MedicationRequest by reference": {
        "resourceType": "MedicationRequest",
        "medicationReference": {"reference": "Medication/med"},
    },
    "NutritionOrder": {"enteralFormula": {"baseFormulaType": {"coding": [{"system": HCPCS, "code": "B4150"}]}}},
    "VisionPrescription": {"lensSpecification": [{"product": {"coding": [{"system": HCPCS, "code": "V2100"}]}}]},
    "CommunicationRequest": {},
}


@pytest.mark.parametrize("kind", ORDERS)
async def test_every_type_of_order(world, kind):
    base = {"resourceType": kind, "id": "o1", "status": "draft", "subject": {"reference": "Patient/pat-MA-0001"}}
    medication = {"resourceType": "Medication", "id": "med", "code": {"coding": [{"system": HCPCS, "code": "Q5103"}]}}
    body = hook(base | ORDERS[kind], version="2.2", prefetch=prefetch(medications=searchset(medication)))
    (info,) = infos(await world.ask(body))
    needs = kind.split()[0] in ("ServiceRequest", "DeviceRequest", "MedicationRequest")
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed" if needs else "no-auth")


async def test_an_order_for_somebody_else_is_not_answered_about(world):
    """The order's subject is another patient: nothing about either leaks into the answer."""
    body = hook(order("E1390"), order("E1390", id_="o2", subject={"reference": "Patient/other"}), version="2.2")
    mine, other = infos(await world.ask(body))
    assert mine["pa-needed"] == "auth-needed"
    assert other["covered"] == "indeterminate"
    assert "another patient" in other["reason"][0]["text"]


async def test_one_malformed_order_costs_the_others_nothing(world):
    odd = order("E1390", id_="o2") | {
        "code": [],
        "requester": "me",
        "reasonCode": {"coding": "x"},
        "occurrencePeriod": 3,
        "quantityQuantity": [],
        "performer": {"reference": 5},
        "insurance": "Coverage/1",
        "extension": {"url": 1},
    }
    fine, vague = infos(await world.ask(hook(order("E1390"), odd, version="2.2")))
    assert fine["pa-needed"] == "auth-needed"
    assert vague["covered"] == "conditional"


async def test_another_order_that_counts_is_named_as_dependency(tmp_path, make):
    """An exam that is ordered already (a mere draft would not count) is evidence: the assertion holds only with that order (resp-30)."""
    exam = """
facts:
  exam: {from: ServiceRequest, code: ["cpt|72100"], take: exists, ask: {text: Was an X-ray ordered, type: boolean, who: clinical}}
criteria:
  all:
    - {id: XRAY, text: An X-ray comes first, test: "%exam", cite: T, why_not: No X-ray was ordered.}
"""
    world = make(catalogue=catalogue(tmp_path, exam, services='["cpt|72148"]'))
    with_exam = hook(order("72148", system=CPT), order("72100", system=CPT, id_="o2", status="active"), version="2.2")
    first, second = infos(await world.ask(with_exam))
    assert first["dependency"] == [{"reference": "ServiceRequest/o2"}]
    assert "dependency" not in second


# order-dispatch


@pytest.mark.parametrize(
    "context",
    [
        {"dispatchedOrders": ["ServiceRequest/o1"], "performer": "Organization/supplier"},
        {"dispatched-orders": ["ServiceRequest/o1"], "performer": "Organization/supplier", "fulfillment-tasks": []},
        {"order": "ServiceRequest/o1", "performer": "Organization/supplier", "task": {"resourceType": "Task"}},
        {"dispatchedOrders": [{"reference": "https://ehr.example/fhir/ServiceRequest/o1"}]},
    ],
    ids=["2.2", "hyphens", "2.0", "references"],
)
async def test_dispatch_in_every_spelling(world, context):
    answer = await world.ask(dispatch(context))
    assert targets(answer) == ["ServiceRequest/o1"]
    assert infos(answer)[0]["doc-needed"] == ["clinical"]


async def test_dispatch_says_when_the_performer_is_out_of_network(world):
    body = dispatch(
        {"order": "ServiceRequest/o1", "performer": "Practitioner/brandt"},
        performer=practitioner("1003000126", "brandt"),
    )
    (card,) = [c for c in (await world.ask(body))["cards"] if c["source"]["topic"]["code"] == "network"]
    assert card["indicator"] == "warning"
    assert "Otto Brandt" in card["summary"]
    quiet = configured(body, network=False)
    assert [c for c in (await world.ask(quiet))["cards"] if c["source"]["topic"]["code"] == "network"] == []


async def test_dispatch_answers_what_it_can_find(world):
    body = dispatch({"dispatchedOrders": ["ServiceRequest/o1", "DeviceRequest/gone"]})
    assert targets(await world.ask(body)) == ["ServiceRequest/o1"]


@pytest.mark.parametrize("context", [{}, {"order": ""}, {"dispatchedOrders": []}, {"dispatchedOrders": [5]}])
async def test_dispatch_needs_an_order(world, context):
    assert (await world.hook(dispatch(context))).status_code == 400


# appointment-book


def appointment(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "proposed",
        "start": "2026-12-01T14:00:00Z",
        "end": "2026-12-01T15:00:00Z",
        "basedOn": [{"reference": "ServiceRequest/o1"}],
        "participant": [{"actor": {"reference": "Patient/pat-MA-0001"}, "status": "accepted"}],
    }
    return {k: v for k, v in (made | changes).items() if v is not None}


def booking(version: str, *appointments: dict[str, Any]) -> dict[str, Any]:
    return hook(
        name="appointment-book",
        version=version,
        context={"userId": "Practitioner/doc", "patientId": "pat-MA-0001", "appointments": bundle(*appointments)},
        prefetch=prefetch(serviceRequests=searchset(order("E1390", status="active"))),
    )


@pytest.mark.parametrize(("version", "target"), [("2.2", "ServiceRequest/o1"), ("2.0", "Appointment/a1")])
async def test_a_booked_order_is_answered_where_the_version_wants_it(world, version, target):
    answer = await world.ask(booking(version, appointment()))
    assert targets(answer) == [target]
    (info,) = infos(answer)
    assert info["pa-needed"] == "auth-needed"
    assert info["billingCode"] == [{"system": HCPCS, "code": "E1390"}]


async def test_the_day_of_the_appointment_counts(world):
    """The coverage of MA-0001 has no end; the authorization period shown begins on the day booked."""
    (info,) = infos(await world.ask(booking("2.2", appointment())))
    periods = [p["valuePeriod"] for d in info["detail"] for p in d if p["url"] == "value" and "valuePeriod" in p]
    assert periods == [{"start": "2026-12-01", "end": "2027-11-30"}]


async def test_an_appointment_says_when_the_performer_is_out_of_network(world):
    visitors = [{"actor": {"reference": reference}} for reference in ("Patient/pat-MA-0001", "Practitioner/brandt")]
    coded = [{"coding": [{"system": CPT, "code": "99213"}]}]
    body = booking("2.2", appointment(basedOn=None, serviceType=coded, participant=visitors))
    body["prefetch"]["practitioners"] = searchset(practitioner(), practitioner("1003000126", "brandt"))
    assert [c["source"]["topic"]["code"] for c in (await world.ask(body))["cards"]] == ["network"]


async def test_several_appointments_for_one_order_are_one_answer(world):
    body = booking("2.2", appointment(), appointment(id="a2", start="2026-12-08T14:00:00Z"))
    assert targets(await world.ask(body)) == ["ServiceRequest/o1"]


async def test_an_appointment_that_contains_its_order_carries_the_answer(world):
    """A contained resource has no identity of its own that a client could update."""
    inside = appointment(basedOn=[{"reference": "#c"}], contained=[order("E0601", id_="c")])
    answer = await world.ask(booking("2.2", inside))
    assert targets(answer) == ["Appointment/a1"]
    assert infos(answer)[0]["billingCode"][0]["code"] == "E0601"


async def test_an_appointment_without_order_carries_the_answer_itself(world):
    alone = appointment(basedOn=None, serviceType=[{"coding": [{"system": CPT, "code": "99213"}]}])
    answer = await world.ask(booking("2.2", alone))
    assert targets(answer) == ["Appointment/a1"]
    assert infos(answer)[0]["pa-needed"] == "no-auth"


async def test_an_appointment_based_on_a_device_request_by_backport(world):
    alternate = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/alternate-reference",
                "valueReference": {"reference": "DeviceRequest/d1"},
            }
        ]
    }
    body = booking("2.2", appointment(basedOn=[alternate]))
    body["prefetch"]["deviceRequests"] = searchset(device("E0601"))
    assert targets(await world.ask(body)) == ["DeviceRequest/d1"]


@pytest.mark.parametrize("based", [None, ...], ids=["alone", "on an order"])
async def test_an_appointment_of_somebody_else_is_not_answered_about(world, based):
    changes = {"basedOn": None, "serviceType": [{"coding": [{"system": HCPCS, "code": "E1390"}]}]} if not based else {}
    other = [{"actor": {"reference": "Patient/other"}, "status": "accepted"}]
    (info,) = infos(await world.ask(booking("2.2", appointment(participant=other, **changes))))
    assert info["covered"] == "indeterminate"
    assert "another patient" in info["reason"][0]["text"]


# encounters


def stay(disposition: tuple[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """An inpatient Encounter, discharged to somewhere."""
    made: dict[str, Any] = {"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/pat-MA-0001"}}
    if disposition:
        system, code = disposition
        made["hospitalization"] = {"dischargeDisposition": {"coding": [{"system": system, "code": code}]}}
    return made | changes


def discharge(encounter: dict[str, Any], *planned: dict[str, Any], version: str = "2.2") -> dict[str, Any]:
    return hook(
        name="encounter-discharge",
        version=version,
        context={"userId": "Practitioner/doc", "patientId": "pat-MA-0001", "encounterId": "e1"},
        prefetch=prefetch(encounter=encounter, plannedServices=searchset(*planned)),
    )


HL7_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"


@pytest.mark.parametrize(
    ("disposition", "service"),
    [
        ((HL7_DISPOSITION, "snf"), "AG"),
        ((HL7_DISPOSITION, "rehab"), "AB"),
        ((NUBC, "03"), "AG"),
        ((NUBC, "83"), "AG"),
        ((NUBC, "62"), "AB"),
        (("http://www.nubc.org/patient-discharge", "03"), "AG"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
async def test_where_the_patient_is_discharged_to_is_a_need(world, disposition, service):
    """US Core binds the disposition to the NUBC codes of the UB-04 claim, FHIR itself to a system of HL7's."""
    (info,) = infos(await world.ask(discharge(stay(disposition))))
    assert info["billingCode"] == [{"system": X12, "code": service}]
    assert info["pa-needed"] == "auth-needed"


async def test_a_need_that_is_said_twice_is_answered_once(world):
    """covinfo-1: repetitions are disjoint in what they are about."""
    twice = discharge(stay((NUBC, "03"), serviceType={"coding": [{"system": X12, "code": "AG"}]}))
    answer = await world.ask(twice)
    assert [i["billingCode"][0]["code"] for i in infos(answer)] == ["AG"]
    twice["prefetch"]["encounter"] = answer["systemActions"][0]["resource"]
    assert "systemActions" not in await world.ask(twice)


async def test_home_health_without_its_orders_is_not_said_to_need_nothing(world):
    """Which visits are meant is not known yet: silence, and no claim that authorization is not needed."""
    assert await world.ask(discharge(stay((NUBC, "06")))) == {"cards": []}


async def test_nursing_facility_home_health_and_equipment_in_one_answer(world):
    visits = order("G0299", id_="hh", status="active", encounter={"reference": "Encounter/e1"})
    bed = device("E0260", id="bed", encounter={"reference": "Encounter/e1"})
    answer = await world.ask(discharge(stay((NUBC, "03")), visits, bed))
    assert targets(answer) == ["Encounter/e1"]
    assert [i["billingCode"][0]["code"] for i in infos(answer)] == ["AG", "G0299", "E0260"]
    assert {i["pa-needed"] for i in infos(answer)} == {"auth-needed"}


async def test_a_further_need_leaves_what_was_said_of_the_others(world):
    """An update replaces the resource: what still holds must be in it, what no longer holds must not."""
    first = order("G0299", id_="hh", status="active", encounter={"reference": "Encounter/e1"})
    second = order("G0151", id_="pt", status="active", encounter={"reference": "Encounter/e1"})
    carried = (await world.ask(discharge(stay((NUBC, "03")), first)))["systemActions"][0]["resource"]
    assert "systemActions" not in await world.ask(discharge(carried, first))
    more = infos(await world.ask(discharge(carried, first, second)))
    assert [i["billingCode"][0]["code"] for i in more] == ["AG", "G0299", "G0151"]
    assert len({i["coverage-assertion-id"] for i in more}) == 1
    fewer = infos(await world.ask(discharge(carried)))
    assert [i["billingCode"][0]["code"] for i in fewer] == ["AG"]


async def test_an_encounter_answers_all_its_needs_in_one(world):
    encounter = stay((HL7_DISPOSITION, "snf"), type=[{"coding": [{"system": X12, "code": "AB"}]}])
    planned = order("G0299", id_="hh", status="active", encounter={"reference": "Encounter/e1"})
    elsewhere = order("E1390", id_="no", status="active", encounter={"reference": "Encounter/e0"})
    body = hook(
        name="encounter-discharge",
        version="2.2",
        context={"userId": "Practitioner/doc", "patientId": "pat-MA-0001", "encounterId": "e1"},
        prefetch=prefetch(encounter=encounter, plannedServices=searchset(planned, elsewhere)),
    )
    answer = await world.ask(body)
    assert targets(answer) == ["Encounter/e1"]
    found = infos(answer)
    assert [info["billingCode"][0]["code"] for info in found] == ["AB", "AG", "G0299"]
    assert len({info["coverage-assertion-id"] for info in found}) == 1
    assert all("doc-needed" not in info for info in found)
