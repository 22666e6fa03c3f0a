"""The orders in the conformance presets, one of each kind that an item may point to.

Source: PAS profiles servicerequest, devicerequest, medicationrequest, nutritionorder.
"""

from __future__ import annotations

from tools.inferno_clinical import patterned, timing
from tools.inferno_parts import THO, Folder, practitioner
from tools.requests import Json, concept, ext, uid

CRD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"
AUTHORED = "2026-11-20"


def _coverage_information(card: Json) -> Json:
    """What CRD said when the order was signed: authorization is needed, under the id that it gave its answer."""
    parts = [
        {"url": "coverage", "valueReference": card},
        {"url": "covered", "valueCode": "covered"},
        {"url": "pa-needed", "valueCode": "auth-needed"},
        {"url": "date", "valueDate": AUTHORED},
        {"url": "coverage-assertion-id", "valueString": uid("inferno/assertion")},
    ]
    return {"extension": parts, "url": CRD}


def service_request(folder: Folder, person: Json, card: Json) -> Json:
    """Skilled nursing visits."""
    resource = {
        "resourceType": "ServiceRequest",
        "extension": [
            ext("extension-productOrServiceCodeEnd", "CodeableConcept", concept("hcpcs|G0300")),
            _coverage_information(card),
        ],
        "status": "active",
        "intent": "order",
        "code": concept("hcpcs|G0299"),
        "quantityQuantity": {"value": 40, "unit": "visits"},
        "subject": person,
        "occurrenceTiming": timing(),
        "authoredOn": AUTHORED,
        "requester": practitioner(folder),
    }
    return folder.add("service-request", resource, "profile-servicerequest")


def device_request(folder: Folder, person: Json, card: Json) -> Json:
    """A power wheelchair."""
    resource = {
        "resourceType": "DeviceRequest",
        "extension": [_coverage_information(card)],
        "status": "active",
        "intent": "order",
        "codeCodeableConcept": concept("hcpcs|K0823"),
        "subject": person,
        "occurrenceTiming": timing(),
        "authoredOn": AUTHORED,
        "requester": practitioner(folder),
    }
    return folder.add("device-request", resource, "profile-devicerequest")


def medication_request(folder: Folder, person: Json, card: Json, stay: Json) -> Json:
    """An infused medicine."""
    resource = {
        "resourceType": "MedicationRequest",
        "extension": [_coverage_information(card)],
        "status": "active",
        "intent": "order",
        "category": [
            {"coding": [{"system": THO + "medicationrequest-category", "code": "outpatient"}]},
        ],
        "reportedBoolean": False,
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "191831"}]
        },
        "subject": person,
        "encounter": stay,
        "authoredOn": AUTHORED,
        "requester": practitioner(folder),
        "dosageInstruction": [
            {
                "text": "300 mg into a vein in weeks 0, 2 and 6, then every 8 weeks",
                "timing": patterned(timing()),
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": 300,
                            "unit": "mg",
                            "system": "http://unitsofmeasure.org",
                            "code": "mg",
                        }
                    }
                ],
            }
        ],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 2,
            "quantity": {"value": 300, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
        },
    }
    return folder.add("medication-request", resource, "profile-medicationrequest")


def nutrition_order(folder: Folder, person: Json, card: Json) -> Json:
    """Tube feeding."""
    resource = {
        "resourceType": "NutritionOrder",
        "extension": [_coverage_information(card)],
        "status": "active",
        "intent": "order",
        "patient": person,
        "dateTime": AUTHORED,
        "orderer": practitioner(folder),
        "oralDiet": {"type": [concept("hcpcs|B4150")]},
        "enteralFormula": {"baseFormulaType": concept("hcpcs|B4150")},
    }
    return folder.add("nutrition-order", resource, "profile-nutritionorder")
