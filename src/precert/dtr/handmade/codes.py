"""The codes of a hand-made ValueSet: those that it lists itself. Source: FHIR R4 ValueSet, DTR 2.2.0 oper-5, oper-15."""

from __future__ import annotations

from datetime import datetime

from precert.dtr.valuesets import SMALL, Wanted, expansion
from precert.fhir.types import Element, Resource, elements

EVERYTHING = Wanted()


def enumerated(value_set: Resource) -> tuple[Element, ...] | None:
    """Its codings; ``None`` when they would have to be looked up in a terminology."""
    compose = value_set.get("compose")
    if not isinstance(compose, dict) or compose.get("exclude"):
        return None
    found: list[Element] = []
    for include in elements(compose.get("include")):
        if not include.get("concept") or include.get("filter") or include.get("valueSet"):
            return None
        same = {key: include[key] for key in ("system", "version") if key in include}
        for concept in elements(include["concept"]):
            found.append(same | {key: concept[key] for key in ("code", "display") if key in concept})
    return tuple(found) or None


def with_expansion(value_set: Resource, now: datetime, new_id: str, wanted: Wanted = EVERYTHING) -> Resource:
    """The set with its expansion as of now."""
    members = enumerated(value_set)
    assert members is not None  # the loader refuses others
    return {**value_set, "expansion": expansion(members, now, new_id, wanted)}


def as_sent(value_set: Resource, now: datetime, new_id: str, *, all_sizes: bool) -> Resource:
    """The set as a package carries it: small ones expanded."""
    members = enumerated(value_set) or ()
    return with_expansion(value_set, now, new_id) if all_sizes or len(members) < SMALL else value_set
