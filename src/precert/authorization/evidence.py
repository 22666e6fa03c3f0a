"""Evidence out of a bundle: clinical resources for the facts, questionnaire answers under their fact's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.extension import extension, extension_value
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.types import Answer, EvidenceItem

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
_UNUSABLE = frozenset({"entered-in-error", "stopped"})
_ORIGINS: dict[str, Literal["auto", "override", "manual"]] = {
    "auto": "auto",
    "auto-client": "auto",
    "auto-server": "auto",
    "override": "override",
    "manual": "manual",
}
_ORIGIN = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/information-origin"


def clinical_evidence(entries: Iterable[Entry]) -> list[EvidenceItem]:
    """The resources that facts may read, named as ``Type/id`` (or by their place when they have no id)."""
    return [
        EvidenceItem(entry.resource, f"{entry.type}/{entry.id}" if entry.id else entry.path)
        for entry in entries
        if entry.type and entry.type not in _ADMINISTRATIVE
    ]


def about_somebody_else(index: BundleIndex, patient: Entry) -> list[Entry]:
    """Clinical entries whose subject is in the bundle and is not ``patient``: they are no evidence for this request."""
    others = []
    for entry in index.entries:
        if entry.type and entry.type not in _ADMINISTRATIVE:
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


def answers(entries: Iterable[Entry]) -> dict[str, Answer]:
    """Every answered question of every usable QuestionnaireResponse, by linkId; a later response outranks an earlier one."""
    found: dict[str, Answer] = {}
    responses = [
        e for e in entries if e.type == "QuestionnaireResponse" and text(e.resource.get("status")) not in _UNUSABLE
    ]
    for entry in sorted(responses, key=lambda e: text(e.resource.get("authored")) or ""):
        where = f"QuestionnaireResponse/{entry.id}" if entry.id else entry.path
        for link_id, answer in questionnaire_answers(entry.resource, where):
            found[link_id] = answer
    return found


def questionnaire_answers(response: Resource, where: str) -> Iterator[tuple[str, Answer]]:
    """(linkId, answer) for each answered item, however deep. Only the first of several answers to one item is read."""
    stack: list[Element] = list(reversed(elements(response.get("item"))))
    while stack:
        item = stack.pop()
        link_id = text(item.get("linkId"))
        given = elements(item.get("answer"))
        nested = [child for answer in given for child in elements(answer.get("item"))]
        stack.extend(reversed([*elements(item.get("item")), *nested]))
        value = answer_value(given[0]) if given else None
        if link_id and value is not None:
            yield link_id, Answer(value, f"{where}#{link_id}", _origin(item, given[0]), _unit(given[0]))


def answer_value(answer: Element) -> Any:
    """The answer's value as a plain one: a Coding is its code, a Quantity its number. ``None`` if there is none."""
    for key, value in answer.items():
        if key.startswith("value") and not key.startswith("_"):
            if key == "valueCoding" and isinstance(value, dict):
                return text(value.get("code")) or text(value.get("display"))
            if key == "valueQuantity" and isinstance(value, dict):
                return value.get("value")
            return value if isinstance(value, bool | int | str) or not isinstance(value, dict | list) else None
    return None


def _unit(answer: Element) -> str | None:
    """The unit of an answer that is a Quantity: its code, else its text."""
    quantity = answer.get("valueQuantity")
    if not isinstance(quantity, dict):
        return None
    return text(quantity.get("code")) or text(quantity.get("unit"))


def _origin(item: Element, answer: Element) -> Literal["auto", "override", "manual"]:
    for element in (answer, item):
        source = extension_value(extension(element, _ORIGIN), "source")
        if isinstance(source, str) and source in _ORIGINS:
            return _ORIGINS[source]
    return "manual"
