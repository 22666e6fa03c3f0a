"""What stands around an order, and what its details say: where it does not fit, no call gives a final yes."""

from __future__ import annotations

from typing import Any

import pytest
from tools.requests import CPT, HCPCS, concept

from crd.building import bundle, coverage, hook, infos, mri, order, payer, prefetch, searchset

Json = dict[str, Any]
MEMBER = "COM-0001"
FINAL = {"no-auth", "satisfied"}
PERSON = {"actor": {"reference": f"Patient/pat-{MEMBER}"}, "status": "accepted"}
DOCTOR = {"actor": {"reference": "Practitioner/doc"}, "status": "accepted"}


def free(**changes: Any) -> Json:
    """A visit, which needs no authorization."""
    return order("99213", MEMBER, system=CPT, status="active", **changes)


async def told(world: Any, body: Json) -> list[str]:
    return [info["pa-needed"] for info in infos(await world.ask(body))]


def finality(said: list[str], final: bool) -> bool:
    """Whether all answers are final, or none is."""
    return bool(said) and set(said) <= FINAL if final else not set(said) & FINAL


# Appointments

APPOINTMENTS: dict[str, tuple[Json, bool]] = {
    "proposed": ({}, True),
    "booked": ({"status": "booked"}, True),
    "in the period": ({"requestedPeriod": [{"start": "2026-12-01", "end": "2026-12-05"}]}, True),
    "in one of the periods": (
        {"requestedPeriod": [{"end": "2026-11-30"}, {"start": "2026-12-01", "end": "2026-12-01"}]},
        True,
    ),
    "in an open period": ({"requestedPeriod": [{"start": "2026-11-30"}]}, True),
    "without a start": ({"start": None, "end": None}, True),
    **{status: ({"status": status}, False) for status in ("cancelled", "noshow", "entered-in-error", "Booked", "odd")},
    "without a status": ({"status": None}, False),
    "without the patient": ({"participant": [DOCTOR]}, False),
    "with a name for a patient": ({"participant": [{"actor": {"display": "Somebody"}}, DOCTOR]}, False),
    "of another patient": ({"participant": [{"actor": {"reference": "Patient/other"}}]}, False),
    "before the period": ({"requestedPeriod": [{"start": "2026-12-02", "end": "2026-12-05"}]}, False),
    "after the period": ({"requestedPeriod": [{"start": "2026-11-02", "end": "2026-11-05"}]}, False),
    "with a start that cannot be read": ({"start": "soon", "requestedPeriod": [{"start": "2026-11-30"}]}, False),
}


def booking(changes: Json, version: str, **own: Any) -> Json:
    made = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "proposed",
        "start": "2026-12-01T14:00:00Z",
        "end": "2026-12-01T15:00:00Z",
        "participant": [PERSON, DOCTOR],
    } | changes
    context = {"userId": "Practitioner/doc", "patientId": f"pat-{MEMBER}"}
    appointment = {key: value for key, value in (made | own).items() if value is not None}
    return hook(
        name="appointment-book", version=version, member=MEMBER, context=context | {"appointments": bundle(appointment)}
    )


@pytest.mark.parametrize("version", ["2.2", "2.0"])
@pytest.mark.parametrize(("changes", "final"), APPOINTMENTS.values(), ids=APPOINTMENTS)
async def test_an_appointment_that_is_not_to_be_kept_gets_no_final_yes(world, changes, final, version):
    for one in (mri(status="active", quantityQuantity={"value": 1, "unit": "units"}), free()):
        body = booking(changes, version, basedOn=[{"reference": "ServiceRequest/o1"}])
        body["prefetch"] |= {"serviceRequests": searchset(one)}
        assert finality(await told(world, body), final)
    alone = booking(changes, version, serviceType=[concept("cpt|99213")])
    assert finality(await told(world, alone), final)
    assert bool(await world.stored("Case")) is final


# Encounters

ENCOUNTERS: dict[str, tuple[Json, bool]] = {
    **{status: ({"status": status}, True) for status in ("planned", "arrived", "in-progress", "onleave", "finished")},
    **{status: ({"status": status}, False) for status in ("cancelled", "entered-in-error", "unknown", "Finished")},
    "of another patient": ({"subject": {"reference": "Patient/other"}}, False),
}


@pytest.mark.parametrize(("changes", "final"), ENCOUNTERS.values(), ids=ENCOUNTERS)
async def test_an_encounter_that_did_not_take_place_gets_no_final_yes(world, changes, final):
    made = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "type": [concept("cpt|99213")],
        "subject": {"reference": f"Patient/pat-{MEMBER}"},
        "period": {"start": "2026-11-20"},
    } | changes
    planned = free(encounter={"reference": "Encounter/e1"})
    context = {"userId": "Practitioner/doc", "patientId": f"pat-{MEMBER}", "encounterId": "e1"}
    sent = prefetch(MEMBER, encounter=made, serviceRequests=searchset(planned))
    body = hook(name="encounter-start", version="2.2", context=context, prefetch=sent)
    assert finality(await told(world, body), final)


