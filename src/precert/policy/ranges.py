"""What a measured quantity can be at all, by its unit; everything outside is a slip of the pen, not a result."""

from __future__ import annotations

from decimal import Decimal

_RANGES: dict[str, tuple[Decimal, Decimal]] = {
    "%": (Decimal(0), Decimal(100)),
    "kg": (Decimal(0), Decimal(1000)),
    "mm[Hg]": (Decimal(0), Decimal(1000)),
}


def possible(unit: str | None) -> tuple[Decimal, Decimal] | None:
    """The lowest and highest value in this unit (UCUM); ``None`` if nothing is known about it."""
    return _RANGES.get(unit or "")
