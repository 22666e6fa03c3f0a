"""The people, the cover and the orders in the CRD preset: complete in what the CRD profiles demand, of the demo world.

Source: the profiles of CRD 2.0.1 and 2.2.1 (patient, practitioner, organization, coverage, encounter, appointment,
servicerequest, devicerequest) and of US Core below them.
"""

from __future__ import annotations

from tools.inferno_parts import EHR, THO, address, coded, phone
from tools.requests import MEMBER, MEMBERS, NPI, OUT_OF_NETWORK_NPI, PAYER_NPI, REQUESTER_NPI, Json, concept

AUTHORED = "2026-11-20"
PLANS = {"MA": "111", "COM": "5"}
"""Types of payment (nahdo.org/sopt): Medicare Advantage, private health insurance."""


def reference(resource: Json) -> Json:
    """``Type/id``, as an EHR writes it."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def bundle(kind: str, *resources: Json) -> Json:
    """A Bundle of the resources, where the EHR keeps them."""
    entries = [{"fullUrl": f"{EHR}/{reference(resource)['reference']}", "resource": resource} for resource in resources]
    searched = {"total": len(entries)} if kind == "searchset" else {}
    if kind == "searchset":
        entries = [{**entry, "search": {"mode": "match"}} for entry in entries]
    return {"resourceType": "Bundle", "type": kind, **searched, "entry": entries}


def patient(member: str) -> Json:
    """The member as the EHR knows them."""
    known = MEMBERS[member]
    given, family = known["name"]
    return {
        "resourceType": "Patient",
        "id": f"patient-{member.lower()}",
        "identifier": [
            {"type": coded(THO + "v2-0203", "MR"), "system": "urn:precert:demo:record", "value": f"MRN-{member}"},
            {"type": coded(THO + "v2-0203", "MB"), "system": MEMBER, "value": member},
        ],
        "name": [{"family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": "+1-555-0140", "use": "home"}],
        "gender": known["gender"],
        "birthDate": known["birthDate"],
        "address": [address("12 Harbor Street", "21201")],
    }


def coverage(member: str, person: Json, payer: Json) -> Json:
    """The member's card, as the EHR took it down: without the plan, and with the day it was shown as its start.

    What the plan has on record differs, so a client that wants its Coverage corrected gets an update.
    """
    return {
        "resourceType": "Coverage",
        "id": f"coverage-{member.lower()}",
        "identifier": [{"type": coded(THO + "v2-0203", "MB"), "system": MEMBER, "value": member}],
        "status": "active",
        "type": coded("https://nahdo.org/sopt", PLANS[member.partition("-")[0]]),
        "subscriber": reference(person),
        "subscriberId": member,
        "beneficiary": reference(person),
        "relationship": coded(THO + "subscriber-relationship", "self"),
        "period": {"start": AUTHORED},
        "payor": [reference(payer)],
        "class": [{"type": coded(THO + "coverage-class", "group"), "value": "GRP-100"}],
    }


def payer() -> Json:
    """The insurer: us."""
    return {
        "resourceType": "Organization",
        "id": "payer",
        "identifier": [{"system": NPI, "value": PAYER_NPI}],
        "active": True,
        "type": [coded(THO + "organization-type", "pay")],
        "name": "Precert Demo Health Plan",
        "telecom": [phone("+1-555-0100")],
        "address": [address("1 Payer Plaza", "21202")],
    }


def _practitioner(family: str, given: str, npi: str, number: str) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": family.lower(),
        "identifier": [{"system": NPI, "value": npi}],
        "name": [{"family": family, "given": [given]}],
        "telecom": [phone(number)],
        "address": [address("40 Pratt Street", "21201")],
    }


def requester() -> Json:
    """Who orders."""
    return _practitioner("Fuentes", "Nadia", REQUESTER_NPI, "+1-555-0130")


def performer() -> Json:
    """To whom an order is dispatched: outside the plan's network."""
    return _practitioner("Brandt", "Otto", OUT_OF_NETWORK_NPI, "+1-555-0150")


def device_request(id_: str, code: str, person: Json, doctor: Json, diagnosis: str) -> Json:
    """A draft order for equipment."""
    return {
        "resourceType": "DeviceRequest",
        "id": id_,
        "status": "draft",
        "intent": "original-order",
        "codeCodeableConcept": concept(code),
        "subject": reference(person),
        "authoredOn": AUTHORED,
        "requester": reference(doctor),
        "reasonCode": [concept(f"icd10|{diagnosis}")],
    }


def service_request(id_: str, code: str, person: Json, doctor: Json, diagnosis: str, **more: Json) -> Json:
    """A draft order for a service."""
    return {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "draft",
        "intent": "original-order",
        "category": [coded("http://snomed.info/sct", "91251008")],
        "code": concept(code),
        "quantityQuantity": {"value": 12, "unit": "visits", "system": "http://unitsofmeasure.org", "code": "{visits}"},
        "subject": reference(person),
        **more,
        "occurrencePeriod": {"start": "2027-09-06", "end": "2027-10-29"},
        "authoredOn": AUTHORED,
        "requester": reference(doctor),
        "reasonCode": [concept(f"icd10|{diagnosis}")],
    }


def encounter(id_: str, kind: str, person: Json, doctor: Json, status: str) -> Json:
    """A visit or a stay. ``kind`` is its class (v3-ActCode)."""
    return {
        "resourceType": "Encounter",
        "id": id_,
        "identifier": [{"system": "urn:precert:demo:visit", "value": f"V-{id_}"}],
        "status": status,
        "class": {"system": THO + "v3-ActCode", "code": kind},
        "type": [coded("http://snomed.info/sct", "32485007" if kind == "IMP" else "439708006")],
        "subject": reference(person),
        "participant": [
            {
                "type": [coded(THO + "v3-ParticipationType", "ATND")],
                "period": {"start": "2027-09-06"},
                "individual": reference(doctor),
            }
        ],
        "period": {"start": "2027-09-06"},
        "reasonCode": [concept("icd10|I50.22")],
    }


def appointment(id_: str, code: str, person: Json, doctor: Json) -> Json:
    """An appointment being booked, by itself: no order stands behind it."""
    return {
        "resourceType": "Appointment",
        "id": id_,
        "status": "proposed",
        "serviceType": [concept(code)],
        "reasonCode": [concept("icd10|M54.50")],
        "start": "2027-09-13T14:00:00Z",
        "end": "2027-09-13T15:00:00Z",
        "created": AUTHORED,
        "participant": [
            {"actor": reference(person), "required": "required", "status": "accepted"},
            {"actor": reference(doctor), "required": "required", "status": "needs-action"},
        ],
        "requestedPeriod": [{"start": "2027-09-13", "end": "2027-09-17"}],
    }
