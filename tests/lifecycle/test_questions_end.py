"""A question that is no longer open says so and why; an answer has a new version only when it says something new."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdex.cdex_support import answered as filled_in
from cdex.cdex_support import attachment, parameters
from lifecycle.steps import (
    HEADERS,
    NEW,
    NURSE,
    OLD,
    Driver,
    Json,
    cancel,
    case_of,
    claim_of,
    cpap,
    request,
    update,
)
from precert.authorization.deciding.due import EXPEDITED, INFO_DAYS, answer_by
from precert.fhir import json
from precert.fhir.dates import parse_instant
from precert.runtime import Runtime
from support.answers import claim_response
from support.app import NOW, running

MEMBER = "MA-0001"


async def _answer(driver: Driver, body: Json, case: str, task: str) -> None:
    """The whole form, filled in."""
    sent = parameters(task, attachment(filled_in()), member=MEMBER)
    answer = await driver.client.post("/fhir/$submit-attachment", content=json.dumps(sent), headers=HEADERS)
    assert answer.status_code == 200, answer.text


async def _approve(driver: Driver, body: Json, case: str, task: str) -> None:
    await driver.approve(case)


async def _deny(driver: Driver, body: Json, case: str, task: str) -> None:
    await driver.deny(case)


async def _modify(driver: Driver, body: Json, case: str, task: str) -> None:
    await driver.modify(case, 1)


async def _ask_otherwise(driver: Driver, body: Json, case: str, task: str) -> None:
    answer = await driver.decide(case, outcome="pend", note="Since when does she snore?", **NURSE)
    assert answer.status_code == 200, answer.text


async def _refer(driver: Driver, body: Json, case: str, task: str) -> None:
    refers = {**NURSE, "reason": "The study is hard to read."}
    answer = await driver.client.post(f"/api/cases/{case}/lines/1/referral", json=refers)
    assert answer.status_code == 200, answer.text


async def _cancel(driver: Driver, body: Json, case: str, task: str) -> None:
    await driver.submit(update(body, "cancel", lambda c: cancel(c["item"][0])))


async def _study_by_update(driver: Driver, body: Json, case: str, task: str) -> None:
    told, later = request("told", [cpap()]), update(body, "study")
    claim_of(later)["supportingInfo"] = claim_of(told)["supportingInfo"]
    later["entry"].append(told["entry"][-1])
    await driver.submit(later)


async def _change(driver: Driver, body: Json, case: str, task: str) -> None:
    await driver.submit(update(body, "change", lambda c: c["item"][0].update(servicedDate="2027-01-08")))


Way = Callable[[Driver, Json, str, str], Awaitable[None]]
WAYS: list[tuple[Way, str, str]] = [
    (_answer, "completed", "completed"),
    (_study_by_update, "completed", "completed"),
    (_approve, "cancelled", "revoked"),
    (_deny, "cancelled", "revoked"),
    (_modify, "cancelled", "revoked"),
    (_ask_otherwise, "cancelled", "revoked"),
    (_refer, "cancelled", "revoked"),
    (_cancel, "cancelled", "revoked"),
    (_change, "cancelled", "revoked"),
]


def _asked(answer: Json) -> list[Json]:
    kinds = ("Task", "CommunicationRequest")
    return [entry["resource"] for entry in answer["entry"] if entry["resource"]["resourceType"] in kinds]


@pytest.mark.parametrize("base", [NEW, OLD])
async def test_what_is_no_longer_asked_ends_with_a_reason(base: str, tmp_path: Path, runtime: Runtime) -> None:
    """Each way in which a list of questions stops being open, one request each, on one server."""
    async with running(tmp_path / "data", runtime, validate_answers=True) as (app, client):
        driver = Driver(client, app)
        for month, (way, task_ends, communication_ends) in enumerate(WAYS, start=2):
            body = request(way.__name__, [cpap(start=f"2027-{month:02}-04")], studied=False)
            answer = await driver.submit(body, base)
            asked = _asked(answer)
            assert {each["status"] for each in asked} == {"requested", "active"}, way.__name__
            task = next(each for each in asked if each["resourceType"] == "Task")
            await way(driver, body, case_of(answer), task["id"])
            ended = [(await client.get(f"{base}/{each['resourceType']}/{each['id']}")).json() for each in asked]
            expected = [task_ends if each["resourceType"] == "Task" else communication_ends for each in asked]
            assert [each["status"] for each in ended] == expected, way.__name__
            assert all(each["statusReason"]["text"] for each in ended)
            assert [each["identifier"] for each in ended] == [each["identifier"] for each in asked]
            await client.post(f"/api/cases/{case_of(answer)}/lines/1/referral", json={})  # refused: changes nothing
            again = [(await client.get(f"{base}/{each['resourceType']}/{each['id']}")) for each in asked]
            assert [each.headers["etag"] for each in again] == ['W/"2"'] * len(asked), way.__name__


async def test_what_the_requester_does_not_see_is_no_new_version(driver: Driver) -> None:
    """A nurse refers the line to a physician, and another document comes in: the answer says what it said."""
    answer = await driver.submit(request("over", [cpap(13)]))
    case, id = case_of(answer), claim_response(answer)["id"]
    first = await driver.client.get(f"{NEW}/ClaimResponse/{id}")

    async def same() -> None:
        for base in (NEW, OLD):
            now = await driver.client.get(f"{base}/ClaimResponse/{id}")
            assert now.headers["etag"] == first.headers["etag"] == 'W/"1"'
        assert (await driver.client.get(f"{NEW}/ClaimResponse/{id}")).content == first.content

    await _refer(driver, {}, case, "")
    assert (await driver.record(case)).lines[1].state == "md_review"
    await same()
    sent = parameters(case, attachment(filled_in()), member=MEMBER)
    filed = await driver.client.post("/fhir/$submit-attachment", content=json.dumps(sent), headers=HEADERS)
    assert filed.status_code == 200, filed.text
    assert (await driver.record(case)).attachments
    await same()
    await driver.approve(case)
    assert (await driver.client.get(f"{NEW}/ClaimResponse/{id}")).headers["etag"] == 'W/"2"'


def _due(answer: Json) -> datetime:
    (end,) = {each["restriction"]["period"]["end"] for each in _asked(answer) if each["resourceType"] == "Task"}
    found = parse_instant(end)
    assert found is not None
    return found


async def test_no_question_is_due_after_an_urgent_decision(driver: Driver) -> None:
    usual = timedelta(days=INFO_DAYS)
    assert _due(await driver.submit(request("calm", [cpap()], studied=False))) == NOW + usual
    urgent = request("urgent", [cpap(start="2027-06-04")], studied=False, urgent=True)
    answer = await driver.submit(urgent)
    assert _due(answer) == NOW + EXPEDITED
    driver.forward(hours=20)
    changed = update(urgent, "change", lambda c: c["item"][0].update(servicedDate="2027-06-08"))
    assert _due(await driver.submit(changed)) == NOW + EXPEDITED
    driver.forward(hours=20)
    await _ask_otherwise(driver, {}, case_of(answer), "")
    again = (await driver.record(case_of(answer))).lines[1].questions
    assert again is not None
    assert again.due == NOW + EXPEDITED


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.none() | st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_question_is_due_in_time_and_never_before_it_is_asked(after: timedelta, within: timedelta | None) -> None:
    asked, decide_by = NOW + after, None if within is None else NOW + within
    due = answer_by(asked, decide_by)
    assert asked <= due <= asked + timedelta(days=INFO_DAYS)
    if decide_by is not None and decide_by >= asked:
        assert due <= decide_by
    if decide_by is None:
        assert due == asked + timedelta(days=INFO_DAYS)
