"""Which data of the client's system the coverage policies read: the prefetch keys and the queries for a certain order.

Derived from the policies themselves, so that a new policy asks for what it needs without a change here (docs/crd.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from urllib.parse import quote

from precert.fhir.coding import CodePattern
from precert.fhir.systems import VALUE_SET
from precert.policy.catalogue import Catalogue
from precert.policy.codeset import with_equivalents
from precert.policy.model import PAYER_SOURCES, REQUEST_SOURCES, Fact
from precert.policy.types import Decision

_MOST = 100
PREFETCH_KEYS = {
    "Condition": "conditions",
    "Observation": "observations",
    "Procedure": "procedures",
    "Encounter": "encounters",
    "DocumentReference": "documents",
    "DiagnosticReport": "reports",
    "MedicationStatement": "medicationStatements",
    "Immunization": "immunizations",
}


def clinical_types(catalogue: Catalogue) -> list[str]:
    """The FHIR types that active policies read from the record, sorted."""
    found = {
        kind
        for policy in catalogue
        if policy.model.status == "active"
        for fact in policy.model.facts.values()
        for kind in _types(fact)
    }
    return sorted(found)


def _types(fact: Fact) -> Iterator[str]:
    return (kind for kind in fact.sources if kind not in REQUEST_SOURCES and kind not in PAYER_SOURCES)


def queries_for(
    decisions: Iterable[Decision], catalogue: Catalogue, patient: str, prefetched: Container[str] = ()
) -> list[str]:
    """Searches in the client's system that could fill the facts still missing; not for what came as ``prefetched`` keys."""
    wanted: dict[str, set[str] | None] = {}
    for decision in decisions:
        for evaluation in decision.applied:
            policy = catalogue.get(evaluation.policy, evaluation.version)
            for name in evaluation.missing:
                fact = policy.model.facts.get(name) if policy else None
                if fact is not None:
                    _collect(fact, wanted)
    kinds = sorted(kind for kind in wanted if PREFETCH_KEYS.get(kind) not in prefetched)
    return [_query(kind, patient, wanted[kind]) for kind in kinds]


def _collect(fact: Fact, wanted: dict[str, set[str] | None]) -> None:
    tokens = _tokens(with_equivalents(fact.code))
    for kind in _types(fact):
        known = wanted.get(kind, set())
        wanted[kind] = None if known is None or tokens is None else known | tokens


def _tokens(written: Iterable[str]) -> set[str] | None:
    """Exact codes as search tokens; ``None`` if the server cannot be asked for them (prefixes, value sets, no codes)."""
    found: set[str] = set()
    for pattern in map(CodePattern.parse, written):
        if pattern.prefix or pattern.system == VALUE_SET:
            return None
        found.add(f"{pattern.system}|{pattern.code}")
    return found or None


def _query(kind: str, patient: str, codes: set[str] | None) -> str:
    # Encounters are told apart by their type; everything else by its code.
    parameter = "type" if kind in ("Encounter", "DocumentReference") else "code"
    narrowed = f"&{parameter}={','.join(quote(token, safe='') for token in sorted(codes))}" if codes else ""
    return f"{kind}?patient={quote(patient, safe='-._~')}{narrowed}&_count={_MOST}"
