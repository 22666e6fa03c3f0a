"""Renders the conformance pages: which test shows each statement of a guide, or why there is none.

Run: python -m tools.conformance [crd] [dtr] (all, when none is named; a test checks that the pages are what this writes).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CRD_HEAD = """# Conformance with CRD and CDS Hooks, statement by statement

Every statement with a server actor of Da Vinci CRD 2.2.1 and 2.0.1 and of CDS Hooks 2.0: the test that shows that it is kept, or
why there is none. Statements are hinted at in our own words; the guides have the rules. Ids are those of 2.2.1, and for the other
two the rows of the Inferno kit's requirement catalogues (`@`, `H@`). Tests are under `tests/crd/`. Made from
`tests/crd/statements.yaml` by `python -m tools.conformance`. PAS is in [conformance-pas.md](conformance-pas.md).
"""
DTR_HEAD = """# DTR conformance, statement by statement

Every statement of Da Vinci DTR 2.2.0 for payer servers, and every row of DTR 2.0.1 for payers (`2.0.1@` and the row of the test
kit's list), in our own words. Made from `tests/dtr/statements.yaml` by `python -m tools.conformance`.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """Statements that ask for one thing. Either ``tests`` show that it is kept, or ``why_not`` says why none does."""

    ids: tuple[str, ...]
    says: str
    tests: tuple[str, ...] = ()
    why_not: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        """The last cell of its line."""
        if not self.tests:
            return self.why_not
        return "<br>".join(f"`{test}`" for test in self.tests) + (f" {self.note}" if self.note else "")


def statement(row: dict[str, Any]) -> Statement:
    """Read one row of a list. Raises ValueError for a row that the page could not say whole."""
    if unknown := row.keys() - {"ids", "says", "test", "why_not", "note"}:
        raise ValueError(f"{row.get('ids')}: not known: {', '.join(sorted(unknown))}")
    tests = row.get("test", [])
    tests = tests if isinstance(tests, list) else [tests]
    if not row.get("ids") or not row.get("says"):
        raise ValueError(f"{row.get('ids')}: give ids, and what they ask")
    if bool(tests) == bool(row.get("why_not")):
        raise ValueError(f"{row['ids']}: give either test or why_not")
    return Statement(tuple(row["ids"]), row["says"], tuple(tests), row.get("why_not", ""), row.get("note", ""))


@dataclass(frozen=True, slots=True)
class Book:
    """The list of statements of a room and the page that is made of it."""

    room: str
    page: Path
    tests: Path  # the folder below which the list names tests
    head: str
    body: Callable[[Book], Iterator[str]]

    def statements(self) -> list[Statement]:
        return [statement(row) for row in self._yaml("statements.yaml")]

    def ids(self) -> Any:
        """The statements that there are, as ``statement_ids.yaml`` has them."""
        return self._yaml("statement_ids.yaml")

    def render(self) -> str:
        return "".join((self.head, *self.body(self)))

    def _yaml(self, name: str) -> Any:
        return yaml.safe_load((ROOT / "tests" / self.room / name).read_text("utf-8"))


def strengths(guide: dict[str, list[str]]) -> dict[str, str]:
    """By id."""
    return {id: strength for strength, ids in guide.items() for id in ids}


def by_guide(book: Book) -> Iterator[str]:
    """A summary, and a table for each guide; a line for each strength that a row's statements of the guide have."""
    rows = book.statements()
    guides = {name: strengths(guide) for name, guide in book.ids().items()}
    tested = {id for row in rows if row.tests for id in row.ids}
    counts = [(name, len(known), len(known.keys() & tested)) for name, known in guides.items()]
    yield from _table(
        ("Guide", "Statements", "Shown by a test", "With a reason why not"),
        ((name, all, shown, all - shown) for name, all, shown in counts),
    )
    for name, known in guides.items():
        yield f"\n## {name}\n"
        yield from _table(
            ("Statements", "Strength", "About", "Shown by, or why not"),
            ((", ".join(ids), strength, row.says, row.shown) for row in rows for strength, ids in _split(row, known)),
        )


def _split(row: Statement, known: dict[str, str]) -> Iterable[tuple[str, list[str]]]:
    """The ids that a guide knows, by strength."""
    by_strength: dict[str, list[str]] = {}
    for id in row.ids:
        if id in known:
            by_strength.setdefault(known[id], []).append(id)
    return by_strength.items()


def all_in_one(book: Book) -> Iterator[str]:
    """How many are shown, and one table with a line for each row; what only 2.0.1 asks comes last."""
    rows = sorted(book.statements(), key=lambda row: row.ids[0].startswith("2.0.1"))
    shown = sum(len(row.ids) for row in rows if row.tests)
    yield f"\n{shown} of {sum(len(row.ids) for row in rows)} are shown by a test; the others say why not.\n"
    yield from _table(
        ("Statement", "What it asks", "Shown by (`tests/`), or why not"),
        ((", ".join(row.ids), row.says, row.shown) for row in rows),
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    yield from (f"| {' | '.join(map(str, cells))} |\n" for cells in rows)


BOOKS = {
    "crd": Book("crd", ROOT / "docs" / "conformance.md", ROOT / "tests" / "crd", CRD_HEAD, by_guide),
    "dtr": Book("dtr", ROOT / "docs" / "conformance-dtr.md", ROOT / "tests", DTR_HEAD, all_in_one),
}


if __name__ == "__main__":
    for room in sys.argv[1:] or BOOKS:
        BOOKS[room].page.write_text(BOOKS[room].render(), "utf-8")
