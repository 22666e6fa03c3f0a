"""What the payer knows about members and providers. Immutable; built by :mod:`precert.eligibility.load`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from precert.fhir.coding import CodePattern
from precert.fhir.coverage_terms import LINES_OF_BUSINESS, STATES, unknown_word
from precert.fhir.types import Resource

Automation = Literal["refer", "deny"]


def _a_code(written: str) -> str:
    if written != "*":
        CodePattern.parse(written)  # now, and not when the first request needs it
    return written


ServiceCode = Annotated[str, AfterValidator(_a_code)]
"""``system|code``, systems by short name."""


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{zone!r} is no time zone; write for example America/New_York") from error
    return zone


class Plan(BaseModel):
    """A product that members are enrolled in.

    ``lob`` is the line of business that policies and clocks name, and ``state`` the state, each a word of
    :mod:`precert.fhir.coverage_terms`: another one would make policies silent about the members of the plan. ``not_eligible`` says what automation may do alone when coverage is not active on
    the service date: ``deny`` (administrative, A3) or ``refer`` to a person; off (``refer``) unless the plan says so.
    ``unsolicited``: an order whose criteria are met is authorized when it is signed (CRD), without a PAS request.
    ``unlisted`` says what an identified service means that no policy names: ``no-auth`` (needs no authorization), or
    ``review`` (a nurse looks at it).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    lob: str
    state: str | None = None
    funding: Literal["fully-insured", "self-funded"] | None = None
    not_eligible: Automation = "refer"
    unsolicited: bool = True
    unlisted: Literal["no-auth", "review"] = "no-auth"
    zone: Annotated[str, AfterValidator(_known_zone)] = "America/New_York"

    @model_validator(mode="after")
    def _known_words(self) -> Plan:
        problem = unknown_word(self.lob, LINES_OF_BUSINESS, "line of business")
        if problem is None and self.state is not None:
            problem = unknown_word(self.state, STATES, "state")
        if problem is not None:
            raise ValueError(f"plan {self.id}: {problem}")
        return self


class Provider(BaseModel):
    """A practitioner or organization by NPI. ``goldcard`` lists the services exempted for this provider (``*`` = all)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    npi: str
    name: str
    network: Literal["in", "out"]
    specialty: str | None = None
    goldcard: tuple[ServiceCode, ...] = ()


class HistoryEntry(BaseModel):
    """One claim line or authorization that the payer holds for a member (``PayerClaim`` / ``PayerAuth`` to the rules)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    member: str
    id: str
    kind: Literal["claim", "authorization"] = "claim"
    code: ServiceCode
    date: dt.date | None = None
    days_ago: int | None = Field(default=None, ge=0)  # instead of a date: the demo world must not grow stale
    units: Decimal = Decimal(1)
    npi: str | None = None

    @model_validator(mode="after")
    def _dated_once(self) -> HistoryEntry:
        if (self.date is None) == (self.days_ago is None):
            raise ValueError("give either date or days_ago")
        return self

    def day(self, today: dt.date) -> dt.date:
        """The calendar day of the entry, seen from ``today``."""
        return self.date or today - dt.timedelta(days=self.days_ago or 0)


@dataclass(frozen=True, slots=True)
class CoverageRecord:
    """One enrolment of one member."""

    id: str
    plan: Plan
    start: dt.date | None
    end: dt.date | None
    resource: Resource

    def active_on(self, day: dt.date) -> bool:
        """Whether the enrolment covers ``day`` (both ends included)."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Member:
    """A person the plan knows. ``id`` is the member number; ``system`` its identifier system.

    ``subscriber`` is the member number under which a dependent is insured, ``dependent`` the suffix on the card that tells
    the people under one number apart (Coverage.subscriberId and Coverage.dependent).
    """

    id: str
    system: str
    patient: Resource
    coverages: tuple[CoverageRecord, ...]
    history: tuple[HistoryEntry, ...] = ()
    subscriber: str | None = None
    dependent: str | None = None

    def coverage_on(self, day: dt.date) -> CoverageRecord | None:
        """The enrolment active on ``day``; with several, the one that began last."""
        active = [c for c in self.coverages if c.active_on(day)]
        return max(active, key=lambda c: c.start or dt.date.min, default=None)

    def next_start(self, day: dt.date) -> dt.date | None:
        """The first day after ``day`` on which an enrolment begins."""
        return min((c.start for c in self.coverages if c.start is not None and c.start > day), default=None)

    @property
    def last_coverage(self) -> CoverageRecord | None:
        return max(self.coverages, key=lambda c: c.end or dt.date.max, default=None)


class Payer(BaseModel):
    """Who we are: the Organization we send as insurer, and all the identifiers under which requests may address us."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    npi: str
    identifiers: tuple[tuple[str, str], ...]
    resource: Mapping[str, Any] = Field(default_factory=dict)
