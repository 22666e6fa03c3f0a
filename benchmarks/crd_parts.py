"""Where the time of one order-sign goes, in one process and without HTTP, for the three kinds of orders of ``crd_bench``.

Run: python -m benchmarks.crd_parts [--calls 200]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.crd_bench import ORDERS, sign  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.authorization.usecases.ask import ConsultService  # noqa: E402
from precert.crd import shape20  # noqa: E402
from precert.crd.answering import Answerer  # noqa: E402
from precert.crd.envelope import read_call  # noqa: E402
from precert.crd.hooks import HOOK_BY_ID  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.policy.relevance import Relevance  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.store.port import Commit, Stored  # noqa: E402
from precert.web import logging  # noqa: E402


async def parts(calls: int) -> None:
    """One call in one process without HTTP. ``rules anew``: the same for a chart whose open questions are not known yet."""
    print(
        f"\nwhere the time of one call goes ({calls} calls, in-process, CPU ms, least of ten; the commit by the clock)"
    )
    for name, code in ORDERS.items():
        with tempfile.TemporaryDirectory() as data:
            await _parts(name, sign(code), calls, Path(data))


async def _parts(name: str, raw: bytes, calls: int, data: Path) -> None:
    app = create_app(Settings(data=data, policy_reload_seconds=0))
    hook = HOOK_BY_ID["crd-order-sign"]

    def parse() -> Any:
        return read_call(json.loads(raw, json.Limits()), hook, "2.0")

    async with app.router.lifespan_context(app):
        server = app.state.server
        consult = ConsultService(server.store, lambda: server.directory, lambda: server.library.current, server.runtime)
        answerer = Answerer(consult, server.metrics)

        async def answer() -> None:
            await answerer.answer(parse(), shape20, "http://p", "open")

        async def anew() -> None:
            for policy in answerer.consult.catalogue():
                policy.__dict__["relevance"] = Relevance(policy.whole, policy.probe) if policy.whole else None
            await answer()

        async def parsing() -> None:
            parse()

        whole = await _least(answer, calls, time.perf_counter)
        store = answerer.consult.store

        async def unkept(commit: Commit) -> Stored:
            return Stored(tuple(1 for _ in commit.puts))

        store.commit = unkept  # type: ignore[method-assign]
        quick = await _least(answer, calls, time.perf_counter)
        clock = time.process_time
        reading, all_of_it, first = [await _least(work, calls, clock) for work in (parsing, answer, anew)]
        print(
            f"  {name:<20} guards and JSON {reading:.2f}; data, rules, cards, rendering {all_of_it - reading:.2f} "
            f"(rules anew {first - reading:.2f}); durable commit {whole - quick:.2f}"
        )


async def _least(work: Callable[[], Any], calls: int, clock: Callable[[], float]) -> float:
    """Milliseconds of one call: the least median of ten rounds, because others use the machine too."""
    await work()
    medians = []
    for _ in range(10):
        found = []
        for _ in range(max(1, calls // 10)):
            started = clock()
            await work()
            found.append((clock() - started) * 1000)
        medians.append(statistics.median(found))
    return min(medians)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=200)
    logging.configure("error", json=True)
    asyncio.run(parts(parser.parse_args().calls))
