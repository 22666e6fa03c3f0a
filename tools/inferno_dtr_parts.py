"""Requests and answers in the conformance presets for DTR: the member's card, orders, calls, filled-in forms.

Source: DTR dtr-qpackage-input-parameters, CRD profile-coverage and profile-devicerequest (2.2.0 and 2.0.1). All references
are relative: what they lead to lies with the client.
"""

from __future__ import annotations

from typing import Any

from tools.inferno_parts import DAY, RECORDED, THO, coded
from tools.requests import MEMBER, NPI, PAYER_NPI, Json, concept

CRD_SD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/"
DTR_SD = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
PATIENT = {"reference": "Patient/patient"}
NOBODY = "https://inferno.health/Questionnaire/does-not-exist"


def coverage(member: str = "MA-0001") -> Json:
    """The member's card, with the payer inside."""
    payer = {
        "resourceType": "Organization",
        "id": "payer",
        "meta": {"profile": [CRD_SD + "profile-organization"]},
        "identifier": [{"system": NPI, "value": PAYER_NPI}],
        "active": True,
        "name": "Precert Demo Health Plan",
        "address": [{"line": ["1 Payer Plaza"], "city": "Baltimore", "state": "MD", "postalCode": "21202"}],
    }
    kind = coded(THO + "v2-0203", "MB")
    plan = {"type": coded(THO + "coverage-class", "plan"), "value": "ma-classic", "name": "Medicare Advantage Classic"}
    return {
        "resourceType": "Coverage",
        "id": "coverage",
        "meta": {"profile": [CRD_SD + "profile-coverage"]},
        "contained": [payer],
        "identifier": [{"type": kind, "system": MEMBER, "value": member}],
        "status": "active",
        "subscriber": PATIENT,
        "subscriberId": member,
        "beneficiary": PATIENT,
        "relationship": coded(THO + "subscriber-relationship", "self"),
        "period": {"start": "2024-01-01"},
        "payor": [{"reference": "#payer"}],
        "class": [plan],
    }


def device(service: str, id: str) -> Json:
    """An order for equipment."""
    return {
        "resourceType": "DeviceRequest",
        "id": id,
        "meta": {"profile": [CRD_SD + "profile-devicerequest"]},
        "status": "draft",
        "intent": "original-order",
        "codeCodeableConcept": concept(service),
        "subject": PATIENT,
        "occurrenceDateTime": DAY,
        "authoredOn": RECORDED,
        "requester": {"reference": "Practitioner/doctor"},
    }


def call(*canonicals: str, order: Json | None = None, context: str | None = None, member: str = "MA-0001") -> Json:
    """The body of a ``$questionnaire-package``."""
    parts: list[Json] = [{"name": "coverage", "resource": coverage(member)}]
    parts += [{"name": "order", "resource": order}] if order is not None else []
    parts += [{"name": "questionnaire", "valueCanonical": canonical} for canonical in canonicals]
    parts += [{"name": "context", "valueString": context}] if context is not None else []
    meta = {"profile": [DTR_SD + "dtr-qpackage-input-parameters"]}
    return {"resourceType": "Parameters", "meta": meta, "parameter": parts}


def answer(value: Json) -> Json:
    """An answer that a clinician typed in."""
    role = {"system": "http://nucc.org/provider-taxonomy", "code": "207R00000X"}
    author = {"extension": [{"url": "role", "valueCodeableConcept": {"coding": [role]}}], "url": "author"}
    source = {"url": "source", "valueCode": "manual"}
    return {"extension": [{"extension": [source, author], "url": DTR_SD + "information-origin"}]} | value


def filled(response: Json, answers: dict[str, Json]) -> Json:
    """``response`` with an answer to every question of its form that ``answers`` knows, in the form's groups."""
    items = _filled(response["contained"][0].get("item", []), answers)
    kept = {key: value for key, value in response.items() if key != "item"}
    return kept | ({"item": items} if items else {})


def _filled(items: list[Json], answers: dict[str, Json]) -> list[Json]:
    made: list[Json] = []
    for item in items:
        here: Json = {"linkId": item["linkId"], "text": item["text"]}
        if item["type"] == "group":
            made.append(here | {"item": _filled(item.get("item", []), answers)})
        elif item["linkId"] in answers:
            made.append(here | {"answer": [answer(answers[item["linkId"]])]})
    return [item for item in made if item.get("item") != []]


def quantity(value: Any, unit: str) -> Json:
    """The value of an answer to a question with a unit."""
    return {
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }
