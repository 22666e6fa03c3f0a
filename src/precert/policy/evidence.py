"""What the line brings along, indexed by type: which resources count as evidence, their codes, days and values.

Not evidence (documented in docs/policies.md, "facts"): anything entered in error, cancelled, not done or merely
planned; a refuted condition; a result that says it is absent. A condition that is inactive, resolved or in remission
does not show that the patient *has* it, so it is passed over too, unless the fact's ``where`` looks at
``clinicalStatus`` itself; one that is only suspected settles nothing. Passing over makes a fact unknown, never false.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from precert.fhir.coding import Code, codes
from precert.fhir.dates import parse_date
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.codeset import CodeSet, normal
from precert.policy.model import PAYER_SOURCES
from precert.policy.types import EvidenceItem, LineContext

_DAYS: dict[str, tuple[str, ...]] = {
    "Observation": ("effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "issued"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.start", "issued"),
    "Condition": ("onsetDateTime", "onsetPeriod.start", "recordedDate"),
    "Procedure": ("performedDateTime", "performedPeriod.end", "performedPeriod.start"),
    "MedicationRequest": ("authoredOn",),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod.start"),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod.start", "dateAsserted"),
    "DocumentReference": ("date", "context.period.start"),
    "Encounter": ("period.end", "period.start"),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime"),
    "DeviceRequest": ("authoredOn", "occurrenceDateTime"),
    "Immunization": ("occurrenceDateTime",),
    "AllergyIntolerance": ("onsetDateTime", "recordedDate"),
    "CarePlan": ("created", "period.start"),
    "Goal": ("startDate",),
    "ClinicalImpression": ("effectiveDateTime", "date"),
    "FamilyMemberHistory": ("date",),
    "PayerClaim": ("date",),
    "PayerAuth": ("start",),
    "PayerUnits": ("start",),
}
_CODES: dict[str, tuple[str, ...]] = {
    "MedicationRequest": ("medicationCodeableConcept",),
    "MedicationDispense": ("medicationCodeableConcept",),
    "MedicationAdministration": ("medicationCodeableConcept",),
    "MedicationStatement": ("medicationCodeableConcept",),
    "DocumentReference": ("type", "category"),
    "Encounter": ("type",),
    "DeviceRequest": ("codeCodeableConcept",),
    "Immunization": ("vaccineCode",),
}
_MEDICATION = frozenset({"MedicationRequest", "MedicationDispense", "MedicationAdministration", "MedicationStatement"})
_NEVER = frozenset({"entered-in-error", "cancelled", "not-done", "planned", "draft"})
_REFUTED = frozenset({"refuted", "entered-in-error"})
TENTATIVE = ("unconfirmed", "provisional", "differential")
"""verificationStatus of a condition that somebody thinks of and nobody has established."""
_NOT_CURRENT = frozenset({"inactive", "resolved", "remission"})


def _first_codes(concept: object) -> frozenset[str]:
    return frozenset(code.code.lower() for code in codes(concept))


def _at(resource: Element, path: str) -> Any:
    head, _, rest = path.partition(".")
    value = resource.get(head)
    if not rest:
        return value
    return _at(value, rest) if isinstance(value, dict) else None


def number(value: object) -> Decimal | int | None:
    """``value`` as an exact number; ``None`` for anything else (booleans are not numbers)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, Decimal)):
        return value
    return Decimal(str(value)) if isinstance(value, float) else None


class Evidence:
    """One resource, with its codes and day worked out at most once."""

    __slots__ = ("_codes", "_day", "_index", "item", "kind", "resource")

    def __init__(self, item: EvidenceItem, index: EvidenceIndex) -> None:
        self.item = item
        self.resource: Resource = item.resource
        self.kind = text(item.resource.get("resourceType")) or ""
        self._index = index
        self._codes: tuple[Code, ...] | None = None
        self._day: date | bool | None = False  # False: not looked at yet

    @property
    def reference(self) -> str:
        return self.item.reference

    @property
    def payer(self) -> bool:
        return self.item.source == "payer"

    @property
    def codes(self) -> tuple[Code, ...]:
        """All codings that say what this is, normalized."""
        if self._codes is None:
            found: list[Code] = []
            for key in _CODES.get(self.kind, ("code",)):
                found.extend(map(normal, codes(self.resource.get(key))))
            if self.kind in _MEDICATION and not found:
                found.extend(map(normal, codes(self._index.medication(self.resource).get("code"))))
            self._codes = tuple(found)
        return self._codes

    def component_codes(self) -> Iterator[Code]:
        """The codings of an Observation's components (US Core pulse oximetry: flow and concentration of oxygen)."""
        for component in elements(self.resource.get("component")):
            yield from map(normal, codes(component.get("code")))

    @property
    def day(self) -> date | None:
        """The clinically relevant day; ``None`` if the resource has none."""
        if isinstance(self._day, bool):
            paths = _DAYS.get(self.kind, ("date",))
            self._day = next((day for path in paths if (day := parse_date(_at(self.resource, path)))), None)
        return self._day

    def rejected(self, *, any_clinical_status: bool) -> str | None:
        """Why the resource is not evidence, or ``None`` if it is."""
        resource = self.resource
        for key in ("status", "docStatus"):
            status = resource.get(key)
            if status in _NEVER:
                return f"{key} is {status}"
        if resource.get("doNotPerform") is True:
            return "it says not to do it"
        if self.kind in ("Condition", "AllergyIntolerance"):
            refuted = _first_codes(resource.get("verificationStatus")) & _REFUTED
            if refuted:
                return f"verificationStatus is {min(refuted)}"
            past = _first_codes(resource.get("clinicalStatus")) & _NOT_CURRENT
            if past and not any_clinical_status:
                return f"clinicalStatus is {min(past)}"
        if "dataAbsentReason" in resource and not any(key.startswith("value") for key in resource):
            return "the result is absent"
        return None

    @property
    def tentative(self) -> str | None:
        """Why the resource shows neither that something is so nor that it is not, or ``None``."""
        if self.kind in ("Condition", "AllergyIntolerance"):
            held = _first_codes(self.resource.get("verificationStatus"))
            return next((f"verificationStatus is only {code}" for code in TENTATIVE if code in held), None)
        return None


