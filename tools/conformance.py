"""Renders ``docs/conformance.md``: which test shows each statement of CRD and CDS Hooks, or why there is none.

Run: python -m tools.conformance (a test checks that the page is what this writes).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "crd" / "statements.yaml"
IDS = ROOT / "tests" / "crd" / "statement_ids.yaml"
PAGE = ROOT / "docs" / "conformance.md"
HEAD = """# Conformance with CRD and CDS Hooks, statement by statement

Every statement with a server actor of Da Vinci CRD 2.2.1 and 2.0.1 and of CDS Hooks 2.0: the test that shows that it is kept, or
why there is none. Statements are hinted at in our own words; the guides have the rules. Ids are those of 2.2.1, and for the other
two the rows of the Inferno kit's requirement catalogues (`@`, `H@`). Tests are under `tests/crd/`. Made from
`tests/crd/statements.yaml` by `python -m tools.conformance`. PAS is in [conformance-pas.md](conformance-pas.md).
"""
COLUMNS = "| Statements | Strength | About | Shown by, or why not |\n|---|---|---|---|\n"


def strengths(guide: dict[str, list[str]]) -> dict[str, str]:
    """By id."""
    return {id: strength for strength, ids in guide.items() for id in ids}


def render() -> str:
    """The page."""
    rows: list[dict[str, Any]] = yaml.safe_load(SOURCE.read_text("utf-8"))
    guides: dict[str, dict[str, list[str]]] = yaml.safe_load(IDS.read_text("utf-8"))
    page = [HEAD, _summary(rows, guides)]
    for name, guide in guides.items():
        page.append(f"\n## {name}\n\n{COLUMNS}")
        page += [line for row in rows for line in _lines(row, strengths(guide))]
    return "".join(page)


def _summary(rows: list[dict[str, Any]], guides: dict[str, dict[str, list[str]]]) -> str:
    tested = {id for row in rows if "test" in row for id in row["ids"]}
    lines = ["\n| Guide | Statements | Shown by a test | With a reason why not |\n|---|---|---|---|\n"]
    for name, guide in guides.items():
        ids = strengths(guide)
        shown = sum(id in tested for id in ids)
        lines.append(f"| {name} | {len(ids)} | {shown} | {len(ids) - shown} |\n")
    return "".join(lines)


def _lines(row: dict[str, Any], known: dict[str, str]) -> Iterator[str]:
    """One line for each strength that a row's statements of one guide have."""
    by_strength: dict[str, list[str]] = {}
    for id in row["ids"]:
        if id in known:
            by_strength.setdefault(known[id], []).append(id)
    for strength, ids in by_strength.items():
        yield f"| {', '.join(ids)} | {strength} | {row['says']} | {_shown(row)} |\n"


def _shown(row: dict[str, Any]) -> str:
    if "test" not in row:
        return str(row["why_not"])
    tests = row["test"] if isinstance(row["test"], list) else [row["test"]]
    note = f" {row['note']}" if "note" in row else ""
    return "<br>".join(f"`{test}`" for test in tests) + note


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
