"""The same request again is the same case and gets its present answer; a second one for the same service goes to a person."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from tools.requests import NPI, OUT_OF_NETWORK_NPI

from lifecycle.steps import (
    NEW,
    OLD,
    Driver,
    Json,
    actions,
    by_sequence,
    case_of,
    chair,
    claim_of,
    cpap,
    request,
    update,
)
from lifecycle.test_chains import requester
from precert.fhir import json
from support.answers import claim_response

Edit = Callable[[Json], Any]


def anew(body: Json, number: int = 1) -> Json:
    """The request as an EHR renders it a second time: other ids, fullUrls, timestamps, bundle identifier and order."""
    made = copy.deepcopy(body)
    made["timestamp"] = f"2026-11-20T15:0{number}:00Z"
    made["identifier"]["value"] = f"again-{number}"
    written = json.dumps(made).decode()
    for position, entry in enumerate(body["entry"]):
        fresh = f"5d0a1f2e-0000-4000-8000-{number:06d}{position:06d}"
        written = written.replace(entry["fullUrl"], f"urn:uuid:{fresh}")
        if id := entry["resource"].get("id"):
            written = written.replace(f'"id":"{id}"', f'"id":"{fresh}"')
    again: Json = json.loads(written.encode())
    claim_of(again)["created"] = made["timestamp"]
    again["entry"][1:] = reversed(again["entry"][1:])
    return again


@pytest.mark.parametrize("studied", [True, False])
@pytest.mark.parametrize("base", [NEW, OLD])
async def test_rendered_anew_it_is_the_same_case(driver: Driver, base: str, studied: bool) -> None:
    body = request("anew", [cpap(), chair(2)], studied=studied)
    first = await driver.submit(body, base)
    again = await driver.submit(anew(body), base)
    assert again == first
    assert len(await driver.records()) == 1


@pytest.mark.parametrize("name", ["identifier", "trace"])
async def test_one_name_is_enough(driver: Driver, name: str) -> None:
    body = request("named", [cpap()])
    first = await driver.submit(body)
    again = anew(body)
    if name == "identifier":
        item = claim_of(again)["item"][0]
        item["extension"] = [e for e in item["extension"] if "itemTraceNumber" not in e["url"]]
    else:
        claim_of(again).pop("identifier")
    assert case_of(await driver.submit(again)) == case_of(first)


async def test_on_the_other_base_it_is_the_same_case_in_its_shape(driver: Driver) -> None:
    body = request("bases", [cpap()], studied=False)
    new = await driver.submit(body, NEW)
    old = await driver.submit(body, OLD)
    assert case_of(old) == case_of(new)
    assert (claim_response(new)["outcome"], claim_response(old)["outcome"]) == ("complete", "queued")
    assert await driver.submit(body, OLD) == old


@pytest.mark.parametrize("render", [copy.deepcopy, anew])
async def test_a_retry_after_a_decision_answers_the_present_state(
    driver: Driver, render: Callable[[Json], Json]
) -> None:
    body = request("decided", [cpap()], studied=False)
    first = await driver.submit(body)
    await driver.deny(case_of(first))
    again = await driver.submit(render(body))
    assert (actions(first), actions(again)) == ({1: "A4"}, {1: "A3"})
    assert case_of(again) == case_of(first)
    assert await driver.submit(render(body)) == again


async def test_new_evidence_with_the_same_request_goes_on_file(driver: Driver) -> None:
    first = await driver.submit(request("evidence", [cpap()], studied=False))
    again = await driver.submit(anew(request("evidence", [cpap()])))
    assert (actions(first), actions(again)) == ({1: "A4"}, {1: "A1"})
    assert case_of(again) == case_of(first)


def amount(body: Json) -> None:
    claim_of(body)["item"][0]["quantity"]["value"] = 2


def day(body: Json) -> None:
    claim_of(body)["item"][0]["servicedDate"] = "2027-09-04"


def diagnosis(body: Json) -> None:
    coding = claim_of(body)["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]
    coding["code"] = "G47.31"


def names(body: Json) -> None:
    claim_of(body)["identifier"][0]["value"] = "another"


def provider(body: Json) -> None:
    requester(body)["identifier"] = [{"system": NPI, "value": OUT_OF_NETWORK_NPI}]


@pytest.mark.parametrize("edit", [amount, day, diagnosis, names, provider])
async def test_what_asks_something_else_is_another_case(driver: Driver, edit: Edit) -> None:
    body = request("other", [cpap()])
    first = await driver.submit(body)
    other = anew(body)
    edit(other)
    assert case_of(await driver.submit(other)) != case_of(first)


async def test_twenty_renderings_at_once_are_one_case(driver: Driver) -> None:
    body = request("crowd", [cpap()])
    answers = await asyncio.gather(*(driver.submit(anew(body, n)) for n in range(1, 11)))
    assert len({case_of(answer) for answer in answers}) == 1
    assert len(await driver.records()) == 1


# A second request for the same service


def second(name: str, **more: Any) -> Json:
    return request(name, [cpap(trace=f"{name}-trace", **more)])


async def test_an_overlapping_second_request_goes_to_a_person(driver: Driver) -> None:
    first = await driver.submit(second("one"))
    answer = await driver.submit(second("two", start="2027-02-01"))
    assert (actions(first), actions(answer)) == ({1: "A1"}, {1: "A4"})
    (line,) = (await driver.record(case_of(answer))).ordered
    assert line.state == "nurse_review"
    assert line.determination is not None
    assert "(authorization " in line.determination.reason  # what is on record counts: together it is more than granted


async def test_another_requester_is_not_told_the_number(driver: Driver) -> None:
    first = await driver.submit(second("one"))
    body = second("two")
    provider(body)
    answer = await driver.submit(body)
    assert actions(answer) == {1: "A4"}
    assert case_of(first) not in json.dumps((await driver.client.get(f"/explain/{case_of(answer)}")).json()).decode()


async def test_what_does_not_overlap_is_approved(driver: Driver) -> None:
    assert actions(await driver.submit(second("one"))) == {1: "A1"}
    assert actions(await driver.submit(second("two", start="2027-08-04"))) == {1: "A1"}


async def test_what_is_cancelled_or_another_members_is_no_duplicate(driver: Driver) -> None:
    one = second("one")
    await driver.submit(one)
    theirs = request("theirs", [cpap(trace="x")], member="MA-0002")
    assert actions(await driver.submit(theirs)) == {1: "A1"}
    from lifecycle.steps import cancel

    await driver.submit(update(one, "cancel", lambda claim: cancel(claim["item"][0])))
    assert actions(await driver.submit(second("two"))) == {1: "A1"}


async def test_of_two_second_requests_at_once_one_is_approved(driver: Driver) -> None:
    answers = await asyncio.gather(*(driver.submit(second(f"n{n}")) for n in range(4)))
    assert sorted(by_sequence(answer)[1].action for answer in answers) == ["A1", "A4", "A4", "A4"]


def _without_numbers(value: Any) -> None:
    """No member number anywhere: neither on the Patient nor on the Coverage."""
    for entry in value["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in ("Patient", "Coverage"):
            for element in ("identifier", "subscriberId"):
                resource.pop(element, None)


async def test_a_request_without_a_member_number_is_answered_and_never_approved(driver: Driver) -> None:
    for number in range(3):  # as it is, and rendered anew
        body = request("nobody", [cpap()])
        body = anew(body, number) if number else body
        _without_numbers(body)
        answer = await driver.submit(body)
        assert "A1" not in json.dumps(answer).decode()
