"""Looking up members and providers.

A number alone is no identity. A member is found by number and full birth date; by number and name only provisionally
(``doubts``: a person has to look). Numbers that mean different members mean nobody. No match, or several, is an answer for
the caller to turn into an AAA-style error; it is never a denial.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from precert.eligibility import demographics
from precert.eligibility.code_lists import CodeLists
from precert.eligibility.crosswalk import Crosswalk
from precert.eligibility.demographics import Likeness
from precert.eligibility.in_force import in_force
from precert.eligibility.member_number import MemberNumber, member_numbers, numbers_of
from precert.eligibility.model import Member, Payer, Plan, Provider
from precert.fhir.coding import NPI, codes, system_url
from precert.fhir.dates import parse_date
from precert.fhir.types import Resource, elements, text

__all__ = ["Directory", "Found", "Mode", "NoMember", "NotFound", "member_numbers", "npis"]

Mode = Literal["directory", "presented"]

_SELF = frozenset({"self", "18"})
_SUBSCRIBERS = frozenset({"0", "1"})


class NoMember(StrEnum):
    """Why no single member was found."""

    MISSING_ID = "missing-id"
    NOT_FOUND = "not-found"
    SEVERAL = "several"
    BIRTH_DATE = "birth-date"
    BIRTH_DATE_MISSING = "birth-date-missing"
    NAME = "name"
    GENDER = "gender"


@dataclass(frozen=True, slots=True)
class Found:
    """``doubts`` are what a person has to look into before this may be taken for certain; empty for one certain member."""

    member: Member
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotFound:
    """``reason`` says what went wrong; ``sent`` which member numbers were tried (for the answer, not for logs)."""

    reason: NoMember
    sent: tuple[str, ...] = ()


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
        code_lists: CodeLists | None = None,
    ) -> None:
        self.payer = payer
        self.crosswalk = crosswalk or Crosswalk()
        self.code_lists = code_lists or CodeLists()
        self.plans = dict(plans)
        self.mode: Mode = mode
        self.members = tuple(members)
        self._members: dict[str, list[Member]] = {}
        for member in self.members:
            self._members.setdefault(member.id.upper(), []).append(member)
        self._meant = _meant(self.members)
        self._born: dict[str, list[Member]] = {}
        for member in self.members:
            self._born.setdefault(str(member.patient.get("birthDate")), []).append(member)
        self._systems = frozenset(system_url(member.system) for member in self.members) - {""}
        self._ours = frozenset((system_url(system), value.strip()) for system, value in payer.identifiers)
        self.providers = {provider.npi: provider for provider in providers}

    def find(
        self, patient: Resource, coverage: Resource | None, subscriber: Resource | None = None
    ) -> Found | NotFound:
        """The one member that a request's Patient and Coverage mean."""
        candidates = self._candidates(patient, coverage, subscriber)
        if isinstance(candidates, NotFound):
            return candidates
        found = _confirmed(candidates, patient, coverage or {})
        return found if isinstance(found, Found) else NotFound(found, tuple(candidates.sent))

    def holder(self, coverage: Resource) -> Found | NotFound:
        """The member whose Coverage it is, by its numbers alone: enough to choose a form, never to decide by."""
        candidates = self._candidates({}, coverage, None)
        if isinstance(candidates, NotFound):
            return candidates
        suffix = _suffix(text(coverage.get("dependent")))
        named = [m for m in candidates.members if suffix and _suffix(m.dependent) == suffix]
        of_card = [m for m in candidates.members if m.subscriber is None]
        member = next((group[0] for group in (candidates.members, named, of_card) if len(group) == 1), None)
        if member is None:
            return NotFound(NoMember.SEVERAL, tuple(candidates.sent))
        return Found(member, ("No Patient was sent, so it is not certain who the member is.",))

    def means(self, number: str) -> tuple[Member, ...]:
        """The members that a number on a card may mean: one person, or a subscriber and who is insured under them."""
        return self._meant.get(number.strip().upper(), ())

    def known_as(self, patient: Resource) -> bool:
        """Whether somebody with the same full birth date and name is a member, whatever number was sent."""
        born = self._born.get(str(patient.get("birthDate"))[: len("2026-11-20")], ())
        return any(demographics.names(member.patient, patient) is Likeness.SAME for member in born)

    def by_number(self, number: str) -> Member | None:
        """The member with this number, if exactly one has it."""
        found = self._members.get(number.strip().upper(), [])
        return found[0] if len(found) == 1 else None

    def provider(self, candidates: Iterable[str]) -> Provider | None:
        """The first known provider among these NPIs."""
        return next((self.providers[n] for n in candidates if n in self.providers), None)

    def is_us(self, organization: Resource | None, identifier: object = None) -> bool | None:
        """Whether an insurer or payor means us; ``None`` when it carries no identifier to tell by (a name is none).

        A logical identifier beside an Organization that it contradicts means somebody else.
        """
        told = [self._is_us((organization or {}).get("identifier")), self._is_us(identifier)]
        return False if False in told else True if True in told else None

    def is_another(self, organization: Resource | None, identifier: object = None, day: date | None = None) -> bool:
        """Whether an insurer or payor means somebody else, or somebody else beside us: a number of a system in which we
        have ours (an NPI, say), and which is not ours, is another's. Whose a number is that is not in force on ``day`` (of
        service) nobody knows."""
        if self.is_us(organization, identifier) is False:
            return True
        systems = {system for system, _ in self._ours}
        sent = elements([*elements((organization or {}).get("identifier")), *elements(identifier)])
        pairs = {(system_url(text(i.get("system")) or ""), (text(i.get("value")) or "").strip()) for i in sent}
        if any(value and system in systems and (system, value) not in self._ours for system, value in pairs):
            return True
        return not all(in_force(each, day) for each in sent)

    def shared(self, payors: Sequence[tuple[Resource | None, object]], day: date | None = None) -> bool:
        """Whether a Coverage's payors name, or may name, another payer: one certainly is another, or of several one is not
        known to be this payer. Each is the resource that was sent, if any, and the identifier in the reference to it."""
        return any(self.is_another(*payor, day) for payor in payors) or (
            len(payors) > 1 and not all(self.is_us(*payor) for payor in payors)
        )

    def _is_us(self, identifiers: object) -> bool | None:
        sent = {(system_url(text(i.get("system")) or ""), text(i.get("value"))) for i in elements(identifiers)}
        pairs = {(system, value.strip()) for system, value in sent if value is not None}
        return bool(pairs & self._ours) if pairs else None

    def _candidates(
        self, patient: Resource, coverage: Resource | None, subscriber: Resource | None
    ) -> _Candidates | NotFound:
        """The members that every number sent agrees on."""
        sent = [number for resource in (patient, coverage, subscriber) for number in numbers_of(resource)]
        values = member_numbers(patient, coverage, subscriber)
        if not values:
            return NotFound(NoMember.MISSING_ID)
        known = [(self._strength(number), group) for number in sent if (group := self.means(number.value))]
        counting = [(strength, group) for strength, group in known if strength is not None]
        if not counting:
            return NotFound(NoMember.NOT_FOUND, tuple(values))
        meant = [group for _, group in counting]
        common = tuple(m for m in meant[0] if all(any(m is other for other in group) for group in meant[1:]))
        if not common:
            return NotFound(NoMember.SEVERAL, tuple(values))
        return _Candidates(
            members=common,
            sent=values,
            weak=all(strength == "bare" for strength, _ in counting),
            unknown=any(self._strength(n) == "ours" and not self.means(n.value) for n in sent),
            shared=all(len(group) > 1 for group in meant),
        )

    def _strength(self, number: MemberNumber) -> Literal["ours", "typed", "bare"] | None:
        """How certain it is that a number is one of ours; ``None`` for one of a system that is not ours."""
        if number.system in self._systems or (number.typed and not number.system):
            return "ours"
        if number.typed:
            return "typed"
        return None if number.system else "bare"


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Whom the numbers may mean. ``weak``: nothing says that they are member numbers; ``unknown``: another number that was
    sent is nobody's; ``shared``: every number is that of a whole family."""

    members: tuple[Member, ...]
    sent: list[str]
    weak: bool
    unknown: bool
    shared: bool


