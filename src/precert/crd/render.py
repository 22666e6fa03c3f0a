"""From the answer to the bytes sent: cards with their uuids, system actions on the untouched resources (docs/crd.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from precert.crd import urls
from precert.crd.answer import Action, Card, Link, Suggestion
from precert.crd.markdown import one_line
from precert.fhir.bundle import reference_of, type_and_id
from precert.fhir.coverage_information import COVERAGE_INFORMATION, CoverageInfo
from precert.fhir.types import Element, Resource, elements
from precert.fhir.versions import VersionName


class Shape(Protocol):
    """What differs between IG versions: :mod:`precert.crd.shape20`, :mod:`precert.crd.shape22`."""

    VERSION: VersionName
    TOPIC_SYSTEM: str
    ANNOTATE_BASED_ON: bool

    def coverage_information(self, info: CoverageInfo) -> Element: ...


_DISPLAYS = {
    "insurance": "Insurance",
    "limits": "Limits",
    "network": "Network",
    "appropriate-use": "Appropriate Use",
    "therapy-alternatives-opt": "Optional Therapy Alternatives",
    "therapy-alternatives-req": "Required Therapy Alternatives",
    "clinical-reminder": "Clinical Reminder",
    "guideline": "Guideline",
    "off-guideline": "Off Guideline",
}
"""The displays of both versions' code systems."""

_OVERRIDE_REASONS = (
    ("patient-specific", "The patient's situation calls for this order"),
    ("already-tried", "The alternative was tried already"),
    ("will-document", "Reasons will be documented in the request"),
)


def annotated(resource: Resource, infos: Iterable[CoverageInfo], shape: Shape) -> Resource:
    """The resource as it arrived plus the assertions: nothing else changes, no element moves (resp-37).

    Earlier coverage information for the same coverage is replaced; that of other payers stays.
    """
    rendered = [shape.coverage_information(info) for info in infos]
    replaced = {_coverage_of(extension) for extension in rendered} - {None}
    sent = resource.get("extension")
    kept = [
        extension
        for extension in (sent if isinstance(sent, list) else [])
        if not (_is_ours(extension) and _coverage_of(extension) in replaced)
    ]
    return {**resource, "extension": [*kept, *rendered]}


def _is_ours(extension: object) -> bool:
    return isinstance(extension, dict) and extension.get("url") == COVERAGE_INFORMATION


def _coverage_of(extension: Element) -> tuple[str, str] | None:
    """Which Coverage an assertion is about; a client's server may give a relative reference back as an absolute one."""
    for part in elements(extension.get("extension")):
        if part.get("url") == "coverage":
            return type_and_id(reference_of(part.get("valueReference")) or "")
    return None


def asserted(resource: Resource, coverage: str) -> list[Element]:
    """The coverage information that a resource carries for one coverage."""
    key = type_and_id(coverage)
    return [e for e in elements(resource.get("extension")) if _is_ours(e) and key and _coverage_of(e) == key]


_UNCOMPARED = ("coverage", "date", "coverage-assertion-id")


def content(extension: Element) -> list[Element]:
    """What an assertion says of its coverage, without its id and day: two assertions with the same content say nothing new
    (resp-35). The parts may stand in any order."""
    said = [part for part in elements(extension.get("extension")) if part.get("url") not in _UNCOMPARED]
    return sorted(said, key=lambda part: str(part.get("url")))


def assertion_id(extension: Element) -> str | None:
    """The id of an assertion on the wire."""
    for part in elements(extension.get("extension")):
        if part.get("url") == "coverage-assertion-id":
            found = part.get("valueString")
            return found if isinstance(found, str) else None
    return None


def system_action(resource: Resource) -> Element:
    """An update of one resource; the description is sent although newer hooks make it optional."""
    kind = resource.get("resourceType")
    return {"type": "update", "description": f"Adds coverage information to the {kind}", "resource": resource}


def action(described: Action) -> Element:
    """One action."""
    shown: Element = {"type": described.type, "description": described.description}
    if described.resource is not None:
        shown["resource"] = described.resource
    if described.resource_id is not None:
        shown["resourceId"] = described.resource_id
    return shown


def card(described: Card, label: str, root: str, shape: Shape, new_id: Callable[[], str]) -> Element:
    """One card, with no empty members (H@3)."""
    topic = {"system": shape.TOPIC_SYSTEM, "code": described.topic, "display": _display(described.topic)}
    shown: Element = {"uuid": new_id(), "summary": one_line(described.summary)}
    if described.detail:
        shown["detail"] = described.detail
    shown["indicator"] = described.indicator
    shown["source"] = {"label": described.source or label, "url": f"{root}/", "topic": topic}
    if described.suggestions:
        shown["suggestions"] = [_suggestion(suggestion, new_id) for suggestion in described.suggestions]
        shown["selectionBehavior"] = "at-most-one"
    if described.override_reasons:
        shown["overrideReasons"] = [
            {"system": urls.OVERRIDE_REASONS, "code": code, "display": display} for code, display in _OVERRIDE_REASONS
        ]
    if described.links:
        shown["links"] = [_link(link) for link in described.links]
    if described.resources:
        shown["extension"] = {urls.ASSOCIATED_RESOURCE: [{"reference": r} for r in described.resources]}
    return shown


def _display(topic: str) -> str:
    return _DISPLAYS.get(topic, topic)


def _suggestion(suggestion: Suggestion, new_id: Callable[[], str]) -> Element:
    return {
        "label": suggestion.label,
        "uuid": new_id(),
        "actions": [action(described) for described in suggestion.actions],
    }


def _link(link: Link) -> Element:
    shown: Element = {"label": link.label, "url": link.url, "type": link.type}
    if link.app_context is not None:
        shown["appContext"] = link.app_context
    return shown


def response(cards: list[Element], actions: list[Element]) -> Element:
    """The whole answer: ``cards`` always, ``systemActions`` only when there are any."""
    return {"cards": cards, **({"systemActions": actions} if actions else {})}
