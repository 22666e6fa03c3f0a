"""What is certainly the same service again, by values: one authorization, and each way in which a line may differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.authorized import Held, Used, covers, in_force
from precert.authorization.deciding.request import Ask
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Authorization, Line, LineRequest, Party
from precert.eligibility.model import Member, Plan

TODAY = date(2026, 11, 20)
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
PLACE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"


def item(code: str = "E0601", *, modifiers: tuple[str, ...] = (), place: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"productOrService": {"coding": [{"system": HCPCS, "code": code}]}}
    if modifiers:
        made["modifier"] = [{"coding": [{"system": HCPCS, "code": modifier}]} for modifier in modifiers]
    if place:
        made["locationCodeableConcept"] = {"coding": [{"system": PLACE, "code": place}]}
    return made


def asked(**changes: Any) -> LineRequest:
    given_: dict[str, Any] = {
        "sequence": 1,
        "code": f"{HCPCS}|E0601",
        "service_start": date(2026, 12, 1),
        "quantity": Decimal(3),
        "unit": "months",
        "item": item(modifiers=("RR",), place="12"),
        "provider": Party(npi="1245319599"),
    }
    return LineRequest(**(given_ | changes))


MEMBER = Member("M1", "urn:m", {}, ())


def repeats(wanted: LineRequest, earlier: Line, today: date) -> bool:
    """Whether the one rule takes ``wanted`` for what ``earlier`` was granted, for the same member and requester."""
    assert earlier.authorization is not None
    held = Held(earlier, earlier.authorization, "CN1", MEMBER.id, None, "1992817498")
    performer = wanted.provider
    npis = (performer.npi,) if performer is not None and performer.npi else ()
    ask = Ask(wanted, ("1992817498",), npis, performer_known=performer is not None)
    return covers(held, ask, Standing(MEMBER, None, None, {}), today, Used().left(held, None))


PLAN, OTHER_PLAN = (Plan(id=id, name=id, lob="commercial") for id in ("p1", "p2"))


@pytest.mark.parametrize(
    ("held", "who", "npis", "same"),
    [
        ({}, {}, ("1992817498",), True),
        ({}, {}, ("1003000126", "1992817498"), True),  # a practice acts for its physician
        ({}, {}, (), True),  # who asks is told elsewhere, or nobody may be told of it
        ({"requester": None}, {}, ("1003000126",), True),
        ({}, {}, ("1003000126",), False),
        ({"member": "M2"}, {}, ("1992817498",), False),
        ({"member": None}, {}, ("1992817498",), False),
        ({}, {"member": None}, ("1992817498",), False),
        ({}, {"member": Member("M2", "urn:m", {}, ())}, ("1992817498",), False),
        ({"plan": "p1"}, {"plan": PLAN}, ("1992817498",), True),
        ({"plan": "p1"}, {"plan": OTHER_PLAN}, ("1992817498",), False),
        ({"plan": "p1"}, {"plan": None}, ("1992817498",), False),
        ({"plan": None}, {"plan": PLAN}, ("1992817498",), False),
        ({}, {"doubts": ("Who is it?",)}, ("1992817498",), False),
        ({}, {"deaths": (date(2026, 11, 1),)}, ("1992817498",), False),
        ({}, {"deaths": (None,)}, ("1992817498",), False),
    ],
)
def test_an_authorization_is_for_one_member_plan_and_requester(
    held: dict[str, Any], who: dict[str, Any], npis: tuple[str, ...], same: bool
) -> None:
    line = granted()
    assert line.authorization is not None
    given_ = replace(Held(line, line.authorization, "CN1", MEMBER.id, None, "1992817498"), **held)
    asking = replace(Standing(MEMBER, None, None, {}), **who)
    ask = Ask(asked(), npis, ("1245319599",), performer_known=True)
    assert covers(given_, ask, asking, TODAY, Used().left(given_, None)) is same


def granted(**changes: Any) -> Line:
    """Three months from December on, for one supplier."""
    authorization = Authorization(
        number="PA1",
        issued=TODAY,
        start=date(2026, 12, 1),
        end=date(2027, 2, 28),
        quantity=Decimal(3),
        unit="months",
    )
    state = changes.pop("state", "active")
    request = changes.pop("requested", asked())
    return Line(
        sequence=1,
        requested=request,
        state=state,
        authorization=msgspec.structs.replace(authorization, **changes),
        updated=datetime(2026, 11, 20, tzinfo=UTC),
    )


SAME: list[dict[str, Any]] = [
    {},
    {"quantity": Decimal(2)},
    {"quantity": None, "unit": None},
    {"unit": None},
    {"unit": "days"},
    {"provider": None},  # who names nobody leaves it to the authorization
    {"service_start": date(2027, 1, 4)},
    {"service_start": date(2027, 1, 4), "service_end": date(2027, 2, 28)},
    {"item": item(modifiers=("RR",))},
    {
        "item": item(modifiers=("RR",))
        | {"productOrService": {"coding": [{"code": "x"}, {"system": HCPCS, "code": "E0601"}]}}
    },
]
OTHER: list[dict[str, Any]] = [
    {"quantity": Decimal("3.5")},
    {"unit": "bananas"},
    {"unit": "visits"},
    {"quantity": Decimal(14), "unit": "weeks"},
    {"quantity": Decimal(13), "unit": "weeks"},  # more than three months have on the shortest calendar
    {"service_start": date(2026, 11, 30)},
    {"service_start": date(2027, 3, 1)},
    {"service_start": date(2027, 1, 4), "service_end": date(2027, 3, 1)},
    {"service_start": None},  # no day is said, and today it does not hold yet
    {"item": item("E0470", modifiers=("RR",)), "code": f"{HCPCS}|E0470"},
    {"item": item()},
    {"item": item(modifiers=("RR", "KX"))},
    {"item": item(modifiers=("RR",), place="31")},
    {"provider": Party(npi="1992817498")},
]


@pytest.mark.parametrize("changes", SAME, ids=str)
def test_what_asks_for_no_more_is_the_same(changes: dict[str, Any]) -> None:
    assert repeats(asked(**changes), granted(), TODAY)


@pytest.mark.parametrize("changes", OTHER, ids=str)
def test_what_asks_for_anything_else_is_not(changes: dict[str, Any]) -> None:
    assert not repeats(asked(**changes), granted(), TODAY)


@pytest.mark.parametrize("state", ["cancelled", "repeated", "pended_info", "nurse_review", "exempt", "denied"])
def test_only_what_is_in_force_is_repeated(state: str) -> None:
    assert not repeats(asked(), granted(state=state), TODAY)


def test_what_has_expired_is_not_in_force() -> None:
    assert in_force(granted(), date(2027, 2, 28))
    assert not in_force(granted(), date(2027, 3, 1))
    assert in_force(granted(end=None), date(2030, 1, 1))
    assert not repeats(asked(), granted(), date(2027, 3, 1))


def test_the_very_days_that_were_asked_for_are_the_same_although_less_was_granted() -> None:
    """A policy grants three months of the year that was asked for: the year again is no further request."""
    year = {"service_end": date(2027, 11, 30)}
    assert repeats(asked(**year), granted(requested=asked(**year)), TODAY)
    assert not repeats(asked(**year), granted(), TODAY)


def test_the_days_that_a_physician_cut_are_not_asked_for_again() -> None:
    """An approval in part, from December to February of the year that was asked for: the year again is more."""
    year = {"service_end": date(2027, 11, 30)}
    assert not repeats(asked(**year), granted(requested=asked(**year), state="modified"), TODAY)
    inside = asked(service_end=date(2027, 2, 28))
    assert repeats(inside, granted(requested=asked(**year), state="modified"), TODAY)


def test_no_day_is_the_day_of_the_request() -> None:
    assert repeats(asked(service_start=None), granted(requested=asked(service_start=None)), date(2026, 12, 24))


def test_units_that_a_person_cut_are_not_what_is_asked_for() -> None:
    assert not repeats(asked(), granted(quantity=Decimal(1)), TODAY)


def test_a_grant_without_a_quantity_or_a_renderer_limits_none() -> None:
    free = granted(quantity=None, unit=None, requested=asked(provider=None, quantity=None))
    assert repeats(asked(quantity=Decimal(40)), free, TODAY)


def test_a_renderer_without_an_npi_is_known_by_name() -> None:
    line = granted(requested=asked(provider=Party(name="Oxygen at Home")))
    assert repeats(asked(provider=Party(name="Oxygen at Home")), line, TODAY)
    assert not repeats(asked(provider=Party(name="Other")), line, TODAY)


@given(start=st.dates(date(2026, 11, 1), date(2027, 4, 1)), units=st.integers(0, 6))
def test_nothing_outside_the_grant_is_ever_the_same(start: date, units: int) -> None:
    line = granted()
    assert line.authorization is not None
    assert line.authorization.end is not None
    inside = line.authorization.start <= start <= line.authorization.end and units <= 3
    assert repeats(asked(service_start=start, quantity=Decimal(units)), line, TODAY) is inside


def coded(*codings: tuple[str, str]) -> dict[str, Any]:
    made = item(modifiers=("RR",), place="12")
    return made | {"productOrService": {"coding": [{"system": system, "code": code} for system, code in codings]}}


CODINGS: dict[str, tuple[tuple[tuple[str, str], ...], bool]] = {
    "the one": (((HCPCS, "E0601"),), True),
    "in small letters": (((HCPCS, "e0601"),), True),
    "and again": (((HCPCS, "E0601"), (HCPCS, "E0601")), True),
    "and a code of the sender's own": (((HCPCS, "E0601"), ("urn:local", "CPAP")), True),
    "only a code of the sender's own, which the crosswalk led from": ((("urn:local", "CPAP"),), True),
    "and another device": (((HCPCS, "E0601"), (HCPCS, "E0470")), False),
    "after another device": (((HCPCS, "E0470"), (HCPCS, "E0601")), False),
    "and a supply": (((HCPCS, "E0601"), (HCPCS, "A7030")), False),
    "and a procedure": (((HCPCS, "E0601"), ("http://www.ama-assn.org/go/cpt", "94660")), False),
    "and what is no code of its system": (((HCPCS, "E0601"), (HCPCS, "ZZZZ")), False),
}


@pytest.mark.parametrize(("codings", "same"), CODINGS.values(), ids=CODINGS)
def test_a_service_whose_codings_do_not_fit_together_is_never_the_same(codings, same) -> None:
    assert repeats(asked(item=coded(*codings)), granted(), TODAY) is same
    assert repeats(asked(), replace_requested(granted(), item=coded(*codings)), TODAY) is same


def replace_requested(line: Line, **changes: Any) -> Line:
    return msgspec.structs.replace(line, requested=msgspec.structs.replace(line.requested, **changes))


PERFORMERS: list[tuple[tuple[str, ...], bool]] = [
    (("1245319599",), True),
    (("1245319599", "1003000126"), True),  # the same in a role
    (("1003000126", "1245319599"), True),
    (("1003000126",), False),
    ((), False),
]


@pytest.mark.parametrize(("more", "same"), PERFORMERS)
def test_all_who_are_named_as_performers_are_the_one_authorized(more, same) -> None:
    line = granted()
    assert line.authorization is not None
    held = Held(line, line.authorization, "CN1", MEMBER.id, None, "1992817498")
    for further in ((more,), (("1245319599",), more), (more, ("1245319599",))):
        ask = Ask(asked(), ("1992817498",), ("1245319599",), performer_known=True, more_performers=further)
        assert covers(held, ask, Standing(MEMBER, None, None, {}), TODAY, Used().left(held, None)) is same
        assert ask.one_performer is same
