"""The lists of statements are whole, the tests that they name are there, and the pages say what the lists say.

Which statements there are, and which may go without a test, is a matter of each room: its own ``test_statements.py``.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tools.conformance import BOOKS, Book, statement

GOOD: dict[str, Any] = {"ids": ["a-1"], "says": "something", "test": "test_a.py::test_b"}

each_book = pytest.mark.parametrize("book", BOOKS.values(), ids=BOOKS)


@cache
def declared_in(file: Path) -> dict[str, bool]:
    """The tests of a file, and the classes that hold some, and whether each is skipped without the shared folder."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found: list[ast.stmt] = list(ast.parse(file.read_text("utf-8")).body)
    found += [member for node in found if isinstance(node, ast.ClassDef) for member in node.body]
    return {
        node.name: any("shared" in ast.unparse(mark) for mark in node.decorator_list)
        for node in found
        if isinstance(node, (*kinds, ast.ClassDef)) and node.name.startswith(("test_", "Test"))
    }


def skipped(book: Book, reference: str) -> bool | None:
    """Whether a test named in a book is skipped without the shared folder; None where there is no such test."""
    file, _, name = reference.partition("::")
    return declared_in((book.tests / file).resolve()).get(name)


@each_book
def test_the_page_is_current(book: Book) -> None:
    assert book.page.read_text("utf-8") == book.render(), f"run python -m tools.conformance {book.room}"


@each_book
def test_every_statement_stands_in_the_book_once(book: Book) -> None:
    times = Counter(id_ for row in book.statements() for id_ in row.ids)
    assert [id_ for id_ in times if times[id_] > 1] == []


@each_book
def test_the_tests_named_are_there(book: Book) -> None:
    for reference in {reference for row in book.statements() for reference in row.tests}:
        assert skipped(book, reference) is not None, reference


@each_book
def test_no_statement_rests_on_a_test_that_only_runs_with_the_shared_folder(book: Book) -> None:
    for row in book.statements():
        assert not row.tests or not all(skipped(book, reference) for reference in row.tests), row.ids


@pytest.mark.parametrize(
    "row",
    [
        {**GOOD, "ids": []},
        {**GOOD, "says": ""},
        {**GOOD, "test": []},
        {**GOOD, "why_not": "and a reason as well"},
        {"ids": ["a-1"], "says": "something"},
        {**GOOD, "tset": "test_a.py::test_c"},
    ],
)
def test_a_row_that_is_not_whole_is_refused(row: dict[str, Any]) -> None:
    assert statement(GOOD).tests == ("test_a.py::test_b",)
    with pytest.raises(ValueError, match=r"a-1|None|\[\]"):
        statement(row)
