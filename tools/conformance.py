"""Renders ``docs/conformance.md``: which test shows each CRD statement, or why there is none.

Run: python -m tools.conformance (a test checks that the page is what this writes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests" / "crd" / "statements.yaml"
PAGE = ROOT / "docs" / "conformance.md"
HEAD = """# CRD conformance, statement by statement

Every statement of Da Vinci CRD 2.2.1 with a server actor, and rows of CRD 2.0.1 and CDS Hooks 2.0 where they add something.
Made from `tests/crd/statements.yaml` by `python -m tools.conformance`. PAS is in [conformance-pas.md](conformance-pas.md).

| Statement | Shown by (`tests/crd/`), or why not |
|---|---|
"""


def render() -> str:
    """The page."""
    rows: list[dict[str, Any]] = yaml.safe_load(SOURCE.read_text("utf-8"))
    shown = {str(id): f"`{row['test']}`" if "test" in row else row["why_not"] for row in rows for id in row["ids"]}
    return HEAD + "".join(f"| {id} | {shown[id]} |\n" for id in sorted(shown))


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
