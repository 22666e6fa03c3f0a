"""Valid documents of our own making, small but with every construct that the profiles constrain."""

from __future__ import annotations

from typing import Any

PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
CRD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/"
DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
FHIR = "http://hl7.org/fhir/StructureDefinition/"
X12 = "https://codesystem.x12.org/005010/"
TEMP = "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
NPI = "http://hl7.org/fhir/sid/us-npi"
BASE = "https://clinic.test/fhir/"

Json = dict[str, Any]


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def extension(url: str, kind: str, value: Any) -> Json:
    return {"url": url, f"value{kind}": value}


def meta(profile: str) -> Json:
    return {"profile": [profile]}


def reference(target: str) -> Json:
    return {"reference": target}


def bundle(profile: str, *resources: Json) -> Json:
    return {
        "resourceType": "Bundle",
        "id": "bundle-1",
        "meta": meta(profile),
        "identifier": {"system": "https://clinic.test/bundles", "value": "B-1"},
        "type": "collection",
        "timestamp": "2026-03-02T09:30:00.250-05:00",
        "entry": [{"fullUrl": f"{BASE}{r['resourceType']}/{r['id']}", "resource": r} for r in resources],
    }


def patient() -> Json:
    return {
        "resourceType": "Patient",
        "id": "pat-1",
        "meta": meta(PAS + "profile-beneficiary"),
        "identifier": [
            {
                "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MB"),
                "system": "https://payer.test/members",
                "value": "M-4711",
            }
        ],
        "name": [{"family": "Okafor", "given": ["Ada", "Lin"], "_given": [None, {"id": "second"}]}],
        "gender": "female",
        "birthDate": "1961-04-30",
        "address": [{"line": ["12 Elm St"], "city": "Springfield", "state": "IL", "postalCode": "62701"}],
    }


def organization(name: str, profile: str, npi: str) -> Json:
    return {
        "resourceType": "Organization",
        "id": name,
        "meta": meta(PAS + profile),
        "identifier": [{"system": NPI, "value": npi}],
        "active": True,
        "type": [concept(X12 + "98", "X3" if profile == "profile-insurer" else "FA")],
        "name": f"The {name}",
        "address": [{"line": ["1 Main St"], "city": "Springfield", "state": "IL", "postalCode": "62702"}],
    }


def practitioner() -> Json:
    return {
        "resourceType": "Practitioner",
        "id": "doc-1",
        "meta": meta(PAS + "profile-practitioner"),
        "identifier": [{"system": NPI, "value": "1234567893"}],
        "name": [{"family": "Moreau", "given": ["Jean"]}],
        "address": [{"line": ["3 Oak St"], "city": "Springfield", "state": "IL", "postalCode": "62703"}],
    }


def practitioner_role() -> Json:
    return {
        "resourceType": "PractitionerRole",
        "id": "role-1",
        "meta": meta(PAS + "profile-practitionerrole"),
        "practitioner": reference("Practitioner/doc-1"),
        "organization": reference("Organization/clinic"),
        "telecom": [{"system": "phone", "value": "+1 555 0100"}],
    }


def coverage() -> Json:
    return {
        "resourceType": "Coverage",
        "id": "cov-1",
        "meta": meta(PAS + "profile-coverage"),
        "identifier": [
            {
                "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MB"),
                "system": "https://payer.test/members",
                "value": "M-4711",
            }
        ],
        "status": "active",
        "subscriberId": "M-4711",
        "beneficiary": reference("Patient/pat-1"),
        "relationship": concept(X12 + "1069", "18"),
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "payor": [reference("Organization/payer")],
        "class": [{"type": concept("http://terminology.hl7.org/CodeSystem/coverage-class", "group"), "value": "G-1"}],
    }


def service_request() -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": "order-1",
        "meta": meta(PAS + "profile-servicerequest"),
        "extension": [coverage_information()],
        "status": "active",
        "intent": "order",
        "category": [concept("http://snomed.info/sct", "3457005")],
        "code": concept(HCPCS, "E1390"),
        "subject": reference("Patient/pat-1"),
        "occurrenceTiming": {
            "repeat": {
                "boundsDuration": {"value": 6, "system": "http://unitsofmeasure.org", "code": "mo"},
                "frequency": 1,
                "period": 1,
                "periodUnit": "d",
            }
        },
        "authoredOn": "2026-03-02",
        "requester": reference("PractitionerRole/role-1"),
    }


def coverage_information(**parts: Any) -> Json:
    """CRD's answer on an order; ``parts`` replaces (or with None removes) sub-extensions by name."""
    listed: dict[str, Json | list[Json] | None] = {
        "coverage": {"valueReference": reference("Coverage/cov-1")},
        "covered": {"valueCode": "covered"},
        "pa-needed": {"valueCode": "auth-needed"},
        "doc-needed": {"valueCode": "clinical"},
        "questionnaire": {"valueCanonical": "https://payer.test/Questionnaire/oxygen"},
        "date": {"valueDate": "2026-03-01"},
        "coverage-assertion-id": {"valueString": "CA-77"},
    }
    listed.update({name.replace("_", "-"): part for name, part in parts.items()})
    subs = [
        {"url": name, **one}
        for name, part in listed.items()
        if part is not None
        for one in (part if isinstance(part, list) else [part])
    ]
    return {"url": CRD + "ext-coverage-information", "extension": subs}


