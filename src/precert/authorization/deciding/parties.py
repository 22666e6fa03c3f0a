"""Providers as the record names them."""

from __future__ import annotations

from collections.abc import Sequence

from precert.authorization.record.case import Party
from precert.fhir.types import Resource, elements, text


def party(resource: Resource | None, reference: str | None, numbers: Sequence[str]) -> Party:
    """A Practitioner, role or Organization of a request, with its NPIs in ``numbers``."""
    name = (resource or {}).get("name")
    shown = text(name)
    for human in elements(name)[:1]:
        given = human.get("given")
        parts = [*(given if isinstance(given, list) else []), human.get("family")]
        shown = " ".join(part for part in parts if isinstance(part, str)) or None
    return Party(npi=numbers[0] if numbers else None, name=shown, reference=reference)
