"""An order's amount beside its Timing: what exceeds the amount, or cannot be read, makes the amount one that nobody can read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from precert.authorization.deciding.order_amount import asked_for, line_amount

READ, UNREAD = (Decimal(6), "visits"), (None, None)


@pytest.mark.parametrize(
    ("repeat", "found"),
    [
        ({}, READ),
        ({"count": 6}, READ),
        ({"count": 7}, UNREAD),
        ({"count": 4, "countMax": 6}, READ),
        ({"count": 4, "countMax": 7}, UNREAD),
        ({"count": "many"}, UNREAD),
        ({"count": True}, UNREAD),
        ({"count": 4, "countMax": "many"}, UNREAD),
        ({"count": {"value": 1}}, UNREAD),
        ({"frequency": 6}, READ),
        ({"frequency": 7}, UNREAD),
        ({"frequency": "often"}, UNREAD),
        ({"frequency": 1, "frequencyMax": 7}, UNREAD),
    ],
)
def test_how_often(repeat: dict[str, Any], found: tuple[Decimal | None, str | None]) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "quantityQuantity": {"value": 6, "unit": "visits"},
        "occurrenceTiming": {"repeat": repeat},
    }
    said = asked_for(order)
    assert line_amount({"quantity": said}) == found
    assert said is not None
    assert bool(said) is (found == READ)


@pytest.mark.parametrize(("events", "found"), [(1, READ), (6, READ), (7, UNREAD)])
def test_how_many_moments(events: int, found: tuple[Decimal | None, str | None]) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "quantityQuantity": {"value": 6, "unit": "visits"},
        "occurrenceTiming": {"event": [f"2026-12-0{n + 1}" for n in range(events)]},
    }
    assert line_amount({"quantity": asked_for(order)}) == found
