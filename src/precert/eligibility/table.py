"""CSV files of the eligibility folder: a heading line with fixed columns, comments that begin with ``#``, faults with their line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from precert.fhir.coding import Code, system_url
from precert.fhir.dates import parse_date


class TableError(ValueError):
    """The file cannot be used; the message names the file, the line and what to write."""


def rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each row with where it stands (``file:line``), its cells by column and without blanks around them. Raises TableError."""
    try:
        written = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read: {error}") from error
    # comments become empty lines, so that the numbers of the lines stay right
    found = csv.reader("" if line.startswith("#") else line for line in written)
    header: list[str] | None = None
    for row in found:
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        where = f"{path}:{found.line_num}"
        if header is None:
            header = cells
            if tuple(header) != columns:
                raise TableError(f"{where}: the first line has to be {','.join(columns)}")
            continue
        if len(cells) != len(columns):
            raise TableError(f"{where}: {len(cells)} columns instead of {len(columns)}; quote a note with commas")
        yield where, dict(zip(columns, cells, strict=True))


def code_in(where: str, row: Mapping[str, str], system: str, code: str) -> Code:
    """The code that two columns name; the system is a short name or a URL. Raises TableError."""
    url = system_url(row[system])
    if "://" not in url and not url.startswith("urn:"):
        raise TableError(f"{where}: {system} {row[system]!r} is neither a URL nor the short name of a system")
    if not row[code]:
        raise TableError(f"{where}: {code} is empty")
    return Code(url, row[code])


def days_in(where: str, row: Mapping[str, str]) -> tuple[date | None, date | None]:
    """The columns ``start`` and ``end``: days, both included, ``None`` for open. Raises TableError."""
    start, end = _day(where, row, "start"), _day(where, row, "end")
    if start is not None and end is not None and end < start:
        raise TableError(f"{where}: end is before start")
    return start, end


def _day(where: str, row: Mapping[str, str], key: str) -> date | None:
    written = row[key]
    day = parse_date(written) if len(written) == len("2026-01-01") else None
    if written and day is None:
        raise TableError(f"{where}: {key} {written!r} is no day; write it as YYYY-MM-DD")
    return day
