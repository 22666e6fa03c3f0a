"""The same request again: the same answer, byte for byte, and one case. Another content: another event on the record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tools.make_examples import examples

from precert.authorization.record.chain import decode, fold
from precert.fhir import json
from precert.store.port import Busy, Param, StorageFull
from support.answers import bundle, claim_response, decisions, only_fault
from support.app import FrozenClock, frozen_runtime, running
from support.pas import CLAIM, changed, example, part, submit

Json = dict[str, Any]


async def cases(app: FastAPI) -> list[Any]:
    page = await app.state.server.store.search("default", "Case", limit=1000)
    return [fold(decode(document.body)) for document in page.documents]


@pytest.mark.parametrize("name", [e.name for e in examples()])
async def test_again_is_the_same_answer(name: str, app: FastAPI, client: httpx.AsyncClient, clock: FrozenClock) -> None:
    first = await submit(client, example(name))
    clock.forward(days=2)
    second = await submit(client, example(name))
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert len(await cases(app)) == 1


async def test_again_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        first = await submit(client, example())
    async with running(tmp_path, frozen_runtime(seed=99)) as (app, client):
        assert (await submit(client, example())).content == first.content
        assert len(await cases(app)) == 1


async def test_again_in_another_order_and_with_spaces_is_again(app: FastAPI, client: httpx.AsyncClient) -> None:
    def reversed_members(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_members(value[key]) for key in reversed(value)}
        return [reversed_members(v) for v in value] if isinstance(value, list) else value

    first = await submit(client, example())
    second = await submit(client, json.dumps(reversed_members(example()), pretty=True))
    assert second.content == first.content
    assert len(await cases(app)) == 1


async def test_the_order_of_the_items_is_no_content(app: FastAPI, client: httpx.AsyncClient) -> None:
    """They are numbered: the same Claim.identifier, services and amounts in another order are the same request."""
    first = await submit(client, example("mixed"))
    second = await submit(client, changed(lambda b: part(b, CLAIM)["item"].reverse(), "mixed"))
    assert second.content == first.content
    assert len(await cases(app)) == 1


async def test_other_content_is_a_new_case_and_an_event_on_the_earlier_record(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    first = claim_response(bundle(await submit(client, example("pend-information"))))
    other = changed(lambda b: part(b, CLAIM)["item"][0]["quantity"].update(value=2), "pend-information")
    second = claim_response(bundle(await submit(client, other)))
    earlier, later = first["identifier"][0]["value"], second["identifier"][0]["value"]
    assert earlier != later
    told = (await client.get(f"/explain/{earlier}")).json()
    (event,) = [e for e in told["events"] if e["event"] == "resubmitted"]
    assert event["detail"]["number"] == later
    assert (event["actor"], event["by"]) == ("provider", "open")
    assert [line["state"] for line in told["lines"]] == ["pended_info"]
    assert len(await cases(app)) == 2
    assert (await client.get(f"/fhir/ClaimResponse/{first['id']}")).json() == first


async def test_without_an_identifier_the_content_is_the_identity(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Neither bundle nor Claim nor item is called anything: only the very same content is the same request."""

    def anonymous(body: Json, timestamp: str = "2026-11-20T14:05:00Z") -> None:
        del body["identifier"], part(body, CLAIM)["identifier"]
        body["timestamp"] = timestamp
        item = part(body, CLAIM)["item"][0]
        item["extension"] = [e for e in item["extension"] if "itemTraceNumber" not in e["url"]]

    first = await submit(client, changed(anonymous))
    assert (await submit(client, changed(anonymous))).content == first.content
    await submit(client, changed(lambda b: anonymous(b, "2026-11-20T14:05:01Z")))
    assert len(await cases(app)) == 2


