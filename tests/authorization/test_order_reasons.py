"""What an order refers to as its reason, or as what is ordered, counts only if it is about the patient."""

from __future__ import annotations

from typing import Any

import pytest
from tools.requests import concept

from precert.authorization.deciding.orders import numbered, read_order
from precert.authorization.deciding.person import Patient
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir.bundle import BundleIndex, Entry

Json = dict[str, Any]
PATIENT: Json = {"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}
OTHER: Json = {"resourceType": "Patient", "id": "q", "birthDate": "1980-01-01"}
ORDERS = ("ServiceRequest", "DeviceRequest", "MedicationRequest", "Appointment")
CONFIRMED = {"verificationStatus": {"coding": [{"code": "confirmed"}]}}


def read(order: Json, *more: Json, whose: Patient | None = None) -> Any:
    index = BundleIndex({"resourceType": "Bundle"})
    for n, resource in enumerate((order, PATIENT, OTHER, *more)):
        url = f"https://ehr.example/fhir/{resource['resourceType']}/{resource['id']}"
        index.add(Entry(n, url, resource, f"Bundle.entry[{n}].resource"))
    return read_order(index.entries[0], index, 1, whose=whose)


def asking(type_: str, **changes: Any) -> Json:
    return {"resourceType": type_, "id": "o", "subject": {"reference": "Patient/p"}} | changes


ABOUT: dict[str, tuple[Json, bool]] = {
    "the patient": ({"subject": {"reference": "Patient/p"}}, True),
    "the patient by a whole URL": ({"subject": {"reference": "https://ehr.example/fhir/Patient/p"}}, True),
    "another patient": ({"subject": {"reference": "Patient/q"}}, False),
    "somebody who was not sent": ({"subject": {"reference": "Patient/r"}}, False),
    "nobody": ({}, False),
    "a group": ({"subject": {"reference": "Group/g"}}, False),
    "a name": ({"subject": {"display": "Somebody"}}, False),
}


@pytest.mark.parametrize("type_", ORDERS)
@pytest.mark.parametrize(("said", "counts"), ABOUT.values(), ids=ABOUT)
@pytest.mark.parametrize("contained", [False, True])
def test_a_reason_is_about_the_patient_or_it_does_not_count(type_, said, counts, contained):
    condition = {"resourceType": "Condition", "id": "c", "code": concept("icd10|C50.911"), **CONFIRMED, **said}
    reference = {"reference": "#c" if contained else "Condition/c"}
    order = asking(type_, reasonReference=[reference], **({"contained": [condition]} if contained else {}))
    whose = Patient(PATIENT, "https://ehr.example/fhir/Patient/p", one_server=True)
    found = read(order, *([] if contained else [condition]), whose=whose)
    assert (bool(found.evidence), bool(found.asked.line.diagnoses)) == (counts, counts)
    if type_ != "Appointment":  # what has no subject cannot say by itself whose it is
        assert bool(read(order, *([] if contained else [condition])).evidence) is counts


ORDERED: dict[str, tuple[str, Json, bool]] = {
    "a device": ("codeReference", {"resourceType": "Device", "type": concept("hcpcs|E0601")}, True),
    "the patient's device": (
        "codeReference",
        {"resourceType": "Device", "type": concept("hcpcs|E0601"), "patient": {"reference": "Patient/p"}},
        True,
    ),
    "another's device": (
        "codeReference",
        {"resourceType": "Device", "type": concept("hcpcs|E0601"), "patient": {"reference": "Patient/q"}},
        False,
    ),
    "a medication": ("medicationReference", {"resourceType": "Medication", "code": concept("hcpcs|J1745")}, True),
    "no medication": (
        "medicationReference",
        {"resourceType": "Observation", "code": concept("hcpcs|J1745"), "subject": {"reference": "Patient/q"}},
        False,
    ),
}


@pytest.mark.parametrize(("element", "named", "counts"), ORDERED.values(), ids=ORDERED)
def test_what_is_ordered_by_reference_is_not_another_patients(element, named, counts):
    type_ = "DeviceRequest" if element == "codeReference" else "MedicationRequest"
    reference = {"reference": f"{named['resourceType']}/d"}
    found = read(asking(type_, **{element: reference}), named | {"id": "d"})
    assert bool(found.asked.line.code) is counts


@pytest.mark.parametrize(("detail", "doubted"), [("hcpcs|E0470", True), ("hcpcs|E0601", False)])
def test_a_numbered_order_doubts_a_detail_of_another_service(detail, doubted):
    """CRD and DTR packages number orders alike."""
    order = asking("ServiceRequest", status="active", intent="order", code=concept("hcpcs|E0601"))
    found = numbered(read(order | {"orderDetail": [concept(detail)]}), 1, Crosswalk())
    assert bool(found.asked.doubts) is doubted
