"""The order in which what a policy says about its scope makes it govern before another one (docs/policies.md)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from policy.support import HCPCS, line, policy
from precert.fhir.coding import Code
from precert.policy.precedence import clinical_rank

SCOPE: dict[str, Any] = {
    "plan": ["P1"],
    "state": ["TX"],
    "lob": ["commercial"],
    "diagnosis": ["icd10|G47*"],
    "age": {"min": 18},
    "place": ["pos|12"],
    "network": ["in"],
}
"""Strongest first: plan before state before line of business, and so on."""
SERVICES = (Code(HCPCS, "E0601"),)
INTERNAL = [{"type": "internal", "id": "1"}]


def rank(lob: str, *names: str, services: Any = ("hcpcs|E0601",), basis: Any = None) -> tuple[int, ...]:
    applies = {"services": list(services) if services != "any" else "any", **{name: SCOPE[name] for name in names}}
    tried = policy(applies=applies, basis=basis or INTERNAL)
    return clinical_rank(tried, line(coverage={"lob": lob, "state": "TX"}), SERVICES)


@pytest.mark.parametrize("lob", ["commercial", "medicare-advantage"])
@pytest.mark.parametrize(("position", "strong"), list(enumerate(SCOPE)))
def test_one_stronger_word_outweighs_all_weaker_ones(lob: str, position: int, strong: str) -> None:
    weaker = list(SCOPE)[position + 1 :]
    assert rank(lob, strong) < rank(lob, *weaker)


@pytest.mark.parametrize(("strong", "weak"), list(itertools.combinations(SCOPE, 2)))
def test_of_two_words_the_stronger_governs(strong: str, weak: str) -> None:
    assert rank("commercial", strong) < rank("commercial", weak)


def test_the_code_stands_between_line_of_business_and_diagnosis() -> None:
    code, prefix, anything = (rank("commercial", services=s) for s in (("hcpcs|E0601",), ("hcpcs|E06*",), "any"))
    assert code < prefix < anything
    assert rank("commercial", "lob", services="any") < code
    assert code < rank("commercial", "diagnosis", services=("hcpcs|E06*",))


def test_the_basis_comes_first_in_medicare_advantage_and_last_elsewhere() -> None:
    national: Any = [{"type": "NCD", "id": "1"}]
    for lob, national_governs in (("medicare-advantage", True), ("commercial", False)):
        assert (rank(lob, basis=national) < rank(lob, "network")) is national_governs
        assert rank(lob, "plan", basis=national) < rank(lob, "plan")