# Coverages

OTHER_PAYER = payer(id="aetna", identifier=[{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1245319599"}])
THEIRS = coverage(MEMBER, "theirs", payor=[{"reference": "Organization/aetna"}])
OURS, GONE = {"reference": f"Coverage/cov-{MEMBER}"}, {"reference": "Coverage/gone"}
INSURANCE: dict[str, tuple[list[Json], list[str]]] = {
    "none": ([], ["no-auth"]),
    "ours": ([OURS], ["no-auth"]),
    "ours and one that was not sent": ([OURS, GONE], ["no-auth"]),
    "ours and theirs": ([OURS, {"reference": "Coverage/theirs"}], ["no-auth"]),
    "a preauthorization": ([{"reference": "ClaimResponse/1"}], ["no-auth"]),
    "one that was not sent": ([GONE], ["indeterminate"]),
    "an identifier": ([{"identifier": {"value": "1"}}], ["indeterminate"]),
    "a contained one that is not there": ([{"reference": "#c"}], ["indeterminate"]),
    "one that is not in force": ([{"reference": "Coverage/old"}], ["indeterminate"]),
    "theirs": ([{"reference": "Coverage/theirs"}], []),
    "theirs and one that was not sent": ([{"reference": "Coverage/theirs"}, GONE], ["indeterminate"]),
}


@pytest.mark.parametrize(("insurance", "said"), INSURANCE.values(), ids=INSURANCE)
async def test_an_order_is_answered_under_the_coverage_that_it_names(world, insurance, said):
    coverages = searchset(coverage(MEMBER), THEIRS, coverage(MEMBER, "old", status="cancelled"))
    sent = prefetch(MEMBER, coverage=coverages, payors=searchset(payer(), OTHER_PAYER))
    assert await told(world, hook(free(insurance=insurance), version="2.2", member=MEMBER, prefetch=sent)) == said


@pytest.mark.parametrize("status", [None, "cancelled", "draft", "entered-in-error", "Active"])
async def test_a_coverage_that_does_not_say_it_is_active_is_no_ground_for_a_yes(make, status):
    sent = prefetch(MEMBER, coverage=searchset(coverage(MEMBER, status=status)))
    for one in (free(), mri(quantityQuantity={"value": 1, "unit": "units"})):
        response = await make().hook(hook(one, version="2.2", member=MEMBER, prefetch=sent))
        said = infos(response.json()) if response.status_code == 200 else []
        assert not {info["pa-needed"] for info in said} & FINAL


# Details

CHAIR, BILEVEL = concept("hcpcs|K0856"), concept("hcpcs|E0470")
DETAILS: dict[str, tuple[Json, bool]] = {
    "nothing": ({}, True),
    "words": ({"orderDetail": [{"text": "with a wrist strap"}]}, True),
    "a code that nobody bills by": (
        {"orderDetail": [{"coding": [{"system": "http://snomed.info/sct", "code": "24028007"}]}]},
        True,
    ),
    "its own code": ({"orderDetail": [concept("hcpcs|E0100")]}, True),
    "another service": ({"orderDetail": [CHAIR]}, False),
    "another service beside its own code": ({"orderDetail": [concept("hcpcs|E0100"), CHAIR]}, False),
    "a procedure": ({"orderDetail": [concept("cpt|72148")]}, False),
    "what is no code of its system": ({"orderDetail": [concept("hcpcs|ZZZZ")]}, False),
    "a kind of service": (
        {"orderDetail": [{"coding": [{"system": "https://codesystem.x12.org/005010/1365", "code": "AB"}]}]},
        False,
    ),
}


@pytest.mark.parametrize("type_", ["ServiceRequest", "DeviceRequest"])
@pytest.mark.parametrize(("changes", "final"), DETAILS.values(), ids=DETAILS)
async def test_a_detail_that_names_another_service_is_looked_at(world, changes, final, type_):
    cane = order("E0100", MEMBER, **changes)
    if type_ == "DeviceRequest":
        details = cane.pop("orderDetail", [])
        cane |= {"resourceType": type_, "codeCodeableConcept": cane.pop("code")}
        told_by = ({"code": d} for d in details), ({"code": {"text": "x"}, "valueCodeableConcept": d} for d in details)
        variants = [cane | {"parameter": list(parameters)} for parameters in told_by] if details else [cane]
    else:
        variants = [cane]
    for one in variants:
        (said,) = await told(world, hook(one, version="2.2", member=MEMBER))
        assert (said in FINAL) is final
        assert HCPCS in str(one)
