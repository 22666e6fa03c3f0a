"""Which Coverage a call is about, and whether its payor is us (docs/crd.md, "Errors")."""

from __future__ import annotations

from dataclasses import dataclass

from precert.authorization.deciding.orders import Order
from precert.crd.faults import coverage_fault, unobtainable
from precert.crd.prefetch import Pool
from precert.eligibility.directory import Directory
from precert.fhir.bundle import Entry, type_and_id
from precert.fhir.types import Resource, elements, text
from precert.fhir.versions import VersionName


@dataclass(frozen=True, slots=True)
class Insured:
    """One Coverage that we answer for. ``note`` says what was assumed about its payor.

    ``is_beneficiary``: whether the patient is its beneficiary; ``None`` when that cannot be told. ``another_payer``: its
    payors name, or may name, somebody else.
    """

    entry: Entry
    note: str | None = None
    is_beneficiary: bool | None = None
    another_payer: bool = False

    @property
    def reference(self) -> str:
        return f"Coverage/{self.entry.id}"

    @property
    def resource(self) -> Resource:
        return self.entry.resource


def ours(pool: Pool, patient: str, directory: Directory, version: VersionName) -> list[Insured]:
    """The patient's coverages with this payer, in order. Raises FhirError (faults.coverage_fault) if all are somebody else's."""
    found: list[Insured] = []
    unidentified: list[Insured] = []
    foreign = 0
    for entry in pool.of_patient(patient):
        if entry.type != "Coverage" or not entry.id or entry.resource.get("status") == "entered-in-error":
            continue
        verdict = _is_us(entry, pool, directory)
        own = pool.patient(patient).named(entry.resource.get("beneficiary"), entry, pool.index)
        if verdict is True:
            found.append(Insured(entry, None, own, _another(entry, pool, directory)))
        elif verdict is None:
            unidentified.append(Insured(entry, _assumed(directory), own, _another(entry, pool, directory)))
        elif verdict == "unidentified":
            if directory.mode == "directory":
                raise coverage_fault(
                    version,
                    "payer-unidentified",
                    "The Coverage's payor carries no identifier, so it cannot be told whose coverage it is. "
                    "Give Coverage.payor.identifier or the Organization's identifier.",
                    "prefetch.coverage.payor.identifier",
                )
            unidentified.append(Insured(entry, _assumed(directory), own, _another(entry, pool, directory)))
        else:
            foreign += 1
    if found or unidentified:
        return _active(found or unidentified)
    if foreign:
        raise coverage_fault(
            version,
            "other-payer",
            f"The Coverage is with another payer; this is {directory.payer.name}. Ask the payer that its payor names.",
            "prefetch.coverage.payor",
        )
    return []


def _active(found: list[Insured]) -> list[Insured]:
    """Those that the client holds as active; all of them if none is, as our own record decides about that."""
    return [one for one in found if one.resource.get("status") == "active"] or found


def _assumed(directory: Directory) -> str:
    return f"The Coverage's payor could not be identified; answered as a coverage with {directory.payer.name}."


def _is_us(entry: Entry, pool: Pool, directory: Directory) -> bool | str | None:
    """True, False, ``None`` (a reference that leads nowhere) or ``unidentified`` (it leads to nobody in particular)."""
    verdicts: list[bool | str | None] = []
    for payor in elements(entry.resource.get("payor")):
        found = pool.index.resolve(payor, entry)
        told = directory.is_us(found.resource if found else None, payor.get("identifier"))
        if told is not None:
            verdicts.append(told)
        else:
            unresolved = found is None and text(payor.get("reference")) is not None
            verdicts.append(None if unresolved else "unidentified")
    if True in verdicts:
        return True
    if not verdicts:
        return "unidentified"
    return next((v for v in verdicts if v is not False), False)


def _another(entry: Entry, pool: Pool, directory: Directory) -> bool:
    """Whether the payors name, or may name, another payer."""
    payors = elements(entry.resource.get("payor"))
    resolved = [(pool.index.resolve(payor, entry), payor.get("identifier")) for payor in payors]
    return directory.shared([(found.resource if found else None, logical) for found, logical in resolved])


@dataclass(frozen=True, slots=True)
class Covered:
    """What one order is answered under. ``unseen`` are the Coverages that it names, when none of them is here and in force. Both
    are empty for an order whose Coverages are with other payers: nothing is to be said about it here."""

    under: tuple[Insured, ...] = ()
    unseen: tuple[str, ...] = ()


def for_order(
    candidates: list[Insured], order: Order, pool: Pool, directory: Directory, version: VersionName
) -> Covered:
    """The coverages that one order names, else the only one there is. Raises FhirError (faults.coverage_fault) if that is not clear."""
    insurance = [reference for reference in order.insurance if not _is_no_coverage(reference)]
    named = {id(e.resource) for r in insurance if (e := pool.index.resolve(r, order.entry)) is not None}
    under = tuple(insured for insured in candidates if id(insured.resource) in named)
    if under:
        return Covered(under)
    if insurance:
        found = ((r, pool.index.resolve(r, order.entry)) for r in insurance)
        unseen = [r for r, e in found if e is None or e.type != "Coverage" or _is_us(e, pool, directory) is not False]
        return Covered(unseen=tuple(unseen))
    return Covered(tuple(_only(candidates, version)))


def _is_no_coverage(reference: str) -> bool:
    """Whether an order's insurance is a preauthorization (ClaimResponse), which says nothing about the payer."""
    found = type_and_id(reference)
    return found is not None and found[0] != "Coverage"


def _only(candidates: list[Insured], version: VersionName) -> list[Insured]:
    if len(candidates) > 1:
        raise coverage_fault(
            version,
            "several-coverages",
            f"{len(candidates)} coverages of the patient are with this payer. Send the one that applies, "
            "or name it in the order's insurance.",
            "prefetch.coverage",
        )
    return candidates


def no_coverage(version: VersionName, state: str | None, problem: str | None) -> Exception:
    """No Coverage at all: unobtainable if it could not be had, a coverage fault if the client has none."""
    if problem is not None or state in (None, "failed", "malformed"):
        why = f" ({problem})" if problem else ""
        return unobtainable(
            "coverage-unobtainable",
            f"The patient's Coverage is not in the prefetch and could not be fetched{why}. "
            "Send the coverage prefetch of this service, or fhirServer with fhirAuthorization.",
            "prefetch.coverage",
        )
    return coverage_fault(
        version,
        "no-coverage",
        "No Coverage of the patient that context.patientId names was sent, and none was found in the client's system. "
        "Check context.patientId; if it is right, register the coverage first.",
        "prefetch.coverage",
    )
