"""What a measured quantity can be at all; everything outside is a slip of the pen, not a result.

A fact says it itself (``min``, ``max``); for units in which nothing else is possible the ends are known anyway.
"""

from __future__ import annotations

from decimal import Decimal

from precert.policy.model import Fact
from precert.policy.units import canonical

_RANGES: dict[str, tuple[Decimal, Decimal]] = {
    "%": (Decimal(0), Decimal(100)),
    "kg": (Decimal(0), Decimal(1000)),
    "mm[Hg]": (Decimal(0), Decimal(1000)),
}


def bounds(fact: Fact) -> tuple[Decimal | None, Decimal | None]:
    """The lowest and highest value of the fact, both possible, in its unit; ``None`` where nothing is known."""
    unit = (fact.ask.unit if fact.ask else None) or fact.unit
    low, high = _RANGES.get(canonical(unit), (None, None)) if unit else (None, None)
    return (fact.min if fact.min is not None else low, fact.max if fact.max is not None else high)
