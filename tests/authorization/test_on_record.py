"""Which authorization on record a line of a request asks for again: found is not enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from authorization.test_repetition import MEMBER, TODAY, asked, granted
from precert.authorization.deciding.authorized import Held
from precert.authorization.deciding.request import Ask
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import LineRequest
from precert.authorization.usecases import on_record
from precert.authorization.usecases.on_record import OnRecord, _Earlier
from precert.authorization.usecases.submission import ReferencedOrder

NPI = "1992817498"


def held(**changes: Any) -> Held:
    line = granted()
    assert line.authorization is not None
    return replace(Held(line, line.authorization, "CN1", MEMBER.id, None, NPI, place="CN1.1"), **changes)


def seen(line: LineRequest, *found: Held, why: str, doubts: tuple[str, ...] = ()) -> OnRecord:
    """What is on record for a request of ``line`` alone."""
    request = SimpleNamespace(
        submitter="open",
        lines=(line,),
        orders={1: ReferencedOrder()},
        ask=lambda wanted: Ask(wanted, (NPI,), ("1245319599",), performer_known=True, doubts=doubts),
    )
    earlier = {1: [_Earlier("case", each, why) for each in found]}
    return OnRecord(cast(Any, request), Standing(MEMBER, None, None, {}), TODAY, found=earlier)


WAYS = [on_record._BY_NUMBER, on_record._BY_ORDER_NUMBER, on_record._BY_ORDER, on_record._AS_BEFORE]


@pytest.mark.parametrize("why", WAYS)
def test_what_fits_is_repeated_once(why: str) -> None:
    known = seen(asked(), held(), why=why)
    again = known.repeated(asked())
    assert again is not None
    assert (again.authorization.number, again.case, again.why) == ("PA1", "CN1", why)
    assert known.repeated(asked()) is None, "one authorization is repeated by one line"


@pytest.mark.parametrize("why", WAYS)
@pytest.mark.parametrize(
    "changes",
    [
        {"requester": None},  # given to nobody in particular: nobody can be told to be the one
        {"requester": "1003000126"},
        {"member": "M2"},
        {"plan": "another"},
    ],
)
def test_what_was_given_to_others_or_to_nobody_is_not(changes: dict[str, Any], why: str) -> None:
    assert seen(asked(), held(**changes), why=why).repeated(asked()) is None


@pytest.mark.parametrize("why", WAYS)
@pytest.mark.parametrize("request_", ["renewal", "extension", "revision"])
def test_who_renews_or_revises_asks_for_something_else(request_: str, why: str) -> None:
    line = asked(request=request_)
    same = why == on_record._AS_BEFORE  # the line was answered with it, and comes in a new version of its request
    assert (seen(line, held(), why=why).repeated(line) is not None) is same


def test_an_order_in_doubt_repeats_nothing() -> None:
    assert seen(asked(), held(), why=WAYS[0], doubts=("The order is for a part of it.",)).repeated(asked()) is None


def test_the_first_that_fits_is_meant() -> None:
    other = held(authorization=granted(number="PA2").authorization, place="CN2.1", case="CN2")
    expired = held(line=granted(end=date(2026, 11, 19)), authorization=granted(end=date(2026, 11, 19)).authorization)
    again = seen(asked(), expired, other, why=WAYS[0]).repeated(asked())
    assert again is not None
    assert again.authorization.number == "PA2"
