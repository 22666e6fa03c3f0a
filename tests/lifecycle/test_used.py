"""What was used is used: neither a cancellation nor an update makes the same service new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tools.requests import item

from lifecycle.steps import Driver, Json, actions, by_sequence, cancel, claim_of, cpap, request, update
from support.answers import claim_response
from support.app import NOW

TODAY = NOW.date()


def day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


def pap(name: str, start: int, **more: Any) -> Json:
    return request(name, [cpap(start=day(start))], **more)


def visits(sequence: int, many: int, start: int) -> Json:
    return item(
        sequence, "cpt|97110", quantity=many, unit="visits", start=day(start), place="11", trace=f"pt-{sequence}"
    )


def therapy(name: str, *items: Json) -> Json:
    return request(name, list(items), member="COM-0001", studied=False, diagnoses=("M54.16",))


@pytest.mark.parametrize(
    ("start", "wait", "again"),
    [(0, 0, "A4"), (-1, 0, "A4"), (7, 77, "A4"), (7, 6, "A1"), (7, 7, "A4")],
)
async def test_a_cancelled_authorization_that_had_begun_is_not_given_again(
    driver: Driver, start: int, wait: int, again: str
) -> None:
    first = pap("used", start)
    assert actions(await driver.submit(first)) == {1: "A1"}
    driver.forward(days=wait)
    assert actions(await driver.submit(update(first, "off", lambda claim: cancel(claim["item"][0])))) == {1: "C"}
    assert actions(await driver.submit(pap("anew", wait + 10))) == {1: again}


@pytest.mark.parametrize(("start", "again"), [(-1, False), (0, False), (1, True)])
async def test_free_visits_that_were_had_stay_counted(driver: Driver, start: int, again: bool) -> None:
    first = therapy("visits", visits(1, 19, start))
    assert actions(await driver.submit(first)) == {1: "NA"}
    await driver.submit(update(first, "off", lambda claim: cancel(claim["item"][0])))
    after = actions(await driver.submit(therapy("more", visits(1, 19, 10))))
    assert (after == {1: "NA"}) is again


async def test_cancelled_and_asked_for_in_one_update(driver: Driver) -> None:
    first = therapy("swap", visits(1, 19, -1))
    assert actions(await driver.submit(first)) == {1: "NA"}

    def swap(claim: Json) -> None:
        cancel(claim["item"][0])
        claim["item"].append(visits(2, 19, 10))

    assert actions(await driver.submit(update(first, "swapped", swap)))[2] != "NA"


@pytest.mark.parametrize("start", [7, 0])
async def test_an_update_after_use_goes_to_a_person_and_says_what_stands(driver: Driver, start: int) -> None:
    first = pap("shift", start)
    number = by_sequence(await driver.submit(first))[1].number
    driver.forward(days=80)
    moved = update(first, "moved", lambda claim: claim["item"][0].update(servicedDate=day(95)))
    answer = await driver.submit(moved)
    assert actions(answer) == {1: "A4"}
    notes = " ".join(note["text"] for note in claim_response(answer)["processNote"])
    assert f"Authorization {number} stands meanwhile" in notes
    # and neither a further update nor another request gets round it
    assert actions(
        await driver.submit(update(moved, "again", lambda c: c["item"][0].update(servicedDate=day(99))))
    ) == {1: "A4"}
    assert actions(await driver.submit(pap("other", 100))) == {1: "A4"}


async def test_siblings_on_record_count_under_one_maximum(driver: Driver) -> None:
    """Two devices of one policy, asked for in two requests: found on record by what the policy counts together."""
    first = pap("one", 7)
    assert actions(await driver.submit(first)) == {1: "A1"}
    other = item(1, "hcpcs|E0470", quantity=1, unit="months", start=day(20), place="12", trace="other")
    assert actions(await driver.submit(request("two", [other]))) == {1: "A4"}


@pytest.mark.parametrize(("apart", "modifiers"), [(1, ((), ())), (0, (("LT",), ("RT",)))])
async def test_two_of_one_device_at_once_go_to_a_person(driver: Driver, apart: int, modifiers: Any) -> None:
    items = [
        cpap(1, n, start=day(7 + (n - 1) * apart), **({"modifiers": given} if given else {}))
        for n, given in enumerate(modifiers, 1)
    ]
    assert actions(await driver.submit(request("both", items))) == {1: "A4", 2: "A4"}


async def test_an_update_before_the_service_begins_is_decided_by_the_rules(driver: Driver) -> None:
    first = pap("early", 7)
    await driver.submit(first)
    moved = update(first, "moved", lambda claim: claim["item"][0].update(servicedDate=day(9)))
    assert actions(await driver.submit(moved)) == {1: "A1"}
    assert claim_of(moved)["item"][0]["servicedDate"] == day(9)
