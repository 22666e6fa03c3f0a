"""Which identifiers of a request are member numbers.

Source: HL7 v2-0203 identifier types MB (member number), MC (Medicare number) and SN (subscriber number), CARIN BB ``um``
(unique member id), FHIR R4 Coverage.subscriberId. Numbers of other types (medical record, licence, ...) belong to somebody
else's files and can be equal by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from precert.eligibility.in_force import in_force
from precert.fhir.coding import NPI, codes, system_url
from precert.fhir.types import Element, Resource, elements, text

_MEMBER_TYPES = frozenset({"MB", "MC", "SN", "um"})


class MemberNumber(NamedTuple):
    """A number as sent. ``typed`` says that the sender calls it a member number; ``system`` is empty when none was sent."""

    value: str
    system: str
    typed: bool


def numbers_of(resource: Resource | None) -> Iterator[MemberNumber]:
    """The identifiers of a Patient, Coverage or subscriber that can be a member number; those of other types, and old ones,
    are not."""
    if resource is None:
        return
    for identifier, found in _possible(resource):
        if in_force(identifier, None):
            yield found
    if number := text(resource.get("subscriberId")):
        yield MemberNumber(number.strip(), "", True)


def lapsed_numbers(day: date, *resources: Resource | None) -> Iterator[MemberNumber]:
    """The member numbers that are not in force on ``day``."""
    for resource in resources:
        for identifier, number in _possible(resource or {}):
            if not in_force(identifier, day):
                yield number


def _possible(resource: Resource) -> Iterator[tuple[Element, MemberNumber]]:
    for identifier in elements(resource.get("identifier")):
        value, system = text(identifier.get("value")), system_url(text(identifier.get("system")) or "")
        if value is None or system == NPI:
            continue
        kinds = {code.code for code in codes(identifier.get("type"))}
        if not kinds or kinds & _MEMBER_TYPES:
            yield identifier, MemberNumber(value.strip(), system, bool(kinds))


def member_numbers(patient: Resource, coverage: Resource | None, subscriber: Resource | None = None) -> list[str]:
    """The values in a request that may be a member number, best first, without repetition."""
    sent = [number for resource in (patient, coverage, subscriber) for number in numbers_of(resource)]
    return list(dict.fromkeys(number.value for number in sorted(sent, key=lambda number: not number.typed)))
