"""Builders of PAS request bundles: conformant, for members of the demo world. Examples and tests are made with them."""

from __future__ import annotations

import uuid
from typing import Any

Json = dict[str, Any]

SD = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
X12 = "https://codesystem.x12.org/005010/"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
NPI = "http://hl7.org/fhir/sid/us-npi"
UCUM = "http://unitsofmeasure.org"
MEMBER = "urn:precert:demo:member"
PAYER_NPI, REQUESTER_NPI, SUPPLIER_NPI, OUT_OF_NETWORK_NPI = "1234567893", "1992817498", "1245319599", "1003000126"
SYSTEMS = {"hcpcs": HCPCS, "cpt": CPT, "icd10": ICD10, "loinc": LOINC, "sct": SNOMED, "x12st": X12 + "1365"}

MEMBERS: dict[str, Json] = {
    "MA-0001": {"name": ("Alma", "Reyes"), "gender": "female", "birthDate": "1951-03-14"},
    "MA-0002": {"name": ("Walter", "Okafor"), "gender": "male", "birthDate": "1948-11-02"},
    "MA-0003": {"name": ("June", "Lindqvist"), "gender": "female", "birthDate": "1944-07-23"},
    "MA-0004": {"name": ("Raymond", "Cho"), "gender": "male", "birthDate": "1955-01-30"},
    "MA-0005": {"name": ("Dolores", "Whitfield"), "gender": "female", "birthDate": "1939-09-09"},
    "MA-0009": {"name": ("Harold", "Beck"), "gender": "male", "birthDate": "1946-05-17"},
    "COM-0001": {"name": ("Priya", "Natarajan"), "gender": "female", "birthDate": "1978-02-19"},
    "COM-0002": {"name": ("Marcus", "Bell"), "gender": "male", "birthDate": "1990-12-05"},
    "MCD-0001": {"name": ("Tessa", "Ruiz"), "gender": "female", "birthDate": "2001-06-11"},
    "TX-0001": {"name": ("Elena", "Garza"), "gender": "female", "birthDate": "1985-10-27"},
}


