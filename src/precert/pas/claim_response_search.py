"""``GET ClaimResponse?…`` read: which records of the caller's are meant, and what cannot be.

Known are ``identifier`` (of the ClaimResponse: our case number and the client's own), ``patient.identifier``, ``created``
(of the current answer, with prefixes), ``_count`` and ``page``. An unknown parameter is refused by name, because an answer
that is too wide would show what was not asked for; with ``Prefer: handling=lenient`` it is ignored and said so.
Source: FHIR R4 search (token, date, chaining), https://hl7.org/fhir/R4/search.html#errors.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from precert.fhir.dates import parse_date, parse_instant
from precert.fhir.outcome import FhirError, Issue, bad_request
from precert.fhir.types import Resource, elements
from precert.store.port import Param

_KNOWN = ("identifier", "patient.identifier", "created", "_count", "page")
_FORMAT = frozenset({"_format", "_pretty"})
_DEFAULT, _MOST = 20, 100
_DATE = re.compile(r"(eq|ne|gt|lt|ge|le)?(\d{4}.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """One value of a token parameter. ``system`` is ``None`` for any, empty for none."""

    system: str | None
    value: str

    def fits(self, system: str, value: str) -> bool:
        return self.value == value and self.system in (None, system)


@dataclass(frozen=True, slots=True)
class Days:
    """A date parameter: how ``created`` compares with the span [``start``, ``end``) that was written."""

    prefix: str
    start: datetime
    end: datetime

    def fits(self, at: datetime) -> bool:
        within = self.start <= at < self.end
        match self.prefix:
            case "eq":
                return within
            case "ne":
                return not within
            case "gt":
                return at >= self.end
            case "ge":
                return at >= self.start
            case "lt":
                return at < self.start
            case _:
                return at < self.end


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: each of ``identifiers`` and ``patients`` is a list of alternatives, and all lists must be met. ``used`` are
    the parameters as they were taken, for the self link; ``ignored`` what was not."""

    identifiers: tuple[tuple[Token, ...], ...] = ()
    patients: tuple[tuple[Token, ...], ...] = ()
    created: tuple[Days, ...] = ()
    count: int = _DEFAULT
    page: str | None = None
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = field(default=())

    def params(self) -> list[Param]:
        """What the store can look for; :meth:`fits` does the rest."""
        named = [Param("named", [token.value for token in alternatives]) for alternatives in self.identifiers]
        return [*named, *(Param("member", [t.value for t in alternatives]) for alternatives in self.patients)]

    def fits(self, response: Resource, patient: Resource) -> bool:
        """Whether the ClaimResponse ``response`` about ``patient`` is meant, whenever it was given."""
        own, of_patient = _pairs(response), _pairs(patient)
        return all(
            any(token.fits(*pair) for token in alternatives for pair in pairs)
            for lists, pairs in ((self.identifiers, own), (self.patients, of_patient))
            for alternatives in lists
        )

    def in_time(self, created: datetime) -> bool:
        """Whether a current answer given at ``created`` is meant."""
        return all(days.fits(created) for days in self.created)


def read_search(pairs: Iterable[tuple[str, str]], *, lenient: bool) -> Wanted:
    """The query. Raises FhirError(400) for what is unknown (unless ``lenient``) or cannot be read."""
    identifiers: list[tuple[Token, ...]] = []
    patients: list[tuple[Token, ...]] = []
    created: list[Days] = []
    used: list[tuple[str, str]] = []
    unknown: list[str] = []
    count, page = _DEFAULT, None
    for name, given in pairs:
        match name:
            case "identifier":
                identifiers.append(_tokens(name, given))
            case "patient.identifier":
                patients.append(_tokens(name, given))
            case "created":
                created.append(_days(given))
            case "_count":
                count = _count(given)
            case "page":
                page = given
                continue
            case _:
                if name not in _FORMAT:
                    unknown.append(name)
                continue
        used.append((name, given))
    if unknown and not lenient:
        raise FhirError(400, [_unknown(name) for name in unknown])
    return Wanted(
        tuple(identifiers), tuple(patients), tuple(created), count, page, tuple(used), tuple(dict.fromkeys(unknown))
    )


def unknown_ignored(names: Sequence[str]) -> list[Issue]:
    """What is said of parameters that were ignored."""
    return [
        Issue(
            "warning",
            "not-supported",
            f"The search parameter {name[:80]!r} is not known here; it was ignored.",
            rule="search-parameter",
        )
        for name in names
    ]


def _unknown(name: str) -> Issue:
    text = (
        f"Unknown search parameter {name[:80]!r}. Known are {', '.join(_KNOWN)}. Leave it out, or send "
        "'Prefer: handling=lenient' to have it ignored."
    )
    return Issue("error", "not-supported", text, rule="search-parameter")


def _tokens(name: str, given: str) -> tuple[Token, ...]:
    found = []
    for part in given.split(","):
        system, bar, value = part.strip().rpartition("|")
        if not value:
            raise bad_request(
                f"{name} is 'system|value' or a value; {part[:60]!r} has no value.", code="value", rule="search-value"
            )
        found.append(Token(system if bar else None, value))
    return tuple(found)


def _days(given: str) -> Days:
    match = _DATE.fullmatch(given)
    span = _span(match[2]) if match is not None else None
    if match is None or span is None:
        raise bad_request(
            f"created is a date such as 2026-11-20, ge2026-11 or lt2026-11-20T12:00:00Z; {given[:40]!r} is none.",
            code="value",
            rule="search-value",
        )
    return Days(match[1] or "eq", *span)


def _span(written: str) -> tuple[datetime, datetime] | None:
    """The span of time that a date as precise as this one means, in UTC."""
    try:
        if "T" in written:
            at = parse_instant(written)
            return (at, at + timedelta(seconds=1)) if at is not None else None
        first = parse_date(written)
        if first is None:
            return None
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        days = {7: calendar.monthrange(first.year, first.month)[1], 4: 366 if calendar.isleap(first.year) else 365}
        return start, start + timedelta(days=days.get(len(written), 1))
    except OverflowError:
        return None


def _count(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and len(given) <= 9 and int(given) > 0):
        raise bad_request("_count is a whole number from 1.", code="value", rule="count")
    return min(int(given), _MOST)


def _pairs(resource: Resource) -> list[tuple[str, str]]:
    """(system, value) of each identifier."""
    found = elements(resource.get("identifier"))
    return [(str(each.get("system") or ""), str(each.get("value"))) for each in found]
