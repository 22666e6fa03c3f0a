"""Providers as the record names them."""

from __future__ import annotations

from collections.abc import Sequence

from precert.authorization.record.case import Party
from precert.fhir.types import Element, Resource, elements, text


def party(resource: Resource | None, reference: str | None, numbers: Sequence[str]) -> Party:
    """A Practitioner, role or Organization of a request, with its NPIs in ``numbers``."""
    name = (resource or {}).get("name")
    shown = text(name)
    for human in elements(name)[:1]:
        shown = _spelled(human)
    return Party(npi=numbers[0] if numbers else None, name=shown, reference=reference)


def human_names(name: Element) -> list[str]:
    """A HumanName in full: of its parts, and as its ``text`` says it."""
    return [said for said in (_spelled(name), text(name.get("text"))) if said]


def _spelled(human: Element) -> str | None:
    given = human.get("given")
    parts = [*(given if isinstance(given, list) else []), human.get("family")]
    return " ".join(part for part in parts if isinstance(part, str)) or None