def _meant(members: Iterable[Member]) -> dict[str, tuple[Member, ...]]:
    """Whom each number on a card may mean, in every way it is written: COM-0001, COM-0001-02, COM-000102."""
    found: dict[str, list[Member]] = {}
    for member in members:
        number = member.subscriber or member.id
        written = {member.id.upper(), number.upper()}
        if member.dependent is not None:
            written |= {f"{number}-{member.dependent}".upper(), f"{number}{member.dependent}".upper()}
        for key in written:
            found.setdefault(key, []).append(member)
    return {key: tuple(group) for key, group in found.items()}


def _confirmed(candidates: _Candidates, patient: Resource, coverage: Resource) -> Found | NoMember:
    """Which of the candidates the patient is, by birth date, name and gender."""
    written = text(patient.get("birthDate"))
    if written is not None and parse_date(written) is None:
        return NoMember.BIRTH_DATE_MISSING
    born = {id(m): demographics.birth_dates(m.patient, patient) for m in candidates.members}
    same = [m for m in candidates.members if born[id(m)] is Likeness.SAME]
    if same:
        member = same[0] if len(same) == 1 else _told_apart(same, patient, coverage)
        return (
            NoMember.SEVERAL if member is None else Found(member, tuple(_doubts(member, candidates, patient, coverage)))
        )
    possible = [m for m in candidates.members if born[id(m)] is Likeness.UNKNOWN]
    if not possible:
        return NoMember.BIRTH_DATE
    alike = [m for m in possible if demographics.names(m.patient, patient) is not Likeness.DIFFERENT]
    if not alike:
        return NoMember.NAME
    fitting = [m for m in alike if demographics.genders(m.patient, patient) is not Likeness.DIFFERENT]
    if not fitting:
        return NoMember.GENDER
    named = [m for m in fitting if demographics.names(m.patient, patient) is Likeness.SAME]
    if len(named) != 1:
        return NoMember.SEVERAL if named else NoMember.BIRTH_DATE_MISSING
    unsure = "The full birth date was not sent, so the member is known by number and name only."
    return Found(named[0], (unsure, *_doubts(named[0], candidates, patient, coverage)))


