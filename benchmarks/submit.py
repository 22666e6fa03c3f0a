"""``$submit`` of a 24 KB bundle, decided and durable, against a bare FastAPI echo of the same bytes.

Run: python -m benchmarks.submit [--requests N] [--profile]

Both run as uvicorn processes (one worker, uvloop, httptools), one after the other in the same run, on the same machine,
asked by the same client over keep-alive connections. Each submit has an identifier of its own, so that none is a
replay: it is parsed, guarded, decided by the shipped policies, recorded, rendered and made durable by fsync before it
is answered. The client's own time is in both columns; the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.servers import Server, running, serve, serve_echo  # noqa: E402
from tools.make_examples import by_name  # noqa: E402
from tools.requests import observation  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.web import logging  # noqa: E402

SIZE = 24 * 1024
URL = "/fhir/Claim/$submit"


def body(number: int) -> bytes:
    """A request of 24 KB: the approved example with as many observations as it takes."""
    document = by_name("approve").document()
    document["identifier"]["value"] = f"bench-{number}"
    document["entry"][0]["resource"]["identifier"][0]["value"] = f"bench-{number}-claim"
    for entry in document["entry"][1:3]:  # each for another member: the same service twice may be a duplicate
        entry["resource"]["identifier"][0]["value"] = f"BENCH-{number}"
    coverage = document["entry"][2]["resource"]
    coverage["subscriberId"] = f"BENCH-{number}"
    coverage["type"] = {"coding": [{"system": "https://nahdo.org/sopt", "code": "11"}]}
    filler = 0
    while len(json.dumps(document)) < SIZE - 300:
        filler += 1
        resource = observation(f"o{filler}", "loinc|8867-4", 60 + filler, "/min", "2026-11-19T08:00:00Z")
        resource["subject"] = {"reference": document["entry"][1]["fullUrl"]}
        document["entry"].append({"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{filler:012d}", "resource": resource})
    return json.dumps(document)


def serve_precert(ready: Any, data: str) -> None:
    """precert as it is shipped, without the log of each request."""
    logging.configure("warning", json=True)
    serve(create_app(Settings(data=Path(data), policy_reload_seconds=0)), ready)


async def measure(server: Server, bodies: list[bytes], clients: int) -> list[float]:
    """Milliseconds of each request, ``clients`` at a time."""
    url = f"http://127.0.0.1:{server.port}"
    waiting = list(reversed(bodies))
    times: list[float] = []
    headers = {"Content-Type": "application/fhir+json"}

    async def one() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60, headers=headers) as client:
            while waiting:
                content = waiting.pop()
                started = time.perf_counter()
                response = await client.post(URL, content=content)
                times.append((time.perf_counter() - started) * 1000)
                if response.status_code != 200:
                    raise RuntimeError(response.text)

    await asyncio.gather(*(one() for _ in range(clients)))
    return times


def compare(requests: int) -> None:
    """The table: p50, p99 and processor time of both at 1 and 16 clients, and their ratios."""
    fresh = iter(range(10**9))
    print(f"$submit of {len(body(0)) / 1024:.1f} KB, {requests} requests each, durable; against a bare FastAPI echo")
    print(f"{'clients':>7} {'':<7} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'per s':>7}")
    with tempfile.TemporaryDirectory() as data, running(serve_echo) as echo, running(serve_precert, data) as precert:
        for server, warm in ((precert, [body(next(fresh)) for _ in range(30)]), (echo, [body(0)] * 30)):
            asyncio.run(measure(server, warm, 2))
        for clients in (1, 16):
            bodies = [body(next(fresh)) for _ in range(requests)]
            rows = []
            for name, server in (("echo", echo), ("submit", precert)):
                before, started = server.processor_ms, time.perf_counter()
                p50, p99 = _centiles(asyncio.run(measure(server, bodies, clients)))
                rate = requests / (time.perf_counter() - started)
                rows.append((p50, p99, (server.processor_ms - before) / requests))
                print(f"{clients:>7} {name:<7} {p50:>8.2f} {p99:>8.2f} {rows[-1][2]:>8.2f} {rate:>7.0f}")
            ratios = [submitted / max(plain, 0.01) for plain, submitted in zip(*rows, strict=True)]
            print(f"{'':>7} {'ratio':<7} {ratios[0]:>7.1f}x {ratios[1]:>7.1f}x {ratios[2]:>7.1f}x")


def _centiles(times: list[float]) -> tuple[float, float]:
    cut = statistics.quantiles(times, n=100)
    return cut[49], cut[98]


def where_the_time_goes(requests: int = 150) -> None:
    """In process, without a network: the stages of one submit, and the functions that cost most."""
    logging.configure("warning", json=True)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as data:
            app = create_app(Settings(data=Path(data), policy_reload_seconds=0))
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
                    for n in range(10):
                        await client.post(URL, content=body(n), headers={"Content-Type": "application/fhir+json"})
                    bodies = [body(1000 + n) for n in range(requests)]
                    profile = cProfile.Profile()
                    profile.enable()
                    for content in bodies:
                        await client.post(URL, content=content, headers={"Content-Type": "application/fhir+json"})
                    profile.disable()
        stats = pstats.Stats(profile)
        print(f"\nwhere the time goes: own time in ms per request, profiler's overhead included ({requests} requests)")
        rooms: dict[str, float] = {}
        rows = []
        for (file, line, name), (_, calls, own, total, _) in stats.stats.items():  # type: ignore[attr-defined]
            room = _room(file, name)
            rooms[room] = rooms.get(room, 0) + own * 1000 / requests
            if "precert" in file:
                rows.append((total * 1000 / requests, calls // requests, f"{Path(file).stem}.{name}:{line}"))
        for room, spent in sorted(rooms.items(), key=lambda pair: -pair[1])[:12]:
            print(f"  {room:<28}{spent:>8.2f}")
        print("cumulative, our functions")
        for spent, calls, name in sorted(rows, reverse=True)[:18]:
            print(f"  {name:<48}{spent:>8.2f} {calls:>6} calls")

    asyncio.run(run())


def _room(file: str, name: str) -> str:
    if "precert" in file:
        return "precert." + file.rpartition("precert/")[2].partition("/")[0].removesuffix(".py")
    for package in ("httpx", "httpcore", "starlette", "fastapi", "fhirpathpy", "pydantic", "structlog", "asyncio"):
        if f"/{package}/" in file:
            return package
    if "select" in name or "epoll" in name:
        return "waiting (fsync, writer)"
    return "built in (json, hash, …)" if file == "~" else "library"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    arguments = parser.parse_args()
    compare(arguments.requests)
    if arguments.profile:
        where_the_time_goes()


if __name__ == "__main__":
    main()
