"""Looking up members and providers.

A member is found by number and confirmed by birth date when both sides have it; a number that
belongs to somebody with another birth date is not a match. No match, or several, is an answer for the caller to turn
into an AAA-style error; it is never a denial.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from precert.eligibility.crosswalk import Crosswalk
from precert.eligibility.model import Member, Payer, Plan, Provider
from precert.fhir.coding import NPI, codes, system_url
from precert.fhir.types import Resource, elements, text

Mode = Literal["directory", "presented"]


class NoMember(StrEnum):
    """Why no single member was found."""

    MISSING_ID = "missing-id"
    NOT_FOUND = "not-found"
    SEVERAL = "several"
    BIRTH_DATE = "birth-date"


@dataclass(frozen=True, slots=True)
class Found:
    member: Member


@dataclass(frozen=True, slots=True)
class NotFound:
    """``reason`` says what went wrong; ``sent`` which member numbers were tried (for the answer, not for logs)."""

    reason: NoMember
    sent: tuple[str, ...] = ()


def member_numbers(patient: Resource, coverage: Resource | None, subscriber: Resource | None = None) -> list[str]:
    """The values in a request that may be our member number, best first, without repetition."""
    typed: list[str] = []
    other: list[str] = []
    for resource in (patient, coverage, subscriber):
        for identifier in elements((resource or {}).get("identifier")):
            number = text(identifier.get("value"))
            if number is None or system_url(text(identifier.get("system")) or "") == NPI:
                continue
            kinds = {code.code for code in codes(identifier.get("type"))}
            (typed if kinds & {"MB", "MC", "SN"} else other).append(number.strip())
    if coverage and (number := text(coverage.get("subscriberId"))):
        typed.append(number.strip())
    return list(dict.fromkeys(typed + other))


def npis(resource: Resource | None) -> list[str]:
    """The National Provider Identifiers a Practitioner, PractitionerRole or Organization carries."""
    found = []
    for identifier in elements((resource or {}).get("identifier")):
        number = text(identifier.get("value"))
        if number and system_url(text(identifier.get("system")) or "") == NPI:
            found.append(number.strip())
    return found


class Directory:
    """An immutable snapshot of the eligibility data. ``mode`` says what happens to members it does not know."""

    def __init__(
        self,
        payer: Payer,
        members: Iterable[Member],
        providers: Iterable[Provider],
        plans: Mapping[str, Plan],
        mode: Mode = "presented",
        crosswalk: Crosswalk | None = None,
    ) -> None:
        self.payer = payer
        self.crosswalk = crosswalk or Crosswalk()
        self.plans = dict(plans)
        self.mode: Mode = mode
        self.members = tuple(members)
        self._members: dict[str, list[Member]] = {}
        for member in self.members:
            self._members.setdefault(member.id.upper(), []).append(member)
        self.providers = {provider.npi: provider for provider in providers}

    def find(
        self, patient: Resource, coverage: Resource | None, subscriber: Resource | None = None
    ) -> Found | NotFound:
        """The one member that a request's Patient and Coverage mean."""
        numbers = member_numbers(patient, coverage, subscriber)
        if not numbers:
            return NotFound(NoMember.MISSING_ID)
        candidates: dict[int, Member] = {}
        for number in numbers:
            for member in self._members.get(number.upper(), ()):
                candidates[id(member)] = member
        if not candidates:
            return NotFound(NoMember.NOT_FOUND, tuple(numbers))
        confirmed = [m for m in candidates.values() if _same_person(m.patient, patient)]
        if len(confirmed) == 1:
            return Found(confirmed[0])
        return NotFound(NoMember.SEVERAL if confirmed else NoMember.BIRTH_DATE, tuple(numbers))

    def by_number(self, number: str) -> Member | None:
        """The member with this number, if exactly one has it."""
        found = self._members.get(number.strip().upper(), [])
        return found[0] if len(found) == 1 else None

    def provider(self, candidates: Iterable[str]) -> Provider | None:
        """The first known provider among these NPIs."""
        return next((self.providers[n] for n in candidates if n in self.providers), None)

    def is_us(self, organization: Resource | None, identifier: object = None) -> bool | None:
        """Whether an insurer or payor means us; ``None`` when it carries no identifier to tell by."""
        sent = [*elements((organization or {}).get("identifier")), *elements(identifier)]
        pairs = {(system_url(text(i.get("system")) or ""), text(i.get("value")) or "") for i in sent}
        pairs = {(system, value) for system, value in pairs if value}
        if not pairs:
            return None
        ours = {(system_url(system), value) for system, value in self.payer.identifiers}
        return bool(pairs & ours)


def _same_person(known: Resource, sent: Resource) -> bool:
    """Birth dates must agree as far as both say (a year alone is compared as a year); names are too often misspelt."""
    born_known, born_sent = text(known.get("birthDate")), text(sent.get("birthDate"))
    if born_known is None or born_sent is None:
        return True
    said = min(len(born_known), len(born_sent), len("2026-11-20"))
    return born_known[:said] == born_sent[:said]
