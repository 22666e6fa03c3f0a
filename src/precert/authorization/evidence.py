"""Evidence out of a bundle: the clinical resources that facts may read (answers to forms: :mod:`.responses`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from precert.fhir.bundle import BundleIndex, Entry
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


def clinical_evidence(entries: Iterable[Entry]) -> list[EvidenceItem]:
    """The resources that facts may read, named as ``Type/id`` (or by their place when they have no id)."""
    return [
        EvidenceItem(entry.resource, f"{entry.type}/{entry.id}" if entry.id else entry.path)
        for entry in entries
        if entry.type and entry.type not in _ADMINISTRATIVE
    ]


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
