"""An independent reader of base R4 agrees that our own documents are sound, and that broken ones are not."""

from __future__ import annotations

import json

import pytest

from validation.seeds import BUILD, SEEDS, Seed

fhirkit = pytest.importorskip("fhirkit")

BASE_RULES = {"base-required", "expected-array", "not-an-object", "wrong-json-type", "null-value", "unknown-element"}
"""What both look at."""


@pytest.mark.parametrize("name", BUILD)
def test_the_other_reader_accepts_our_documents(name: str) -> None:
    assert fhirkit.validate(json.dumps(BUILD[name]())) == []


@pytest.mark.parametrize("seed", [s for s in SEEDS if s.rule in BASE_RULES], ids=lambda seed: seed.name)
def test_the_other_reader_finds_broken_structure_too(seed: Seed) -> None:
    issues = fhirkit.validate(json.dumps(seed.plant()))
    assert seed.expression in {issue.path for issue in issues}, [(issue.path, issue.message) for issue in issues]
