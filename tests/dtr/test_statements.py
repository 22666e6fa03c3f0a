"""Every statement of the guide for payer servers stands in the list (see also tests/docs)."""

from __future__ import annotations

from typing import Any

from tools.conformance import BOOKS


def test_no_statement_is_missing_and_none_is_made_up() -> None:
    ids: dict[str, list[Any]] = BOOKS["dtr"].ids()
    wanted = {*ids["2.2.0"], *(f"2.0.1@{row}" for row in ids["2.0.1"])}
    assert (len(ids["2.2.0"]), len(ids["2.0.1"])) == (115, 134)
    assert {id_ for row in BOOKS["dtr"].statements() for id_ in row.ids} == wanted
