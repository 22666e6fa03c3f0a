"""Which orders are one and the same: client, FHIR server, member and ``Type/id``; without an id the very same content."""

from __future__ import annotations

from typing import Any

import pytest
from tools.requests import CPT

from crd.building import hook, infos, mri, order
from precert.authorization.deciding.counted import order_key, order_name, same_order
from precert.fhir.bundle import Entry
from precert.fhir.coverage_information import COVERAGE_INFORMATION

Json = dict[str, Any]
MEMBER = "COM-0001"
A, B = {"fhirServer": "https://a.example/fhir"}, {"fhirServer": "https://b.example/fhir"}


def therapy(visits: int, **changes: Any) -> Json:
    amount = {"quantityQuantity": {"value": visits, "unit": "visits"}}
    return order("97110", MEMBER, system=CPT, **amount, **changes)


async def told(world: Any, *orders: Json, **changes: Any) -> list[str]:
    body = hook(*orders, member=MEMBER, version="2.2", **changes)
    return [info["pa-needed"] for info in infos(await world.ask(body))]


def keyed(resource: Json, server: str | None = None, copies: int = 0) -> str | None:
    return order_key("c", "m", order_name(Entry(0, "", resource, "Bundle.entry[0]"), server, copies))


NAMED: dict[str, tuple[str | None, str | None, bool]] = {
    "the same": (keyed(order("E0100"), "https://a"), keyed(order("E0601"), "https://a"), True),
    "other servers": (keyed(order("E0100"), "https://a"), keyed(order("E0100"), "https://b"), False),
    "no server": (keyed(order("E0100"), "https://a"), keyed(order("E0100")), False),
    "a request's": (keyed(order("E0100"), "https://a"), order_key("c", "m", "ServiceRequest/o1"), True),
    "a request's, no server": (keyed(order("E0100")), order_key("c", "m", "ServiceRequest/o1"), True),
    "another of a request": (keyed(order("E0100")), order_key("c", "m", "ServiceRequest/o2"), False),
    "no id, same content": (keyed(order("E0100", id_=None)), keyed(order("E0100", id_=None)), True),
    "no id, other content": (keyed(order("E0100", id_=None)), keyed(order("E0601", id_=None)), False),
    "no id, our word on it": (
        keyed(order("E0100", id_=None)),
        keyed(order("E0100", id_=None, extension=[{"url": COVERAGE_INFORMATION}], meta={"versionId": "2"})),
        True,
    ),
    "no id, another word on it": (
        keyed(order("E0100", id_=None)),
        keyed(order("E0100", id_=None, extension=[{"url": "http://x", "valueString": "left"}])),
        False,
    ),
    "no id, a copy": (keyed(order("E0100", id_=None)), keyed(order("E0100", id_=None), copies=1), False),
    "no name": (None, None, False),
}


@pytest.mark.parametrize(("one", "other", "same"), NAMED.values(), ids=NAMED)
def test_which_keys_are_of_one_order(one, other, same):
    assert same_order(one, other) is same_order(other, one) is same


DIFFERENT: dict[str, tuple[tuple[Json, Json], tuple[Json, Json]]] = {
    "without id": (({"id_": None}, {}), ({"id_": None, "occurrenceDateTime": "2026-12-02"}, {})),
    "of two servers": (({}, A), ({}, B)),
    "of a server and of none": (({}, A), ({}, {})),
    "of none and of a server": (({}, {}), ({}, A)),
}


@pytest.mark.parametrize(("first", "then"), DIFFERENT.values(), ids=DIFFERENT)
async def test_other_orders_share_a_limit_and_no_authorization(world, first, then):
    """Twenty visits are free; an authorization of one MRI is for one order."""
    assert await told(world, therapy(12, **first[0]), **first[1]) == ["no-auth"]
    assert await told(world, therapy(12, **then[0]), **then[1]) == ["auth-needed"]
    assert await told(world, therapy(12, **first[0]), **first[1]) == ["no-auth"]
    one = {"quantityQuantity": {"value": 1, "unit": "units"}}
    numbers = []
    for changes, options in (first, then, first):
        (info,) = infos(await world.ask(hook(mri(**one | changes), member=MEMBER, version="2.2", **options)))
        numbers.append(info.get("satisfied-pa-id"))
    assert numbers[0] is not None
    assert numbers[2] == numbers[0] != numbers[1]


async def test_copies_without_id_in_one_call_are_orders_of_their_own(world):
    assert await told(world, therapy(12, id_=None), therapy(12, id_=None)) == ["auth-needed"] * 2
    assert await told(world, therapy(8, id_=None)) == ["no-auth"]


OTHERWISE: dict[str, tuple[Json, Json]] = {
    "another service": (order("E0100", MEMBER), order("K0856", MEMBER)),
    "the other way round": (order("K0856", MEMBER), order("E0100", MEMBER)),
    "another amount": (therapy(2), therapy(20)),
}


@pytest.mark.parametrize(("one", "other"), OTHERWISE.values(), ids=OTHERWISE)
async def test_two_orders_of_one_id_are_told_that_nothing_is_said(world, one, other):
    said = infos(await world.ask(hook(one, other, member=MEMBER, version="2.2")))
    assert [info["pa-needed"] for info in said] == ["indeterminate"]
    assert "ServiceRequest/o1" in str(said[0]["reason"])
    # the very same twice is one order
    assert await told(world, one, dict(one)) == await told(world, one)
