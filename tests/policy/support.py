"""Small policies and lines for the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.load import load_text
from precert.policy.types import Answer, EvidenceItem, LineContext

DAY = date(2026, 11, 2)
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
SYSTEMS = {"loinc": "http://loinc.org", "icd10": "http://hl7.org/fhir/sid/icd-10-cm", "hcpcs": HCPCS}


def place(
    *codes: str, system: str = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
) -> Any:
    """A ``locationCodeableConcept`` with these codes."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


def document(**changes: Any) -> dict[str, Any]:
    """A small, valid clinical policy about E0601, with ``changes``; a change to ``None`` removes the key."""
    base: dict[str, Any] = {
        "policy": "small",
        "version": "1",
        "title": "Small",
        "role": "clinical",
        "status": "active",
        "approved": {"by": "Committee", "date": "2026-01-01", "next_review": "2028-01-01"},
        "effective": {"start": "2026-01-01"},
        "basis": [{"type": "NCD", "id": "1"}],
        "applies": {"services": ["hcpcs|E0601"]},
        "facts": {"ok": {"ask": {"text": "OK?", "type": "boolean", "who": "clinical"}}},
        "criteria": {"id": "OK", "text": "It is OK", "test": "%ok", "cite": "NCD 1", "why_not": "It is not good."},
    }
    base.update(changes)
    return {key: value for key, value in base.items() if value is not None}


def policy(value_sets: ValueSets | None = None, **changes: Any) -> CompiledPolicy:
    text = json.dumps(document(**changes), indent=1, default=str)
    return CompiledPolicy(load_text(text.encode(), "small.yaml"), value_sets)


def fact_policy(fact: Mapping[str, Any], value_sets: ValueSets | None = None) -> CompiledPolicy:
    """A policy whose only fact is ``x``."""
    return policy(
        value_sets, facts={"x": dict(fact)}, criteria={"id": "X", "test": "%x = 1", "cite": "c", "why_not": "w"}
    )


def concept(written: str) -> dict[str, Any]:
    system, _, code = written.partition("|")
    return {"coding": [{"system": SYSTEMS.get(system, system), "code": code}]}


def observation(
    code: str, value: Any, unit: str = "%", day: str | None = "2026-11-01", name: str = "o1", **more: Any
) -> EvidenceItem:
    resource: dict[str, Any] = {"resourceType": "Observation", "id": name, "status": "final", "code": concept(code)}
    if day is not None:
        resource["effectiveDateTime"] = day
    if isinstance(value, bool):
        resource["valueBoolean"] = value
    elif value is not None:
        resource["valueQuantity"] = {"value": value, "code": unit, "unit": unit}
    return EvidenceItem({**resource, **more}, f"Observation/{name}")


def condition(code: str, name: str = "c1", **more: Any) -> EvidenceItem:
    return EvidenceItem({"resourceType": "Condition", "id": name, "code": concept(code), **more}, f"Condition/{name}")


def claim(code: str, units: Any = 1, day: str | None = "2026-10-01", name: str = "p1") -> EvidenceItem:
    resource: dict[str, Any] = {"resourceType": "PayerClaim", "id": name, "code": concept(code)}
    if units is not None:
        resource["units"] = units
    if day is not None:
        resource["date"] = day
    return EvidenceItem(resource, f"PayerClaim/{name}", "payer")


def line(
    code: str = "hcpcs|E0601",
    *,
    quantity: Any = None,
    evidence: Sequence[EvidenceItem] = (),
    answers: Mapping[str, Any] | None = None,
    item: Mapping[str, Any] | None = None,
    **context: Any,
) -> LineContext:
    claimed: dict[str, Any] = {"productOrService": concept(code), **(item or {})}
    if quantity is not None:
        claimed["quantity"] = {"value": quantity}
    given = {"service_date": DAY, "received": DAY, "coverage": {"lob": "medicare-advantage"}, **context}
    told = {
        name: Answer(value, f"QuestionnaireResponse/q#{name}", authored=f"{given['received']}T09:00:00Z")
        for name, value in (answers or {}).items()
    }
    return LineContext(item=claimed, evidence=list(evidence), answers=told, **given)
