"""Pended, then decided: the subscriber is told, by a real receiver on a real socket (spec-51, spec-54..62)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cdex.cdex_support import answered as filled_in
from cdex.cdex_support import attachment, parameters
from lifecycle.steps import NEW, OLD, Driver, Json, actions, case_of, cpap, inquiry, request, update
from precert.fhir import json
from precert.fhir.validation import Validator
from precert.runtime import Runtime
from subscriptions.world import NPI as WATCHED
from subscriptions.world import Receiver, receiving, subscription
from support.answers import claim_response
from support.app import running

WAIT = 15.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    """In real time, because deliveries take their time."""
    allow = {"subscriptions_allow_private": True, "validate_answers": True}
    async with running(tmp_path / "data", Runtime(), **allow) as (app, client):
        yield Driver(client, app)


async def subscribed(driver: Driver, receiver: Receiver, base: str = NEW, path: str = "/hook", **over: Any) -> str:
    """An active subscription for the watched organization: created, shaken hands with."""
    made = subscription(f"{receiver.url}{path}", "2.2" if base == NEW else "2.0", **over)
    answer = await driver.client.post(f"{base}/Subscription", json=made)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "requested"
    await receiver.until(lambda: len(receiver.of(path)) == 1, WAIT)
    assert receiver.of(path)[0].type == "handshake"
    return str(answer.json()["id"])


async def told(receiver: Receiver, events: int = 1, path: str = "/hook") -> list[Any]:
    """The event notifications, once so many were taken."""
    await receiver.until(lambda: len(receiver.numbers(path)) >= events, WAIT)
    return [got for got in receiver.of(path) if got.number is not None]


def asking(name: str, **more: Any) -> Json:
    return request(name, [cpap()], studied=False, requester_npi=WATCHED, **more)


async def test_a_determination_brings_the_whole_response(driver: Driver, receiver: Receiver) -> None:
    await subscribed(driver, receiver)
    answer = await driver.submit(asking("r"))
    await driver.approve(case_of(answer))
    (event,) = await told(receiver)
    assert event.headers["authorization"] == "Bearer secret-token"
    assert event.headers["content-type"].startswith("application/fhir+json")
    assert (event.type, event.number, event.part("status")) == ("event-notification", 1, ["active"])
    inner = event.body["entry"][1]["resource"]
    assert inner["type"] == "collection"
    assert actions(inner) == {1: "A1"}
    assert case_of(inner) == case_of(answer)
    check(json.loads(event.raw), "pas-2.2.1")
    check(inner, "pas-2.2.1")
    (now,) = await driver.inquire(inquiry("ask", requester_npi=WATCHED))
    assert actions(now) == actions(inner)


def check(resource: Json, context: str) -> None:
    """No error by the profiles that the resource claims."""
    found = Validator.load().validate(resource, context=context)
    assert [f for f in found if f.severity in ("error", "fatal")] == []


async def test_the_old_version_gets_the_id_and_asks(driver: Driver, receiver: Receiver) -> None:
    await subscribed(driver, receiver, OLD)
    answer = await driver.submit(asking("r"), OLD)
    assert claim_response(answer)["outcome"] == "queued"
    await driver.approve(case_of(answer))
    (event,) = await told(receiver)
    assert all("resource" not in entry for entry in event.body["entry"][1:])
    (now,) = await driver.inquire(inquiry("ask", requester_npi=WATCHED), OLD)
    assert actions(now) == {1: "A1"}
    assert claim_response(now)["outcome"] == "complete"
    check(json.loads(event.raw), "pas-2.0.1")


async def test_an_attachment_decides_and_tells(driver: Driver, receiver: Receiver) -> None:
    await subscribed(driver, receiver)
    answer = await driver.submit(asking("r"))
    (task,) = [e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "Task"]
    url = next(i["valueUrl"] for i in task["input"] if "valueUrl" in i)
    assert url.endswith("/fhir/$submit-attachment")
    sent = parameters(task["id"], attachment(filled_in()), member="MA-0001")
    response = await driver.client.post("/fhir/$submit-attachment", content=json.dumps(sent))
    assert response.status_code == 200, response.text
    (event,) = await told(receiver)
    assert actions(event.body["entry"][1]["resource"]) == {1: "A1"}


async def test_every_change_is_an_event_of_its_own_in_order(driver: Driver, receiver: Receiver) -> None:
    """spec-60: also a change that leaves the case pended."""
    await subscribed(driver, receiver)
    answer = await driver.submit(request("two", [cpap(), cpap(2, 2)], studied=False, requester_npi=WATCHED))
    await driver.approve(case_of(answer), 1)
    await driver.modify(case_of(answer), 1, 2)
    events = await told(receiver, 2)
    assert [event.number for event in events] == [1, 2]
    said = [actions(event.body["entry"][1]["resource"]) for event in events]
    assert said == [{1: "A1", 2: "A4"}, {1: "A1", 2: "A6"}]


async def test_a_referral_that_changes_no_answer_is_no_event(driver: Driver, receiver: Receiver) -> None:
    await subscribed(driver, receiver)
    answer = await driver.submit(request("over", [cpap(13)], requester_npi=WATCHED))
    refers = {"by": "nurse.hale", "role": "nurse", "reason": "More than the policy grants."}
    referred = await driver.client.post(f"/api/cases/{case_of(answer)}/lines/1/referral", json=refers)
    assert referred.status_code == 200, referred.text
    await driver.approve(case_of(answer))
    (event,) = await told(receiver)
    assert (event.number, actions(event.body["entry"][1]["resource"])) == (1, {1: "A1"})


async def test_what_was_answered_at_once_is_no_event(driver: Driver, receiver: Receiver) -> None:
    """Neither a synchronous decision nor the answer to an update; nor what other senders' requests become."""
    await subscribed(driver, receiver)
    approved = request("sync", [cpap()], requester_npi=WATCHED)
    await driver.submit(approved)
    await driver.submit(update(approved, "less", lambda c: c["item"][0]["quantity"].update(value=2)))
    stranger = await driver.submit(request("stranger", [cpap()], studied=False))
    await driver.approve(case_of(stranger))
    mine = await driver.submit(asking("mine"))
    await driver.approve(case_of(mine))
    (event,) = await told(receiver)
    assert event.number == 1
    assert case_of(event.body["entry"][1]["resource"]) == case_of(mine)


async def test_a_receiver_that_is_down_delays_nothing_and_is_told_later(driver: Driver, receiver: Receiver) -> None:
    await subscribed(driver, receiver)
    receiver.answers["/hook"] = [503, 503, 200]
    answer = await driver.submit(asking("r"))
    await driver.approve(case_of(answer))
    (now,) = await driver.inquire(inquiry("ask", requester_npi=WATCHED))
    assert actions(now) == {1: "A1"}
    events = await told(receiver)
    assert [(event.number, event.status) for event in events] == [(1, 503), (1, 503), (1, 200)]
    assert len({event.raw for event in events}) == 1


async def test_a_missed_event_can_be_fetched(driver: Driver, receiver: Receiver) -> None:
    id = await subscribed(driver, receiver)
    answer = await driver.submit(asking("r"))
    await driver.approve(case_of(answer))
    (event,) = await told(receiver)
    url = f"/fhir/Subscription/{id}/$events?eventsSinceNumber=1&eventsUntilNumber=1"
    fetched = json.loads((await driver.client.get(url)).content)
    with contextlib.suppress(KeyError):
        del fetched["id"]
    assert fetched["type"] == "history"
    assert fetched["entry"][1]["resource"] == json.loads(event.raw)["entry"][1]["resource"]
