"""Evidence out of a bundle: the clinical resources that facts may read (answers to forms: :mod:`.responses`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from precert.authorization.deciding.person import NO_SUBJECT, Patient, names_nobody
from precert.authorization.deciding.replaced_documents import standing_entries
from precert.authorization.deciding.resource_versions import current
from precert.authorization.deciding.response_versions import CONTEXT
from precert.authorization.record.case import LineRequest
from precert.authorization.record.numbers import NumberKind, is_valid
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.coding import codes
from precert.fhir.coverage_information import COVERAGE_INFORMATION
from precert.fhir.extension import extension, extension_value, extensions
from precert.fhir.types import Element, Resource, as_list
from precert.policy.evidence import rejection_of
from precert.policy.evidence_rules import DIAGNOSIS_TYPES
from precert.policy.types import EvidenceItem

ADMINISTRATIVE = frozenset(
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
"""Types that are no clinical evidence: who and what a request or a call names."""


ON_CLAIM = "Claim.diagnosis["
"""Where evidence stands that is a diagnosis on the Claim itself."""
_OF_NOBODY = ADMINISTRATIVE - {"QuestionnaireResponse"} | NO_SUBJECT
_ASSERTION = "coverage-assertion-id"
_SATISFIED = "satisfied-pa-id"
_MOST_ASSERTIONS = 20


def clinical_evidence(entries: Iterable[Entry]) -> list[EvidenceItem]:
    """The resources that facts may read, named as ``Type/id`` (or by their place when they have no id). Of several versions of one
    resource the newest (:mod:`.resource_versions`); no document that another one replaces (:mod:`.replaced_documents`)."""
    clinical = standing_entries([entry for entry in entries if entry.type and entry.type not in ADMINISTRATIVE])
    return [
        EvidenceItem(
            entry.resource,
            f"{entry.type}/{entry.id}" if entry.id else entry.path,
            contested=contested,
            url=entry.full_url,
        )
        for entry, contested in current(clinical)
    ]


UNESTABLISHED: Element = {"coding": [{"code": "unconfirmed"}]}
"""The verificationStatus of a diagnosis that a request only thinks of."""


def established(types: object) -> bool:
    """Whether a diagnosis of these types (``Claim.diagnosis.type``) has been made: all of them say so, or there are none. A type
    without a code, or with a coding that has none, can say anything ("rule out")."""
    listed = as_list(types)
    codings = [as_list(each.get("coding")) if isinstance(each, dict) else [] for each in listed]
    read = [[code.code for code in codes({"coding": some})] for some in codings]
    return all(len(some) == len(told) > 0 for some, told in zip(codings, read, strict=True)) and all(
        code in DIAGNOSIS_TYPES for told in read for code in told
    )


def evidence_for(line: LineRequest, evidence: Sequence[EvidenceItem]) -> list[EvidenceItem]:
    """``evidence`` without the diagnoses of the Claim that the line does not name, when it names some by their sequence
    (``Claim.item.diagnosisSequence``). What does not count as evidence stays, so that the trace can say why; Conditions of the
    chart are the patient's, whatever a line names."""
    if not line.item.get("diagnosisSequence"):
        return list(evidence)
    return [
        item
        for item in evidence
        if not item.reference.startswith(ON_CLAIM)
        or item.resource.get("code") in line.diagnoses
        or not holds(item.resource)
    ]


_STATE = ("verificationStatus", "clinicalStatus", "modifierExtension", "recordedDate")


def diagnosis_state(condition: Resource) -> Element:
    """What a Condition that a diagnosis refers to says of how certain and how current it is, and of when."""
    return {
        key: value
        for key, value in condition.items()
        if key in _STATE or key.lstrip("_").startswith(("abatement", "onset"))
    }


def holds(condition: Resource) -> bool:
    """Whether a Condition says that the patient has it, now and for certain."""
    return rejection_of(condition, "Condition") is None


def assertions(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The coverage-assertion-ids of ours that orders carry (as CRD wrote them there) or that drafts were opened under."""
    found: dict[str, None] = {}
    for entry in entries:
        told = extension_value(extension(entry.resource, COVERAGE_INFORMATION), _ASSERTION)
        found.update({told: None} if isinstance(told, str) else {})
        identifier = entry.resource.get("identifier") if entry.type == "QuestionnaireResponse" else None
        if isinstance(identifier, dict) and identifier.get("system") == CONTEXT:
            found.update({str(identifier.get("value")): None})
    return tuple(id for id in found if id.startswith(NumberKind.ASSERTION) and is_valid(id))[:_MOST_ASSERTIONS]


def told_on_order(order: Resource) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What CRD wrote on an order: (authorization numbers that satisfy it, coverage-assertion-ids), both of our form."""
    told = list(extensions(order, COVERAGE_INFORMATION))[:_MOST_ASSERTIONS]
    numbers = (extension_value(each, _SATISFIED) for each in told)
    ids = (extension_value(each, _ASSERTION) for each in told)
    return ours(numbers, NumberKind.AUTHORIZATION), ours(ids, NumberKind.ASSERTION)


def ours(numbers: Iterable[object], kind: NumberKind) -> tuple[str, ...]:
    """Those that have the form of our numbers of this kind, each once."""
    written = (number for number in numbers if isinstance(number, str))
    return tuple(dict.fromkeys(n for n in written if n.startswith(kind) and is_valid(n)))


def about_somebody_else(index: BundleIndex, patient: Patient, *, vouched: bool = False) -> list[tuple[Entry, bool]]:
    """Clinical entries and answers, also of bundles inside, that are not about ``patient``: no evidence for this request.

    With each, whether it names another patient; if not, it names nobody, or somebody who cannot be matched. ``vouched``:
    the sender said elsewhere whom all is about (CDex MemberId), so that naming nobody is no fault.
    """
    others = []
    for entry, indexes in _placed(index):
        if entry.type and entry.type not in _OF_NOBODY:
            verdict = patient.has(entry, *indexes)
            if verdict is False or (verdict is None and not (vouched and names_nobody(entry))):
                others.append((entry, verdict is False))
    return others


def _placed(index: BundleIndex) -> Iterator[tuple[Entry, tuple[BundleIndex, ...]]]:
    """As :func:`unpacked`, with the bundles that each entry stands in, the innermost first."""
    for entry in index.entries:
        yield entry, (index,)
        if entry.type == "Bundle":
            inner = BundleIndex(entry.resource, entry.path)
            yield from ((each, (inner, index)) for each in inner.entries)


def unpacked(index: BundleIndex) -> Iterator[Entry]:
    """All entries, and those of bundles inside (DTR sends its QuestionnaireResponse in one)."""
    for entry in index.entries:
        yield entry
        if entry.type == "Bundle":
            yield from BundleIndex(entry.resource, entry.path).entries
