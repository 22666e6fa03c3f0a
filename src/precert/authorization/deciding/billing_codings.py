"""The codes under which services are billed: which of an order's codings they are, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable

from precert.fhir.billing import billed
from precert.fhir.coding import CPT, Code, codes, procedure
from precert.fhir.types import Element, JsonValue, as_list, elements, text


def billing_codings(concept: Element) -> tuple[Element, ...]:
    """The well-formed billing codings, each once, without displays (CPT's are licensed and must not be spread)."""
    found = dict.fromkeys(filter(billed, codes(concept)))
    sent = {c: coding for coding in elements(concept.get("coding")) for c in codes(coding)}
    return tuple({"system": text(sent.get(c, {}).get("system")) or c.system, "code": c.code} for c in found)


def bare(service: Element) -> Element:
    """The service with every procedure under its code alone: a line has its modifiers elsewhere."""
    made: list[JsonValue] = []
    for coding in as_list(service.get("coding")):
        found = next((found for code in codes(coding) if (found := procedure(code))), None)
        alone = {"system": found[0].system, "code": found[0].code} if found else {}
        made.append({**coding, **alone} if isinstance(coding, dict) else coding)
    return {**service, "coding": made} if made else service


def modifiers_of(named: Iterable[Code]) -> list[Element]:
    """CPT modifiers by post-coordination: ``97110:GP`` (CRD 2.2.1, billingCode)."""
    found = [modifier for code in named if (read := procedure(code)) for modifier in read[1]]
    return [{"coding": [{"system": CPT, "code": modifier}]} for modifier in dict.fromkeys(found)]