def claim() -> Json:
    return {
        "resourceType": "Claim",
        "id": "claim-1",
        "meta": meta(PAS + "profile-claim"),
        "extension": [extension(PAS + "extension-levelOfServiceCode", "CodeableConcept", concept(X12 + "1338", "U"))],
        "identifier": [{"system": "https://clinic.test/claims", "value": "C-1"}],
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "preauthorization",
        "patient": reference("Patient/pat-1"),
        "created": "2026-03-02T09:29:00-05:00",
        "insurer": reference("Organization/payer"),
        "provider": reference("Organization/clinic"),
        "priority": concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "careTeam": [
            {
                "extension": [extension(PAS + "extension-careTeamClaimScope", "Boolean", True)],
                "sequence": 1,
                "provider": reference("PractitionerRole/role-1"),
            }
        ],
        "supportingInfo": [
            {"sequence": 1, "category": concept(TEMP, "patientEvent"), "timingDate": "2026-03-05"},
            {"sequence": 2, "category": concept(TEMP, "freeFormMessage"), "valueString": "Please call first."},
        ],
        "diagnosis": [
            {
                "extension": [extension(PAS + "extension-diagnosisRecordedDate", "Date", "2026-02-27")],
                "sequence": 1,
                "diagnosisCodeableConcept": concept(ICD10, "J44.9"),
            }
        ],
        "insurance": [{"sequence": 1, "focal": True, "coverage": reference("Coverage/cov-1")}],
        "item": [
            {
                "extension": [
                    extension(
                        PAS + "extension-itemTraceNumber",
                        "Identifier",
                        {"system": "https://clinic.test/trace", "value": "T-1"},
                    ),
                    extension(PAS + "extension-serviceItemRequestType", "CodeableConcept", concept(X12 + "1525", "HS")),
                    extension(PAS + "extension-certificationType", "CodeableConcept", concept(X12 + "1322", "I")),
                    extension(PAS + "extension-requestedService", "Reference", reference("ServiceRequest/order-1")),
                ],
                "sequence": 1,
                "careTeamSequence": [1],
                "diagnosisSequence": [1],
                "informationSequence": [1, 2],
                "category": concept(X12 + "1365", "12"),
                "productOrService": concept(HCPCS, "E1390"),
                "servicedPeriod": {"start": "2026-03-05", "end": "2026-09-05"},
                "locationCodeableConcept": concept(
                    "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set", "12"
                ),
                "quantity": {"value": 6, "system": X12 + "673", "code": "MO"},
            }
        ],
    }


def request_bundle() -> Json:
    """A complete PAS 2.2.1 request."""
    return bundle(
        PAS + "profile-pas-request-bundle",
        claim(),
        patient(),
        coverage(),
        organization("payer", "profile-insurer", "1234567893"),
        organization("clinic", "profile-requestor", "1003000126"),
        practitioner(),
        practitioner_role(),
        service_request(),
    )


def review_action(code: str = "A1") -> Json:
    return {
        "url": PAS + "extension-reviewAction",
        "extension": [
            extension(PAS + "extension-reviewActionCode", "CodeableConcept", concept(X12 + "306", code)),
            extension("number", "String", "AUTH0001"),
        ],
    }


def adjudication(code: str = "A1") -> Json:
    return {
        "extension": [review_action(code)],
        "category": concept("http://terminology.hl7.org/CodeSystem/adjudication", "submitted"),
    }


def claim_response() -> Json:
    return {
        "resourceType": "ClaimResponse",
        "id": "answer-1",
        "meta": meta(PAS + "profile-claimresponse"),
        "identifier": [{"system": "https://payer.test/answers", "value": "R-1"}],
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "preauthorization",
        "patient": reference("Patient/pat-1"),
        "created": "2026-03-02T09:30:01-05:00",
        "insurer": reference("Organization/payer"),
        "requestor": reference("Organization/clinic"),
        "request": {
            "extension": [extension(FHIR + "data-absent-reason", "Code", "unknown")],
            "identifier": {"system": "https://clinic.test/claims", "value": "C-1"},
        },
        "outcome": "complete",
        "preAuthRef": "AUTH0001",
        "preAuthPeriod": {"start": "2026-03-05", "end": "2026-09-05"},
        "item": [
            {
                "extension": [
                    extension(PAS + "extension-itemPreAuthIssueDate", "Date", "2026-03-02"),
                    extension(
                        PAS + "extension-itemPreAuthPeriod", "Period", {"start": "2026-03-05", "end": "2026-09-05"}
                    ),
                ],
                "itemSequence": 1,
                "noteNumber": [1],
                "adjudication": [adjudication()],
            }
        ],
        "processNote": [{"number": 1, "text": "Certified as requested."}],
    }


