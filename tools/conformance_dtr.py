"""Renders ``docs/conformance-dtr.md``: which test shows each DTR statement, or why there is none.

Run: python -m tools.conformance_dtr (a test checks that the page is what this writes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "dtr" / "statements.yaml"
PAGE = ROOT / "docs" / "conformance-dtr.md"
HEAD = """# DTR conformance, statement by statement

Every statement of Da Vinci DTR 2.2.0 for payer servers, and every row of DTR 2.0.1 for payers (`2.0.1@` and the row of the test
kit's list), in our own words. Made from `tests/dtr/statements.yaml` by `python -m tools.conformance_dtr`.

{shown} of {all} are shown by a test; the others say why not.

| Statement | What it asks | Shown by (`tests/`), or why not |
|---|---|---|
"""


def render() -> str:
    """The page: one line per row of the list, 2.2.0 first."""
    rows: list[dict[str, Any]] = yaml.safe_load(SOURCE.read_text("utf-8"))
    shown = sum(len(row["ids"]) for row in rows if "test" in row)
    head = HEAD.format(shown=shown, all=sum(len(row["ids"]) for row in rows))
    lines = (
        f"| {', '.join(row['ids'])} | {row['says']} | {_shown(row)} |\n"
        for row in sorted(rows, key=lambda row: row["ids"][0].startswith("2.0.1"))
    )
    return head + "".join(lines)


def _shown(row: dict[str, Any]) -> str:
    return f"`{row['test']}`" if "test" in row else str(row["why_not"])


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