def uid(name: str) -> str:
    """A stable uuid for ``name``."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"precert-example/{name}"))


def concept(written: str) -> Json:
    """``hcpcs|E0601`` as a CodeableConcept."""
    system, _, code = written.partition("|")
    return {"coding": [{"system": SYSTEMS.get(system, system), "code": code}]}


def x12(element: str, code: str) -> Json:
    return {"coding": [{"system": X12 + element, "code": code}]}


def ext(name: str, kind: str, value: Any) -> Json:
    return {"url": SD + name, f"value{kind}": value}


def item(
    sequence: int,
    service: str,
    *,
    quantity: float | None = None,
    unit: str = "units",
    certification: str = "I",
    start: str | None = None,
    end: str | None = None,
    place: str = "11",
    trace: str | None = None,
    **more: Any,
) -> Json:
    """One ``Claim.item`` with all that the PAS profile demands."""
    made: Json = {
        "extension": [
            ext("extension-serviceItemRequestType", "CodeableConcept", x12("1525", "HS")),
            ext("extension-certificationType", "CodeableConcept", x12("1322", certification)),
        ],
        "sequence": sequence,
        "diagnosisSequence": [1],
        "category": x12("1365", "1"),
        "productOrService": concept(service),
    }
    if trace:
        made["extension"].append(
            ext("extension-itemTraceNumber", "Identifier", {"system": "urn:precert:demo:trace", "value": trace})
        )
    if start and end:
        made["servicedPeriod"] = {"start": start, "end": end}
    elif start:
        made["servicedDate"] = start
    made["locationCodeableConcept"] = {
        "coding": [
            {
                "system": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
                "code": place,
            }
        ]
    }
    if quantity is not None:
        made["quantity"] = {"value": quantity, "unit": unit}
    return made | more


def observation(name: str, code: str, value: float, unit: str, when: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": concept(code),
        "subject": {"reference": "patient"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def questionnaire_response(name: str, questionnaire: str, answers: dict[str, Any], when: str) -> Json:
    """Answers by fact name, as DTR sends them; a Quantity is a dict."""
    kinds = {
        bool: "valueBoolean",
        int: "valueInteger",
        float: "valueDecimal",
        str: "valueString",
        dict: "valueQuantity",
    }
    return {
        "resourceType": "QuestionnaireResponse",
        "id": name,
        "questionnaire": questionnaire,
        "status": "completed",
        "subject": {"reference": "patient"},
        "authored": when,
        "item": [{"linkId": k, "answer": [{kinds[type(v)]: v}]} for k, v in answers.items()],
    }


def request_bundle(
    name: str,
    member: str,
    items: list[Json],
    *,
    diagnoses: tuple[str, ...] = (),
    evidence: tuple[Json, ...] = (),
    created: str = "2026-11-20T14:05:00Z",
    urgent: bool = False,
    requester_npi: str = REQUESTER_NPI,
    payer_npi: str = PAYER_NPI,
    member_data: Json | None = None,
) -> Json:
    """A PAS Request Bundle: Claim, Patient, Coverage, insurer, requester and the evidence, all referenced by fullUrl."""
    urls = {
        part: f"urn:uuid:{uid(f'{name}/{part}')}" for part in ("claim", "patient", "coverage", "payer", "requester")
    }
    known = member_data or MEMBERS[member]
    given, family = known["name"]
    member_id = {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]},
        "system": MEMBER,
        "value": member,
    }
    patient = {
        "resourceType": "Patient",
        "id": uid(f"{name}/patient"),
        "meta": {"profile": [SD + "profile-beneficiary"]},
        "identifier": [member_id],
        "name": [{"family": family, "given": [given]}],
        "gender": known["gender"],
        "birthDate": known["birthDate"],
    }
    coverage = {
        "resourceType": "Coverage",
        "id": uid(f"{name}/coverage"),
        "meta": {"profile": [SD + "profile-coverage"]},
        "identifier": [member_id],
        "status": "active",
        "subscriberId": member,
        "beneficiary": {"reference": urls["patient"]},
        "relationship": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/subscriber-relationship", "code": "self"},
                {"system": X12 + "1069", "code": "18"},
            ]
        },
        "payor": [{"reference": urls["payer"]}],
    }
    payer = _organization(f"{name}/payer", "profile-insurer", payer_npi, "Precert Demo Health Plan", "PR")
    requester = _organization(
        f"{name}/requester", "profile-requestor", requester_npi, "Fuentes Internal Medicine", "X3"
    )
    claim = _claim(name, items, urls, diagnoses, created, urgent)
    entries = [
        {"fullUrl": urls["claim"], "resource": claim},
        {"fullUrl": urls["patient"], "resource": patient},
        {"fullUrl": urls["coverage"], "resource": coverage},
        {"fullUrl": urls["payer"], "resource": payer},
        {"fullUrl": urls["requester"], "resource": requester},
    ]
    for number, resource in enumerate(evidence, start=1):
        url = f"urn:uuid:{uid(f'{name}/evidence/{number}')}"
        placed = dict(resource)
        if placed.get("subject"):
            placed["subject"] = {"reference": urls["patient"]}
        entries.append({"fullUrl": url, "resource": placed})
        claim.setdefault("supportingInfo", []).append(_additional(number, url))
    if "supportingInfo" in claim:  # keep the element order that FHIR readers expect
        order = ("diagnosis", "insurance", "item")
        for key in order:
            if key in claim:
                claim[key] = claim.pop(key)
    return {
        "resourceType": "Bundle",
        "id": name,
        "meta": {"profile": [SD + "profile-pas-request-bundle"]},
        "identifier": {"system": "urn:precert:demo:transaction", "value": name},
        "type": "collection",
        "timestamp": created,
        "entry": entries,
    }


def _additional(sequence: int, url: str) -> Json:
    kind = {
        "coding": [
            {"system": "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes", "code": "additionalInformation"}
        ]
    }
    report = {"url": "reportTypeCode", "valueCodeableConcept": x12("755", "PY")}
    return {
        "extension": [{"extension": [report], "url": SD + "extension-documentInformation"}],
        "sequence": sequence,
        "category": kind,
        "valueReference": {"reference": url},
    }


def _organization(name: str, profile: str, npi: str, title: str, kind: str) -> Json:
    return {
        "resourceType": "Organization",
        "id": uid(name),
        "meta": {"profile": [SD + profile]},
        "identifier": [{"system": NPI, "value": npi}],
        "active": True,
        "type": [x12("98", kind)],
        "name": title,
        "address": [
            {"line": ["1 Main Street"], "city": "Baltimore", "state": "MD", "postalCode": "21201", "country": "US"}
        ],
    }


def _claim(
    name: str, items: list[Json], urls: dict[str, str], diagnoses: tuple[str, ...], created: str, urgent: bool
) -> Json:
    claim: Json = {
        "resourceType": "Claim",
        "id": uid(f"{name}/claim"),
        "meta": {"profile": [SD + "profile-claim"]},
    }
    if urgent:
        claim["extension"] = [ext("extension-levelOfServiceCode", "CodeableConcept", x12("1338", "U"))]
    claim |= {
        "identifier": [{"system": "urn:precert:demo:claim", "value": f"{name}-claim"}],
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]},
        "use": "preauthorization",
        "patient": {"reference": urls["patient"]},
        "created": created,
        "insurer": {"reference": urls["payer"]},
        "provider": {"reference": urls["requester"]},
        "priority": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal"}]},
    }
    if diagnoses:
        claim["diagnosis"] = [
            {"sequence": n, "diagnosisCodeableConcept": concept(f"icd10|{code}")}
            for n, code in enumerate(diagnoses, start=1)
        ]
    else:
        items = [{k: v for k, v in i.items() if k != "diagnosisSequence"} for i in items]
    claim["insurance"] = [{"sequence": 1, "focal": True, "coverage": {"reference": urls["coverage"]}}]
    claim["item"] = items
    return claim
