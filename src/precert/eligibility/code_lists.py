"""The lists of codes that the plan is billed by, where it gives any: a code that is not on the list of its system names no service.

A CSV file of the eligibility folder, ``codes.csv``, with the columns ``system,code,start,end``. Systems are short names (``hcpcs``,
``cpt``, ``cdt`` ...) or URLs; ``start`` and ``end`` are days of service, both included, empty for open; a line that begins with ``#``
is a comment. A system of which no code stands there has no list. None is shipped: CPT and CDT are licensed, and HCPCS
changes every quarter. Source: docs/policies.md ("Which service is it").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from precert.eligibility.table import TableError, code_in, days_in, rows
from precert.fhir.billing import SYSTEMS_READ, billed
from precert.fhir.coding import Code

COLUMNS = ("system", "code", "start", "end")
_Days = tuple[date | None, date | None]


class CodeLists:
    """An immutable table. In: codes (as :func:`precert.fhir.billing.billed` writes them) to the days on which they are in use."""

    def __init__(self, codes: Mapping[Code, Iterable[_Days]] | None = None) -> None:
        self._codes = {code: tuple(days) for code, days in (codes or {}).items()}
        self._systems = frozenset(code.system for code in self._codes)

    def __len__(self) -> int:
        return len(self._codes)

    def lacks(self, code: Code, day: date) -> bool:
        """Whether the system of ``code`` has a list and the code is not on it on ``day``."""
        if code.system not in self._systems:
            return False
        periods = self._codes.get(code, ())
        return not any((start is None or start <= day) and (end is None or day <= end) for start, end in periods)


def load_code_lists(path: Path) -> CodeLists:
    """Read the file; a folder without one has no lists. Raises TableError, also for a file without any code: it would look as
    if the codes were checked."""
    if not path.exists():
        return CodeLists()
    found: dict[Code, list[_Days]] = {}
    for where, row in rows(path, COLUMNS):
        written = code_in(where, row, "system", "code")
        known = billed(written)
        if known is None or known.modifiers:
            raise TableError(
                f"{where}: {written.code!r} is no code of {SYSTEMS_READ.get(written.system, written.system)}"
            )
        days, others = days_in(where, row), found.setdefault(known.code, [])
        if days in others:
            raise TableError(f"{where}: the same entry stands there twice")
        others.append(days)
    if not found:
        raise TableError(f"{path}: no code stands there; without lists leave the file out")
    return CodeLists(found)
