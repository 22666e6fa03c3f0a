"""How answers grow: with the items of a request, and with the cases that are stored already.

Run: python -m benchmarks.growth [--stored 1000 10000 100000]

Stored cases belong to many members, as in life, but a twentieth of them to five members, who so have the more the more
are stored: what is asked about those must not grow either.

In one process over ASGI (no sockets), so that the growth is ours and not the network's. The store is real and every
submit is made durable by fsync. The echo row is a bare FastAPI app that sends the one-item request back.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.make_examples import by_name  # noqa: E402
from tools.requests import item, request_bundle  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.web import logging  # noqa: E402

MEMBERS = [f"MA-000{n}" for n in range(1, 6)]
ORDER = ROOT / "examples" / "crd" / "order-sign-auth-needed-documents.json"


def request(number: int, items: int = 1) -> bytes:
    """A request of its own for one of the demo members, with as many services as asked for. It is pended."""
    services = [
        item(n, "hcpcs|E0601" if n % 2 else "hcpcs|A4253", quantity=3, unit="months") for n in range(1, items + 1)
    ]
    member = MEMBERS[number % len(MEMBERS)]
    return json.dumps(request_bundle(f"growth-{number}-{items}", member, services, diagnoses=("G47.33",)))


def stored(number: int) -> bytes:
    """One of the cases that are stored already: two kinds pended, one approved; one in twenty is a demo member's."""
    if number % 3:
        body, member = request(number), MEMBERS[number % len(MEMBERS)]
    else:
        document = by_name("approve").document()
        document["identifier"]["value"] = f"growth-{number}"
        document["entry"][0]["resource"]["identifier"][0]["value"] = f"growth-{number}-claim"
        body, member = json.dumps(document), "MA-0001"
    return body if number % 20 == 0 else body.replace(member.encode(), f"ZZ-{number}".encode())


def order(code: str) -> bytes:
    """An order-sign for MA-0001, about whom the most is stored."""
    body = json.loads(ORDER.read_bytes())
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["code"] = code
    return json.dumps(body)


Taken = list[tuple[float, float]]
"""Of each call the milliseconds by the clock, and those of the processor."""


async def timed(client: httpx.AsyncClient, url: str, bodies: Sequence[bytes | None]) -> Taken:
    """Make the calls one after the other; ``None`` is a GET."""
    taken = []
    for body in bodies:
        started, processor = time.perf_counter(), time.process_time()
        answer = await (client.get(url) if body is None else client.post(url, content=body))
        taken.append(((time.perf_counter() - started) * 1000, (time.process_time() - processor) * 1000))
        assert answer.status_code == 200, answer.text
    return taken


def show(name: str, taken: Taken, echo: float) -> None:
    clock = sorted(clock for clock, _ in taken)
    p50, p99 = statistics.median(clock), clock[min(len(clock) - 1, int(len(clock) * 0.99))]
    processor = statistics.median(processor for _, processor in taken)
    print(f"{name:38} {len(taken):6} {p50:9.2f} {p99:9.2f} {processor:9.2f} {p50 / echo:8.1f}", flush=True)


async def fill(client: httpx.AsyncClient, first: int, last: int) -> None:
    """Store cases, sixteen at a time (they share commits)."""
    for start in range(first, last, 16):
        bodies = [stored(n) for n in range(start, min(start + 16, last))]
        answers = await asyncio.gather(*(client.post("/fhir/Claim/$submit", content=body) for body in bodies))
        assert all(answer.status_code == 200 for answer in answers), answers[0].text


async def measure(client: httpx.AsyncClient, count: int, base: float) -> None:
    """Everything that a client waits for, with ``count`` cases stored."""
    number = 1_000_000_000 + count * 1000
    calls: dict[str, tuple[str, Sequence[bytes | None]]] = {
        "$submit": ("/fhir/Claim/$submit", [request(number + n) for n in range(50)]),
        "$inquire": ("/fhir/Claim/$inquire", [stored(n * 20) for n in range(20)]),
        "order-sign, E0601": ("/cds-services/crd-order-sign", [order("E0601")] * 50),
        "order-sign, E1390": ("/cds-services/crd-order-sign", [order("E1390")] * 50),
    }
    answer = (await client.post("/fhir/Claim/$submit", content=request(number + 99))).json()
    response = next(e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "ClaimResponse")
    calls["read a ClaimResponse"] = (f"/fhir/ClaimResponse/{response['id']}", [None] * 50)
    calls["worklist, first page"] = ("/workbench", [None] * 20)
    for name, (url, bodies) in calls.items():
        show(f"{name}; {count} stored", await timed(client, url, bodies), base)


async def run(stored: list[int]) -> None:
    echo_app = FastAPI()

    @echo_app.post("/echo")
    async def echo(incoming: Request) -> Response:
        return Response(await incoming.body(), media_type="application/fhir+json")

    with tempfile.TemporaryDirectory() as folder:
        app: Any = create_app(Settings(data=Path(folder), policy_reload_seconds=0))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(echo_app), base_url="http://echo") as bare,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
        ):
            print(f"{'':38} {'calls':>6} {'p50 ms':>9} {'p99 ms':>9} {'CPU ms':>9} {'x echo':>8}")
            base = statistics.median(clock for clock, _ in await timed(bare, "/echo", [request(n) for n in range(200)]))
            await timed(client, "/fhir/Claim/$submit", [request(n, 2) for n in range(20)])  # warm
            for items, calls in ((1, 100), (10, 50), (100, 15), (500, 5)):
                bodies = [request(n + 1000, items) for n in range(calls)]
                show(f"$submit, {items} items", await timed(client, "/fhir/Claim/$submit", bodies), base)
            there = 0
            for count in stored:
                began = time.perf_counter()
                await fill(client, there, count)
                print(f"({count - there} more stored in {time.perf_counter() - began:.0f} s)", flush=True)
                there = count
                await measure(client, count, base)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, nargs="+", default=[1000])
    logging.configure("error")
    asyncio.run(run(parser.parse_args().stored))
