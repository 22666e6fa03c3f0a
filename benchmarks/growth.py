"""How ``$submit`` and ``$inquire`` grow: with the items of a request, and with the cases that are stored already.

Run: python -m benchmarks.growth [--stored 1000 10000]

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
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.requests import item, request_bundle  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.web import logging  # noqa: E402

MEMBERS = [f"MA-000{n}" for n in range(1, 6)]


def request(number: int, items: int = 1) -> bytes:
    """A request of its own for one of the demo members, with as many services as asked for."""
    services = [
        item(n, "hcpcs|E0601" if n % 2 else "hcpcs|A4253", quantity=3, unit="months") for n in range(1, items + 1)
    ]
    member = MEMBERS[number % len(MEMBERS)]
    return json.dumps(request_bundle(f"growth-{number}-{items}", member, services, diagnoses=("G47.33",)))


async def timed(client: httpx.AsyncClient, url: str, bodies: list[bytes]) -> list[float]:
    """Milliseconds per call, one after the other."""
    taken = []
    for body in bodies:
        started = time.perf_counter()
        answer = await client.post(url, content=body)
        taken.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, answer.text
    return taken


def show(name: str, taken: list[float], echo: float) -> None:
    p50 = statistics.median(taken)
    p99 = sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.99))]
    print(f"{name:38} {len(taken):6} {p50:9.2f} {p99:9.2f} {p50 / echo:8.1f}")


async def fill(client: httpx.AsyncClient, first: int, last: int) -> None:
    """Store cases, sixteen at a time (they share commits)."""
    for start in range(first, last, 16):
        bodies = [request(10_000 + n) for n in range(start, min(start + 16, last))]
        await asyncio.gather(*(client.post("/fhir/Claim/$submit", content=body) for body in bodies))


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
            print(f"{'':38} {'calls':>6} {'p50 ms':>9} {'p99 ms':>9} {'x echo':>8}")
            base = statistics.median(await timed(bare, "/echo", [request(n) for n in range(200)]))
            await timed(client, "/fhir/Claim/$submit", [request(n, 2) for n in range(20)])  # warm
            for items, calls in ((1, 100), (10, 50), (100, 15), (500, 5)):
                bodies = [request(n + 1000, items) for n in range(calls)]
                show(f"$submit, {items} items", await timed(client, "/fhir/Claim/$submit", bodies), base)
            there = 0
            for count in stored:
                await fill(client, there, count)
                there = count
                bodies = [request(n + 1_000_000 + count) for n in range(50)]
                show(f"$submit, {count} cases stored", await timed(client, "/fhir/Claim/$submit", bodies), base)
                asked = [request(10_000 + n) for n in range(20)]
                show(f"$inquire, {count} cases stored", await timed(client, "/fhir/Claim/$inquire", asked), base)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, nargs="+", default=[1000])
    logging.configure("error")
    asyncio.run(run(parser.parse_args().stored))
