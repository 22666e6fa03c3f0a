"""kill -9 of a server under concurrent submits, again and again on the same data: what was acknowledged stays."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.killable import Killable
from precert.authorization.record.chain import decode, fold
from precert.fhir import json
from precert.store.embedded import EmbeddedStore
from support.answers import claim_response, decisions
from support.app import EXAMPLES
from support.pas import CLAIM, example, part, submit
from support.soak import rounds

KILLS = rounds(11, soak=150)  # the eleventh looks at what the first ten left, as the last does
CLIENTS = 4
NAMES = ["approve", "pend-information", "mixed", "coverage-ended"]


def request(number: int) -> bytes:
    """Request ``number``: its own identifiers, one of a few contents."""
    body = example(NAMES[number % len(NAMES)])
    body["identifier"]["value"] = f"kill-{number}"
    part(body, CLAIM)["identifier"][0]["value"] = f"kill-{number}-claim"
    return json.dumps(body)


class Clients:
    """Concurrent submitters. ``acknowledged`` is what reached them whole; ``begun`` what may or may not have."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.begun: set[int] = set()
        self.next = 0

    async def work(self, client: httpx.AsyncClient, first: asyncio.Event) -> None:
        """Submit one request after the other until the server is gone."""
        while True:
            number, self.next = self.next, self.next + 1
            self.begun.add(number)
            try:
                response = await submit(client, request(number))
            except httpx.HTTPError:
                return
            assert response.status_code == 200, response.text
            self.acknowledged[number] = response.content
            self.begun.discard(number)
            first.set()

    async def until_killed(self, server: Killable, after: float) -> None:
        """Work, and kill the server some time after the first acknowledgement (or while it still starts)."""
        if after < 0:
            await asyncio.sleep(-after)
            server.kill()
            return
        async with httpx.AsyncClient(base_url=await asyncio.to_thread(server.url), timeout=30) as client:
            first = asyncio.Event()
            workers = [asyncio.create_task(self.work(client, first)) for _ in range(CLIENTS)]
            await asyncio.wait_for(first.wait(), 30)
            await asyncio.sleep(after)
            server.kill()
            await asyncio.gather(*workers)

    async def check(self, server: Killable, numbers: list[int]) -> None:
        """What was acknowledged reads back byte for byte, and sent again is answered the same."""
        async with httpx.AsyncClient(base_url=await asyncio.to_thread(server.url), timeout=30) as client:
            waiting = list(numbers)

            async def some() -> None:
                while waiting:
                    number = waiting.pop()
                    kept = self.acknowledged[number]
                    read = await client.get(f"/fhir/Bundle/{json.loads(kept)['id']}")
                    assert (read.status_code, read.content) == (200, kept), f"lost or changed: {number}"
                    again = await submit(client, request(number))
                    assert again.content == kept, f"answered anew: {number}"

            await asyncio.gather(*(some() for _ in range(CLIENTS)))


@pytest.mark.slow
async def test_kill_9_under_concurrent_submits(tmp_path: Path) -> None:
    chance = random.Random(20261120)
    data = tmp_path / "data"
    clients = Clients()

    def start() -> Killable:
        return Killable(data, EXAMPLES / "policies", EXAMPLES / "eligibility")

    checked = 0
    for run in range(KILLS):
        # one in ten dies while it opens the store and recovers from the kill before
        after = -chance.uniform(0.05, 0.4) if run % 10 == 9 else chance.uniform(0, 0.15)
        server = start()
        if after >= 0 and run % 10 == 0:
            fresh = [n for n in clients.acknowledged if n >= checked]
            old = [n for n in clients.acknowledged if n < checked]
            await clients.check(server, fresh + chance.sample(old, min(10, len(old))))
            checked = clients.next
        await clients.until_killed(server, after)
    assert len(clients.acknowledged) > KILLS

    server = start()
    await clients.check(server, sorted(clients.acknowledged))
    async with httpx.AsyncClient(base_url=await asyncio.to_thread(server.url), timeout=30) as client:
        for number in sorted(clients.begun):  # cut off on the way: whole or not at all, and never a second case
            response = await submit(client, request(number))
            assert response.status_code == 200
            clients.acknowledged[number] = response.content
    server.kill()
    await examine(data, clients.acknowledged)


async def examine(data: Path, acknowledged: dict[int, bytes]) -> None:
    """The store itself: sound, one whole case for each request, every number once."""
    store = EmbeddedStore.open(data / "store")
    try:
        assert await store.verify() == []
        cases, page = [], None
        while True:
            found = await store.search("default", "Case", limit=500, page=page)
            cases += [fold(decode(document.body)) for document in found.documents]
            if (page := found.next) is None:
                break
        assert len(cases) == len(acknowledged)
        by_number = {case.number: case for case in cases}
        assert len(by_number) == len(cases)
        numbers = [n for case in cases for n in issued(case)]
        assert len(numbers) == len(set(numbers))
        for number, answer in acknowledged.items():
            body = json.loads(answer)
            case = by_number[claim_response(body)["identifier"][0]["value"]]
            assert f"urn:precert:demo:transaction|kill-{number}" in case.opened.identifiers
            raw = await store.get("default", "Bundle", case.opened.submission)
            assert raw is not None
            assert raw.body == request(number)
            shown = [n for d in decisions(body) for n in (d.number, d.reference) if n]
            assert set(shown) <= set(issued(case))
    finally:
        await store.close()


def issued(case: Any) -> list[str]:
    """Every number of a case."""
    found = {case.number}
    for event in case.events:
        found |= {n for n in (event.reference, event.authorization and event.authorization.number) if n}
    return sorted(found)