def response_bundle() -> Json:
    """A complete PAS 2.2.1 response."""
    return bundle(
        PAS + "profile-pas-response-bundle",
        claim_response(),
        patient(),
        organization("payer", "profile-insurer", "1234567893"),
        organization("clinic", "profile-requestor", "1003000126"),
    )


def task() -> Json:
    return {
        "resourceType": "Task",
        "id": "task-1",
        "meta": meta(PAS + "profile-task"),
        "identifier": [{"system": "https://payer.test/tasks", "value": "T-1"}],
        "status": "requested",
        "intent": "order",
        "code": concept(TEMP, "attachment-request-code"),
        "for": reference("https://clinic.test/fhir/Patient/pat-1"),
        "requester": {"identifier": {"system": NPI, "value": "1234567893"}},
        "owner": {"identifier": {"system": NPI, "value": "1003000126"}},
        "reasonCode": concept(TEMP, "priorAuthorization"),
        "reasonReference": {"identifier": {"system": "https://clinic.test/claims", "value": "C-1"}},
        "restriction": {"period": {"end": "2026-04-01"}},
        "input": [
            {"type": concept(TEMP, "payer-url"), "valueUrl": "https://payer.test/fhir/$submit-attachment"},
            {
                "extension": [extension(PAS + "extension-serviceLineNumber", "PositiveInt", 1)],
                "type": concept(TEMP, "attachments-needed"),
                "valueCodeableConcept": concept("http://loinc.org", "18842-5"),
            },
        ],
    }


def questionnaire() -> Json:
    return {
        "resourceType": "Questionnaire",
        "id": "oxygen",
        "meta": meta(DTR + "dtr-std-questionnaire"),
        "extension": [
            extension(
                FHIR + "artifact-versionAlgorithm",
                "Coding",
                {"system": "http://hl7.org/fhir/version-algorithm", "code": "semver"},
            )
        ],
        "url": "https://payer.test/Questionnaire/oxygen",
        "version": "1.0.0",
        "name": "Oxygen",
        "title": "Home oxygen",
        "status": "active",
        "subjectType": ["Patient"],
        "date": "2026-01-15",
        "item": [
            {
                "linkId": "1",
                "text": "Measurements",
                "type": "group",
                "item": [
                    {"linkId": "1.1", "text": "Saturation", "type": "decimal", "required": True},
                    {
                        "linkId": "1.2",
                        "text": "Setting",
                        "type": "choice",
                        "answerOption": [
                            {"valueCoding": {"system": "https://payer.test/settings", "code": "rest"}},
                            {"valueCoding": {"system": "https://payer.test/settings", "code": "exercise"}},
                        ],
                    },
                    {
                        "linkId": "1.3",
                        "text": "Why not at rest?",
                        "type": "string",
                        "enableWhen": [
                            {
                                "question": "1.2",
                                "operator": "=",
                                "answerCoding": {"system": "https://payer.test/settings", "code": "exercise"},
                            }
                        ],
                    },
                ],
            },
            {"linkId": "2", "text": "Thank you.", "type": "display"},
        ],
    }


def questionnaire_response() -> Json:
    def origin() -> Json:
        return {
            "url": DTR + "information-origin",
            "extension": [
                extension("source", "Code", "manual"),
                {"url": "author", "extension": [extension("practitioner", "Reference", reference("Practitioner/d"))]},
            ],
        }

    return {
        "resourceType": "QuestionnaireResponse",
        "id": "filled-1",
        "meta": meta(DTR + "dtr-questionnaireresponse"),
        "extension": [
            extension(DTR + "qr-context", "Reference", reference("ServiceRequest/order-1")),
            extension(DTR + "qr-coverage", "Reference", reference("Coverage/cov-1")),
            extension(
                DTR + "intendedUse",
                "CodeableConcept",
                concept("http://hl7.org/fhir/us/davinci-crd/CodeSystem/coverage-information-codes", "withpa"),
            ),
        ],
        "questionnaire": "https://payer.test/Questionnaire/oxygen|1.0.0",
        "status": "completed",
        "subject": reference("Patient/pat-1"),
        "authored": "2026-03-02T09:00:00Z",
        "item": [
            {
                "linkId": "1",
                "item": [
                    {"linkId": "1.1", "answer": [{"extension": [origin()], "valueDecimal": 87.5}]},
                    {
                        "linkId": "1.2",
                        "answer": [
                            {
                                "extension": [origin()],
                                "valueCoding": {"system": "https://payer.test/settings", "code": "rest"},
                            }
                        ],
                    },
                ],
            }
        ],
    }
