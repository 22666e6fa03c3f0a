"""What lets a resource count as evidence: per type the codes of its status elements, one table for the rules and for CQL.

An allowlist. A type that is not here, a status that is not here and a mandatory status that is missing count as none.
Codes are those of FHIR R4 (https://hl7.org/fhir/R4/valueset-observation-status.html and its like for each element;
https://hl7.org/fhir/R4/valueset-request-intent.html for intents); docs/policies.md ("what counts as evidence") says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Form = Literal["code", "concept"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The codes of one element with which a resource counts. ``required``: without the element it does not count.

    ``systems`` of a CodeableConcept: codings of other systems are not read (translations, or a local list whose words may
    mean something else); one without a system is taken for one of these.
    """

    element: str
    codes: frozenset[str]
    required: bool = True
    systems: frozenset[str] = frozenset()

    @property
    def form(self) -> Form:
        return "concept" if self.systems else "code"


@dataclass(frozen=True, slots=True)
class EvidenceType:
    """How one type of resource says what it is, when it was, and whether it counts.

    ``codes`` are the elements with its codes, ``times`` those with its clinically relevant time, the first that is
    there counts. ``past`` are the other elements that say when it was, ended or was recorded: none of them may lie after the receipt.
    """

    codes: tuple[str, ...]
    times: tuple[str, ...]
    allowed: tuple[Allowed, ...] = ()
    past: tuple[str, ...] = ()


def _status(*codes: str, element: str = "status") -> Allowed:
    return Allowed(element, frozenset(codes))


