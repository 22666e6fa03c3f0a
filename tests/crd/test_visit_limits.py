"""Orders share a limit of visits: those of one call, and those that earlier calls said need no authorization."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tools.requests import CPT, HCPCS, item, request_bundle

from crd.building import configured, coverage, hook, infos, order, patient, prefetch, searchset
from precert.fhir import json
from precert.security.identity import Client
from support.answers import decisions
from support.app import NOW, FrozenClock, frozen_runtime, running
from support.pas import submit

Json = dict[str, Any]
MEMBER = "COM-0001"  # no visits on record; the first 20 are free (examples/policies/13-limit-therapy-visits.yaml)


def therapy(visits: int | None = 12, id_: str = "o1", code: str = "97110", system: str = CPT, **changes: Any) -> Json:
    amount = {} if visits is None else {"quantityQuantity": {"value": visits, "unit": "visits"}}
    return order(code, changes.pop("member", MEMBER), system=system, id_=id_, **amount, **changes)


def body(*orders: Json, **changes: Any) -> Json:
    return hook(*orders, **{"member": MEMBER, "version": "2.2"} | changes)


async def told(world: Any, *orders: Json, **changes: Any) -> list[str]:
    return [info["pa-needed"] for info in infos(await world.ask(body(*orders, **changes)))]


async def test_what_earlier_calls_said_is_counted_at_the_next(world):
    assert await told(world, therapy(12)) == ["no-auth"]
    (info,) = infos(await world.ask(body(therapy(12, "o2"))))
    assert info["pa-needed"] == "auth-needed"
    assert any("shared with 1 other order" in reason["text"] for reason in info["reason"])
    assert await told(world, therapy(8, "o3")) == ["no-auth"]
    assert await told(world, therapy(1, "o4")) == ["auth-needed"]


COUNTED: dict[str, Json] = {
    "another code of the limit": therapy(12, "o0", "G0283", HCPCS),
    "another modifier": therapy(12, "o0", "97110:GP"),
    "with its day": therapy(12, "o0", occurrenceDateTime="2026-12-20"),
    "without a requester": therapy(12, "o0", requester=None),
}


@pytest.mark.parametrize("first", COUNTED.values(), ids=COUNTED)
async def test_whatever_was_said_to_be_free_counts(world, first):
    assert await told(world, first) == ["no-auth"]
    assert await told(world, therapy(12)) == ["auth-needed"]


NOT_COUNTED: dict[str, Json] = {
    "the order itself": therapy(12),
    "what shall not be done": therapy(12, "o0", doNotPerform=True),
    "what is a plan only": therapy(12, "o0", intent="plan"),
    "what is on hold": therapy(12, "o0", status="on-hold"),
    "what is revoked": therapy(12, "o0", status="revoked"),
    "what needs an authorization": therapy(40, "o0"),
    "what no limit counts": therapy(12, "o0", "97597"),
}


@pytest.mark.parametrize("first", NOT_COUNTED.values(), ids=NOT_COUNTED)
async def test_what_was_not_said_to_be_free_of_the_limit_does_not(world, first):
    await world.ask(body(first))
    assert await told(world, therapy(12)) == ["no-auth"]


UNPLACED: dict[str, Json] = {
    "select": body(therapy(12, "o0"), name="order-select"),
    "what-if": configured(body(therapy(12, "o0")), unsolicited_determ=False),
    "silent": configured(body(therapy(12, "o0")), coverage_info=False),
}


@pytest.mark.parametrize("first", UNPLACED.values(), ids=UNPLACED)
async def test_orders_that_are_not_placed_use_nothing_up(world, first):
    await world.ask(first)
    assert await told(world, therapy(12)) == ["no-auth"]


@pytest.mark.parametrize("changes", [{"status": "revoked"}, {"doNotPerform": True}, {"quantityQuantity": None}])
async def test_an_order_gives_back_what_it_does_not_need_any_more(world, changes):
    assert await told(world, therapy(12)) == ["no-auth"]
    await world.ask(
        body(therapy(12) | {k: v for k, v in changes.items() if v} if any(changes.values()) else therapy(99))
    )
    assert await told(world, therapy(12, "o2")) == ["no-auth"]


async def test_the_same_order_of_another_client_is_another_order(make):
    clients = iter(["one", "two", "one"])

    async def somebody(request: Any, url: str) -> Client:
        return Client(next(clients))

    world = make(authenticate=somebody)
    assert [await told(world, therapy(12)) for _ in range(3)] == [["no-auth"], ["auth-needed"], ["no-auth"]]


async def test_of_calls_at_once_no_more_are_free_than_the_limit_allows(world):
    said = await asyncio.gather(*(told(world, therapy(12, f"o{n}")) for n in range(4)))
    assert sorted(said) == [["auth-needed"]] * 3 + [["no-auth"]]


async def test_two_coverages_of_one_member_are_one_limit(world):
    both = searchset(coverage(MEMBER), coverage(MEMBER, "second"))
    named = [{"reference": f"Coverage/cov-{MEMBER}"}, {"reference": "Coverage/second"}]
    sent = prefetch(MEMBER, coverage=both)
    assert await told(world, therapy(12, insurance=named), prefetch=sent) == ["no-auth", "no-auth"]
    assert await told(world, therapy(12, "o2", insurance=named), prefetch=sent) == ["auth-needed", "auth-needed"]


async def test_what_was_said_long_ago_does_not_count(make):
    """The limit looks back a year."""
    clock = FrozenClock(NOW - timedelta(days=200))
    world = make(runtime=frozen_runtime(clock))
    assert await told(world, therapy(12, authoredOn=None)) == ["no-auth"]
    clock.forward(days=200)
    assert await told(world, therapy(12, "o2")) == ["auth-needed"]
    clock.forward(days=200)
    assert await told(world, therapy(12, "o2")) == ["no-auth"]


async def test_nobody_counts_for_a_member_of_whom_nothing_is_on_record(world):
    """A Coverage that is taken at its word (``presented``) says nothing of the visits that were had."""
    number = [{"type": {"coding": [{"code": "MB"}]}, "system": "urn:precert:demo:member", "value": "COM-7777"}]
    plan = [{"type": {"coding": [{"code": "plan"}]}, "value": "com-choice"}]
    person = patient(MEMBER) | {"identifier": number, "name": [{"family": "Oyelaran"}], "birthDate": "1969-08-30"}
    presented = coverage(MEMBER, identifier=number, subscriberId="COM-7777", **{"class": plan})
    sent = prefetch(MEMBER, patient=person, coverage=searchset(presented))
    assert await told(world, therapy(12), prefetch=sent) == ["auth-needed"]
    assert await told(world, therapy(12, "o2", "97597"), prefetch=sent) == ["no-auth"]


def request(name: str, order_: str | None = None) -> Json:
    service = item(1, "cpt|97110", quantity=12, unit="visits")
    made = request_bundle(name, MEMBER, [service], diagnoses=("M54.50",))
    if order_ is not None:
        requested = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-requestedService"
        made["entry"].append(
            {"fullUrl": f"https://ehr.example/fhir/ServiceRequest/{order_}", "resource": pas_order(made, order_)}
        )
        reference = {"reference": f"https://ehr.example/fhir/ServiceRequest/{order_}"}
        service["extension"].append({"url": requested, "valueReference": reference})
    return made


def pas_order(made: Json, id_: str) -> Json:
    patient = made["entry"][1]["fullUrl"]
    made_ = therapy(12, id_) | {"subject": {"reference": patient}, "status": "active"}
    return made_ | {"requester": {"reference": made["entry"][4]["fullUrl"]}}


@pytest.mark.parametrize(("named", "code"), [(None, "A4"), ("o2", "A4"), ("o1", "NA")])
async def test_a_request_counts_what_a_hook_said(tmp_path: Path, named: str | None, code: str):
    """Not beside the very order that it is for, which then is on record and counts once."""
    async with running(tmp_path) as (_, client):
        said = await client.post("/cds-services/crd-order-sign", json=body(therapy(12)))
        assert [info["pa-needed"] for info in infos(said.json())] == ["no-auth"]
        answer = json.loads((await submit(client, request("visits", named))).content)
        assert [each.action for each in decisions(answer)] == [code], answer
        said = await client.post("/cds-services/crd-order-sign", json=body(therapy(8, "o3")))
        assert [info["pa-needed"] for info in infos(said.json())] == ["no-auth"]
