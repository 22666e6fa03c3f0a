"""How much an order asks for: an amount in a form that is not read is never "no amount"."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from crd.building import hook, infos, mri
from precert.authorization.deciding.order_amount import asked_for, certain, line_amount

ONE = {"value": 1, "unit": "visits"}
TWELVE = {"value": 12, "unit": "visits"}
MONTHS = {"value": 3, "unit": "months"}


def timing(**repeat: Any) -> dict[str, Any]:
    return {"occurrenceTiming": {"repeat": repeat}}


UNREAD = {
    "range": {"quantityRange": {"low": {"value": 2}, "high": {"value": 9}}},
    "ratio": {"quantityRatio": {"numerator": {"value": 5}, "denominator": {"value": 1, "unit": "wk"}}},
    "two forms": {"quantityQuantity": ONE, "quantityRatio": {}},
    "a form that FHIR does not have": {"quantityString": "ten"},
    "bare": {"quantity": 10},
    "two": {"quantityQuantity": [ONE, TWELVE]},
    "a number": {"quantityQuantity": 10},
    "null": {"quantityQuantity": {}},
    "at most": {"quantityQuantity": {"value": 1, "comparator": ">"}},
    "count": timing(count=10),
    "count and its bounds": timing(count=10, boundsPeriod={"start": "2026-12-01", "end": "2026-12-20"}),
    "rate": timing(frequency=3, period=1, periodUnit="wk"),
    "duration": timing(boundsDuration={"value": 6, "unit": "mo"}),
    "events": {"occurrenceTiming": {"event": ["2026-12-01", "2026-12-02"]}},
    "code": {"occurrenceTiming": {"code": {"text": "weekly"}}},
    "one of ten": {"quantityQuantity": ONE, **timing(count=10)},
    "one of up to ten": {"quantityQuantity": ONE, **timing(count=1, countMax=10)},
    "one of three a week": {"quantityQuantity": ONE, **timing(frequency=3, period=1, periodUnit="wk")},
    "one of two days": {"quantityQuantity": ONE, "occurrenceTiming": {"event": ["2026-12-01", "2026-12-02"]}},
    "twelve of fifty": {
        "quantityQuantity": TWELVE,
        **timing(frequency=3, period=1, periodUnit="wk", boundsPeriod={"start": "2026-12-01", "end": "2027-04-01"}),
    },
    "twelve, for some time": {
        "quantityQuantity": TWELVE,
        **timing(frequency=1, period=1, periodUnit="d", boundsDuration={"value": 2, "unit": "mo"}),
    },
    "three months of twelve": {"quantityQuantity": MONTHS, **timing(boundsDuration={"value": 12, "unit": "mo"})},
    "refills of nothing": {"dispenseRequest": {"numberOfRepeatsAllowed": 11}},
    "refills in words": {"dispenseRequest": {"quantity": ONE, "numberOfRepeatsAllowed": "11"}},
    "first fill": {"dispenseRequest": {"quantity": ONE, "initialFill": {"quantity": TWELVE}}},
    "supply": {"dispenseRequest": {"expectedSupplyDuration": {"value": 90, "unit": "d"}}},
    "doses": {"dosageInstruction": [{"timing": {"repeat": {"count": 9}}}]},
    "formula": {"enteralFormula": {"maxVolumeToDeliver": {"value": 2, "unit": "L"}}},
    "supplement": {"supplement": [{"quantity": {"value": 2}}]},
}

READ = {
    "one": ({"quantityQuantity": ONE}, 1),
    "as often as it says": ({"quantityQuantity": TWELVE, **timing(count=12)}, 12),
    "three a week for four weeks": (
        {
            "quantityQuantity": TWELVE,
            **timing(frequency=3, period=1, periodUnit="wk", boundsPeriod={"start": "2026-12-01", "end": "2026-12-28"}),
        },
        12,
    ),
    "for four weeks": (
        {
            "quantityQuantity": TWELVE,
            **timing(frequency=3, period=1, periodUnit="wk", boundsDuration={"value": 4, "unit": "wk"}),
        },
        12,
    ),
    "each night": ({"quantityQuantity": MONTHS, **timing(frequency=1, period=1, periodUnit="d")}, 3),
    "between days": ({"quantityQuantity": ONE, **timing(boundsPeriod={"start": "2026-12-01"})}, 1),
    "refills": ({"dispenseRequest": {"quantity": ONE, "numberOfRepeatsAllowed": 2}}, 3),
    "tablets": (
        {
            "resourceType": "MedicationRequest",
            "dispenseRequest": {"quantity": ONE, "expectedSupplyDuration": {"value": 90, "unit": "d"}},
            "dosageInstruction": [{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}],
        },
        1,
    ),
}


@pytest.mark.parametrize("order", UNREAD.values(), ids=UNREAD)
def test_an_amount_that_is_not_read_stays_as_one(order):
    said = asked_for(order)
    assert said is not None
    assert not certain(said)


@pytest.mark.parametrize(("order", "amount"), READ.values(), ids=READ)
def test_amounts_that_are_read(order, amount):
    said = asked_for(order)
    assert line_amount({"quantity": said})[0] == Decimal(amount)
    assert certain(said)


@pytest.mark.parametrize("order", [{}, timing(boundsPeriod={"start": "2026-12-01"}), {"dispenseRequest": {}}])
def test_no_amount(order):
    assert asked_for(order) is None


@pytest.mark.parametrize("kind", ["range", "ratio", "count", "one of ten"])
async def test_nothing_is_authorized_or_satisfied_by_an_amount_that_is_not_read(world, kind):
    for placed in (
        mri(id_="o2", **UNREAD[kind]),
        mri(quantityQuantity={"value": 1, "unit": "units"}),
        mri(**UNREAD[kind]),
    ):
        (info,) = infos(await world.ask(hook(placed, member="COM-0001", version="2.2")))
        readable = "quantityQuantity" in placed and "occurrenceTiming" not in placed
        assert info["pa-needed"] == ("satisfied" if readable else "auth-needed")
