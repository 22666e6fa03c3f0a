"""The plan's crosswalk: from codes that are not billed (RxNorm, SNOMED CT, NDC, a client's own) to the codes that are.

A CSV file of the eligibility folder, ``crosswalk.csv``, with the columns ``from_system,from_code,to_system,to_code,start,end,
note``. Systems are short names (``rxnorm``, ``ndc``, ``hcpcs`` ...) or URLs; ``start`` and ``end`` are days of service, both
included, empty for open; a line that begins with ``#`` is a comment. Several targets for one source on one day mean that the
source does not say which of them is billed. Source: docs/policies.md ("Which service is it").
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from precert.fhir.billing import billed, ndc_forms
from precert.fhir.coding import Code, system_url
from precert.fhir.dates import parse_date
from precert.fhir.systems import NDC

COLUMNS = ("from_system", "from_code", "to_system", "to_code", "start", "end", "note")


class CrosswalkError(ValueError):
    """The file cannot be used; the message names the file, the line and what to write."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One entry: what is billed, and on which days of service it holds (``None``: open)."""

    target: Code
    start: date | None = None
    end: date | None = None

    def holds(self, day: date) -> bool:
        """Whether the entry is in effect on ``day``."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


class Crosswalk:
    """An immutable table. In: sources (as :func:`source_key` writes them) to their entries."""

    def __init__(self, entries: Mapping[Code, Iterable[Mapped]] | None = None) -> None:
        self._entries = {source: tuple(several) for source, several in (entries or {}).items()}

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def targets(self, code: Code, day: date | None) -> tuple[Code, ...]:
        """The billing codes that ``code`` leads to on ``day`` (``None``: on any), each once; empty when it leads nowhere."""
        if not self._entries:
            return ()
        sources = [Code(NDC, form) for form in ndc_forms(code.code)] if code.system == NDC else [source_key(code)]
        entries = (entry for source in sources for entry in self._entries.get(source, ()))
        return tuple(dict.fromkeys(entry.target for entry in entries if day is None or entry.holds(day)))


def source_key(code: Code) -> Code:
    """A source under its one spelling: letter case does not count, an NDC has 11 digits."""
    found = billed(code)
    return found.code if found is not None else Code(code.system, code.code.upper())


def load_crosswalk(path: Path) -> Crosswalk:
    """Read the file; a folder without one has an empty crosswalk. Raises CrosswalkError."""
    if not path.exists():
        return Crosswalk()
    entries: dict[Code, list[Mapped]] = {}
    try:
        written = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CrosswalkError(f"{path}: cannot be read: {error}") from error
    # comments become empty lines, so that the numbers of the lines stay right
    rows = csv.reader("" if line.startswith("#") else line for line in written)
    header: list[str] | None = None
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        where = f"{path}:{rows.line_num}"
        if header is None:
            header = cells
            if tuple(header) != COLUMNS:
                raise CrosswalkError(f"{where}: the first line has to be {','.join(COLUMNS)}")
            continue
        if len(cells) != len(COLUMNS):
            raise CrosswalkError(f"{where}: {len(cells)} columns instead of {len(COLUMNS)}; quote a note with commas")
        source, entry = _entry(where, dict(zip(COLUMNS, cells, strict=True)))
        others = entries.setdefault(source, [])
        if entry in others:
            raise CrosswalkError(f"{where}: the same entry stands there twice")
        others.append(entry)
    return Crosswalk(entries)


def _entry(where: str, row: Mapping[str, str]) -> tuple[Code, Mapped]:
    source, target = _code(where, row, "from"), _code(where, row, "to")
    found = billed(target)
    if found is None or found.modifiers:
        raise CrosswalkError(f"{where}: {target.code!r} is no billing code of {row['to_system']}")
    if source.system == NDC and len(ndc_forms(source.code)) != 1:
        raise CrosswalkError(f"{where}: {source.code!r} is no NDC; write it with hyphens, for example 57894-030-01")
    start, end = _day(where, row, "start"), _day(where, row, "end")
    if start is not None and end is not None and end < start:
        raise CrosswalkError(f"{where}: end is before start")
    return source_key(source), Mapped(found.code, start, end)


def _code(where: str, row: Mapping[str, str], side: str) -> Code:
    system, code = row[f"{side}_system"], row[f"{side}_code"]
    url = system_url(system)
    if "://" not in url and not url.startswith("urn:"):
        raise CrosswalkError(f"{where}: {side}_system {system!r} is neither a URL nor the short name of a system")
    if not code:
        raise CrosswalkError(f"{where}: {side}_code is empty")
    return Code(url, code)


def _day(where: str, row: Mapping[str, str], key: str) -> date | None:
    written = row[key]
    day = parse_date(written) if len(written) == len("2026-01-01") else None
    if written and day is None:
        raise CrosswalkError(f"{where}: {key} {written!r} is no day; write it as YYYY-MM-DD")
    return day
