"""The embedded store's speed: commits by one and by 16 tasks, reads and searches, at 1,000 and 10,000 cases.

Run: python benchmarks/store_bench.py [--cases 1000 10000] [--directory DIR]

A commit is what one submit writes: a claim, its response, one message, one audit entry, one reserved name and the
answer kept for replays, made durable by fsync. Bodies are FHIR-like JSON of 24 or 120 KB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from precert.store.embedded import EmbeddedStore
from precert.store.port import Audit, Commit, Idempotency, Outgoing, Param, Put

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Row = tuple[str, str, str, float, float, float]


def claim(number: int, size: int) -> bytes:
    """A claim of about ``size`` bytes that compresses about as well as real ones do."""
    chance = random.Random(number)
    items: list[dict[str, object]] = []
    length = 0
    while length < size:
        item: dict[str, object] = {
            "sequence": len(items) + 1,
            "productOrService": {
                "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": f"{chance.randrange(10**5):05}"}]
            },
            "servicedDate": f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
            "quantity": {"value": chance.randrange(1, 90), "unit": "visits"},
            "note": "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=60)),
        }
        items.append(item)
        length += len(json.dumps(item)) + 2
    return json.dumps({"resourceType": "Claim", "id": f"c{number}", "item": items}).encode()


def submit(number: int, body: bytes) -> Commit:
    """Everything one submit writes."""
    params = {
        "status": ["active" if number % 10 else "draft"],
        "patient": [f"Patient/{number % 500}"],
        "identifier": [f"urn:x|{number}"],
    }
    return Commit(
        "acme",
        puts=(
            Put("Claim", f"c{number}", body, {**params, "use": ["preauthorization"]}, expect=0),
            Put("ClaimResponse", f"c{number}", body[:2000], {**params, "outcome": ["complete"]}, expect=0),
        ),
        outgoing=(Outgoing("notices", body[:500], NOW),),
        audit=(Audit("submit", "client", f"Claim/c{number}", NOW),),
        reserve=(f"number:{number}",),
        idempotency=Idempotency(f"k{number}", "digest"),
        result=body[:2000],
    )


async def timed(work: Callable[[int], Awaitable[object]], count: int, tasks: int = 1) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds, and operations per second, of ``count`` calls by ``tasks`` tasks."""
    times: list[float] = []
    numbers = iter(range(count))

    async def run() -> None:
        for number in numbers:
            begin = time.perf_counter()
            await work(number)
            times.append((time.perf_counter() - begin) * 1000)

    begin = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(tasks)))
    elapsed = time.perf_counter() - begin
    return statistics.median(times), sorted(times)[int(len(times) * 0.99)], count / elapsed


async def measure(directory: Path, cases: int) -> list[Row]:
    """All figures for a store holding ``cases`` cases."""
    store = EmbeddedStore.open(directory)
    rows: list[Row] = []
    filled = [claim(number, 24_000) for number in range(50)]
    _, _, rate = await timed(lambda n: store.commit(submit(n, filled[n % 50])), cases, 32)
    rows.append((f"{cases:,}", "fill, 24 KB, 32 tasks", "commit", 0.0, 0.0, rate))
    number = cases
    for size in (24_000, 120_000):
        bodies = [claim(n, size) for n in range(20)]
        for tasks in (1, 16):
            count = 400
            commits = [submit(number + n, bodies[n % 20]) for n in range(count)]
            number += count
            figures = await timed(lambda n, c=commits: store.commit(c[n]), count, tasks)  # type: ignore[misc]
            rows.append((f"{cases:,}", f"{size // 1000} KB, {tasks} task{'s' * (tasks > 1)}", "commit", *figures))
    chance = random.Random(1)
    picks = [chance.randrange(cases) for _ in range(2000)]
    reads: list[tuple[str, int, Callable[[int], Awaitable[object]]]] = [
        ("get 24 KB", 2000, lambda n: store.get("acme", "Claim", f"c{picks[n]}")),
        ("get 120 KB", 400, lambda n: store.get("acme", "Claim", f"c{number - 1 - n}")),
        ("replay", 2000, lambda n: store.replay("acme", Idempotency(f"k{picks[n]}", "digest"))),
        (
            "search identifier",
            500,
            lambda n: store.search("acme", "Claim", [Param("identifier", [f"urn:x|{picks[n]}"])]),
        ),
        (
            "search patient+status, 20",
            300,
            lambda n: store.search(
                "acme",
                "ClaimResponse",
                [Param("patient", [f"Patient/{n}"]), Param("status", ["active", "draft"])],
                limit=20,
            ),
        ),
        (
            "search status (most), 20",
            300,
            lambda n: store.search("acme", "ClaimResponse", [Param("status", ["active"])], limit=20),
        ),
        ("search all, newest 20", 300, lambda n: store.search("acme", "ClaimResponse", limit=20)),
        ("lease + ack", 300, lambda n: lease_and_ack(store)),
    ]
    for name, count, read in reads:
        for tasks in (1, 16):
            rows.append((f"{cases:,}", f"{tasks} task{'s' * (tasks > 1)}", name, *await timed(read, count, tasks)))
    begin = time.perf_counter()
    assert await store.verify() == []
    rows.append((f"{cases:,}", "", "verify everything", (time.perf_counter() - begin) * 1000, 0.0, 0.0))
    begin = time.perf_counter()
    await store.backup(str(directory / "backup"))
    rows.append((f"{cases:,}", "", "backup", (time.perf_counter() - begin) * 1000, 0.0, 0.0))
    await store.close()
    begin = time.perf_counter()
    store = EmbeddedStore.open(directory)
    rows.append((f"{cases:,}", "", "open", (time.perf_counter() - begin) * 1000, 0.0, 0.0))
    await store.close()
    megabytes = (directory / "precert.db").stat().st_size / 1e6
    print(f"{cases:,} cases: database {megabytes:.0f} MB")
    return rows


async def lease_and_ack(store: EmbeddedStore) -> None:
    for got in await store.lease("notices", "worker", 1, 30, NOW):
        await store.ack(got.id, got.fence)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--directory", help="where to make the store (default: the system's temporary directory)")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rows: list[Row] = []
    for cases in options.cases:
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            rows += asyncio.run(measure(Path(directory), cases))
    print(f"\n{'cases':>8}  {'operation':<28}{'load':<24}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}")
    for cases_, load, name, p50, p99, rate in rows:
        figures = "".join(f"{value:>9.2f}" if value else f"{'-':>9}" for value in (p50, p99))
        print(f"{cases_:>8}  {name:<28}{load:<24}{figures}{f'{rate:>9.0f}' if rate else f'{chr(45):>9}'}")


if __name__ == "__main__":
    main()