_ORDERED = Allowed("intent", frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"}))
"""Somebody ordered it. A proposal, a plan and an option are thoughts about an order."""
_DONE_ORDERS = (_status("active", "completed"), _ORDERED)
_EVENT = _status("completed")
_RESULT = _status("final", "amended", "corrected")
_CONDITION_VERIFICATION = Allowed(
    "verificationStatus",
    frozenset({"confirmed"}),
    required=False,  # 0..1 in R4; a diagnosis of a claim has none
    systems=frozenset({"http://terminology.hl7.org/CodeSystem/condition-ver-status"}),
)
_CONDITION_CLINICAL = Allowed(
    "clinicalStatus",
    frozenset({"active", "recurrence", "relapse"}),
    required=False,
    systems=frozenset({"http://terminology.hl7.org/CodeSystem/condition-clinical"}),
)
_ALLERGY_VERIFICATION = Allowed(
    "verificationStatus",
    frozenset({"confirmed"}),
    required=False,
    systems=frozenset({"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"}),
)
_ALLERGY_CLINICAL = Allowed(  # invariant ait-1 makes it mandatory
    "clinicalStatus",
    frozenset({"active"}),
    systems=frozenset({"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"}),
)
_MEDICATION = ("medicationCodeableConcept",)

EVIDENCE_TYPES: Mapping[str, EvidenceType] = {
    "Observation": EvidenceType(
        ("code",),
        ("effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "issued"),
        (_RESULT,),
        past=("effectivePeriod.end", "issued"),
    ),
    "DiagnosticReport": EvidenceType(
        ("code",),
        ("effectiveDateTime", "effectivePeriod.start", "issued"),
        (_status("final", "amended", "corrected", "appended"),),
        past=("effectivePeriod.end", "issued"),
    ),
    "Condition": EvidenceType(
        ("code",),
        ("onsetDateTime", "onsetPeriod.start", "recordedDate"),
        (_CONDITION_VERIFICATION, _CONDITION_CLINICAL),
        past=("onsetPeriod.end", "recordedDate"),
    ),
    "AllergyIntolerance": EvidenceType(
        ("code",),
        ("onsetDateTime", "recordedDate"),
        (_ALLERGY_VERIFICATION, _ALLERGY_CLINICAL),
        past=("recordedDate", "lastOccurrence"),
    ),
    "Procedure": EvidenceType(
        ("code",),
        ("performedDateTime", "performedPeriod.end", "performedPeriod.start"),
        (_EVENT,),
        past=("performedPeriod.start",),
    ),
    "MedicationRequest": EvidenceType(_MEDICATION, ("authoredOn",), _DONE_ORDERS),
    "MedicationDispense": EvidenceType(
        _MEDICATION, ("whenHandedOver", "whenPrepared"), (_EVENT,), past=("whenPrepared",)
    ),
    "MedicationAdministration": EvidenceType(
        _MEDICATION, ("effectiveDateTime", "effectivePeriod.start"), (_EVENT,), past=("effectivePeriod.end",)
    ),
    "MedicationStatement": EvidenceType(
        _MEDICATION,
        ("effectiveDateTime", "effectivePeriod.start", "dateAsserted"),
        (_status("active", "completed"),),
        past=("dateAsserted",),  # a course that goes on ends in the future
    ),
    "DocumentReference": EvidenceType(
        ("type", "category"),
        ("date", "context.period.start"),
        (
            _status("current"),
            Allowed("docStatus", frozenset({"final", "amended"}), required=False),
        ),
    ),
    "Encounter": EvidenceType(
        ("type",), ("period.end", "period.start"), (_status("finished", "in-progress", "onleave"),)
    ),
    "ServiceRequest": EvidenceType(("code",), ("authoredOn", "occurrenceDateTime"), _DONE_ORDERS),
    "DeviceRequest": EvidenceType(("codeCodeableConcept",), ("authoredOn", "occurrenceDateTime"), _DONE_ORDERS),
    "Immunization": EvidenceType(("vaccineCode",), ("occurrenceDateTime",), (_EVENT,), past=("recorded",)),
    "CarePlan": EvidenceType(
        ("category",),
        ("created", "period.start"),
        (_status("active", "completed"), Allowed("intent", frozenset({"plan", "order"}))),
    ),
    "Goal": EvidenceType(
        ("description",), ("startDate",), (_status("accepted", "active", "completed", element="lifecycleStatus"),)
    ),
    "ClinicalImpression": EvidenceType(("code",), ("effectiveDateTime", "date"), (_EVENT,), past=("date",)),
    "FamilyMemberHistory": EvidenceType(("condition.code",), ("date",), (_status("completed", "partial"),)),
    # the payer's own data, made by the server from what the plan holds
    "PayerClaim": EvidenceType(("code",), ("date",)),
    "PayerAuth": EvidenceType(("code",), ("start",)),
    "PayerUnits": EvidenceType(("code",), ("start",)),
}

NOTHING_THERE: Mapping[str, frozenset[str]] = {
    "status": frozenset(
        {"entered-in-error", "cancelled", "not-done", "not-taken", "planned", "draft", "declined", "superseded"}
    ),
    "docStatus": frozenset({"entered-in-error"}),
    "intent": frozenset({"proposal", "plan", "option"}),
    "lifecycleStatus": frozenset({"proposed", "planned", "rejected", "cancelled", "entered-in-error"}),
    "verificationStatus": frozenset({"refuted", "entered-in-error"}),
    "clinicalStatus": frozenset({"inactive", "resolved", "remission"}),
}
"""Codes that say the thing is not there (any more, or yet). With every other code that does not count it is not known
whether it is, so that even what the payer holds completely must not be read as "no" (``absent``)."""

DIAGNOSIS_TYPES = frozenset(
    {
        # X12 1270 in the 278 (https://build.fhir.org/ig/HL7/davinci-pas/ValueSet-X12278DiagnosisType.html)
        *("ABF", "ABJ", "ABK", "BF", "BJ", "BK"),
        # http://terminology.hl7.org/CodeSystem/ex-diagnosistype
        *("admitting", "clinical", "discharge", "laboratory", "nursing", "prenatal", "principal", "radiology"),
        *("remote", "retrospective"),
    }
)
"""``Claim.diagnosis.type`` of a diagnosis that somebody has made; a differential one, one that patients made themselves
and the reason of a visit are none."""
