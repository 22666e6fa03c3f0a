"""Who takes part in a request, as an answer names them: references that resolve in the answer's bundle."""

from __future__ import annotations

from precert.authorization.record.case import Case
from precert.fhir.bundle import BundleIndex
from precert.fhir.coding import codes
from precert.fhir.types import Element, Resource, elements
from precert.pas import urls
from precert.pas.requests import Parties


def full_reference(request: BundleIndex, sent: Element) -> Element:
    """The request's reference, made absolute with the fullUrl of the entry it means, so that it resolves in any bundle.

    A party that was contained in the Claim has no address outside it: it is named by its identifier.
    """
    target = request.resolve(sent, request.entries[0])
    if target is None:
        return sent
    if target.full_url:
        return {"reference": target.full_url}
    named: Element = {}
    if identifier := next((i for i in elements(target.resource.get("identifier")) if i.get("value")), None):
        named["identifier"] = identifier
    name = target.resource.get("name")
    return named | {"display": name if isinstance(name, str) else target.type}


def roles(request: BundleIndex) -> dict[str, Element]:
    """The X12 role of everybody on the request's care team, by fullUrl; a role's practitioner and organization share it."""
    found: dict[str, Element] = {}
    claim = request.entries[0]
    for member in elements(claim.resource.get("careTeam")):
        role, target = member.get("role"), request.resolve(member.get("provider"), claim)
        if target is None or not any(code.system == urls.X12_ENTITY for code in codes(role)):
            continue
        inner = (request.resolve(target.resource.get(name), target) for name in ("practitioner", "organization"))
        for party in (target, *inner):
            if party is not None and party.full_url and isinstance(role, dict):
                found.setdefault(party.full_url, role)
    return found


def parties(case: Case, claim: Resource, request: BundleIndex, fhir: str) -> Parties:
    """The two sides of an information request about ``case``; ``fhir`` is our base, where the Claim can be read."""
    case_number = {"system": urls.CASE_NUMBER, "value": case.number}
    return Parties(
        patient=full_reference(request, claim["patient"]),
        insurer=full_reference(request, claim["insurer"]),
        insurer_identifier=_identifier(request, claim["insurer"]) or case_number,
        requestor=full_reference(request, claim["provider"]),
        requestor_identifier=_identifier(request, claim["provider"]) or case_number,
        recipient=_behind(request, claim["provider"], "organization", "practitioner"),
        sender=_behind(request, claim["provider"], "organization"),
        claim={"reference": case.claim}
        if case.claim.startswith("http")
        else {"reference": f"{fhir}/Claim/{case.submission}"},
    )


def _behind(request: BundleIndex, reference: Element, *elements: str) -> Element | None:
    """Who is meant by ``reference``: of a PractitionerRole the first of ``elements`` that it has, else the target itself
    when it is of such a type."""
    target = request.resolve(reference, request.entries[0])
    if target is None:  # a logical reference, by identifier
        return reference
    if target.type != "PractitionerRole":
        return full_reference(request, reference) if target.type.lower() in elements else None
    inner = (request.resolve(target.resource.get(element), target) for element in elements)
    return next(({"reference": found.full_url} for found in inner if found and found.full_url), None)


def _identifier(request: BundleIndex, reference: Element) -> Element | None:
    target = request.resolve(reference, request.entries[0])
    known = elements(target.resource.get("identifier")) if target else elements(reference.get("identifier"))
    return next((i for i in known if i.get("system") and i.get("value")), None)
