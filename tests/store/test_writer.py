"""The writer thread: bounded queue, group commit, answers only after COMMIT, clean ends."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from precert.store import chain, outbox, unit
from precert.store.embedded import EmbeddedStore
from precert.store.port import Busy, Commit, Idempotency, StorageFull, Stored, StoreError
from precert.store.tables import Collections
from precert.store.writer import GROUP
from store.contract import entry, message, put, store_all


@contextmanager
def held(store: EmbeddedStore) -> Iterator[None]:
    """The writer thread stands still inside a unit of its own."""
    reached, go = threading.Event(), threading.Event()

    def wait(_: Collections) -> None:
        reached.set()
        assert go.wait(20)

    first = store._writer.submit(wait)
    assert reached.wait(20)
    try:
        yield
    finally:
        go.set()
    first.result(20)


async def test_a_full_queue_is_busy_and_writes_nothing(tmp_path: object, embedded: EmbeddedStore) -> None:
    small = EmbeddedStore.open(embedded.directory.parent / "small", queue_limit=3, min_free_bytes=0)
    with held(small):
        waiting = [asyncio.ensure_future(store_all(small, put(str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        assert small.waiting == 3
        with pytest.raises(Busy) as caught:
            await store_all(small, put("refused"))
        assert caught.value.retry_after >= 1
        assert await small.get("acme", "Claim", "0") is None  # reads go on meanwhile
    assert await asyncio.gather(*waiting) == [(1,)] * 3
    assert await small.get("acme", "Claim", "refused") is None
    assert await store_all(small, put("refused")) == (1,)
    await small.close()


async def test_what_waits_is_committed_together(embedded: EmbeddedStore) -> None:
    statements: list[str] = []
    with held(embedded):
        embedded._db.client.engine.connection.set_trace_callback(statements.append)
        waiting = [asyncio.ensure_future(store_all(embedded, put(str(n)))) for n in range(GROUP)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    embedded._db.client.engine.connection.set_trace_callback(None)
    assert 1 <= statements.count("COMMIT") <= 2  # the held unit's own, and one for all 64


async def test_answers_come_after_the_commit(embedded: EmbeddedStore) -> None:
    """Whoever has an answer can read the change on another connection, every time."""

    async def write_and_read(n: int) -> None:
        await store_all(embedded, put(str(n), b"%d" % n))
        found = await embedded.get("acme", "Claim", str(n))
        assert found is not None

    await asyncio.gather(*(write_and_read(n) for n in range(200)))


async def test_a_request_given_up_while_waiting_is_not_done(embedded: EmbeddedStore) -> None:
    with held(embedded):
        task = asyncio.ensure_future(store_all(embedded, put("1")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await store_all(embedded, put("2"))
    assert await embedded.get("acme", "Claim", "1") is None


async def test_closing_finishes_what_waits(embedded: EmbeddedStore) -> None:
    with held(embedded):
        waiting = [asyncio.ensure_future(store_all(embedded, put(str(n)))) for n in range(100)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(embedded.close())
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [(1,)] * 100
    await closing
    with pytest.raises(StoreError, match="closed"):
        await store_all(embedded, put("late"))


FULL = Commit(
    "acme", (put("1"), put("2")), (message(),), (entry(),), ("name",), Idempotency("k", "d"), b"r"
)  # fmt: skip


@pytest.mark.parametrize("where", ["put", "enqueue", "append", "remember"])
async def test_a_failure_anywhere_in_a_commit_leaves_nothing(
    embedded: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    targets = {
        "put": (unit, "_put"), "enqueue": (outbox, "enqueue"), "append": (chain, "append"), "remember": (unit, "_remember"),
    }  # fmt: skip
    owner, name = targets[where]
    real = getattr(owner, name)

    def fail(*args: object) -> None:
        real(*args)
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        answers = await asyncio.gather(embedded.commit(FULL), embedded.commit(Commit("acme")), return_exceptions=True)
    assert isinstance(answers[0], RuntimeError)
    assert answers[1] == Stored(())
    health = await embedded.health()
    assert (health.documents, health.outbox) == (0, 0)
    assert await embedded.audit("acme") == ()
    assert await embedded.commit(FULL) == Stored((1, 1))
    assert await embedded.verify() == []


async def test_a_database_error_fails_the_group_and_the_next_one_works(
    embedded: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error of some kind")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(chain, "append", fail)
        with pytest.raises(StoreError, match="I/O error of some kind") as caught:
            await embedded.commit(FULL)
        assert not isinstance(caught.value, sqlite3.Error)
    assert [log["event"] for log in logs] == ["store_group_rolled_back"]
    assert await embedded.commit(FULL) == Stored((1, 1))


async def test_sqlite_running_out_of_pages(embedded: EmbeddedStore) -> None:
    """A real SQLITE_FULL: refused whole, the rest readable, and writing works again when there is room."""
    connection = embedded._db.client.engine.connection
    await store_all(embedded, put("kept", b"kept" * 1000))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 5}")
    import os

    with pytest.raises(StorageFull):
        await store_all(embedded, put("big", os.urandom(100_000)), put("kept", b"changed"))
    kept = await embedded.get("acme", "Claim", "kept")
    assert kept is not None
    assert (kept.body, kept.version) == (b"kept" * 1000, 1)
    connection.execute("PRAGMA max_page_count=1073741823")
    assert await store_all(embedded, put("big", os.urandom(100_000))) == (1,)
    assert await embedded.verify() == []


async def test_the_log_is_emptied_by_the_writer(embedded: EmbeddedStore) -> None:
    """Under steady writing the WAL is reused instead of growing with everything ever written."""
    import os

    wal = embedded.directory / "precert.db-wal"
    largest = 0
    for _ in range(150):
        await store_all(embedded, *(put(str(n), os.urandom(4000)) for n in range(20)))
        largest = max(largest, wal.stat().st_size)
    assert largest < 16_000_000  # without it: above 40 MB
