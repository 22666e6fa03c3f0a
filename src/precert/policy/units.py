"""Units of measure as people write them, and what one is in another: pounds in kilograms, inches in centimetres.

Only pairs with one exact factor that holds for every substance; mg/dL to mmol/L depends on what is measured and is not
here. Units are UCUM (https://ucum.org/ucum, case-sensitive), besides them the spellings that charts use. What stands in
braces is a remark and no unit (UCUM section 6): ``{events}/h`` is ``/h``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from precert.fhir.coding import UCUM
from precert.fhir.types import Element, text

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "kg": ("kilogram", "kilograms", "kgs", "Kg", "KG"),
    "g": ("gram", "grams"),
    "[lb_av]": ("lb", "lbs", "LB", "LBS", "Lb", "pound", "pounds"),
    "[oz_av]": ("oz", "ounce", "ounces"),
    "cm": ("centimeter", "centimeters", "CM"),
    "m": ("meter", "meters"),
    "mm": ("millimeter", "millimeters"),
    "[in_i]": ("in", "inch", "inches", "[in_us]", "IN"),
    "[ft_i]": ("ft", "foot", "feet", "[ft_us]"),
    "mm[Hg]": ("mmHg", "mm Hg", "MMHG", "mmhg"),
    "%": ("percent", "Percent"),
    "d": ("day", "days"),
    "wk": ("week", "weeks"),
    "h": ("hour", "hours", "hr", "hrs"),
    "min": ("minute", "minutes"),
    "/h": ("1/h", "events/h", "events/hour", "events/hr", "/hr", "/hour", "per hour"),
    "/min": ("1/min", "per minute", "breaths/min", "beats/min", "bpm"),
    "L/min": ("l/min", "LPM", "lpm"),
    "mg/dL": ("mg/dl",),
    "g/dL": ("g/dl",),
    "L": ("l", "liter", "liters"),
    "1": (),
}
_FACTORS: tuple[Mapping[str, str], ...] = (
    {"kg": "1", "g": "0.001", "[lb_av]": "0.45359237", "[oz_av]": "0.028349523125"},
    {"cm": "1", "m": "100", "mm": "0.1", "[in_i]": "2.54", "[ft_i]": "30.48"},
    {"mm[Hg]": "1", "kPa": "7.5006157584565623"},
    {"d": "1", "wk": "7"},
    {"min": "1", "h": "60"},
    {"/min": "60", "/h": "1"},
    {"L/min": "1", "mL/min": "0.001"},
    {"mg/dL": "1", "g/dL": "1000", "g/L": "100", "mg/L": "0.1"},
    {"L": "1", "mL": "0.001", "dL": "0.1"},
)
"""Units that can be told in each other, with the size of each in the first one."""
_REMARK = re.compile(r"\{[^{}]*\}")
_CANONICAL = {written: unit for unit, all_ in _SPELLINGS.items() for written in (unit, *all_)}
_SIZES: dict[str, tuple[int, Decimal]] = {
    unit: (group, Decimal(size)) for group, sizes in enumerate(_FACTORS) for unit, size in sizes.items()
}


@lru_cache(maxsize=1024)
def canonical(unit: str) -> str:
    """One way of writing ``unit``: without remarks, the UCUM code for a spelling; "1" for no unit at all."""
    known = _CANONICAL.get(unit)
    if known is not None:
        return known
    bare = _REMARK.sub("", unit).strip()
    return _CANONICAL.get(bare, bare) or "1"


@lru_cache(maxsize=1024)
def factor(unit: str, wanted: str) -> Decimal | None:
    """By what a value in ``unit`` is multiplied to be one in ``wanted``; ``None`` when that cannot be said."""
    a, b = canonical(unit), canonical(wanted)
    if a == b:
        return Decimal(1)
    one, other = _SIZES.get(a), _SIZES.get(b)
    if one is None or other is None or one[0] != other[0]:
        return None
    return one[1] if other[1] == 1 else one[1] / other[1]


def unit_of(quantity: Element) -> tuple[str | None, str | None]:
    """(unit of a FHIR Quantity, why it cannot be told). Its code counts before its text; the two must not contradict.

    A code of another system than UCUM says nothing that can be relied on.
    """
    code, written, system = text(quantity.get("code")), text(quantity.get("unit")), quantity.get("system")
    if code is not None and system not in (None, UCUM):
        return None, f"has a unit of {str(system)[:80]}, not of UCUM"
    if code is not None and written is not None and written != code and factor(written, code) != 1:
        known = canonical(written)
        if known in _SPELLINGS or known in _SIZES:
            return None, f"says {written[:40]} and {code[:40]}, which are two units"
    return code or written, None


def spellings(wanted: str) -> dict[Decimal, tuple[str, ...]]:
    """For a unit everything that can be told in it: by factor the ways of writing. The unit itself comes first."""
    found: dict[Decimal, list[str]] = {Decimal(1): [wanted]}
    for unit in dict.fromkeys((canonical(wanted), *_SPELLINGS, *_SIZES)):
        size = factor(unit, wanted)
        if size is not None:
            found.setdefault(size, []).extend((unit, *_SPELLINGS.get(unit, ())))
    return {size: tuple(dict.fromkeys(written)) for size, written in found.items()}
