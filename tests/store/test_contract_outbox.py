"""Contract: at least once, in order, one holder at a time, fences."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from precert.store.port import Commit, Conflict, Leased, Store
from store.contract import NOON, Adapter, Clock, message, put

LATER = NOON + timedelta(seconds=31)


async def send(store: Store, *bodies: bytes, due: datetime = NOON) -> None:
    await store.commit(Commit("acme", outgoing=[message(body, due=due) for body in bodies]))


async def lease(store: Store, n: int = 10, now: datetime = NOON, worker: str = "w") -> tuple[Leased, ...]:
    return await store.lease("notices", worker, n, 30, now)


async def test_due_messages_come_in_order(store: Store) -> None:
    await send(store, b"late", due=NOON + timedelta(seconds=5))
    await send(store, b"1", b"2", b"3")
    await send(store, b"early", due=NOON - timedelta(seconds=5))
    assert [m.body for m in await lease(store, 2)] == [b"early", b"1"]
    assert [m.body for m in await lease(store)] == [b"2", b"3"]
    assert [m.body for m in await lease(store, now=NOON + timedelta(seconds=5))] == [b"late"]
    assert await lease(store) == ()


async def test_queues_are_apart(store: Store) -> None:
    await store.commit(Commit("acme", outgoing=[message(b"a", "one"), message(b"b", "two")]))
    assert [m.body for m in await store.lease("two", "w", 9, 30, NOON)] == [b"b"]
    assert await store.lease("three", "w", 9, 30, NOON) == ()


async def test_a_lease_says_what_it_is(store: Store) -> None:
    await send(store, b"\x00body")
    (got,) = await lease(store)
    assert (got.queue, got.body, got.attempt, got.fence) == ("notices", b"\x00body", 1, 1)
    assert got.until == NOON + timedelta(seconds=30)


async def test_an_acknowledged_message_is_gone(store: Store) -> None:
    await send(store, b"1")
    (got,) = await lease(store)
    assert await store.ack(got.id, got.fence)
    assert not await store.ack(got.id, got.fence)
    assert await lease(store, now=LATER) == ()
    assert (await store.health()).outbox == 0


async def test_an_expired_lease_is_handed_to_another_and_the_first_loses(store: Store) -> None:
    await send(store, b"1")
    (first,) = await lease(store)
    (second,) = await lease(store, now=NOON + timedelta(seconds=30), worker="v")
    assert (second.id, second.attempt) == (first.id, 2)
    assert second.fence > first.fence
    assert not await store.ack(first.id, first.fence)
    assert not await store.nack(first.id, first.fence, NOON)
    assert not await store.dead(first.id, first.fence, "late")
    assert await store.ack(second.id, second.fence)


async def test_an_expired_lease_nobody_took_can_still_be_acknowledged(store: Store) -> None:
    await send(store, b"1")
    (got,) = await lease(store)
    assert await store.ack(got.id, got.fence)


async def test_a_nack_comes_back_when_due(store: Store) -> None:
    await send(store, b"1", b"2")
    (got,) = await lease(store, 1)
    assert await store.nack(got.id, got.fence, NOON + timedelta(seconds=10))
    assert not await store.ack(got.id, got.fence)  # given back is given back
    assert not await store.nack(got.id, got.fence, NOON)
    assert [m.body for m in await lease(store)] == [b"2"]
    (again,) = await lease(store, now=NOON + timedelta(seconds=10))
    assert (again.body, again.attempt) == (b"1", 2)


async def test_dead_letters_are_kept_and_can_be_revived(store: Store, clock: Clock) -> None:
    await send(store, b"1", b"2", b"3")
    for got in await lease(store):
        if got.body != b"3":
            assert await store.dead(got.id, got.fence, f"gave up {got.body!r}")
    assert await lease(store, now=LATER, worker="v")
    first, second = await store.dead_letters()
    assert (first.body, first.reason, first.attempt, first.at, first.queue) == (
        b"1",
        "gave up b'1'",
        1,
        NOON,
        "notices",
    )
    assert (await store.dead_letters(after=first.id)) == (second,)
    assert (await store.dead_letters(limit=1)) == (first,)
    health = await store.health()
    assert (health.outbox, health.dead) == (1, 2)
    assert await store.revive(first.id, LATER)
    assert not await store.revive(first.id, LATER)
    (back,) = await lease(store, now=LATER)
    assert (back.id, back.body, back.attempt) == (first.id, b"1", 2)


@pytest.mark.parametrize("n", [0, -1])
async def test_leasing_nothing_takes_nothing(store: Store, n: int) -> None:
    await send(store, b"1")
    assert await lease(store, n) == ()
    assert len(await lease(store)) == 1


async def test_unknown_messages(store: Store) -> None:
    assert not await store.ack(99, 1)
    assert not await store.nack(99, 1, NOON)
    assert not await store.dead(99, 1, "x")
    assert not await store.revive(99, NOON)


async def test_a_rolled_back_commit_sends_nothing(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.commit(Commit("acme", (put("1", expect=4),), outgoing=(message(),)))
    assert await lease(store) == ()


async def test_many_workers_get_each_message_once(store: Store) -> None:
    await send(store, *(b"%d" % n for n in range(200)))
    done: list[bytes] = []

    async def work(name: str) -> None:
        while batch := await lease(store, 7, worker=name):
            for got in batch:
                assert await store.ack(got.id, got.fence)
                done.append(got.body)

    await asyncio.gather(*(work(f"w{n}") for n in range(8)))
    assert sorted(done, key=int) == [b"%d" % n for n in range(200)]


async def test_numbers_are_not_used_again_after_a_restart(adapter: Adapter, tmp_path: Path, clock: Clock) -> None:
    store = adapter.open(tmp_path / "again", clock)
    await send(store, b"1")
    (first,) = await lease(store)
    await store.ack(first.id, first.fence)
    await store.close()
    store = adapter.open(tmp_path / "again", clock)
    await send(store, b"2")
    (second,) = await lease(store)
    await store.close()
    assert second.id > first.id


async def test_leased_messages_survive_a_restart(adapter: Adapter, tmp_path: Path, clock: Clock) -> None:
    store = adapter.open(tmp_path / "held", clock)
    await send(store, b"1")
    (held,) = await lease(store)
    await store.close()
    store = adapter.open(tmp_path / "held", clock)
    (again,) = await lease(store, now=LATER)  # at once, or when the dead worker's lease has run out
    assert again.fence > held.fence
    await store.close()
