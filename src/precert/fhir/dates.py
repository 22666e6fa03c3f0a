"""FHIR dates and instants, in and out."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime

_TIME = r"T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?"
_DATE = re.compile(rf"(\d{{4}})(?:-(\d{{2}})(?:-(\d{{2}})(?:{_TIME})?)?)?", re.ASCII)


def parse_date(value: object) -> date | None:
    """The calendar day of a FHIR date or dateTime (a partial date is its first day); ``None`` if it is neither."""
    if not isinstance(value, str):
        return None
    match = _DATE.fullmatch(value)  # "20261120" is no date, rather than the year 2026
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None


def parse_last_day(value: object) -> date | None:
    """Like :func:`parse_date` for the end of a period: a partial date is its last day, as a FHIR Period includes its end."""
    first = parse_date(value)
    if first is None or not isinstance(value, str) or len(value) > len("2026-11"):
        return first
    month = first.month if len(value) == len("2026-11") else 12
    return first.replace(month=month, day=calendar.monthrange(first.year, month)[1])


def parse_instant(value: object) -> datetime | None:
    """An aware datetime from a FHIR instant or dateTime with a zone; ``None`` otherwise."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else None


def instant(at: datetime) -> str:
    """``at`` as a FHIR instant in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
