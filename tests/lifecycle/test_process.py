"""The same on a real server process: an unattended run of the presets, and kill -9 at the worst moment."""

from __future__ import annotations

import asyncio
import json as plain
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tools.inferno import EDITIONS, FOLDER, TOKEN, inputs

from inferno.running import send
from lifecycle.steps import Driver, actions, case_of, cpap, inquiry, request
from subscriptions.world import NPI as WATCHED
from subscriptions.world import Receiver, receiving, subscription
from support.app import ROOT
from support.server import ServerProcess, serving

pytestmark = pytest.mark.slow
WAIT = 60.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


@pytest.fixture(autouse=True)
def private_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver listens on this machine; answers are held against the profiles."""
    monkeypatch.setenv("PRECERT_SUBSCRIPTIONS_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("PRECERT_VALIDATE_ANSWERS", "true")


@contextmanager
def reviewing(url: str) -> Iterator[subprocess.Popen[str]]:
    """The driver as the README starts it."""
    command = [
        sys.executable,
        "-m",
        "tools.review_driver",
        str(FOLDER / "reviewer.json"),
        "--url",
        url,
        "--every",
        "0.1",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


async def active(client: httpx.AsyncClient, receiver: Receiver, base: str, resource: dict[str, Any]) -> None:
    """Subscribe, and wait for the handshake."""
    before = len(receiver.got)
    answer = await client.post(f"{base}/Subscription", json=resource)
    assert answer.status_code == 201, answer.text
    await receiver.until(lambda: len(receiver.got) > before, WAIT)


@pytest.mark.parametrize("edition", EDITIONS)
async def test_an_unattended_run_of_the_suite(tmp_path: Path, receiver: Receiver, edition: str) -> None:
    """In the order of the groups; the reviewer is a process of its own; the notification arrives by itself."""
    base = "/fhir" if edition == "2.2.1" else "/fhir/v2.0"
    preset: dict[str, Any] = inputs(edition)
    wanted = plain.loads(plain.dumps(preset["subscription_resource"]))
    wanted["channel"]["endpoint"] = f"{receiver.url}/hook"
    with serving(tmp_path / "data") as server, reviewing(server.url):
        async with server.client() as client:
            await active(client, receiver, base, wanted)
            for name in ("approval", "denial", "pended"):
                await send(client, f"{base}/Claim/$submit", preset[f"{name}_pa_submit_request_payload"])
            await receiver.until(lambda: receiver.numbers() == [1], WAIT)
            for bundle in preset["must_support_pa_submit_request_payload"]:
                last = await send(client, f"{base}/Claim/$submit", bundle)
            assert actions(last) == {1: "C", 2: "A6", 3: "A4"}  # the approval's second item was cut before the event
            for bundle in preset["must_support_pa_inquire_request_payload"]:
                await send(client, f"{base}/Claim/$inquire", bundle)
            for operation in ("$submit", "$inquire"):
                empty = {"resourceType": "Bundle", "type": "collection", "entry": []}
                refused = await client.post(f"{base}/Claim/{operation}", json=empty)
                assert refused.status_code == 400
                assert refused.json()["resourceType"] == "OperationOutcome"
    event = next(got for got in receiver.of("/hook") if got.number == 1)
    assert event.headers["authorization"] == f"Bearer {TOKEN}"
    assert event.part("status") == ["active"]
    assert receiver.numbers() == [1]


async def pended(server: ServerProcess, receiver: Receiver) -> str:
    """A subscription and a request that waits; returns its case number."""
    async with server.client() as client:
        await active(client, receiver, "/fhir", subscription(f"{receiver.url}/hook"))
        body = request("kill", [cpap()], studied=False, requester_npi=WATCHED)
        return case_of(await Driver(client).submit(body))


@pytest.mark.parametrize("moment", ["receiver hanging", "at once"])
async def test_killed_between_decision_and_notification(tmp_path: Path, receiver: Receiver, moment: str) -> None:
    """After the restart it arrives, under the same number: exactly once for a receiver that looks at the number."""
    with serving(tmp_path / "data") as server:
        case = await asyncio.wait_for(pended(server, receiver), WAIT)
        if moment == "receiver hanging":
            receiver.hanging.add("/hook")
        async with server.client() as client:
            await Driver(client).approve(case)
        server.kill()
    receiver.hanging.clear()
    with serving(tmp_path / "data") as server:
        async with server.client() as client:
            await receiver.until(lambda: bool(receiver.numbers()), WAIT)
            (now,) = await Driver(client).inquire(inquiry("ask", requester_npi=WATCHED))
            assert actions(now) == {1: "A1"}
            told = (await client.get(f"/explain/{case}", headers={"Accept": "application/json"})).json()
            assert [e["event"] for e in told["lines"][0]["events"]].count("md_approves") == 1
    assert set(receiver.numbers()) == {1}
    bodies = {got.raw for got in receiver.of("/hook") if got.number == 1}
    assert len(bodies) == 1, "what is repeated is the same, byte for byte"
