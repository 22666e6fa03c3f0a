"""Answers to requests that are spelled or timed unusually."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from pas.test_reads import ids_of
from pas.test_twice import cases
from precert.fhir.bundle import BundleIndex
from support.answers import bundle, claim_response, decisions
from support.pas import CLAIM, PAYER, changed, example, part, submit

Json = dict[str, Any]


async def test_contained_parties_come_back_in_a_form_that_resolves(client: httpx.AsyncClient) -> None:
    def contain(b: Json) -> None:
        inner = {**part(b, PAYER), "id": "us"}
        part(b, CLAIM).update(contained=[inner], insurer={"reference": "#us"})
        part(b, 2)["payor"] = [{"identifier": inner["identifier"][0]}]
        b["entry"].pop(PAYER)

    answer = bundle(await submit(client, changed(contain)))
    assert [d.action for d in decisions(answer)] == ["A1"]
    index = BundleIndex(answer)
    insurer = claim_response(answer)["insurer"]
    assert "identifier" in insurer or index.resolve(insurer, index.entries[0]) is not None


async def test_concurrent_requests_with_one_identifier_and_other_content(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    bodies = [changed(lambda b, n=n: part(b, CLAIM)["item"][0]["quantity"].update(value=n)) for n in range(1, 11)]
    answers = await asyncio.gather(*(submit(client, body) for body in bodies))
    assert {a.status_code for a in answers} == {200}
    assert len(await cases(app)) == 10
    told = sum(1 for case in await cases(app) for event in case.events if event.ev == "resubmitted")
    assert told == 9


async def test_numbers_may_be_written_as_people_write_them(client: httpx.AsyncClient) -> None:
    number = ids_of(bundle(await submit(client, example("mixed"))))["case number"]
    for written in (number.lower(), f" {number} "):
        assert (await client.get(f"/explain/{written}")).status_code == 200, written
