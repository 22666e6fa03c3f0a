"""Every statement of the three guides has a test or a reason why not, and the tests named are there and can run."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.conformance import strengths

HERE = Path(__file__).parent
ROWS: list[dict[str, Any]] = yaml.safe_load((HERE / "statements.yaml").read_text("utf-8"))
GUIDES: dict[str, dict[str, list[str]]] = yaml.safe_load((HERE / "statement_ids.yaml").read_text("utf-8"))
COUNTS = {"CRD 2.2.1": 144, "CRD 2.0.1": 165, "CDS Hooks 2.0": 120}
SPEC = Path("/work/shared/spec/crd.md")
SPEC_TEXT = SPEC.read_text("utf-8") if SPEC.exists() else ""


def named_by(row: dict[str, Any]) -> list[str]:
    named = row.get("test", [])
    return named if isinstance(named, list) else [named]


@cache
def declared_in(file: str) -> dict[str, bool]:
    """The test functions of a file, and whether each is skipped without the shared folder."""
    tree = ast.parse((HERE / file).resolve().read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in tree.body if isinstance(node, kinds)]
    found += [n for c in tree.body if isinstance(c, ast.ClassDef) for n in c.body if isinstance(n, kinds)]
    return {node.name: any("shared" in ast.unparse(d) for d in node.decorator_list) for node in found}


def test_the_guides_have_as_many_statements_as_was_counted():
    assert {name: len(strengths(guide)) for name, guide in GUIDES.items()} == COUNTS
    assert all(sum(map(len, guide.values())) == COUNTS[name] for name, guide in GUIDES.items()), "no id twice"


def test_every_statement_stands_in_the_book_once():
    ids = [id_ for row in ROWS for id_ in row["ids"]]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id_ for guide in GUIDES.values() for id_ in strengths(guide)}


def test_every_row_says_what_it_is_about_and_what_shows_it():
    for row in ROWS:
        assert set(row) <= {"ids", "says", "test", "why_not", "note"}
        assert row["says"]
        assert ("test" in row) != ("why_not" in row), row["ids"]
        assert "test" not in row or named_by(row)


def test_the_tests_named_are_there():
    for row in ROWS:
        for reference in named_by(row):
            file, _, name = reference.partition("::")
            assert name in declared_in(file), reference
            assert name.startswith("test_")


def test_no_statement_rests_on_a_test_that_only_runs_with_the_shared_folder():
    for row in ROWS:
        named = [declared_in(r.partition("::")[0])[r.partition("::")[2]] for r in named_by(row)]
        assert not named or not all(named), row["ids"]


UNTESTED_SHALL = {
    # Organizations' and clients' part, or nothing to show: each row says which.
    *("dev-20", "impl-3", "sec-5"),
    "@93",
    *("H@133", "H@134", "H@135", "H@213"),
}


def test_the_obligations_without_a_test_are_known():
    """So that a SHALL does not lose its test without anybody noticing."""
    strong = {id_ for guide in GUIDES.values() for id_, s in strengths(guide).items() if s.startswith("SHALL")}
    assert {id_ for row in ROWS if "why_not" in row for id_ in row["ids"]} & strong == UNTESTED_SHALL


@pytest.mark.shared
@pytest.mark.skipif(not SPEC_TEXT, reason="the shared specification is not here")
def test_the_list_of_2_2_1_is_that_of_the_notes():
    section = SPEC_TEXT[SPEC_TEXT.index("## 1.18") : SPEC_TEXT.index("## 1.19")]
    wanted: set[str] = set()
    for line in section.splitlines():
        first = line.split("|")[1] if line.startswith("| ") else ""
        wanted |= set(re.findall(r"[a-z]+-\d+", first))
    assert wanted == set(strengths(GUIDES["CRD 2.2.1"]))
