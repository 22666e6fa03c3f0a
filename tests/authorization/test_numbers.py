"""Numbers: unique, unguessable in form, and a mistyped one is never another one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.record.numbers import NumberKind, is_valid, issue, reservation
from precert.runtime import Runtime
from support.app import frozen_runtime

HUMAN = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TYPEABLE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KINDS = st.sampled_from(list(NumberKind))
SEEDS = st.integers(0, 2**60 - 1)


def drawn(kind: NumberKind, seed: int) -> str:
    return issue(kind, frozen_runtime(seed=seed))


def bits(value: int) -> Callable[[int], int]:
    """Random bits that begin with ``value`` and go on from there (a draw may be refused)."""
    chance = random.Random(value)
    first = [value]
    return lambda n: first.pop() if first else chance.getrandbits(n)


@given(KINDS, SEEDS)
def test_the_form(kind: NumberKind, seed: int) -> None:
    number = drawn(kind, seed)
    assert len(number) == 15
    assert number.startswith(kind.value)
    assert set(number) <= set(HUMAN)
    assert is_valid(number)
    assert is_valid(f" {number.lower()[:5]}-{number[5:]} ")


@given(KINDS, SEEDS)
def test_every_wrong_character_is_found(kind: NumberKind, seed: int) -> None:
    number = drawn(kind, seed)
    for place in range(15):
        for wrong in TYPEABLE:
            if wrong != number[place]:
                assert not is_valid(number[:place] + wrong + number[place + 1 :])


@given(KINDS, SEEDS)
def test_every_swap_of_neighbours_is_found(kind: NumberKind, seed: int) -> None:
    number = drawn(kind, seed)
    for place in range(14):
        one, two = number[place : place + 2]
        if one != two:
            assert not is_valid(number[:place] + two + one + number[place + 2 :])


@pytest.mark.parametrize(
    "text", ["", "PA", "PA4T7X0K2M9QWE", "XX0000000000000", "ÄÖ0000000000000", "PA" + "0" * 13 + "0"]
)
def test_what_is_no_number(text: str) -> None:
    assert not is_valid(text)


@given(st.text(max_size=20))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert isinstance(is_valid(text), bool)


def test_numbers_from_chance_do_not_repeat() -> None:
    runtime = Runtime()
    numbers = {issue(kind, runtime) for kind in NumberKind for _ in range(5000)}
    assert len(numbers) == 20_000


def test_each_of_the_sixty_bits_counts() -> None:
    base = issue(NumberKind.CASE, Runtime(random_bits=bits(0)))
    others = {issue(NumberKind.CASE, Runtime(random_bits=bits(1 << place))) for place in range(60)}
    assert len(others) == 60
    assert base not in others


def test_the_reservation_names_the_number() -> None:
    assert reservation("PA1") == "number:PA1"
