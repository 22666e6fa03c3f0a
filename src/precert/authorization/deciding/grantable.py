"""Which amounts a person can grant at all, and how much of an amount of time the days of a period hold.

Source: docs/workbench.md ("Your decision").
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from precert.policy.amounts import MOST
from precert.policy.spans import DAYS_IN

_LEAST_DAYS = {
    "hours": Decimal(1) / 24,
    "days": Decimal(1),
    "weeks": Decimal(7),
    "months": Decimal(28),
    "quarters": Decimal(84),
    "years": Decimal(336),
}
"""How many days a unit of time takes at least; twelve weeks hold three months, as policies count them."""
_STEP = Decimal("0.25")
_STEPPED = frozenset({"units", "visits", "hours"})
_DECIMALS = 4


def too_fine(units: Decimal, kind: str | None) -> str | None:
    """Why nobody can use such an amount (above zero) of ``kind`` (a unit's plain name), in words; ``None`` if one can."""
    exponent = units.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_DECIMALS or units > MOST:
        return f"an amount is between 0.0001 and {MOST} and has at most {_DECIMALS} decimal places"
    if kind in _STEPPED and units % _STEP:
        return f"{kind} are granted whole or in quarters"
    if kind in DAYS_IN and units * DAYS_IN[kind] < 1:
        return "it is less than one day"
    return None


def fitting_into(start: date, end: date, quantity: Decimal, kind: str | None) -> Decimal | None:
    """As much of ``quantity`` as the days from ``start`` to ``end`` hold, in quarters or else hundredths; all of it unless
    ``kind`` counts time. ``None`` when that is less than a day.

    >>> fitting_into(date(2027, 1, 4), date(2027, 1, 31), Decimal(3), "months")
    Decimal('1')
    >>> fitting_into(date(2027, 1, 4), date(2027, 1, 4), Decimal(3), "months") is None
    True
    """
    if kind not in _LEAST_DAYS:
        return quantity
    most = ((end - start).days + 1) / _LEAST_DAYS[kind]
    if most >= quantity:
        return quantity
    step = _STEP if most >= _STEP else Decimal("0.01")
    fitting = most // step * step
    if fitting <= 0 or fitting * DAYS_IN.get(kind, 1) < 1:
        return None
    return fitting.quantize(Decimal(1)) if fitting == int(fitting) else fitting
