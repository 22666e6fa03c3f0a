"""The catalogue of seeded defects: what is broken, how, and where it must be found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from validation import builders as b

DROP = object()
"""Remove the member."""
APPEND = "+"
"""As the last step of a pointer: add to the array."""

CONTEXT = {
    "request": "pas-2.2.1",
    "response": "pas-2.2.1",
    "coverage": "pas-2.2.1",
    "task": "pas-2.2.1",
    "order": "crd-2.2.1",
    "questionnaire": "dtr-2.2.0",
    "filled": "dtr-2.2.0",
}
BUILD: dict[str, Callable[[], b.Json]] = {
    "request": b.request_bundle,
    "response": b.response_bundle,
    "coverage": b.coverage,
    "task": b.task,
    "order": b.service_request,
    "questionnaire": b.questionnaire,
    "filled": b.questionnaire_response,
}


@dataclass(frozen=True)
class Seed:
    """Put ``value`` at ``pointer`` of the document; ``rule`` must then be reported at ``expression``."""

    name: str
    document: str
    pointer: str
    value: Any
    expression: str
    rule: str

    def plant(self) -> b.Json:
        """The broken document."""
        document = BUILD[self.document]()
        *steps, last = [step.replace("~", ".") for step in self.pointer.split(".")]
        at: Any = document
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at[step]
        value = copy.deepcopy(self.value)
        if value is DROP or self.value is DROP:
            del at[int(last) if isinstance(at, list) else last]
        elif last == APPEND:
            at.append(value)
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
        return document


C = "Bundle.entry[0].resource"
"""The Claim of the request, or the ClaimResponse of the response."""
c = "entry.0.resource"
CI = "ServiceRequest.extension[0]"

SEEDS = [
    # -- Bundle -----------------------------------------------------------------------------------------------------
    Seed("bundle without identifier", "request", "identifier", DROP, "Bundle.identifier", "required"),
    Seed("bundle without timestamp", "request", "timestamp", DROP, "Bundle.timestamp", "required"),
    Seed("bundle of another type", "request", "type", "batch", "Bundle.type", "pattern-value"),
    Seed("bundle type unknown", "request", "type", "gathering", "Bundle.type", "binding"),
    Seed("bundle without entries", "request", "entry", [], "Bundle.entry", "empty-array"),
    Seed("claim not first", "request", "entry.0", DROP, "Bundle", "invariant:ClaimFirst"),
    Seed("claim missing", "request", "entry.0", DROP, "Bundle.entry", "slice-too-few"),
    Seed("answer not first", "response", "entry.0", DROP, "Bundle", "invariant:ClaimResponseFirst"),
    Seed("entry without fullUrl", "request", "entry.1.fullUrl", DROP, "Bundle.entry[1].fullUrl", "required"),
    Seed(
        "entry with request",
        "request",
        "entry.1.request",
        {"method": "POST", "url": "x"},
        "Bundle.entry[1].request",
        "prohibited",
    ),
    Seed("fullUrl relative", "request", "entry.1.fullUrl", "Patient/pat-1", "Bundle.entry[1].fullUrl", "full-url"),
    Seed(
        "fullUrl of another id",
        "request",
        "entry.1.fullUrl",
        b.BASE + "Patient/other",
        "Bundle.entry[1].fullUrl",
        "full-url",
    ),
    Seed(
        "fullUrl twice",
        "request",
        "entry.+",
        {"fullUrl": b.BASE + "Patient/pat-1", "resource": b.patient()},
        "Bundle.entry[8].fullUrl",
        "full-url-duplicate",
    ),
    Seed(
        "fullUrl twice, as invariant",
        "request",
        "entry.+",
        {"fullUrl": b.BASE + "Patient/pat-1", "resource": b.patient()},
        "Bundle",
        "invariant:bdl-7",
    ),
    Seed(
        "two answers",
        "response",
        "entry.+",
        {"fullUrl": "urn:uuid:7b3c8a3e-6c1e-4a7e-9d43-0e9b4bd2b1a1", "resource": b.claim_response()},
        "Bundle.entry",
        "slice-too-many",
    ),
    Seed("instant without zone", "request", "timestamp", "2026-03-02T09:30:00", "Bundle.timestamp", "bad-format"),
    # -- Claim ------------------------------------------------------------------------------------------------------
    Seed("claim without items", "request", f"{c}.item", DROP, f"{C}.item", "required"),
    Seed("claim without patient", "request", f"{c}.patient", DROP, f"{C}.patient", "base-required"),
    Seed("claim with another use", "request", f"{c}.use", "claim", f"{C}.use", "pattern-value"),
    Seed(
        "claim with related claim",
        "request",
        f"{c}.related",
        [{"claim": {"display": "x"}}],
        f"{C}.related",
        "prohibited",
    ),
    Seed("status not in value set", "request", f"{c}.status", "open", f"{C}.status", "binding"),
    Seed("claim type not in value set", "request", f"{c}.type.coding.0.code", "vision", f"{C}.type", "binding"),
    Seed("priority misspelt", "request", f"{c}.priorty", {}, f"{C}.priorty", "unknown-element"),
    Seed("created no such day", "request", f"{c}.created", "2026-02-30", f"{C}.created", "no-such-date"),
    Seed(
        "identifier without system",
        "request",
        f"{c}.identifier.0.system",
        DROP,
        f"{C}.identifier[0].system",
        "required",
    ),
    Seed(
        "three identifiers",
        "request",
        f"{c}.identifier",
        [{"system": "urn:a", "value": str(n)} for n in range(3)],
        f"{C}.identifier",
        "too-many-repeats",
    ),
    Seed("item as object", "request", f"{c}.item", {"sequence": 1}, f"{C}.item", "expected-array"),
    Seed("patient as array", "request", f"{c}.patient", [], f"{C}.patient", "unexpected-array"),
    Seed("insurer as text", "request", f"{c}.insurer", "payer", f"{C}.insurer", "not-an-object"),
    Seed("sequence as text", "request", f"{c}.item.0.sequence", "1", f"{C}.item[0].sequence", "wrong-json-type"),
    Seed("sequence zero", "request", f"{c}.item.0.sequence", 0, f"{C}.item[0].sequence", "out-of-range"),
    Seed("focal as text", "request", f"{c}.insurance.0.focal", "true", f"{C}.insurance[0].focal", "wrong-json-type"),
    Seed("null member", "request", f"{c}.priority", None, f"{C}.priority", "null-value"),
    Seed(
        "empty object", "request", f"{c}.item.0.productOrService", {}, f"{C}.item[0].productOrService", "empty-object"
    ),
    Seed(
        "serviced twice", "request", f"{c}.item.0.servicedDate", "2026-03-05", f"{C}.item[0].serviced", "choice-twice"
    ),
    Seed(
        "period backwards",
        "request",
        f"{c}.item.0.servicedPeriod",
        {"start": "2026-09-05", "end": "2026-03-05"},
        f"{C}.item[0].serviced",
        "invariant:per-1",
    ),
    Seed(
        "wrong code system for service",
        "request",
        f"{c}.item.0.productOrService.coding.0.system",
        "https://clinic.test/codes",
        f"{C}.item[0].productOrService",
        "binding",
    ),
    Seed(
        "diagnosis in own codes",
        "request",
        f"{c}.diagnosis.0.diagnosisCodeableConcept.coding.0.system",
        "https://clinic.test/codes",
        f"{C}.diagnosis[0].diagnosis",
        "binding",
    ),
    Seed(
        "diagnosis as reference",
        "request",
        f"{c}.diagnosis.0",
        {"sequence": 1, "diagnosisReference": {"reference": "Condition/c"}},
        f"{C}.diagnosis[0].diagnosis",
        "choice-type",
    ),
    Seed(
        "care team without scope",
        "request",
        f"{c}.careTeam.0.extension",
        DROP,
        f"{C}.careTeam[0].extension",
        "required",
    ),
    Seed(
        "item without certification type",
        "request",
        f"{c}.item.0.extension.2",
        DROP,
        f"{C}.item[0].extension",
        "slice-too-few",
    ),
    Seed(
        "patient event without timing",
        "request",
        f"{c}.supportingInfo.0.timingDate",
        DROP,
        f"{C}.supportingInfo[0].timing",
        "required",
    ),
    Seed(
        "patient event with partial date",
        "request",
        f"{c}.supportingInfo.0.timingDate",
        "2026-03",
        f"{C}.supportingInfo[0].timing",
        "invariant:FullDateRule",
    ),
    Seed(
        "two patient events",
        "request",
        f"{c}.supportingInfo.+",
        {"sequence": 3, "category": b.concept(b.TEMP, "patientEvent"), "timingDate": "2026-03-06"},
        f"{C}.supportingInfo",
        "slice-too-many",
    ),
    Seed(
        "message with a date",
        "request",
        f"{c}.supportingInfo.1.timingDate",
        "2026-03-05",
        f"{C}.supportingInfo[1].timing",
        "prohibited",
    ),
    Seed(
        "extension of the wrong type",
        "request",
        f"{c}.extension.0",
        b.extension(b.PAS + "extension-levelOfServiceCode", "String", "U"),
        f"{C}.extension[0].value",
        "choice-type",
    ),
    Seed(
        "extension in the wrong place",
        "request",
        f"{c}.extension.+",
        b.extension(b.PAS + "extension-diagnosisRecordedDate", "Date", "2026-01-01"),
        f"{C}.extension[1]",
        "extension-context",
    ),
    Seed(
        "extension with value and extensions",
        "request",
        f"{c}.extension.0.extension",
        [b.extension("https://clinic.test/x", "String", "y")],
        f"{C}.extension[0]",
        "invariant:ext-1",
    ),
    Seed("extension without url", "request", f"{c}.extension.0.url", DROP, f"{C}.extension[0].url", "base-required"),
    Seed(
        "unknown modifier extension",
        "request",
        f"{c}.modifierExtension",
        [b.extension("https://clinic.test/not-really", "Boolean", True)],
        f"{C}.modifierExtension[0]",
        "unknown-modifier-extension",
    ),
    Seed(
        "modifier among extensions",
        "request",
        f"{c}.item.0.extension.+",
        b.extension(b.PAS + "modifierextension-infoCancelled", "Boolean", True),
        f"{C}.item[0].extension[4]",
        "modifier-misplaced",
    ),
    Seed(
        "patient is an organization",
        "request",
        f"{c}.patient.reference",
        "Organization/payer",
        f"{C}.patient.reference",
        "reference-type",
    ),
    Seed(
        "patient cannot be found",
        "request",
        f"{c}.patient.reference",
        "urn:uuid:00000000-0000-4000-8000-000000000000",
        f"{C}.patient.reference",
        "reference-unresolved",
    ),
    Seed(
        "contained resource missing", "request", f"{c}.insurer.reference", "#nowhere", f"{C}.insurer", "invariant:ref-1"
    ),
    Seed(
        "insurer not a payer organization",
        "request",
        f"{c}.insurer.reference",
        "Practitioner/doc-1",
        f"{C}.insurer.reference",
        "reference-type",
    ),
    Seed(
        "quantity with comparator",
        "request",
        f"{c}.item.0.quantity.comparator",
        "<",
        f"{C}.item[0].quantity.comparator",
        "prohibited",
    ),
    Seed(
        "contained nobody refers to",
        "request",
        f"{c}.contained",
        [{"resourceType": "Patient", "id": "p"}],
        C,
        "invariant:dom-3",
    ),
    Seed(
        "contained with a version",
        "request",
        f"{c}.contained",
        [{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}],
        C,
        "invariant:dom-4",
    ),
    Seed(
        "unknown resource type",
        "request",
        f"{c}.contained",
        [{"resourceType": "Invoicer", "id": "p"}],
        f"{C}.contained[0]",
        "unknown-resource-type",
    ),
    Seed("profile for another type", "request", f"{c}.meta.profile.0", b.PAS + "profile-coverage", C, "profile-type"),
    Seed(
        "script in narrative",
        "request",
        f"{c}.text",
        {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'><script>x</script></div>"},
        f"{C}.text.div",
        "active-content",
    ),
    # -- others in the request --------------------------------------------------------------------------------------
    Seed(
        "NPI with a wrong check digit",
        "request",
        "entry.5.resource.identifier.0.value",
        "1234567890",
        "Bundle.entry[5].resource.identifier[0]",
        "invariant:us-core-17",
    ),
    Seed(
        "NPI too short",
        "request",
        "entry.5.resource.identifier.0.value",
        "123456789",
        "Bundle.entry[5].resource.identifier[0]",
        "invariant:us-core-16",
    ),
    Seed("patient without name", "request", "entry.1.resource.name", DROP, "Bundle.entry[1].resource.name", "required"),
    Seed(
        "patient with unknown gender",
        "request",
        "entry.1.resource.gender",
        "f",
        "Bundle.entry[1].resource.gender",
        "binding",
    ),
    Seed(
        "given and _given differ in length",
        "request",
        "entry.1.resource.name.0._given",
        [None],
        "Bundle.entry[1].resource.name[0].given",
        "array-lengths",
    ),
    Seed(
        "date of birth with time",
        "request",
        "entry.1.resource.birthDate",
        "1961-04-30T00:00:00Z",
        "Bundle.entry[1].resource.birthDate",
        "bad-format",
    ),
    # -- Coverage ---------------------------------------------------------------------------------------------------
    Seed("coverage without payor", "coverage", "payor", DROP, "Coverage.payor", "base-required"),
    Seed("coverage without member id", "coverage", "identifier.0.type", DROP, "Coverage.identifier", "slice-too-few"),
    Seed(
        "coverage of a dependent without subscriber",
        "coverage",
        "relationship.coding.0.code",
        "19",
        "Coverage",
        "invariant:self-beneficiary",
    ),
    Seed("coverage status unknown", "coverage", "status", "lapsed", "Coverage.status", "binding"),
    Seed(
        "coverage for a group",
        "coverage",
        "beneficiary.reference",
        "Group/g",
        "Coverage.beneficiary.reference",
        "reference-type",
    ),
    Seed("class without value", "coverage", "class.0.value", DROP, "Coverage.class[0].value", "base-required"),
    # -- ClaimResponse ----------------------------------------------------------------------------------------------
    Seed("answer without outcome", "response", f"{c}.outcome", DROP, f"{C}.outcome", "base-required"),
    Seed("answer queued", "response", f"{c}.outcome", "queued", f"{C}.outcome", "binding"),
    Seed("answer without request", "response", f"{c}.request", DROP, f"{C}.request", "required"),
    Seed(
        "adjudication of another category",
        "response",
        f"{c}.item.0.adjudication.0.category",
        b.concept("http://terminology.hl7.org/CodeSystem/adjudication", "benefit"),
        f"{C}.item[0].adjudication[0].category",
        "pattern-value",
    ),
    Seed(
        "review action by a short name",
        "response",
        f"{c}.item.0.adjudication.0.extension.0.extension.0.url",
        "reviewActionCode",
        f"{C}.item[0].adjudication[0].extension[0].extension[0]",
        "extension-url",
    ),
    Seed(
        "review action code at the root",
        "response",
        f"{c}.adjudication",
        [b.adjudication()],
        f"{C}.adjudication[0].extension[0].extension[0]",
        "extension-context",
    ),
    Seed(
        "review action on the item",
        "response",
        f"{c}.item.0.extension.+",
        b.review_action(),
        f"{C}.item[0].extension[2]",
        "extension-context",
    ),
    Seed(
        "two numbers in one review action",
        "response",
        f"{c}.item.0.adjudication.0.extension.0.extension.+",
        b.extension("number", "String", "N2"),
        f"{C}.item[0].adjudication[0].extension[0].extension",
        "slice-too-many",
    ),
    Seed(
        "item without adjudication",
        "response",
        f"{c}.item.0.adjudication",
        DROP,
        f"{C}.item[0].adjudication",
        "base-required",
    ),
    Seed("note without text", "response", f"{c}.processNote.0.text", DROP, f"{C}.processNote[0].text", "base-required"),
    Seed(
        "error code in own system",
        "response",
        f"{c}.error",
        [{"code": b.concept("https://payer.test/e", "1")}],
        f"{C}.error[0].code",
        "binding",
    ),
    # -- Task -------------------------------------------------------------------------------------------------------
    Seed("task with one input", "task", "input.1", DROP, "Task.input", "too-few"),
    Seed(
        "task for attachments without them",
        "task",
        "input.1.type.coding.0.code",
        "other",
        "Task",
        "invariant:AttachmentNeeded",
    ),
    Seed(
        "payer url as text",
        "task",
        "input.0",
        {"type": b.concept(b.TEMP, "payer-url"), "valueString": "https://payer.test"},
        "Task.input[0].value",
        "choice-type",
    ),
    Seed("attachment without line number", "task", "input.1.extension", DROP, "Task.input[1].extension", "required"),
    Seed("task status unknown", "task", "status", "waiting", "Task.status", "binding"),
    Seed("task for another reason", "task", "reasonCode.coding.0.code", "other", "Task.reasonCode", "pattern-value"),
    # -- coverage-information ---------------------------------------------------------------------------------------
    Seed("assertion without covered", "order", "extension.0.extension.1", DROP, f"{CI}.extension", "slice-too-few"),
    Seed(
        "covered with unknown code",
        "order",
        "extension.0",
        b.coverage_information(covered={"valueCode": "yes"}),
        f"{CI}.extension[1].value",
        "binding",
    ),
    Seed(
        "covered as text",
        "order",
        "extension.0",
        b.coverage_information(covered={"valueString": "covered"}),
        f"{CI}.extension[1].value",
        "choice-type",
    ),
    Seed(
        "two dates",
        "order",
        "extension.0",
        b.coverage_information(date=[{"valueDate": "2026-03-01"}, {"valueDate": "2026-03-02"}]),
        f"{CI}.extension",
        "slice-too-many",
    ),
    Seed(
        "questionnaire without doc-needed",
        "order",
        "extension.0",
        b.coverage_information(doc_needed=None),
        CI,
        "invariant:crd-ci-q1",
    ),
    Seed(
        "not covered but authorization needed",
        "order",
        "extension.0",
        b.coverage_information(covered={"valueCode": "not-covered"}),
        CI,
        "invariant:crd-ci-q2",
    ),
    Seed(
        "conditional without what is needed",
        "order",
        "extension.0",
        b.coverage_information(covered={"valueCode": "conditional"}),
        CI,
        "invariant:crd-ci-q3",
    ),
    Seed(
        "satisfied without number",
        "order",
        "extension.0",
        b.coverage_information(pa_needed={"valueCode": "satisfied"}),
        CI,
        "invariant:crd-ci-q5",
    ),
    Seed(
        "indeterminate without reason",
        "order",
        "extension.0",
        b.coverage_information(covered={"valueCode": "indeterminate"}),
        CI,
        "invariant:crd-ci-q9",
    ),
    Seed(
        "reason code of our own without text",
        "order",
        "extension.0",
        b.coverage_information(reason={"valueCodeableConcept": b.concept("https://payer.test/r", "1")}),
        CI,
        "invariant:crd-ci-q7",
    ),
    Seed(
        "part that does not exist",
        "order",
        "extension.0",
        b.coverage_information(verdict={"valueCode": "x"}),
        f"{CI}.extension[7]",
        "extension-url",
    ),
    Seed(
        "coverage of the wrong type",
        "order",
        "extension.0",
        b.coverage_information(coverage={"valueReference": {"reference": "Patient/pat-1"}}),
        f"{CI}.extension[0].value.reference",
        "reference-type",
    ),
    # -- Questionnaire ----------------------------------------------------------------------------------------------
    Seed("link id twice", "questionnaire", "item.0.item.1.linkId", "1.1", "Questionnaire", "invariant:que-2"),
    Seed(
        "item without link id",
        "questionnaire",
        "item.0.item.0.linkId",
        DROP,
        "Questionnaire.item[0].item[0].linkId",
        "base-required",
    ),
    Seed(
        "item of unknown type",
        "questionnaire",
        "item.0.item.0.type",
        "number",
        "Questionnaire.item[0].item[0].type",
        "binding",
    ),
    Seed(
        "display with children",
        "questionnaire",
        "item.1.item",
        [{"linkId": "2.1", "type": "display"}],
        "Questionnaire.item[1]",
        "invariant:que-1c",
    ),
    Seed(
        "options and value set",
        "questionnaire",
        "item.0.item.1.answerValueSet",
        "https://payer.test/vs",
        "Questionnaire.item[0].item[1]",
        "invariant:que-4",
    ),
    Seed("required display", "questionnaire", "item.1.required", True, "Questionnaire.item[1]", "invariant:que-6"),
    Seed(
        "exists compared with a code",
        "questionnaire",
        "item.0.item.2.enableWhen.0.operator",
        "exists",
        "Questionnaire.item[0].item[2].enableWhen[0]",
        "invariant:que-7",
    ),
    Seed(
        "length of a choice",
        "questionnaire",
        "item.0.item.1.maxLength",
        5,
        "Questionnaire.item[0].item[1]",
        "invariant:que-10",
    ),
    Seed("questionnaire status unknown", "questionnaire", "status", "final", "Questionnaire.status", "binding"),
    # -- QuestionnaireResponse --------------------------------------------------------------------------------------
    Seed(
        "answer without origin",
        "filled",
        "item.0.item.0.answer.0.extension",
        DROP,
        "QuestionnaireResponse.item[0].item[0].answer[0].extension",
        "required",
    ),
    Seed(
        "answer and items side by side",
        "filled",
        "item.0.answer",
        [{"valueString": "x"}],
        "QuestionnaireResponse.item[0]",
        "invariant:qrs-1",
    ),
    Seed(
        "origin with an unknown source",
        "filled",
        "item.0.item.0.answer.0.extension.0.extension.0.valueCode",
        "guess",
        "QuestionnaireResponse.item[0].item[0].answer[0].extension[0].extension[0].value",
        "binding",
    ),
    Seed("filled status unknown", "filled", "status", "done", "QuestionnaireResponse.status", "binding"),
    Seed(
        "filled without questionnaire",
        "filled",
        "questionnaire",
        DROP,
        "QuestionnaireResponse.questionnaire",
        "required",
    ),
    Seed(
        "answer of a type that does not exist",
        "filled",
        "item.0.item.0.answer.0.valuePeriod",
        {"start": "2026"},
        "QuestionnaireResponse.item[0].item[0].answer[0].value",
        "choice-type",
    ),
    Seed(
        "intended use from the old code system",
        "filled",
        "extension.2.valueCodeableConcept.coding.0.system",
        "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp",
        "QuestionnaireResponse.extension[2].value",
        "binding",
    ),
]
