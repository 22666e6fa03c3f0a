"""Amounts: every spelling of a unit, what cannot be compared, and that what is not surely within is never said to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.policy.amounts import MOST, Amount, read, total, unit_of

UNITS = ("units", "visits", "hours", "days", "weeks", "months", "quarters", "years", "milligrams", "millilitres")


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        *[(each, "months") for each in ("mo", "MO", "month", "Months", " months ", "34")],
        *[(each, "days") for each in ("d", "DA", "day", "days", "7")],
        *[(each, "weeks") for each in ("wk", "WK", "weeks", "35")],
        *[(each, "visits") for each in ("VS", "visit", "{visit}", "{visits}", "27")],
        *[(each, "units") for each in ("UN", "unit", "1", "{unit}", "ea", "", None)],
        *[(each, None) for each in ("bananas", "boxes", "mö", "month s", "lb", "moo")],
    ],
)
def test_each_spelling_of_a_unit(written: str | None, unit: str | None) -> None:
    assert unit_of(written) == unit


@pytest.mark.parametrize(
    "quantity",
    [
        {},
        {"unit": "months"},
        {"value": 0, "unit": "months"},
        {"value": -1, "unit": "months"},
        {"value": "3", "unit": "months"},
        {"value": True, "unit": "months"},
        {"value": 3, "unit": "bananas"},
        {"value": 3, "code": "bananas"},
        {"value": 3, "unit": "months", "comparator": "<"},
        {"value": 3, "unit": "months", "code": "wk"},  # two units that differ
        {"value": MOST + 1, "unit": "units"},
        "3 months",
        None,
        [],
    ],
    ids=str,
)
def test_what_is_no_amount_is_none(quantity: Any) -> None:
    assert read(quantity) is None


@pytest.mark.parametrize(
    ("quantity", "value", "unit"),
    [
        ({"value": 3, "unit": "months"}, 3, "months"),
        ({"value": Decimal("1.5"), "code": "mo", "system": "http://unitsofmeasure.org"}, Decimal("1.5"), "months"),
        ({"value": 3, "unit": "Months", "code": "MO", "system": "https://codesystem.x12.org/005010/355"}, 3, "months"),
        ({"value": 3, "code": "34", "system": "https://codesystem.x12.org/005010/615"}, 3, "months"),
        ({"value": 3, "unit": "", "code": "wk", "system": "UCUM"}, 3, "weeks"),
        ({"value": 2}, 2, "units"),
    ],
    ids=str,
)
def test_ordinary_amounts_are_read(quantity: dict[str, Any], value: Any, unit: str) -> None:
    assert read(quantity) == Amount(Decimal(value), unit)


@pytest.mark.parametrize(
    ("asked", "granted", "within"),
    [
        ((3, "months"), (3, "months"), True),
        ((4, "months"), (3, "months"), False),
        ((12, "weeks"), (3, "months"), True),
        ((13, "weeks"), (3, "months"), None),  # more than three short months, less than three long ones
        ((14, "weeks"), (3, "months"), False),
        ((1, "years"), (12, "months"), True),
        ((2, "years"), (12, "months"), False),
        ((365, "days"), (12, "months"), None),
        ((3, "months"), (12, "weeks"), False),
        ((1, "months"), (12, "weeks"), True),
        ((3, "units"), (3, "months"), True),
        ((4, "units"), (3, "months"), False),
        ((1, "visits"), (1, "units"), True),
        ((3, "months"), (800, "units"), None),
        ((3, "visits"), (3, "months"), None),
        ((3, "hours"), (3, "days"), None),
        ((1, "grams"), (1000, "milligrams"), True),
        ((2, "grams"), (1000, "milligrams"), False),
    ],
    ids=str,
)
def test_whether_one_amount_is_within_another(
    asked: tuple[int, str], granted: tuple[int, str], within: bool | None
) -> None:
    assert Amount(Decimal(asked[0]), asked[1]).within(Amount(Decimal(granted[0]), granted[1])) is within


@given(st.integers(1, 400), st.sampled_from(UNITS), st.integers(1, 400), st.sampled_from(UNITS), st.integers(0, 400))
def test_more_is_never_within_when_less_is_not(asked: int, unit: str, granted: int, other: str, more: int) -> None:
    most = Amount(Decimal(granted), other)
    if Amount(Decimal(asked), unit).within(most) is not True:
        assert Amount(Decimal(asked + more), unit).within(most) is not True


def test_amounts_of_two_kinds_have_no_sum() -> None:
    assert total([Amount(Decimal(2), "months"), Amount(Decimal(1), "units")]) == Amount(Decimal(3), "months")
    assert total([Amount(Decimal(2), "months"), Amount(Decimal(1), "visits")]) is None


UCUM = "http://unitsofmeasure.org"
SAID = {"1": "units", "{visit}": "visits", "h": "hours", "d": "days", "wk": "weeks", "mo": "months", "a": "years"}
NOT_UNDERSTOOD = (
    "10*3",
    "10^3",
    "k",
    "kmo",
    "Mg",
    "ML",
    "A",
    "G",
    "H",
    "7",
    "34",
    "%",
    "mo/wk",
    "2.mo",
    "",
    " ",
    7,
    None,
    {},
)


@pytest.mark.parametrize("code", [*SAID, *NOT_UNDERSTOOD], ids=str)
@pytest.mark.parametrize("words", [*UNITS, "bananas", "thousands", None])
@pytest.mark.parametrize("system", [UCUM, "http://example.org/units", 5])
def test_the_unit_and_its_code_have_to_agree(code: Any, words: str | None, system: Any) -> None:
    """An amount only where UCUM's code is understood and the text, if there is any, says the same."""
    quantity = {"value": 1, "code": code, "system": system, **({"unit": words} if words else {})}
    found = read(quantity)
    if code == "":  # no code at all: what the text says
        assert found == (Amount(Decimal(1), unit_of(words) or "") if unit_of(words) else None)
    elif system == UCUM and isinstance(code, str) and SAID.get(code) == (words or SAID.get(code, "-")):
        assert found == Amount(Decimal(1), SAID[code])
    else:
        assert found is None


@pytest.mark.parametrize("code", ["mo", "10*3", "a", "kilo"])
def test_a_code_without_a_system_has_to_agree_as_well(code: str) -> None:
    assert read({"value": 1, "unit": "units", "code": code}) is None
