"""What orders use up of an authorization: each its own units, once, and nobody those of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.authorized import Held, Use, Used
from precert.authorization.deciding.counted import order_key
from precert.authorization.record.case import Authorization, Line, LineRequest

GIVEN_FOR = "the order it was given for"


def held(quantity: int | None = 3, order: str | None = None, asked: int | None = None) -> Held:
    requested = LineRequest(sequence=1, code="s|c", quantity=Decimal(asked) if asked is not None else None)
    granted = Authorization(
        number="PA1",
        issued=date(2026, 11, 20),
        start=date(2026, 11, 20),
        quantity=Decimal(quantity) if quantity is not None else None,
    )
    line = Line(sequence=1, requested=requested, state="active", authorization=granted, updated=datetime.now(UTC))
    return Held(line, granted, "CN1", order=order, place="CN1.1")


def test_what_nobody_used_is_all_left() -> None:
    assert Used().left(held(), "a") == 3
    assert Used().left(held(None), "a") is None


def test_an_order_keeps_what_it_took_and_others_get_the_rest() -> None:
    used = Used()
    used.take(held(), "a", Decimal(2))
    assert (used.left(held(), "a"), used.left(held(), "b"), used.left(held(), None)) == (3, 1, 1)
    used.take(held(), "a", Decimal(2))
    assert used.left(held(), "b") == 1


def test_an_order_without_an_amount_takes_all() -> None:
    used = Used({"CN1.1": (Use("a"),)})
    assert (used.left(held(), "b"), used.left(held(), "a")) == (0, 3)


def test_the_order_that_it_was_given_for_has_its_units_before_it_was_ever_signed() -> None:
    assert Used().left(held(3, GIVEN_FOR, asked=3), "another") == 0
    assert Used().left(held(3, GIVEN_FOR, asked=1), "another") == 2
    assert Used().left(held(3, GIVEN_FOR, asked=3), GIVEN_FOR) == 3


def test_an_authorization_without_a_quantity_is_for_one_order() -> None:
    used = Used()
    used.take(held(None), "a", None)
    assert (used.left(held(None), "a"), used.left(held(None), "b")) == (None, 0)


CALLS = st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5)), max_size=4), max_size=5)


@given(CALLS)
def test_no_sequence_of_orders_takes_more_than_was_granted(calls: list[list[tuple[str, int]]]) -> None:
    """Within one call and from call to call: what earlier calls took is on record, what this one takes is new."""
    on_record: dict[str, tuple[Use, ...]] = {}
    taken = dict[str, int]()
    for asked in calls:
        used = Used(on_record)
        for order, units in asked:
            left = used.left(held(5), order)
            assert left is not None
            assert left >= 5 - sum(units for other, units in taken.items() if other != order)
            if units <= left and taken.get(order, units) == units:
                used.take(held(5), order, Decimal(units))
                taken[order] = units
        on_record = {"CN1.1": (*on_record.get("CN1.1", ()), *used.new.get("CN1.1", ()))}
        assert sum(taken.values()) <= 5


def test_an_order_is_noted_again_when_it_asks_for_more_than_it_took() -> None:
    """Three orders share five units, over three calls; the second comes again with another amount."""
    used = Used({"CN1.1": (Use("a", Decimal(1)), Use("b", Decimal(1)))})
    assert used.left(held(5), "c") == 3
    used.take(held(5), "b", Decimal(1))
    assert used.new == {}
    used.take(held(5), "b", Decimal(3))
    assert used.new == {"CN1.1": [Use("b", Decimal(3))]}
    assert used.left(held(5), "c") == 0


def test_orders_are_told_apart_by_client_member_and_name() -> None:
    keys = {order_key(c, m, r) for c in "ab" for m in "cd" for r in ("ServiceRequest/1", "ServiceRequest/2")}
    assert len(keys) == 8
    assert order_key("a", None, "ServiceRequest/1") is order_key("a", "m", None) is None


def test_what_was_used_stays_used_when_the_line_gets_another_number() -> None:
    used = Used()
    used.take(held(3), "a", Decimal(3))
    renumbered = replace(held(3), authorization=msgspec.structs.replace(held(3).authorization, number="PA2"))
    assert (used.left(renumbered, "b"), used.left(renumbered, "a")) == (0, 3)
