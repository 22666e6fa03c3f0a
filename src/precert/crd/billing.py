"""The codes under which services are billed: which of an order's codings they are, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from precert.fhir.coding import CPT, HCPCS, NDC, RXNORM, X12_SERVICE_TYPE, Code, codes, procedure
from precert.fhir.types import Element, JsonValue, as_list, elements, text

BILLING_SYSTEMS = frozenset(
    {
        HCPCS,
        CPT,
        RXNORM,
        NDC,
        X12_SERVICE_TYPE,
        "http://www.cms.gov/Medicare/Coding/ICD10",
        "http://www.ada.org/cdt",
        "https://www.nubc.org/CodeSystem/RevenueCodes",
    }
)
"""Systems in which services are billed. A service named only in others (SNOMED CT, LOINC) cannot be decided: code too coarse."""


def billing_codings(concept: Element) -> tuple[Element, ...]:
    """The billable codings, each once, without displays (CPT's are licensed and must not be spread)."""
    found = dict.fromkeys(filter(_billable, codes(concept)))
    sent = {c: coding for coding in elements(concept.get("coding")) for c in codes(coding)}
    return tuple({"system": text(sent.get(c, {}).get("system")) or c.system, "code": c.code} for c in found)


def _billable(code: Code) -> bool:
    """Whether it is a code under which services are billed; what has not the form of its system's codes is none."""
    return procedure(code) is not None if code.system in (HCPCS, CPT) else code.system in BILLING_SYSTEMS


def bare(service: Element) -> Element:
    """The service with every procedure under its code alone: a line has its modifiers elsewhere."""
    made: list[JsonValue] = []
    for coding in as_list(service.get("coding")):
        billed = next((found for code in codes(coding) if (found := procedure(code))), None)
        alone = {"system": billed[0].system, "code": billed[0].code} if billed else {}
        made.append({**coding, **alone} if isinstance(coding, dict) else coding)
    return {**service, "coding": made} if made else service


def leading(named: Sequence[Code]) -> Code:
    """The code by which a line is known: the first that is billed, else the first."""
    return next(filter(_billable, named), named[0])


def modifiers_of(named: Iterable[Code]) -> list[Element]:
    """CPT modifiers by post-coordination: ``97110:GP`` (docs/crd.md, billingCode)."""
    found = [modifier for code in named if (billed := procedure(code)) for modifier in billed[1]]
    return [{"coding": [{"system": CPT, "code": modifier}]} for modifier in dict.fromkeys(found)]
