"""Every statement of the guide has a test or a reason why not, and the tests named are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROWS: list[dict[str, Any]] = yaml.safe_load((HERE / "statements.yaml").read_text("utf-8"))
SPEC = Path("/work/shared/spec/crd.md")
SPEC_TEXT = SPEC.read_text("utf-8") if SPEC.exists() else ""


def declared_in(file: str) -> set[str]:
    tree = ast.parse((HERE / file).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def test_each_statement_stands_once():
    ids = [id_ for row in ROWS for id_ in row["ids"]]
    assert len(ids) == len(set(ids))
    assert all(("test" in row) != ("why_not" in row) for row in ROWS)


def test_the_tests_named_are_there():
    named = {row["test"] for row in ROWS if "test" in row}
    for reference in named:
        file, _, name = reference.partition("::")
        assert name in declared_in(file), reference


@pytest.mark.shared
@pytest.mark.skipif(not SPEC_TEXT, reason="the shared specification is not here")
def test_no_statement_of_2_2_1_is_missing():
    section = SPEC_TEXT[SPEC_TEXT.index("## 1.18") : SPEC_TEXT.index("## 1.19")]
    wanted: set[str] = set()
    for line in section.splitlines():
        first = line.split("|")[1] if line.startswith("| ") else ""
        wanted |= set(re.findall(r"[a-z]+-\d+", first))
    assert len(wanted) == 144
    assert wanted - {id_ for row in ROWS for id_ in row["ids"]} == set()
