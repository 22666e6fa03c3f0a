"""The coverages of a package call: with this payer, active today, and of the member whom the context is about.

Source: DTR 2.2.0 spec-130 (a coverage that cannot be found is an error), sec-9 (what a case knows is for its member only).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date

from precert.authorization.deciding.person import Patient, named_as
from precert.authorization.deciding.request import Subject
from precert.authorization.deciding.standing import service_day
from precert.authorization.usecases.ask import ConsultService, Identified
from precert.dtr.asked import Asked
from precert.dtr.origin import Origin
from precert.eligibility.directory import Directory, member_numbers
from precert.eligibility.model import Member
from precert.fhir.bundle import Entry, reference_of, type_and_id
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource, elements


@dataclass(frozen=True, slots=True)
class Insured:
    """One coverage that holds, whom it is for as they were sent, and who is behind it.

    ``whose`` is the patient as the client's references name them, if the Coverage says it. ``certain``: a Patient came along;
    else the Coverage alone says who it is.
    """

    coverage: Resource
    identified: Identified
    subject: Subject
    whose: Patient | None = None
    certain: bool = False


def holding(asked: Asked, origin: Origin | None, consult: ConsultService) -> tuple[list[Insured], list[Issue]]:
    """The coverages to answer for, and a warning for each other one.

    One good coverage of several is enough. Raises FhirError(422) when there are coverages and none holds.
    """
    found: list[Insured] = []
    troubles: list[Issue] = []
    for path, coverage in _paths(asked):
        insured = _insured(asked, coverage, consult)
        trouble = _trouble(path, insured, origin, consult, _days(asked, consult.today()))
        if trouble is None:
            found.append(insured)
        else:
            troubles.append(trouble)
    if troubles and not found:
        raise FhirError(422, troubles)
    return found, [replace(trouble, severity="warning") for trouble in troubles]


def _paths(asked: Asked) -> Iterator[tuple[str, Resource]]:
    for index, coverage in enumerate(asked.coverages):
        yield f"Parameters.parameter.where(name='coverage')[{index}].resource", coverage


def _insured(asked: Asked, coverage: Resource, consult: ConsultService) -> Insured:
    """Whom a coverage is for: the Patient if one came along, else whoever the Coverage's numbers mean."""
    entry = next(entry for entry in asked.index.entries if entry.resource is coverage)
    told = asked.index.resolve(coverage.get("beneficiary"), entry)
    patient = told.resource if told is not None and told.type == "Patient" else None
    named = type_and_id(reference_of(coverage.get("beneficiary")) or "")
    stub: Resource | None = {"resourceType": "Patient", "id": named[1]} if named and named[0] == "Patient" else None
    subscriber = asked.index.resolve(coverage.get("subscriber"), entry)
    subject = Subject(
        patient=patient or {},
        coverage=coverage,
        subscriber=named_as(subscriber.resource if subscriber else None, coverage.get("subscriber")),
        payor_is_us=_payor_is_us(asked, entry, consult.directory()),
        is_beneficiary=True if patient is not None else None,
        another_payer=_another_payer(asked, entry, consult.directory()),
    )
    whole = bool((patient or {}).keys() - {"resourceType", "id"})
    identified = consult.identify(subject) if whole else consult.holder(subject)
    known = patient or stub
    return Insured(coverage, identified, subject, Patient(known, "", one_server=True) if known else None, whole)


def _days(asked: Asked, today: date) -> frozenset[date]:
    """The days that a coverage is needed for: those of the orders, else today."""
    return frozenset(service_day(order.read.asked.line, today) for order in asked.orders) or frozenset({today})


def _trouble(
    path: str, insured: Insured, origin: Origin | None, consult: ConsultService, days: Collection[date]
) -> Issue | None:
    """Why a coverage does not hold; ``None`` when it does on one of the ``days``."""
    directory, coverage, identified = consult.directory(), insured.coverage, insured.identified
    if insured.subject.payor_is_us is False:
        said = f"The coverage is with another payer; this is {directory.payer.name}."
        return Issue("error", "not-found", said, path, "other-payer")
    who = identified.who
    if identified.trouble is not None or who is None:
        said = identified.text or "The coverage was not found."
        return Issue("error", "not-found", said, path, identified.trouble or "technical")
    if all(who.on(day).inactive(day) is not None for day in days):
        when = "today" if consult.today() in days else f"on {min(days).isoformat()}"
        said = f"The coverage is not active {when}. Send the member's coverage of the day of service."
        return Issue("error", "business-rule", said, path, "no-active-coverage")
    if origin is not None and _somebody_else(coverage, who.member, origin, directory):
        said = "The coverage is of another member than the context is about. Send that member's coverage, or none."
        return Issue("error", "not-found", said, path, "context-other-member")
    return None


def _payor_is_us(asked: Asked, coverage: Entry, directory: Directory) -> bool | None:
    """Whether this payer is among the payors; one that cannot be told is taken as us, as in CRD."""
    told = []
    for payor in elements(coverage.resource.get("payor")):
        found = asked.index.resolve(payor, coverage)
        told.append(directory.is_us(found.resource if found else None, payor.get("identifier")))
    return True if True in told else False if told and None not in told else None


def _another_payer(asked: Asked, coverage: Entry, directory: Directory) -> bool:
    """Whether one of the payors certainly means somebody else, or somebody else beside us."""
    named = [(asked.index.resolve(p, coverage), p.get("identifier")) for p in elements(coverage.resource.get("payor"))]
    return any(directory.is_another(found.resource if found else None, logical) for found, logical in named)


def _somebody_else(coverage: Resource, member: Member | None, origin: Origin, directory: Directory) -> bool:
    """Whether the coverage cannot be that of the context's member. Nobody's numbers say nothing."""
    sent = member_numbers({}, coverage)
    decided = origin.case.opened.member if origin.case is not None else None
    if decided is not None and member is not None:  # a family shares a number
        return decided not in {meant.id for number in sent for meant in directory.means(number)}
    numbers = {number.upper() for number in (*sent, *((member.id,) if member else ()))}
    known = {number.upper() for number in origin.numbers}
    return bool(numbers and known) and not numbers & known
