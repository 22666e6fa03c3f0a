"""Evidence out of a bundle: the clinical resources that facts may read (answers to forms: :mod:`.responses`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from precert.authorization.deciding.answers import CONTEXT
from precert.authorization.record.numbers import NumberKind, is_valid
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.coding import codes
from precert.fhir.extension import extension, extension_value, extensions
from precert.fhir.types import Element, Resource
from precert.policy.evidence import rejection_of
from precert.policy.evidence_rules import DIAGNOSIS_TYPES
from precert.policy.types import EvidenceItem

_ADMINISTRATIVE = frozenset(
    {
        "Claim",
        "ClaimResponse",
        "Coverage",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Location",
        "Patient",
        "RelatedPerson",
        "Endpoint",
        "Questionnaire",
        "QuestionnaireResponse",
        "OperationOutcome",
        "Parameters",
        "Bundle",
    }
)


_COVERAGE_INFORMATION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"
_ASSERTION = "coverage-assertion-id"
_SATISFIED = "satisfied-pa-id"
_MOST_ASSERTIONS = 20


def clinical_evidence(entries: Iterable[Entry]) -> list[EvidenceItem]:
    """The resources that facts may read, named as ``Type/id`` (or by their place when they have no id)."""
    return [
        EvidenceItem(entry.resource, f"{entry.type}/{entry.id}" if entry.id else entry.path)
        for entry in entries
        if entry.type and entry.type not in _ADMINISTRATIVE
    ]


UNESTABLISHED: Element = {"coding": [{"code": "unconfirmed"}]}
"""The verificationStatus of a diagnosis that a request only thinks of."""


def established(types: object) -> bool:
    """Whether a diagnosis of these types (``Claim.diagnosis.type``) has been made: all of them say so, or there are none."""
    said = {code.code for code in codes(types)}
    return said <= DIAGNOSIS_TYPES


def diagnosis_state(condition: Resource) -> Element:
    """What a Condition that a diagnosis refers to says of how certain and how current it is."""
    return {
        key: value
        for key, value in condition.items()
        if key in ("verificationStatus", "clinicalStatus", "modifierExtension") or key.startswith("abatement")
    }


def holds(condition: Resource) -> bool:
    """Whether a Condition says that the patient has it, now and for certain."""
    return rejection_of(condition, "Condition") is None


def assertions(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The coverage-assertion-ids of ours that orders carry (as CRD wrote them there) or that drafts were opened under."""
    found: dict[str, None] = {}
    for entry in entries:
        told = extension_value(extension(entry.resource, _COVERAGE_INFORMATION), _ASSERTION)
        found.update({told: None} if isinstance(told, str) else {})
        identifier = entry.resource.get("identifier") if entry.type == "QuestionnaireResponse" else None
        if isinstance(identifier, dict) and identifier.get("system") == CONTEXT:
            found.update({str(identifier.get("value")): None})
    return tuple(id for id in found if id.startswith(NumberKind.ASSERTION) and is_valid(id))[:_MOST_ASSERTIONS]


def told_on_order(order: Resource) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What CRD wrote on an order: (authorization numbers that satisfy it, coverage-assertion-ids), both of our form."""
    told = list(extensions(order, _COVERAGE_INFORMATION))[:_MOST_ASSERTIONS]
    numbers = (extension_value(each, _SATISFIED) for each in told)
    ids = (extension_value(each, _ASSERTION) for each in told)
    return ours(numbers, NumberKind.AUTHORIZATION), ours(ids, NumberKind.ASSERTION)


def ours(numbers: Iterable[object], kind: NumberKind) -> tuple[str, ...]:
    """Those that have the form of our numbers of this kind, each once."""
    written = (number for number in numbers if isinstance(number, str))
    return tuple(dict.fromkeys(n for n in written if n.startswith(kind) and is_valid(n)))


def about_somebody_else(index: BundleIndex, patient: Entry) -> list[Entry]:
    """Clinical entries and answers whose subject is in the bundle and is not ``patient``: no evidence for this request."""
    others = []
    for entry in index.entries:
        if entry.type and (entry.type not in _ADMINISTRATIVE or entry.type == "QuestionnaireResponse"):
            target = index.resolve(entry.resource.get("subject") or entry.resource.get("patient"), entry)
            if target is not None and target.type == "Patient" and target.index != patient.index:
                others.append(entry)
    return others


def unpacked(index: BundleIndex) -> Iterator[Entry]:
    """All entries, and those of bundles inside (DTR sends its QuestionnaireResponse in one)."""
    for entry in index.entries:
        yield entry
        if entry.type == "Bundle":
            yield from BundleIndex(entry.resource, entry.path).entries
