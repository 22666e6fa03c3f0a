"""Lints of ``applies``: a scope that can never fit anybody makes a policy silent, and nobody notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from precert.fhir.coverage_terms import LINES_OF_BUSINESS, STATES, unknown_word
from precert.policy.compiled import CompiledPolicy
from precert.policy.load import KeyPath

Found = tuple[KeyPath, str, Literal["error", "warning"], str]
"""Key, rule, severity, sentence."""


def scope_rules(policy: CompiledPolicy) -> Iterator[Found]:
    """Words of ``applies`` and of ``basis.jurisdiction`` that no plan can carry, and ranges that hold nobody."""
    applies = policy.model.applies
    for key, written, known, kind in (
        ("lob", applies.lob, LINES_OF_BUSINESS, "line of business"),
        ("state", applies.state, STATES, "state"),
    ):
        yield from _words(("applies", key), written, known, kind)
    for index, basis in enumerate(policy.model.basis):
        yield from _words(("basis", index, "jurisdiction"), basis.jurisdiction, STATES, "state")
    age = applies.age
    if age is not None and age.min is not None and age.max is not None and age.max < age.min:
        message = f"nobody is at least {age.min} and at most {age.max} years old"
        yield ("applies", "age"), "scope", "error", message


def _words(path: KeyPath, written: tuple[str, ...], known: tuple[str, ...], kind: str) -> Iterator[Found]:
    for index, word in enumerate(written):
        problem = unknown_word(word, known, kind)
        if problem is not None:
            yield (*path, index), "scope", "error", problem
