"""Leases of a process that died do not hold up the next one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from precert.store.embedded import EmbeddedStore
from precert.store.port import Commit, Outgoing

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


async def test_a_new_process_gets_what_the_dead_one_held(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path)
    await store.commit(Commit("t", outgoing=[Outgoing("q", b"1", NOW), Outgoing("q", b"2", NOW)]))
    (held,) = await store.lease("q", "dead", 1, 3600, NOW)
    await store.close()
    again = EmbeddedStore.open(tmp_path)
    try:
        leased = await again.lease("q", "alive", 9, 60, NOW)
        assert [message.body for message in leased] == [b"1", b"2"]
        assert leased[0].fence > held.fence
        assert not await again.ack(held.id, held.fence)
        assert await again.ack(leased[0].id, leased[0].fence)
    finally:
        await again.close()
