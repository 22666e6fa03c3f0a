"""kill -9 under load, again and again on the same data: nothing acknowledged may be lost, torn or changed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from precert.store.embedded import EmbeddedStore
from precert.store.port import Idempotency, Param, Replayed
from store.crash_child import TASKS, body, main
from support.soak import rounds

KILLS = rounds(12, soak=150)


def kill_once(directory: Path, run: int, after: float, *, working: bool) -> dict[str, int]:
    """Start a child and kill it ``after`` seconds; what it acknowledged: the number of commits of each task.

    The time counts from its first acknowledgement if ``working``, else from its start: then it mostly dies while it
    opens the store and recovers from the kill before.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["store.crash_child"])
    ours, its = context.Pipe(duplex=False)
    child = context.Process(target=main, args=(str(directory), run, its))
    child.start()
    its.close()
    acknowledged: dict[str, int] = {}
    if working:
        assert ours.poll(30), "the child never acknowledged anything"
    end = time.monotonic() + after
    try:
        while True:
            if child.pid is not None and time.monotonic() >= end:
                os.kill(child.pid, signal.SIGKILL)
                end = float("inf")
            if ours.poll(0.005):
                task, count = ours.recv()
                acknowledged[task] = count
    except EOFError:
        pass  # the child's end closed: it is dead and everything it said is read
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    child.close()
    ours.close()
    return acknowledged


async def check_run(store: EmbeddedStore, run: int, acknowledged: dict[str, int]) -> int:
    """Every commit of this run is there whole, and at least those acknowledged. The number found."""
    found = 0
    for task in (f"{run}-{n}" for n in range(TASKS)):
        counter = await store.get("acme", "Task", task)
        count = counter.version if counter else 0
        assert count >= acknowledged.get(task, 0), f"lost: {task} {count} {acknowledged}"
        assert count <= acknowledged.get(task, 0) + 1  # one each may have been under way
        claims = await store.search("acme", "Claim", [Param("run", [task])], limit=10_000)
        assert len(claims.documents) == count
        for claim in claims.documents:
            assert claim.body == body(claim.id)
            response = await store.get("acme", "ClaimResponse", claim.id)
            assert response is not None
            assert response.body == claim.body[::-1]
            answer = await store.replay("acme", Idempotency(f"key-{claim.id}", "digest"))
            assert answer == Replayed(claim.id.encode())
        found += count
    return found


@pytest.mark.slow
async def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    total = acks = 0
    for run in range(KILLS):
        acknowledged = kill_once(
            tmp_path, run, chance.uniform(0.0, 0.25) if run % 5 else chance.uniform(0.0, 0.03), working=bool(run % 5)
        )
        store = EmbeddedStore.open(tmp_path, min_free_bytes=0)
        total += await check_run(store, run, acknowledged)
        acks += sum(acknowledged.values())
        health = await store.health()
        # Of every commit all parts or none: two documents each and one counter per task, one message, one entry.
        assert health.outbox == total
        await store.close()
    store = EmbeddedStore.open(tmp_path, min_free_bytes=0)
    assert len(await store.audit("acme", limit=1_000_000)) == total
    assert len((await store.search("acme", "Claim", limit=1_000_000)).documents) == total
    assert len((await store.search("acme", "ClaimResponse", limit=1_000_000)).documents) == total
    assert await store.verify() == []
    await store.close()
    print(f"{KILLS} kills, {acks} acknowledged, {total} found, 0 lost, 0 partial, 0 changed")
    assert acks > KILLS