def _told_apart(members: list[Member], patient: Resource, coverage: Resource) -> Member | None:
    """Twins under one number: by the suffix on the card, else by name and gender."""
    suffix = _suffix(text(coverage.get("dependent")))
    told = [m for m in members if suffix is None or _suffix(m.dependent) == suffix]
    if len(told) != 1:
        told = [m for m in told or members if demographics.names(m.patient, patient) is Likeness.SAME]
    return told[0] if len(told) == 1 else None


def _doubts(member: Member, candidates: _Candidates, patient: Resource, coverage: Resource) -> Iterable[str]:
    """What speaks against it that this is the member, though number and birth date agree."""
    if demographics.contradict(member.patient, patient):
        yield "Name or gender are not those on file for this member number and birth date."
    elif demographics.given_names_differ(member.patient, patient):
        yield "The given name is not that on file for this member number and birth date."
    elif candidates.weak and demographics.names(member.patient, patient) is not Likeness.SAME:
        yield "Nothing says that the number sent is a member number, and the name does not confirm it."
    if candidates.unknown:
        yield "Of the member numbers sent, one is not known here."
    sent, known = _suffix(text(coverage.get("dependent"))), _suffix(member.dependent)
    # a subscriber whose card has no suffix on file is 00 or 01 of the family
    fits = sent == known or (known is None and member.subscriber is None and sent in _SUBSCRIBERS)
    if sent is not None and not fits:
        yield "Coverage.dependent is not the suffix of this member."
    related = {code.code.lower() for code in codes(coverage.get("relationship"))}
    if related and bool(related & _SELF) is not (member.subscriber is None):
        yield "Coverage.relationship and the birth date do not mean the same person of the family."


def _suffix(written: str | None) -> str | None:
    """A dependent's suffix without leading zeros."""
    return written.strip().lstrip("0") or "0" if written is not None else None
