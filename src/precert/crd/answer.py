"""What the CRD edge answers besides coverage-information (:mod:`precert.fhir.coverage_information`): cards, suggestions,
actions, before any version's wire shape.

:mod:`precert.crd.render` makes the answer of them; nothing here knows the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from precert.fhir.types import Element

Indicator = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a suggestion, or a system action. ``delete`` carries ``resource_id``, the others ``resource``."""

    type: Literal["create", "update", "delete"]
    description: str
    resource: Element | None = None
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    label: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    type: Literal["absolute", "smart"] = "absolute"
    app_context: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One card. ``topic`` is both its CRD response-type topic and the configuration option that switches it off."""

    topic: str
    summary: str
    detail: str = ""
    indicator: Indicator = "info"
    links: tuple[Link, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    resources: tuple[str, ...] = ()  # references of the orders it is about
    policies: tuple[str, ...] = ()  # which rules gave rise to it, for the feedback
    source: str | None = None  # another authority than the payer
    override_reasons: bool = False
