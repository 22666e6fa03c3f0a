"""Every statement of the three guides stands in the list, and those without a test are known (see also tests/docs)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.conformance import BOOKS, strengths

ROWS = BOOKS["crd"].statements()
GUIDES: dict[str, dict[str, list[str]]] = BOOKS["crd"].ids()
COUNTS = {"CRD 2.2.1": 144, "CRD 2.0.1": 165, "CDS Hooks 2.0": 120}
SPEC = Path(__file__).parents[3].joinpath("shared/spec/crd.md")
SPEC_TEXT = SPEC.read_text("utf-8") if SPEC.exists() else ""


def test_the_guides_have_as_many_statements_as_was_counted():
    assert {name: len(strengths(guide)) for name, guide in GUIDES.items()} == COUNTS
    assert all(sum(map(len, guide.values())) == COUNTS[name] for name, guide in GUIDES.items()), "no id twice"


def test_no_statement_is_missing_and_none_is_made_up():
    assert {id_ for row in ROWS for id_ in row.ids} == {id_ for guide in GUIDES.values() for id_ in strengths(guide)}


UNTESTED_SHALL = {
    # Organizations' and clients' part, or nothing to show: each row says which.
    *("dev-20", "impl-3", "sec-5"),
    "@93",
    *("H@133", "H@134", "H@135", "H@213"),
}


def test_the_obligations_without_a_test_are_known():
    """So that a SHALL does not lose its test without anybody noticing."""
    strong = {id_ for guide in GUIDES.values() for id_, s in strengths(guide).items() if s.startswith("SHALL")}
    assert {id_ for row in ROWS if row.why_not for id_ in row.ids} & strong == UNTESTED_SHALL


@pytest.mark.shared
@pytest.mark.skipif(not SPEC_TEXT, reason="the shared specification is not here")
def test_the_list_of_2_2_1_is_that_of_the_notes():
    section = SPEC_TEXT[SPEC_TEXT.index("## 1.18") : SPEC_TEXT.index("## 1.19")]
    wanted: set[str] = set()
    for line in section.splitlines():
        first = line.split("|")[1] if line.startswith("| ") else ""
        wanted |= set(re.findall(r"[a-z]+-\d+", first))
    assert wanted == set(strengths(GUIDES["CRD 2.2.1"]))