class EvidenceIndex:
    """All evidence of one line by resource type. Build it once and hand it to every policy of the line.

    Diagnoses named for the line count as Condition resources without a date. Pseudo-resources of the payer's own data
    count only when the payer is their source.
    """

    __slots__ = ("_by_code", "_by_kind", "_medications")

    def __init__(self, context: LineContext) -> None:
        self._by_kind: dict[str, list[Evidence]] = {}
        self._by_code: dict[str, dict[Code, list[int]]] = {}
        self._medications: dict[str, Resource] = {}
        for item in context.evidence:
            found = Evidence(item, self)
            if found.kind in PAYER_SOURCES and not found.payer:
                continue  # the payer's own data cannot come from a sender
            self._by_kind.setdefault(found.kind, []).append(found)
            if found.kind == "Medication":
                self._medications[item.reference] = item.resource
        for position, concept in enumerate(context.diagnoses, 1):
            named: Resource = {"resourceType": "Condition", "code": concept}
            item = EvidenceItem(named, f"diagnosis[{position}]")
            self._by_kind.setdefault("Condition", []).append(Evidence(item, self))

    def of(self, kind: str, wanted: CodeSet | None = None, *, payer: bool | None = None) -> list[Evidence]:
        """The evidence of a type, in the order in which it came; with ``wanted`` only what bears one of its codes, with
        ``payer`` only the payer's own or only what was sent."""
        found = self._by_kind.get(kind, [])
        if wanted is not None and found:
            places = sorted({place for some in wanted.among(self._codes_of(kind)) for place in some})
            found = [found[place] for place in places]
        if payer is not None:
            found = [evidence for evidence in found if (evidence.payer or kind in PAYER_SOURCES) is payer]
        return found

    def _codes_of(self, kind: str) -> dict[Code, list[int]]:
        """Where in the list of a type a code stands. A chart is searched by each fact of each policy."""
        known = self._by_code.get(kind)
        if known is None:
            known = self._by_code[kind] = {}
            for place, evidence in enumerate(self._by_kind[kind]):
                for code in evidence.codes:
                    known.setdefault(code, []).append(place)
        return known

    def medication(self, resource: Resource) -> Resource:
        """The Medication that ``medicationReference`` names (contained or among the evidence), or an empty one."""
        reference = resource.get("medicationReference")
        written = text(reference.get("reference")) if isinstance(reference, dict) else None
        if written is None:
            return {}
        for contained in elements(resource.get("contained")):
            if written == f"#{contained.get('id')}":
                return contained
        for known, medication in self._medications.items():
            if known == written or written.endswith(f"/{known}"):
                return medication
        return {}


def default_value(evidence: Evidence) -> Iterator[Any]:
    """The value of a resource when the fact does not say ``value``: result of an Observation, units of a claim.

    Nothing for a result that cannot be read; ``True`` ("it is there") for types that have no value.
    """
    resource = evidence.resource
    if evidence.kind in PAYER_SOURCES:
        units = number(resource.get("units"))
        if units is not None:
            yield units
    elif evidence.kind == "Observation":
        quantity = resource.get("valueQuantity")
        if isinstance(quantity, dict):
            yield quantity
            return
        for key in ("valueBoolean", "valueInteger", "valueString", "valueDateTime"):
            if resource.get(key) is not None:
                yield resource[key]
                return
        for code in codes(resource.get("valueCodeableConcept")):
            yield code.code
            return
    else:
        yield True
