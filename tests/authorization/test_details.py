"""An amount that a part of an item states is the item's own, or a person asks which is meant."""

from __future__ import annotations

from typing import Any

import pytest

from precert.authorization.deciding.service import identify, kept
from precert.authorization.record.case import LineRequest
from precert.fhir.coding import HCPCS

SERVICE = {"coding": [{"system": HCPCS, "code": "E0601"}]}
MONTHS = {"value": 3, "unit": "months"}


def holding(place: str, quantity: Any, own: Any = MONTHS) -> dict[str, Any]:
    """An item whose detail, or whose detail's detail, states ``quantity``."""
    stated = {"productOrService": SERVICE, **({"quantity": quantity} if quantity is not None else {})}
    detail = stated if place == "detail" else {"productOrService": SERVICE, "subDetail": [stated]}
    item: dict[str, Any] = {"productOrService": SERVICE, "detail": [{"productOrService": SERVICE}, detail]}
    return item | ({"quantity": own} if own is not None else {})


@pytest.mark.parametrize("place", ["detail", "subDetail"])
@pytest.mark.parametrize(
    ("quantity", "own", "known"),
    [
        (None, MONTHS, True),  # states none
        (MONTHS, MONTHS, True),
        ({"value": 3.0, "code": "mo", "system": "http://unitsofmeasure.org"}, MONTHS, True),
        ({"value": 3}, MONTHS, True),  # plain units are the item's
        ({"value": 12, "unit": "months"}, MONTHS, False),
        ({"value": 1, "unit": "months"}, MONTHS, False),
        ({"value": 3, "unit": "years"}, MONTHS, False),
        ({"value": 3, "unit": "bananas"}, MONTHS, False),
        ({"value": 3, "unit": "months", "comparator": ">"}, MONTHS, False),
        ({"value": 0}, MONTHS, False),
        ({}, MONTHS, False),
        ("three", MONTHS, False),
        (MONTHS, None, False),  # the item names none itself
        (MONTHS, {"value": 3}, False),
    ],
)
def test_another_amount_in_a_part_is_a_doubt(place: str, quantity: Any, own: Any, known: bool) -> None:
    item = holding(place, quantity, own)
    assert identify(item).known is known
    line = LineRequest(sequence=1, code=f"{HCPCS}|E0601", item=item)
    assert kept(line).known is known
    assert known or "states another amount" in kept(line).trouble
