"""Crashes: numbers exactly once, POSTs at least once, whatever is cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from precert.runtime import Runtime
from precert.store.embedded import EmbeddedStore
from precert.store.port import Store
from precert.subscriptions.events import QUEUE
from precert.subscriptions.intake import Intake
from precert.subscriptions.records import Records
from subscriptions.world import Clock, Receiver, World, subscription, world

WRITES = ("commit", "ack", "nack", "lease", "dead")


class Crash(BaseException):
    """The process is gone. Not an Exception: nothing may handle it."""


class Fragile:
    """A store whose process dies at the ``at``-th write, before or after it took effect, and does nothing afterwards."""

    def __init__(self, inner: Store, at: int, *, after: bool) -> None:
        self.inner, self.left, self.after, self.dead = inner, at, after, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name not in WRITES:
            return method

        async def fragile(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Crash
            self.left -= 1
            if self.left > 0:
                return await method(*args, **kwargs)
            self.dead = True
            if self.after:
                await method(*args, **kwargs)
            raise Crash

        return fragile


async def prepared(directory: Path, clock: Clock, url: str) -> None:
    """Two active subscriptions and three events that nobody looked at yet."""
    async with world(directory, clock) as server:
        await server.active(subscription(f"{url}/a"))
        await server.active(subscription(f"{url}/b", "2.0"), "/fhir/v2.0")
        for n in (1, 2, 3):
            await server.emit(n)


async def until_quiet(server: World) -> None:
    for _ in range(5):
        server.clock.tick(60)  # leases of the dead process run out
        await server.dispatcher.drain()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_every_single_write(tmp_path: Path, receiver: Receiver, after: bool) -> None:
    at = 0
    crashed = True
    while crashed:
        at += 1
        receiver.got.clear()
        directory, clock = tmp_path / f"{at}", Clock()
        await prepared(directory, clock, receiver.url)
        fragile: list[Fragile] = []

        def wrap(store: EmbeddedStore, at: int = at, seen: list[Fragile] = fragile) -> Store:
            seen.append(Fragile(store, at, after=after))
            return seen[0]  # type: ignore[return-value]

        async with world(directory, clock, wrap=wrap) as server:
            crashed = await crashes(server)
        async with world(directory, clock) as server:
            await until_quiet(server)
            for id in [r.id async for r in Records(server.store, "default").all([])]:
                progress = (await server.record(id)).progress
                assert (progress.last, progress.delivered, progress.ticket) == (3, 3, "")
            health = await server.store.health()
            assert (health.outbox, health.dead) == (0, 0)
        for path in ("/a", "/b"):
            seen = receiver.numbers(path)
            assert sorted(set(seen)) == [1, 2, 3]
            assert seen == sorted(seen)  # repeated perhaps, never overtaken
            events = {g.number: g.raw for g in receiver.of(path) if g.number}
            assert all(g.raw == events[g.number] for g in receiver.of(path) if g.number)  # what repeats is the same
        assert at < 200
    assert at > 10


async def crashes(server: World) -> bool:
    try:
        await server.dispatcher.drain()
    except Crash:
        tasks = server.dispatcher._tasks()  # they die with the process
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return True
    return False


async def test_restart_between_numbering_and_delivery(tmp_path: Path, receiver: Receiver) -> None:
    clock = Clock()
    await prepared(tmp_path / "d", clock, receiver.url)
    receiver.got.clear()
    async with world(tmp_path / "d", clock) as server:
        intake = Intake(server.store, Records(server.store, "default"), Runtime(now=clock), "w")
        assert await intake.take() == 3
    assert receiver.got == []
    async with world(tmp_path / "d", clock) as server:
        await server.dispatcher.drain()
    assert receiver.numbers("/a") == receiver.numbers("/b") == [1, 2, 3]


async def test_the_same_event_emitted_twice_is_one(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1, event="same")
    await server.emit(1, event="same")
    await server.dispatcher.drain()
    assert receiver.numbers() == [1]


async def test_stopping_gives_work_back_at_once(tmp_path: Path, receiver: Receiver) -> None:
    async with world(tmp_path / "d", real_time=True) as server:
        receiver.hanging = {"/hook"}
        async with server.dispatcher.running():
            await server.create(subscription(f"{receiver.url}/hook"))
            await receiver.until(lambda: receiver.hung == ["/hook"])
    receiver.hanging = set()
    async with world(tmp_path / "d", real_time=True) as server, server.dispatcher.running():
        await receiver.until(lambda: len(receiver.got) == 1, 3)  # not after the lease of 45 s


async def test_events_given_back_keep_their_order(tmp_path: Path, receiver: Receiver) -> None:
    """The store declines for a while; what arrives meanwhile does not overtake."""
    from precert.store.port import Busy

    class Declining:
        def __init__(self, inner: Store) -> None:
            self.inner, self.declines = inner, False

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def commit(self, commit: Any) -> Any:
            if self.declines:
                raise Busy
            return await self.inner.commit(commit)

    made: list[Declining] = []

    def wrap(store: EmbeddedStore) -> Store:
        made.append(Declining(store))
        return made[0]  # type: ignore[return-value]

    async with world(tmp_path / "d", wrap=wrap) as server:
        await server.active(subscription(f"{receiver.url}/hook"))
        await server.emit(1)
        await server.emit(2)
        made[0].declines = True
        with pytest.raises(Busy):
            await server.dispatcher.drain()
        server.clock.tick(5)
        await server.emit(3)
        made[0].declines = False
        await server.dispatcher.drain()
        assert [g.body["entry"][1]["resource"]["id"] for g in receiver.got if g.number] == [
            "bundle22-1",
            "bundle22-2",
            "bundle22-3",
        ]
        assert (await server.store.lease(QUEUE, "w", 1, 1, server.clock.tick(99))) == ()
