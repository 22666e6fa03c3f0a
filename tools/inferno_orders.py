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


def medication_request(folder: Folder, person: Json, card: Json, stay: Json, told_by: Json | None = None) -> Json:
    """An infused medicine; with ``told_by`` an injected one that somebody else reported. 2.2.1 wants to see both."""
    drug, words, amount = ("191831", "300 mg into a vein in weeks 0, 2 and 6, then every 8 weeks", 300)
    if told_by:
        drug, words, amount = ("993449", "60 mg under the skin every 6 months", 60)
    dose = {"value": amount, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    reported = {"reportedReference": told_by} if told_by else {"reportedBoolean": False}
    resource = {
        "resourceType": "MedicationRequest",
        "extension": [_coverage_information(card)],
        "status": "active",
        "intent": "order",
        "category": [
            {"coding": [{"system": THO + "medicationrequest-category", "code": "outpatient"}]},
        ],
        **reported,
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": drug}]
        },
        "subject": person,
        "encounter": stay,
        "authoredOn": AUTHORED,
        "requester": practitioner(folder),
        "dosageInstruction": [
            {
                "text": words,
                "timing": patterned(timing()),
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 2,
            "quantity": dose,
        },
    }
    return folder.add(
        "medication-request-reported" if told_by else "medication-request", resource, "profile-medicationrequest"
    )


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
