"""The coverages of a package call: with this payer, active today, and of the member whom the context is about.

Source: DTR 2.2.0 spec-130 (a coverage that cannot be found is an error), sec-9 (what a case knows is for its member only).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from precert.authorization.deciding.request import Subject
from precert.authorization.usecases.ask import ConsultService, Identified
from precert.dtr.asked import Asked
from precert.dtr.origin import Origin
from precert.eligibility.directory import Directory, member_numbers
from precert.eligibility.model import Member
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource, elements, text


@dataclass(frozen=True, slots=True)
class Insured:
    """One coverage that holds, and who is behind it."""

    coverage: Resource
    identified: Identified


def holding(asked: Asked, origin: Origin | None, consult: ConsultService) -> tuple[list[Insured], list[Issue]]:
    """The coverages to answer for, and a warning for each other one.

    One good coverage of several is enough. Raises FhirError(422) when there are coverages and none holds.
    """
    found: list[Insured] = []
    troubles: list[Issue] = []
    for path, coverage in _paths(asked):
        identified = consult.holder(Subject({}, coverage, payor_is_us=_payor_is_us(coverage, consult.directory())))
        trouble = _trouble(path, coverage, identified, origin, consult)
        if trouble is None:
            found.append(Insured(coverage, identified))
        else:
            troubles.append(trouble)
    if troubles and not found:
        raise FhirError(422, troubles)
    return found, [replace(trouble, severity="warning") for trouble in troubles]


def _paths(asked: Asked) -> Iterator[tuple[str, Resource]]:
    for index, coverage in enumerate(asked.coverages):
        yield f"Parameters.parameter.where(name='coverage')[{index}].resource", coverage


def _trouble(
    path: str, coverage: Resource, identified: Identified, origin: Origin | None, consult: ConsultService
) -> Issue | None:
    """Why a coverage does not hold; ``None`` when it does."""
    directory = consult.directory()
    if _payor_is_us(coverage, directory) is False:
        said = f"The coverage is with another payer; this is {directory.payer.name}."
        return Issue("error", "not-found", said, path, "other-payer")
    who = identified.who
    if identified.trouble is not None or who is None:
        said = identified.text or "The coverage was not found."
        return Issue("error", "not-found", said, path, identified.trouble or "technical")
    if who.inactive(consult.today()) is not None:
        said = "The coverage is not active today. Send the member's present coverage."
        return Issue("error", "business-rule", said, path, "no-active-coverage")
    if origin is not None and _somebody_else(coverage, who.member, origin, directory):
        said = "The coverage is of another member than the context is about. Send that member's coverage, or none."
        return Issue("error", "not-found", said, path, "context-other-member")
    return None


def _payor_is_us(coverage: Resource, directory: Directory) -> bool | None:
    """Whether this payer is among the payors; one that cannot be told is taken as us, as in CRD."""
    contained = {f"#{text(each.get('id'))}": each for each in elements(coverage.get("contained"))}
    told = [
        directory.is_us(contained.get(text(payor.get("reference")) or ""), payor.get("identifier"))
        for payor in elements(coverage.get("payor"))
    ]
    return True if True in told else False if told and None not in told else None


def _somebody_else(coverage: Resource, member: Member | None, origin: Origin, directory: Directory) -> bool:
    """Whether the coverage cannot be that of the context's member. Nobody's numbers say nothing."""
    sent = member_numbers({}, coverage)
    decided = origin.case.opened.member if origin.case is not None else None
    if decided is not None and member is not None:  # a family shares a number
        return decided not in {meant.id for number in sent for meant in directory.means(number)}
    numbers = {number.upper() for number in (*sent, *((member.id,) if member else ()))}
    known = {number.upper() for number in origin.numbers}
    return bool(numbers and known) and not numbers & known
