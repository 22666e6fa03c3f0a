"""Amounts asked for and granted: units as UCUM, X12 and people write them, and whether one amount is within another.

What cannot be compared is ``None``, never "within"; nor can so many days and about as many months. Source: UCUM (https://ucum.org), X12 005010X217 data elements 355,
615 and 673 (codes alone), docs/policies.md ("saying yes").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from precert.fhir.coding import UCUM, system_url
from precert.fhir.types import Element, elements
from precert.policy.evidence import number

_GENERIC = "units"
_COUNTED = frozenset({_GENERIC, "visits"})
MOST = Decimal(1_000_000)
"""More than this of anything is a slip of the keyboard, whatever the unit."""

_KINDS: dict[str, tuple[str, Decimal]] = {
    "units": (_GENERIC, Decimal(1)),
    "visits": ("visits", Decimal(1)),
    "hours": ("hours", Decimal(1)),
    "days": ("days", Decimal(1)),
    "weeks": ("days", Decimal(7)),
    "months": ("months", Decimal(1)),
    "quarters": ("months", Decimal(3)),
    "years": ("months", Decimal(12)),
    "micrograms": ("milligrams", Decimal("0.001")),
    "milligrams": ("milligrams", Decimal(1)),
    "grams": ("milligrams", Decimal(1000)),
    "millilitres": ("millilitres", Decimal(1)),
    "litres": ("millilitres", Decimal(1000)),
    "international units": ("international units", Decimal(1)),
}
"""What a unit counts in, and how many of it."""
_MONTH, _SLACK = Decimal("30.4369"), Decimal(3)
"""Days of a month of the Gregorian calendar, and how far so many months may be from so many times that."""
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "units": (
        "un",
        "unit",
        "units",
        "1",
        "{unit}",
        "{units}",
        "{count}",
        "ea",
        "each",
        "{each}",
        "fl",
        "piece",
        "pieces",
    ),
    "visits": ("vs", "visit", "visits", "{visit}", "{visits}", "27", "{session}", "session", "sessions"),
    "hours": ("h", "hr", "hrs", "hs", "hour", "hours"),
    "days": ("d", "da", "dy", "day", "days", "7"),
    "weeks": ("wk", "wks", "week", "weeks", "35"),
    "months": ("mo", "mon", "mn", "month", "months", "34"),
    "quarters": ("q1", "quarter", "quarters"),
    "years": ("a", "yr", "yrs", "year", "years", "21"),
    "micrograms": ("ug", "mcg", "microgram", "micrograms"),
    "milligrams": ("mg", "milligram", "milligrams", "me"),
    "grams": ("g", "gr", "gram", "grams"),
    "millilitres": ("ml", "milliliter", "milliliters", "millilitre", "millilitres"),
    "litres": ("l", "liter", "liters", "litre", "litres"),
    "international units": ("f2", "[iu]", "iu", "international unit", "international units"),
}
_BY_SPELLING = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_UCUM = {
    **dict.fromkeys(("1", "{unit}", "{units}", "{count}", "{each}"), "units"),
    **dict.fromkeys(("{visit}", "{visits}", "{session}"), "visits"),
    **{"h": "hours", "d": "days", "wk": "weeks", "mo": "months", "a": "years", "MO": "months", "WK": "weeks"},
    **{"ug": "micrograms", "mg": "milligrams", "g": "grams", "mL": "millilitres", "ml": "millilitres"},
    **{"L": "litres", "l": "litres", "[IU]": "international units", "[iU]": "international units"},
}
"""UCUM codes as they are written there; ``MO`` and ``WK`` are its other spelling, which cannot be mistaken."""
_X12 = re.compile(r"(?i)\bx12\b")


def unit_of(written: object) -> str | None:
    """The unit's plain name; "units" when none is written; ``None`` for one that is not understood.

    >>> unit_of("mo"), unit_of("MO"), unit_of(None), unit_of("bananas")
    ('months', 'months', 'units', None)
    """
    if written is None:
        return _GENERIC
    if not isinstance(written, str):
        return None
    if not written.strip():
        return _GENERIC
    return _BY_SPELLING.get(written.strip().lower())


@dataclass(frozen=True, slots=True)
class Amount:
    """So many of a unit, by its plain name (:func:`unit_of`)."""

    value: Decimal
    unit: str

    def within(self, granted: Amount) -> bool | None:
        """Whether this is no more than ``granted``; ``None`` when the two cannot be compared.

        An amount in plain units is read in the unit that the grant counts in (X12 ``UN``: units of the service).

        >>> Amount(Decimal(12), "weeks").within(Amount(Decimal(3), "months"))
        True
        >>> Amount(Decimal(14), "weeks").within(Amount(Decimal(3), "months"))
        False
        >>> Amount(Decimal(3), "months").within(Amount(Decimal(800), "units")) is None
        True
        """
        if self.unit in (granted.unit, _GENERIC) or (self.unit in _COUNTED and granted.unit in _COUNTED):
            return self.value <= granted.value
        (mine, each), (theirs, their_each) = _KINDS[self.unit], _KINDS[granted.unit]
        asked, most = self.value * each, granted.value * their_each
        if mine == theirs:
            return asked <= most
        if {mine, theirs} != {"days", "months"}:
            return None
        days, months = (asked, most) if mine == "days" else (most, asked)
        short, long = months * _MONTH - _SLACK, months * _MONTH + _SLACK
        if short < days < long:
            return None  # on one calendar it is, on another it is not
        return days <= short if mine == "days" else long <= days


def read(quantity: object) -> Amount | None:
    """A FHIR Quantity as an amount; ``None`` when it is none: no number, a comparator, not above zero, enormous, or in a
    unit that is not understood (:func:`unit_said`)."""
    for element in elements(quantity):
        value = number(element.get("value"))
        if value is None or element.get("comparator") is not None or not 0 < value <= MOST:
            return None
        found = unit_said(element)
        return Amount(Decimal(value), found) if found is not None else None
    return None


def unit_said(quantity: Element) -> str | None:
    """The one unit that a Quantity says: by its code, read in the code's system, and by its text, which have to agree.

    "units" when it says none; ``None`` when the two differ, one of them is not understood, or the system is unknown.

    >>> unit_said({"unit": "months", "code": "mo", "system": "http://unitsofmeasure.org"})
    'months'
    >>> unit_said({"unit": "units", "code": "mo"}) is None
    True
    """
    said = set()
    for key in ("unit", "code"):
        if key in quantity and (word := quantity[key]) != "":
            said.add(unit_of(word) if key == "unit" or "system" not in quantity else _coded(word, quantity["system"]))
    if not said:
        return _GENERIC
    return next(iter(said)) if len(said) == 1 else None


def _coded(code: object, system: object) -> str | None:
    """What a code says in its system. UCUM tells capitals from small letters: ``a`` is a year and ``A`` an ampere."""
    if not isinstance(code, str) or not isinstance(system, str):
        return None
    if system_url(system) == UCUM:
        return _UCUM.get(code.strip())
    return _BY_SPELLING.get(code.strip().lower()) if _X12.search(system) else None


def total(amounts: Iterable[Amount]) -> Amount | None:
    """The sum, in the unit that all of them have or in the one beside plain units; ``None`` if they cannot be added."""
    amounts = tuple(amounts)
    units = {amount.unit for amount in amounts}
    if len(units - {_GENERIC}) > 1:
        return None
    unit = next(iter(units - {_GENERIC}), _GENERIC)
    return Amount(sum((amount.value for amount in amounts), Decimal(0)), unit)
