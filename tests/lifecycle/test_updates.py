"""Chains of updates: what may change, what stays, what is refused; every sequence in every answer (spec-46)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from lifecycle.steps import (
    NEW,
    OLD,
    Driver,
    Json,
    actions,
    by_sequence,
    cancel,
    case_of,
    certify,
    chair,
    cpap,
    flag,
    inquiry,
    request,
    update,
)
from precert.fhir import json
from support.answers import claim_response, extension


@pytest.mark.parametrize("base", [NEW, OLD])
async def test_add_change_cancel_cancel_all(driver: Driver, base: str) -> None:
    first = request("chain", [cpap()])
    answers = [await driver.submit(first, base)]
    second = update(first, "add", lambda c: c["item"].append(chair(4)))
    answers.append(await driver.submit(second, base))
    third = update(second, "cancel", lambda c: cancel(c["item"][1]))
    answers.append(await driver.submit(third, base))

    def everything(claim: Json) -> None:
        certify(claim, "3")

    fourth = update(third, "all", everything)
    answers.append(await driver.submit(fourth, base))
    assert [actions(a) for a in answers] == [{1: "A1"}, {1: "A1", 4: "A4"}, {1: "A1", 4: "C"}, {1: "C", 4: "C"}]
    assert len({case_of(a) for a in answers}) == 1
    numbers = {by_sequence(a)[1].number for a in answers[:3]}
    assert len(numbers) == 1
    assert len(await driver.records()) == 1


async def test_a_line_that_is_left_out_is_answered_all_the_same(driver: Driver) -> None:
    """The client should repeat every item; if it does not, its result is still told and not changed."""
    first = request("left-out", [cpap(), chair(2)])
    before = await driver.submit(first)
    after = await driver.submit(update(first, "less", lambda c: c["item"].pop(0)))
    assert actions(after) == {1: "A1", 2: "A4"}
    assert by_sequence(after)[1].number == by_sequence(before)[1].number


async def test_info_cancelled_false_is_no_cancel(driver: Driver) -> None:
    """The published presets carry the flag with ``false`` on live items."""
    first = request("flag", [cpap()])
    await driver.submit(first)

    def mark(claim: Json) -> None:
        claim["item"][0]["modifierExtension"] = flag(False)

    assert actions(await driver.submit(update(first, "false", mark))) == {1: "A1"}


async def test_a_first_request_may_carry_the_flag_too(driver: Driver) -> None:
    live = cpap() | {"modifierExtension": flag(False)}
    assert actions(await driver.submit(request("live", [live]))) == {1: "A1"}


async def test_an_update_of_nobody_knows_what_is_a_new_request(driver: Driver) -> None:
    stranger = update(request("stranger", [cpap()]), "later")
    answer = await driver.submit(stranger)
    assert actions(answer) == {1: "A1"}
    assert len(await driver.records()) == 1


async def test_the_chain_is_found_by_any_earlier_version(driver: Driver) -> None:
    first = request("skip", [cpap()])
    answer = await driver.submit(first)
    await driver.submit(update(first, "two", lambda c: c["item"].append(chair(2))))
    third = await driver.submit(update(first, "three", lambda c: c["item"].append(chair(3))))  # refers to the first
    assert case_of(third) == case_of(answer)
    assert actions(third) == {1: "A1", 2: "A4", 3: "A4"}


async def test_after_a_denial_nothing_is_updated(driver: Driver) -> None:
    """An error that says what to do, never silence and never a second decision."""
    first = request("denied", [cpap()], studied=False)
    answer = await driver.submit(first)
    await driver.deny(case_of(answer))
    refused = await driver.submit(update(first, "again", lambda c: c["item"][0]["quantity"].update(value=2)))
    response = claim_response(refused)
    assert response["outcome"] == "error"
    assert response["error"][0]["code"]["coding"][0]["code"] == "33"
    assert "item" not in response
    (now,) = await driver.inquire(inquiry("ask"))
    assert actions(now) == {1: "A3"}


async def test_fewer_units_shrink_the_grant_and_keep_the_number(driver: Driver) -> None:
    first = request("fewer", [cpap(3)])
    before = by_sequence(await driver.submit(first))[1]
    after = await driver.submit(update(first, "two", lambda c: c["item"][0]["quantity"].update(value=2)))
    line = by_sequence(after)[1]
    assert (line.action, line.number) == ("A1", before.number)
    granted = (await driver.record(case_of(after))).ordered[0].authorization
    assert granted is not None
    assert granted.quantity == 2


async def test_more_units_are_decided_again(driver: Driver) -> None:
    first = request("more", [cpap(2)])
    before = by_sequence(await driver.submit(first))[1]
    more = update(first, "three", lambda c: c["item"][0]["quantity"].update(value=3))
    line = by_sequence(await driver.submit(more))[1]
    assert line.action == "A1"
    assert line.number != before.number
    beyond = update(more, "thirteen", lambda c: c["item"][0]["quantity"].update(value=13))
    answer = await driver.submit(beyond)
    assert actions(answer) == {1: "A4"}
    (item,) = claim_response(answer)["item"]
    assert extension(item, "extension-authorizationNumber") == line.number  # what stands while more is decided
    assert any(f"Authorization {line.number} stands meanwhile" in note for note in by_sequence(answer)[1].notes)
    for number in (before.number, line.number, by_sequence(answer)[1].reference):
        assert number is not None
        (found,) = await driver.inquire(inquiry(f"ask-{number}", numbers=(number,)))
        assert actions(found) == {1: "A4"}


async def test_evidence_with_an_update_decides_what_was_open(driver: Driver) -> None:
    first = request("evidence", [cpap()], studied=False)
    assert actions(await driver.submit(first)) == {1: "A4"}
    told = request("evidence", [cpap()])
    later = update(first, "study")
    claim = later["entry"][0]["resource"]
    claim["supportingInfo"] = told["entry"][0]["resource"]["supportingInfo"]
    later["entry"].append(told["entry"][-1])
    assert actions(await driver.submit(later)) == {1: "A1"}


async def test_the_same_update_again_is_the_same_answer_byte_for_byte(driver: Driver) -> None:
    first = request("replay", [cpap()])
    await driver.submit(first)
    second = update(first, "add", lambda c: c["item"].append(chair(2)))
    answer = await driver.post(second)
    events = len((await driver.record(case_of(json.loads(answer.content)))).events)
    again = await driver.post(second)
    assert (again.status_code, again.content) == (200, answer.content)
    assert len((await driver.record(case_of(json.loads(answer.content)))).events) == events


async def test_updates_at_once_lose_nothing(driver: Driver) -> None:
    """Twelve versions that arrive together: one record, an unbroken chain, every added line answered."""
    first = request("crowd", [cpap()])
    case = case_of(await driver.submit(first))
    bodies = [update(first, f"add-{n}", lambda c, n=n: c["item"].append(chair(n))) for n in range(2, 14)]
    answers: list[httpx.Response] = []
    waiting = bodies
    while waiting:  # who loses the race too often is told to come again (503), and does
        said = await asyncio.gather(*(driver.post(body) for body in waiting))
        assert {a.status_code for a in said} <= {200, 503}
        answers += [a for a in said if a.status_code == 200]
        waiting = [body for body, a in zip(waiting, said, strict=True) if a.status_code == 503]
    record = await driver.record(case)
    assert sorted(record.lines) == list(range(1, 14))
    assert sum(event.ev == "updated" for event in record.events) == 12
    assert len(await driver.records()) == 1
    references = [line.reference for line in record.ordered if line.reference]
    assert len(set(references)) == 12
    for answer in answers:
        assert set(actions(json.loads(answer.content))) <= set(record.lines)


async def test_a_cancelled_whole_needs_no_items(driver: Driver) -> None:
    first = request("whole", [cpap(), chair(2)])
    await driver.submit(first)

    def whole(claim: Json) -> None:
        certify(claim, "3")
        cancel(claim["item"][0])
        del claim["item"][1]

    assert actions(await driver.submit(update(first, "cancel", whole))) == {1: "C", 2: "C"}
