"""Limits and maxima count the whole request and everything on record: however it is split, it is one amount."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.support import DAY, HCPCS, line, policy
from precert.fhir.coding import CPT, Code
from precert.policy.evaluate import evaluate
from precert.policy.load import PolicyFileError
from precert.policy.spans import span_end
from precert.policy.types import Counted, EvidenceItem, Outcome

E0601 = Code(HCPCS, "E0601")
MONTHS = {"period": "12 weeks", "max_quantity": 3, "unit": "months"}


def beside(quantity: Any = 1, unit: str = "months", **more: Any) -> Counted:
    amount = None if quantity is None else {"value": quantity, "unit": unit}
    given_ = {
        "reference": "line 2 of this request",
        "codes": (E0601,),
        "since": DAY,
        "start": DAY,
        "same_request": True,
    }
    return Counted(**(given_ | {"quantity": amount} | more))


def on_record(quantity: Any = 3, **more: Any) -> Counted:
    return beside(quantity, **({"reference": "authorization PA1", "granted": True, "same_request": False} | more))


def verdict(asked: Any, *counted: Counted, complete: bool = True, item: Any = None, **changes: Any) -> tuple[str, str]:
    tried = policy(grant=MONTHS, **changes)
    context = line(quantity=asked, item=item, answers={"ok": True}, counted=list(counted), counted_complete=complete)
    found = evaluate(tried, context)
    return found.outcome.value, found.reason_code or ""


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ([], "approve"),
        ([beside(1, start=DAY + timedelta(days=61))], "approve"),  # three in all, one after the other
        ([beside(1, start=DAY + timedelta(days=60))], "refer-nurse"),  # the first two months end that day
        ([beside(1)], "refer-nurse"),  # the same days: a duplicate
        ([beside(2)], "refer"),
        ([beside(1, start=DAY + timedelta(days=40)), beside(1, start=DAY + timedelta(days=80))], "refer"),
        ([beside(None)], "refer"),  # who names no amount asks for all that is granted
        ([beside("one")], "refer-nurse"),
        ([beside(1, "bananas")], "refer-nurse"),
        ([beside(1, modifiers=("RR",))], "refer-nurse"),  # another modifier for the same months: two at once
        ([beside(1, modifiers=("RR",), start=DAY + timedelta(days=61))], "approve"),  # one after the other, and counted
        ([beside(2, codes=(Code(HCPCS, "E0470"),))], "approve"),  # another service
        ([on_record(3)], "refer"),
        ([on_record(1)], "approve"),
        ([on_record(3, start=DAY - timedelta(days=200), end=DAY - timedelta(days=1))], "approve"),  # over by then
        ([on_record(3, start=DAY - timedelta(days=200), end=None)], "refer"),
        ([on_record(3, start=DAY + timedelta(days=84))], "approve"),  # begins when this one has ended
        ([on_record(3, start=DAY + timedelta(days=83))], "refer"),
    ],
    ids=str,
)
def test_a_maximum_counts_what_stands_beside(counted: list[Counted], expected: str) -> None:
    assert verdict(2, *counted)[0] == expected


def test_what_could_not_be_read_whole_is_counted_by_a_person() -> None:
    assert verdict(1, complete=False) == ("refer-nurse", "amount")


def test_a_further_period_under_a_policy_for_first_requests_is_a_renewal() -> None:
    ended = on_record(1, start=DAY - timedelta(days=120), end=DAY - timedelta(days=30))
    initial = {"applies": {"services": ["hcpcs|E0601"], "request": ["initial"]}}
    assert verdict(1, ended) == ("approve", "")
    assert verdict(1, ended, **initial) == ("refer-nurse", "continuation")
    long_ago = on_record(1, start=DAY - timedelta(days=300), end=DAY - timedelta(days=91))
    assert verdict(1, long_ago, **initial) == ("approve", "")


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (-120, -30, "authorized this service until"),  # over: what is asked is a further period
        (-30, 60, "these days are asked for again"),  # running
        (0, 60, "these days are asked for again"),
        (-30, None, "without an end; these days are asked for again"),
        (100, 160, "this request is for earlier days"),  # not begun
        (100, None, "this request is for earlier days"),
    ],
)
def test_the_days_of_a_continuation_are_told_as_they_lie(start: int, end: int | None, said: str) -> None:
    days = {"start": DAY + timedelta(days=start), "end": None if end is None else DAY + timedelta(days=end)}
    initial = policy(grant=MONTHS, applies={"services": ["hcpcs|E0601"], "request": ["initial"]})
    context = line(quantity=1, item=None, answers={"ok": True}, counted=[on_record(1, **days)], counted_complete=True)
    found = evaluate(initial, context)
    assert found.reason_code == "continuation"
    assert said in found.reason
    assert ("renewal" in found.reason) == (end is not None and end < 0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_no_split_gets_more_than_one_line_would(parts: list[int]) -> None:
    """Line by line, each with the others beside it: never all of them approved when the sum is above the maximum."""
    days = [DAY + timedelta(days=n) for n in range(len(parts))]
    outcomes = []
    for n, asked in enumerate(parts):
        others = [beside(p, start=days[m]) for m, p in enumerate(parts) if m != n]
        outcomes.append(verdict(asked, *others)[0])
    if sum(parts) > 3:
        assert "approve" not in outcomes


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 20))
def test_a_visit_limit_is_not_evaded_by_splitting(parts: list[int], used: int) -> None:
    """The sum of what was billed, authorized, free of authorization and asked for beside decides, for each line."""
    limit = policy(
        role="limit",
        applies={"services": ["cpt|97110"]},
        facts={
            "used": {"from": "PayerClaim", "code": ["cpt|97110"], "within": "365d", "take": "sum", "absent": 0},
            "asked": {"from": "Item", "value": "quantity.value"},
            "ok": {"ask": {"text": "OK?", "type": "boolean", "who": "clinical"}},
        },
        exempt={"id": "FREE", "text": "20 or fewer", "test": "%used + %asked <= 20", "cite": "c"},
        grant=None,
    )
    code = {"coding": [{"system": CPT, "code": "97110"}]}
    kinds = ("PayerAuth", "PayerUnits")
    for n, asked in enumerate(parts):
        billed = {"resourceType": "PayerClaim", "id": "c", "code": code, "date": DAY.isoformat(), "units": used}
        evidence = [EvidenceItem(billed, "PayerClaim/c", "payer")]
        for m, units in enumerate(parts):
            if m != n:
                beside_ = {"resourceType": kinds[m % 2], "id": str(m), "code": code, "units": units}
                evidence.append(EvidenceItem({**beside_, "start": DAY.isoformat()}, f"{kinds[m % 2]}/{m}", "payer"))
        found = evaluate(limit, line("cpt|97110", quantity=asked, evidence=evidence, item={"productOrService": code}))
        assert (found.outcome is Outcome.NO_AUTH) is (used + sum(parts) <= 20)


@pytest.mark.parametrize(
    "quantity", [{"value": 0}, {"value": 3, "unit": "bananas"}, {"value": 3, "comparator": "<"}, {}]
)
def test_an_amount_that_cannot_be_read_is_nobodys_yes(quantity: dict[str, Any]) -> None:
    exempt = {"id": "FREE", "text": "always", "test": "true", "cite": "c"}
    for changes in ({}, {"exempt": exempt, "criteria": None}):
        found = evaluate(policy(**changes), line(item={"quantity": quantity}, answers={"ok": True}))
        assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "amount")


@pytest.mark.parametrize(
    ("end", "outcome"), [(date(2027, 1, 24), "approve"), (date(2027, 1, 25), "refer"), (date(2031, 12, 31), "refer")]
)
def test_a_period_longer_than_the_grant_is_not_cut_by_a_machine(end: date, outcome: str) -> None:
    """Twelve weeks from 2 November end on 24 January."""
    found = evaluate(policy(grant=MONTHS), line(answers={"ok": True}, quantity=Decimal(3), service_end=end))
    assert found.outcome.value == outcome


@pytest.mark.parametrize(
    ("quantity", "modifiers", "outcome"),
    [
        ({"value": 3, "unit": "UN"}, [], "approve"),
        ({"value": 3, "unit": "UN"}, ["RR"], "approve"),
        ({"value": 3, "unit": "UN"}, ["NU"], "refer-nurse"),
        ({"value": 3}, ["UE", "KX"], "refer-nurse"),
        ({"value": 3, "unit": "months"}, ["NU"], "approve"),
    ],
    ids=str,
)
def test_devices_that_are_bought_are_no_months_of_rental(
    quantity: dict[str, Any], modifiers: list[str], outcome: str
) -> None:
    found = evaluate(
        policy(grant=MONTHS), line(answers={"ok": True}, item={"quantity": quantity, "modifiers": modifiers})
    )
    assert found.outcome.value == outcome


@pytest.mark.parametrize(("days", "outcome"), [(2, "refer-nurse"), (40, "refer-nurse"), (84, "approve")])
def test_the_time_asked_for_fits_into_its_days(days: int, outcome: str) -> None:
    end = DAY + timedelta(days=days - 1)
    context = line(answers={"ok": True}, item={"quantity": {"value": 3, "unit": "months"}}, service_end=end)
    assert evaluate(policy(grant=MONTHS), context).outcome.value == outcome


@pytest.mark.parametrize(
    ("days_ago", "retro", "outcome"),
    [
        (0, None, "approve"),
        (1, None, "approve"),
        (2, None, "refer-nurse"),
        (14, "14d", "approve"),
        (15, "14d", "refer-nurse"),
    ],
)
def test_a_service_of_the_past_needs_the_policys_word(days_ago: int, retro: str | None, outcome: str) -> None:
    auth = {"required": True, **({"retro": retro} if retro else {})}
    context = line(answers={"ok": True}, service_date=DAY - timedelta(days=days_ago))
    assert evaluate(policy(auth=auth), context).outcome.value == outcome


BED, OTHER = Code(HCPCS, "E0260"), Code(HCPCS, "E0250")
DEVICE, SUPPLIES = Code(HCPCS, "E2103"), Code(HCPCS, "A4239")
PATTERNS = ["hcpcs|E0260", "hcpcs|E0250", "hcpcs|E2103", "hcpcs|A4239"]
LISTS = [["hcpcs|E0260", "hcpcs|E0250"], ["hcpcs|A4239"]]


@pytest.mark.parametrize(
    ("counted_as", "own", "other", "together"),
    [
        (None, BED, OTHER, True),
        ("policy", BED, SUPPLIES, True),
        ("policy", BED, E0601, False),  # not of this policy
        ("code", BED, OTHER, False),
        ("code", BED, BED, True),
        (LISTS, BED, OTHER, True),
        (LISTS, BED, SUPPLIES, False),
        (LISTS, SUPPLIES, SUPPLIES, True),
        (LISTS, DEVICE, BED, True),  # on no list: with all
        (LISTS, SUPPLIES, DEVICE, True),
        (LISTS, BED, E0601, False),
    ],
)
@pytest.mark.parametrize("known", ["request", "record", "cancelled after it began"])
def test_a_maximum_counts_the_services_that_the_policy_counts_together(
    counted_as: Any, own: Code, other: Code, together: bool, known: str
) -> None:
    grant = {"period": "60 days", "max_quantity": 10, "unit": "visits"} | (
        {"counted": counted_as} if counted_as else {}
    )
    tried = policy(grant=grant, applies={"services": PATTERNS})
    flags = {
        "request": {"start": DAY + timedelta(days=1), "same_request": True},
        "record": {"granted": True, "same_request": False},
        "cancelled after it began": {"was_granted": True, "same_request": False},
    }[known]
    each = beside(6, "visits", codes=(other,), **flags)
    found = evaluate(tried, line(f"hcpcs|{own.code}", quantity=5, answers={"ok": True}, counted=[each]))
    assert found.outcome.value == ("refer" if together else "approve")


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ({"max_quantity": 1, "counted": [["hcpcs|E0470"]]}, "does not stand under applies.services"),
        ({"max_quantity": 1, "counted": [["hcpcs|E0601"], ["hcpcs|E0601"]]}, "more than one list"),
        ({"period": "60 days", "counted": "code"}, "there is no max_quantity"),
        ({"max_quantity": 1, "counted": "line"}, "counted"),
        ({"max_quantity": 1, "counted": [[]]}, "counted"),
    ],
)
def test_what_a_maximum_counts_is_checked_when_the_policy_is_read(grant: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyFileError) as refused:
        policy(grant=grant)
    assert said in str(refused.value)


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(-200, 200),
    st.sampled_from([(), ("LT",)]),
    st.sampled_from([BED, OTHER]),
)
def test_two_for_the_same_months_are_two(
    mine: int, theirs: int, gap: int, modifiers: tuple[str, ...], code: Code
) -> None:
    """Amounts in time whose days meet are never approved beside each other, whatever the sum is."""
    start = DAY + timedelta(days=gap)
    tried = policy(grant={"period": "13 months", "max_quantity": 13, "unit": "months"}, applies={"services": PATTERNS})
    each = beside(theirs, "months", codes=(code,), start=start, modifiers=modifiers)
    found = evaluate(tried, line("hcpcs|E0260", quantity=mine, answers={"ok": True}, counted=[each]))
    ends = span_end(DAY, Decimal(mine), "months"), span_end(start, Decimal(theirs), "months")
    assert ends[0] is not None
    assert ends[1] is not None
    meet = start <= ends[0] and ends[1] >= DAY
    assert (found.outcome is Outcome.APPROVE) is not meet
    if meet:
        assert found.reason_code == "duplicate"