async def test_concurrent_twins_are_one_case(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(submit(client, example()) for _ in range(20)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert len(await cases(app)) == 1


async def test_both_bases_answer_in_their_own_shape_about_one_case(app: FastAPI, client: httpx.AsyncClient) -> None:
    new = claim_response(bundle(await submit(client, example("pend-information"))))
    old = claim_response(bundle(await submit(client, example("pend-information"), "/fhir/v2.0/Claim/$submit")))
    assert (new["outcome"], old["outcome"]) == ("complete", "queued")


async def test_a_number_drawn_twice_is_drawn_again(tmp_path: Path) -> None:
    # a source of chance that repeats itself: the second case would get the first one's numbers
    async with running(tmp_path, frozen_runtime(seed=5)) as (_, client):
        first = bundle(await submit(client, example("approve")))
    async with running(tmp_path, frozen_runtime(seed=5)) as (app, client):
        app.state.server.runtime.new_id.issued = 1000
        second = bundle(await submit(client, example("more-than-grant")))
        third = bundle(await submit(client, changed(_another_course)))
    numbers = [claim_response(a)["identifier"][0]["value"] for a in (first, second, third)]
    assert len(set(numbers)) == 3
    assert decisions(first)[0].number != decisions(third)[0].number


def _another_course(body: Json) -> None:
    """The same service on other days under other names."""
    body["identifier"] = {"value": "other"}
    part(body, CLAIM)["identifier"][0]["value"] = "other"
    part(body, CLAIM)["item"][0]["servicedDate"] = "2028-01-04"


@pytest.mark.parametrize(
    ("failure", "status", "code", "rule"),
    [(Busy(7), 503, "transient", "busy"), (StorageFull("no space"), 507, "no-store", "storage-full")],
)
async def test_what_cannot_be_stored_is_not_acknowledged(
    failure: Exception,
    status: int,
    code: str,
    rule: str,
    app: FastAPI,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = app.state.server.store

    async def fail(commit: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "commit", lambda self, commit: fail(commit))
        response = await submit(client, example())
    fault = only_fault(response, status)
    assert (fault.code, fault.rule) == (code, rule)
    assert "Nothing was stored" in fault.text
    assert response.headers["retry-after"] == ("7" if status == 503 else "60")
    assert await cases(app) == []
    assert (await submit(client, example())).status_code == 200
    assert len(await cases(app)) == 1


async def test_the_audit_names_the_case_and_no_patient(app: FastAPI, client: httpx.AsyncClient) -> None:
    answer = await submit(client, example())
    await submit(client, example())
    (entry,) = await app.state.server.store.audit("default")
    assert (entry.action, entry.actor) == ("submit", "open")
    assert entry.subject == claim_response(bundle(answer))["identifier"][0]["value"]
    written = repr(entry)
    assert "MA-0001" not in written
    assert "Reyes" not in written


async def test_the_request_is_kept_as_it_came(app: FastAPI, client: httpx.AsyncClient) -> None:
    raw = json.dumps(example(), pretty=True) + b"\n\n"
    answer = bundle(await submit(client, raw))
    (case,) = await cases(app)
    document = await app.state.server.store.get("default", "Bundle", case.opened.submission)
    assert document.body == raw
    page = await app.state.server.store.search(
        "default", "Case", [Param("identifier", ["urn:precert:demo:transaction|approve"])]
    )
    assert [d.id for d in page.documents] == [case.id]
    assert claim_response(answer)["identifier"][0]["value"] == case.number


async def test_an_earlier_record_that_moved_on_takes_a_third_content(
    app: FastAPI, client: httpx.AsyncClient, clock: FrozenClock
) -> None:
    """What was changed last need not be what was opened last: the place in the row is that of a state, not of a record."""
    numbers = []
    for quantity in (1, 2, 3):
        clock.forward(minutes=1)
        body = changed(lambda b, q=quantity: part(b, CLAIM)["item"][0]["quantity"].update(value=q), "pend-information")
        answer = await submit(client, body)
        assert answer.status_code == 200, answer.text
        numbers.append(claim_response(bundle(answer))["identifier"][0]["value"])
        clock.forward(minutes=1)
        pended = {"outcome": "pend", "by": "nurse.hale", "role": "nurse", "note": "Which study?"}
        asked = await client.post(f"/api/cases/{numbers[0]}/lines/1/determination", json=pended)
        assert asked.status_code == 200, asked.text
    assert len(set(numbers)) == 3
