"""The clinical resources in the conformance presets: the problem, the planned stay, a note.

Source: PAS 2.2.1 and 2.0.1 element tables (profiles encounter, documentreference, datatype-timing).
"""

from __future__ import annotations

import base64

from tools.inferno_parts import DAY, RECORDED, SD, THO, USC, Folder, coded, location, practitioner
from tools.requests import SNOMED, Json, concept, ext, x12


def condition(folder: Folder, person: Json, code: str) -> Json:
    """The diagnosis as the EHR keeps it."""
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": coded(THO + "condition-clinical", "active"),
        "verificationStatus": coded(THO + "condition-ver-status", "confirmed"),
        "category": [coded(THO + "condition-category", "problem-list-item")],
        "code": concept(f"icd10|{code}"),
        "subject": person,
        "recordedDate": RECORDED,
    }
    return folder.add("condition", resource, USC + "us-core-condition-problems-health-concerns" if folder.new else "")


def encounter(folder: Folder, person: Json, organization: Json, problem: Json) -> Json:
    """The planned stay."""
    resource = {
        "resourceType": "Encounter",
        "id": folder.id("encounter"),
        "meta": {"lastUpdated": "2026-11-20T13:00:00Z", "profile": [SD + "profile-encounter"]},
        "extension": [
            ext("extension-patientStatus", "CodeableConcept", x12("1352", "30")),
            ext("extension-nursingHomeResidentialStatus", "CodeableConcept", x12("1345", "2")),
        ],
        "identifier": [{"system": "urn:precert:demo:encounter", "value": f"ENC-{folder.name}"}],
        "status": "planned",
        "class": {"system": THO + "v3-ActCode", "code": "IMP"},
        "type": [x12("1315", "2")],
        "subject": person,
        "participant": [
            {
                "type": [coded(THO + "v3-ParticipationType", "ATND")],
                "period": {"start": DAY},
                "individual": practitioner(folder),
            }
        ],
        "period": {"start": DAY, "end": "2027-09-10"},
        "reasonCode": [coded(SNOMED, "24700007")],
        "reasonReference": [problem],
        "hospitalization": {
            "admitSource": x12("1314", "5"),
            "dischargeDisposition": coded(THO + "discharge-disposition", "home"),
        },
        "location": [{"location": location(folder, organization)}],
        "serviceProvider": organization,
    }
    return folder.add("encounter", resource)


def document(folder: Folder, person: Json, stay: Json, words: str) -> Json:
    """A note, as text."""
    resource = {
        "resourceType": "DocumentReference",
        "identifier": [{"system": "urn:precert:demo:document", "value": f"DOC-{folder.name}"}],
        "status": "current",
        "type": coded("http://loinc.org", "11506-3"),
        "category": [
            coded("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note")
        ],
        "subject": person,
        "date": "2026-11-16T10:00:00Z",
        "author": [practitioner(folder)],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain",
                    "data": base64.b64encode(words.encode()).decode(),
                },
                "format": {"system": THO + "v3-HL7DocumentFormatCodes", "code": "urn:ihe:pcc:handp:2008"},
            }
        ],
        "context": {"encounter": [stay], "period": {"start": "2026-11-16", "end": "2026-11-16"}},
    }
    return folder.add("document", resource, "profile-documentreference" if folder.new else "")


def patterned(timing: Json) -> Json:
    """``timing`` with the calendar and delivery patterns (their place is the timing of a dosage)."""
    patterns = [
        ext("extension-timingcalendarpattern", "CodeableConcept", x12("678", "L")),
        ext("extension-timingdeliverypattern", "CodeableConcept", x12("679", "D")),
    ]
    return {"extension": patterns, **timing}


def timing() -> Json:
    """How often, in all the ways that the PAS Timing profile knows."""
    return {
        "repeat": {
            "boundsDuration": {"value": 8, "unit": "weeks", "system": "http://unitsofmeasure.org", "code": "wk"},
            "count": 8,
            "countMax": 40,
            "frequency": 1,
            "frequencyMax": 5,
            "period": 1,
            "periodMax": 2,
            "periodUnit": "wk",
        },
    }
