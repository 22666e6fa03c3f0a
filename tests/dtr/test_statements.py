"""Every statement of the guide for payer servers has a test or a reason why not, and the tests named are there."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml
from tools import conformance_dtr

HERE = Path(__file__).parent
ROWS: list[dict[str, Any]] = yaml.safe_load((HERE / "statements.yaml").read_text("utf-8"))
WANTED: dict[str, list[Any]] = yaml.safe_load((HERE / "statement_ids.yaml").read_text("utf-8"))


def declared_in(file: str) -> set[str]:
    tree = ast.parse((HERE.parent / file).read_text("utf-8"))
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def test_each_statement_stands_once_and_says_something() -> None:
    ids = [id_ for row in ROWS for id_ in row["ids"]]
    assert len(ids) == len(set(ids))
    assert all(("test" in row) != ("why_not" in row) for row in ROWS)
    assert all(row["says"] and row.get("why_not", "x") for row in ROWS)


def test_no_statement_is_missing_and_none_is_made_up() -> None:
    wanted = {*WANTED["2.2.0"], *(f"2.0.1@{row}" for row in WANTED["2.0.1"])}
    assert (len(WANTED["2.2.0"]), len(WANTED["2.0.1"])) == (115, 134)
    assert {id_ for row in ROWS for id_ in row["ids"]} == wanted


def test_the_tests_named_are_there() -> None:
    for reference in {row["test"] for row in ROWS if "test" in row}:
        file, _, name = reference.partition("::")
        assert name in declared_in(file), reference


def test_the_page_is_current() -> None:
    assert conformance_dtr.PAGE.read_text("utf-8") == conformance_dtr.render(), "run python -m tools.conformance_dtr"
