"""Who a PAS request names: patient, insurer, requester, coverage, care team. Every dead end is a fault with its path."""

from __future__ import annotations

from datetime import date

from precert.authorization.deciding.parties import provider_npis
from precert.authorization.deciding.person import named_as
from precert.eligibility.directory import Directory
from precert.fhir.bundle import BundleIndex, Entry, reference_of
from precert.fhir.outcome import quoted
from precert.fhir.types import Resource, elements
from precert.pas.findings import Findings


def named_party(
    index: BundleIndex, claim: Entry, element: str, types: tuple[str, ...], found: Findings
) -> Entry | None:
    """The entry that ``Claim.<element>`` means. ``None`` with a fault, or for a logical reference that names the party."""
    value, path = claim.resource.get(element), f"{claim.path}.{element}"
    if not isinstance(value, dict):
        found.fault(
            "required", f"claim-{element}", path, f"Claim.{element} is missing. It must reference a {_either(types)}."
        )
        return None
    target = index.resolve(value, claim)
    if target is None:
        if reference_of(value) is None and isinstance(value.get("identifier"), dict) and element != "patient":
            return None  # a logical reference names the party well enough
        found.fault(
            "not-found",
            "reference-unresolved",
            f"{path}.reference",
            f"The reference of Claim.{element} is {quoted(reference_of(value), 200)}, which is no entry of the Bundle. "
            f"Include the {_either(types)} with a fullUrl that the reference resolves to.",
        )
    elif target.type not in types:
        found.fault(
            "invalid",
            "reference-type",
            f"{path}.reference",
            f"Claim.{element} points to a {target.type}, not a {_either(types)}.",
        )
    return target


def _either(types: tuple[str, ...]) -> str:
    return types[0] if len(types) == 1 else f"{', '.join(types[:-1])} or {types[-1]}"


def named_coverage(
    index: BundleIndex, claim: Entry, directory: Directory, found: Findings, *, required: bool
) -> Entry | None:
    """The one Coverage the request is about: the focal one that is ours when several are named."""
    path = f"{claim.path}.insurance"
    insurances = elements(claim.resource.get("insurance"))
    if not insurances:
        if required:
            found.fault("required", "no-coverage", path, "Claim.insurance is missing. Name the member's Coverage.")
        return None
    resolved: list[Entry] = []
    for position, insurance in enumerate(insurances):
        target = index.resolve(insurance.get("coverage"), claim)
        where = f"{path}[{position}].coverage"
        if target is None:
            found.fault(
                "not-found",
                "reference-unresolved",
                f"{where}.reference",
                f"The reference to the Coverage is {quoted(reference_of(insurance.get('coverage')), 200)}, which is no "
                "entry of the Bundle. Include the Coverage.",
            )
        elif target.type != "Coverage":
            found.fault(
                "invalid", "reference-type", where, f"insurance.coverage points to a {target.type}, not a Coverage."
            )
        else:
            resolved.append(target)
    if len(insurances) == 1 or len({entry.path for entry in resolved}) == 1:
        return resolved[0] if resolved else None
    focal = [e for e, i in zip(resolved, insurances, strict=False) if i.get("focal") is True] or resolved
    ours = [entry for entry in focal if payor_is_us(index, entry, directory)]
    choice = ours or focal
    if len(choice) != 1:
        found.fault(
            "multiple-matches",
            "several-coverages",
            path,
            f"The request names {len(insurances)} Coverages and {len(choice)} of them could be the one to decide on. "
            "Send only the Coverage of this payer, or mark it alone as focal.",
        )
        return None
    return choice[0]


def named_subscriber(index: BundleIndex, claim: Entry, coverage: Entry, directory: Directory) -> Resource | None:
    """Coverage.subscriber, with the numbers of further Coverages that may be this payer's: all must mean one member."""
    found = index.resolve(coverage.resource.get("subscriber"), coverage)
    named = [coverage.resource.get("subscriber")]
    for insurance in elements(claim.resource.get("insurance")):
        other = index.resolve(insurance.get("coverage"), claim)
        if other is not None and other.path != coverage.path and payor_is_us(index, other, directory) is not False:
            number = other.resource.get("subscriberId")
            typed = {"type": {"coding": [{"code": "SN"}]}, "value": number}
            named.append({"identifier": [*elements(other.resource.get("identifier")), typed]})
    return named_as(found.resource if found else None, *named)


def payor_is_us(index: BundleIndex, coverage: Entry, directory: Directory) -> bool | None:
    """Whether this payer is among the Coverage's payors; ``None`` when one of them cannot be told by an identifier."""
    told = []
    for payor in elements(coverage.resource.get("payor")):
        target = index.resolve(payor, coverage)
        told.append(directory.is_us(target.resource if target else None, payor.get("identifier")))
    return True if True in told else None if not told or None in told else False


def another_payer(
    index: BundleIndex, claim: Entry, coverage: Entry | None, directory: Directory, day: date | None = None
) -> bool:
    """Whether the insurer certainly means somebody else, or the Coverage's payors name, or may name, another payer."""
    insurer = _named(index, claim.resource.get("insurer"), claim)
    payors = elements(coverage.resource.get("payor")) if coverage is not None else []
    named = [_named(index, payor, coverage) for payor in payors if coverage is not None]
    return directory.is_another(*insurer, day) or directory.shared(named, day)


def _named(index: BundleIndex, reference: object, origin: Entry) -> tuple[Resource | None, object]:
    """The resource that a Reference leads to, if any, and the identifier in it."""
    target = index.resolve(reference, origin)
    return target.resource if target else None, reference.get("identifier") if isinstance(reference, dict) else None


def care_team(index: BundleIndex, claim: Entry) -> list[str]:
    """The NPIs of everybody on the care team."""
    members = (index.resolve(member.get("provider"), claim) for member in elements(claim.resource.get("careTeam")))
    return list(dict.fromkeys(npi for member in members if member for npi in provider_npis(index, member)))
