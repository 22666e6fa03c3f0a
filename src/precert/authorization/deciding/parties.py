"""Providers as the record names them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from precert.authorization.record.case import Party
from precert.eligibility.directory import npis
from precert.eligibility.in_force import in_force
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.types import Element, Resource, elements, text


def party(resource: Resource | None, reference: str | None, numbers: Sequence[str]) -> Party:
    """A Practitioner, role or Organization of a request, with its NPIs in ``numbers``."""
    name = (resource or {}).get("name")
    shown = text(name)
    for human in elements(name)[:1]:
        shown = _spelled(human)
    return Party(npi=numbers[0] if numbers else None, name=shown, reference=reference)


def as_party(index: BundleIndex, named: Entry, reference: str | None) -> Party:
    """A provider as the one who can be authorized: a role stands for its practitioner, else for its organization."""
    for element in ("practitioner", "organization"):
        if named.type == "PractitionerRole":
            behind = index.resolve(named.resource.get(element), named)
            if behind is not None:
                named, reference = behind, behind.full_url or None
    return party(named.resource, reference, npis(named.resource))


def provider_npis(index: BundleIndex, named: Entry | None) -> list[str]:
    """A provider's own NPIs, then those of the practitioner and organization of a role."""
    if named is None:
        return []
    numbers = npis(named.resource)
    for element in ("practitioner", "organization"):
        behind = index.resolve(named.resource.get(element), named)
        numbers += npis(behind.resource if behind else None)
    return list(dict.fromkeys(numbers))


def provider_doubts(index: BundleIndex, named: Entry | None, reference: object, day: date | None) -> list[str]:
    """Why it is not certain who a provider is, in sentences: an NPI that is not in force on ``day``, two in one resource, or
    another one in the reference.
    ``reference`` is the Reference that names it, with a logical identifier or without."""
    found = [reference] if isinstance(reference, dict) else []
    if named is not None:
        behind = [index.resolve(named.resource.get(element), named) for element in ("practitioner", "organization")]
        found += [named.resource, *(each.resource for each in behind if each is not None)]
    doubts = []
    for resource in found:
        numbered = [i for i in elements(resource.get("identifier")) if npis({"identifier": [i]})]
        if not all(in_force(each, day) for each in numbered):
            doubts.append("An NPI of the requester is said not to be in force (use, period).")
        if len(set(npis(resource))) > 1:
            doubts.append("The requester carries two different NPIs: it is not certain who asks.")
    if named is not None and isinstance(reference, dict) and contradicts(index, named, reference):
        doubts.append("The reference to the requester names another NPI than the requester has.")
    return list(dict.fromkeys(doubts))


def contradicts(index: BundleIndex, named: Entry, reference: Element) -> bool:
    """Whether the logical NPI in a reference is none of those of the provider that it leads to."""
    told, known = set(npis(reference)), set(provider_npis(index, named))
    return bool(told and known) and not told <= known


def human_names(name: Element) -> list[str]:
    """A HumanName in full: of its parts, and as its ``text`` says it."""
    return [said for said in (_spelled(name), text(name.get("text"))) if said]


def _spelled(human: Element) -> str | None:
    given = human.get("given")
    parts = [*(given if isinstance(given, list) else []), human.get("family")]
    return " ".join(part for part in parts if isinstance(part, str)) or None
