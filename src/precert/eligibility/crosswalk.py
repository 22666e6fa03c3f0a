"""The plan's crosswalk: from codes that are not billed (RxNorm, SNOMED CT, NDC, a client's own) to the codes that are.

A CSV file of the eligibility folder, ``crosswalk.csv``, with the columns ``from_system,from_code,to_system,to_code,start,end,
note``. Systems are short names (``rxnorm``, ``ndc``, ``hcpcs`` ...) or URLs; ``start`` and ``end`` are days of service, both
included, empty for open; a line that begins with ``#`` is a comment. Several targets for one source on one day mean that the
source does not say which of them is billed. Source: docs/policies.md ("Which service is it").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from precert.eligibility.table import TableError, code_in, days_in, rows
from precert.fhir.billing import billed, ndc_forms
from precert.fhir.coding import Code
from precert.fhir.systems import NDC

COLUMNS = ("from_system", "from_code", "to_system", "to_code", "start", "end", "note")


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
    """Read the file; a folder without one has an empty crosswalk. Raises TableError."""
    if not path.exists():
        return Crosswalk()
    entries: dict[Code, list[Mapped]] = {}
    for where, row in rows(path, COLUMNS):
        source, entry = _entry(where, row)
        others = entries.setdefault(source, [])
        if entry in others:
            raise TableError(f"{where}: the same entry stands there twice")
        others.append(entry)
    return Crosswalk(entries)


def _entry(where: str, row: Mapping[str, str]) -> tuple[Code, Mapped]:
    source, target = code_in(where, row, "from_system", "from_code"), code_in(where, row, "to_system", "to_code")
    found = billed(target)
    if found is None or found.modifiers:
        raise TableError(f"{where}: {target.code!r} is no billing code of {row['to_system']}")
    if source.system == NDC and len(ndc_forms(source.code)) != 1:
        raise TableError(f"{where}: {source.code!r} is no NDC; write it with hyphens, for example 57894-030-01")
    return source_key(source), Mapped(found.code, *days_in(where, row))
