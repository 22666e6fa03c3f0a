"""Export, import and backup give the same contents, or an error and nothing."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from precert.store.embedded import FILE, EmbeddedStore
from precert.store.port import AlreadyTaken, Commit, Corrupt, Idempotency, KeyReused, Param, Replayed, StoreError
from store.contract import NOON, Clock, all_pages, entry, message, put, store_all


async def furnish(store: EmbeddedStore, clock: Clock) -> None:
    """Something of everything, odd values included."""
    for n in range(8):
        clock.tick(0.001)
        await store.commit(
            Commit(
                "acme" if n % 3 else "zeta",
                (put(f"c{n}", bytes([n, 0, 255]) * n, {"id": ["a=b?c", "\u00e9", ""]}), put("same", b"%d" % n)),
                (message(b"m%d\x00" % n), message(b"n", "other")),
                (entry(f"a{n}", **{"d.$x": "\u2028"}),),
                (f"name{n}",),
                Idempotency(f"k/{n}", "d"),
                b"answer\xff",
            )
        )
    held = await store.lease("notices", "w", 4, 30, NOON + (clock.at - NOON) * 2)
    await store.ack(held[0].id, held[0].fence)
    await store.nack(held[1].id, held[1].fence, NOON)
    await store.dead(held[2].id, held[2].fence, "unreachable")


async def exported(store: EmbeddedStore) -> bytes:
    out = io.BytesIO()
    count = await store.export(out)
    assert count == out.getvalue().count(b"\n")
    return out.getvalue()


async def contents(store: EmbeddedStore) -> list[object]:
    """Everything the port can show."""
    shown: list[object] = [await store.dead_letters(), (await store.health()).outbox]
    for tenant in ("acme", "zeta"):
        documents = await all_pages(store, tenant, "Claim")
        shown += [documents, await all_pages(store, tenant, "Claim", [Param("id", ["a=b?c"])])]
        shown += [await store.history(tenant, "Claim", d.id) for d in documents]
        shown.append(await store.audit(tenant))
        shown += [await store.replay(tenant, Idempotency(f"k/{n}", "d")) for n in range(8)]
    return shown


async def test_export_import_gives_the_same(embedded: EmbeddedStore, clock: Clock, tmp_path: Path) -> None:
    await furnish(embedded, clock)
    lines = await exported(embedded)
    other = EmbeddedStore.open(tmp_path / "other", now=clock, min_free_bytes=0)
    counts = await other.load(io.BytesIO(lines))
    assert counts == {"version": 16, "row": 10, "message": 15, "answer": 8, "name": 8, "audit": 8, "heads": 1}
    assert await contents(other) == await contents(embedded)
    assert await other.verify() == []
    assert await exported(other) == lines

    # What was promised still holds there.
    with pytest.raises(AlreadyTaken):
        await other.commit(Commit("acme", reserve=("name3",)))
    assert await other.replay("zeta", Idempotency("k/0", "d")) == Replayed(b"answer\xff")
    assert await other.replay("zeta", Idempotency("k/0", "e")) == KeyReused(b"answer\xff")
    later = NOON.replace(year=2027)
    assert await other.lease("notices", "v", 99, 30, later) == await embedded.lease("notices", "v", 99, 30, later)
    await other.commit(Commit("acme", outgoing=(message(b"next"),), audit=(entry("next"),)))
    assert await other.verify() == []
    await other.close()


async def test_an_export_says_plainly_what_it_holds(embedded: EmbeddedStore) -> None:
    await store_all(embedded, put("1", b"{}", {"status": ["active"]}))
    lines = [json.loads(line) for line in (await exported(embedded)).splitlines()]
    assert lines[0] == {"kind": "precert-store", "format": 1}
    assert lines[1] == {
        "kind": "version", "tenant": "acme", "type": "Claim", "id": "1", "version": 1,
        "updated": "2026-11-22T12:00:00.123456+00:00", "body": "e30=",
    }  # fmt: skip
    assert lines[2]["params"] == {"status": ["active"]}


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "cut off": lambda lines: lines[:-1],
    "a line gone": lambda lines: lines[:3] + lines[4:],
    "a line twice": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "a body changed": lambda lines: [lines[0], lines[1].replace(b'"version":1', b'"version":7'), *lines[2:]],
    "not JSON": lambda lines: [*lines[:2], b"{\n", *lines[2:]],
    "not an object": lambda lines: [*lines[:2], b"[]\n", *lines[2:]],
    "an unknown kind": lambda lines: [*lines[:2], b'{"kind":"x"}\n', *lines[2:]],
    "a field missing": lambda lines: [*lines[:2], b'{"kind":"name"}\n', *lines[2:]],
    "something after the end": lambda lines: [*lines, lines[1]],
    "another file": lambda lines: [b'{"resourceType":"Bundle"}\n'],
    "empty": lambda lines: [],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_export_is_refused_whole(
    embedded: EmbeddedStore, clock: Clock, tmp_path: Path, damage: str
) -> None:
    await furnish(embedded, clock)
    lines = (await exported(embedded)).splitlines(keepends=True)
    other = EmbeddedStore.open(tmp_path / "other", min_free_bytes=0)
    with pytest.raises(Corrupt):
        await other.load(DAMAGES[damage](lines))
    assert (await other.health()).documents == 0
    assert (await other.load(lines))["version"] == 16  # nothing was left behind
    await other.close()


async def test_an_audit_chain_broken_in_the_file_is_refused(embedded: EmbeddedStore, tmp_path: Path) -> None:
    import hashlib

    await embedded.commit(Commit("acme", audit=(entry("one"), entry("two"))))
    lines = (await exported(embedded)).replace(b'\\"action\\":\\"one', b'\\"action\\":\\"ONE').splitlines(keepends=True)
    end = {"kind": "end", "lines": len(lines) - 1, "sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    other = EmbeddedStore.open(tmp_path / "other", min_free_bytes=0)
    with pytest.raises(Corrupt, match="audit: entry 1 was changed"):
        await other.load([*lines[:-1], json.dumps(end).encode()])
    await other.close()


async def test_import_needs_an_empty_store_and_a_known_format(embedded: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match="format 2 is not known"):
        await embedded.load([b'{"kind":"precert-store","format":2}\n'])
    await store_all(embedded, put("1"))
    with pytest.raises(StoreError, match="not empty"):
        await embedded.load(io.BytesIO(await exported(embedded)))


async def test_a_damaged_store_is_not_exported(embedded: EmbeddedStore) -> None:
    await store_all(embedded, put("1"))
    embedded._writer.submit(
        lambda db: db.versions.update_one({"_id": "acme/Claim/1/1"}, {"$set": {"sha256": ""}})
    ).result(10)
    with pytest.raises(Corrupt):
        await exported(embedded)


async def test_a_backup_opens_and_equals(embedded: EmbeddedStore, clock: Clock, tmp_path: Path) -> None:
    await furnish(embedded, clock)
    await embedded.backup(str(tmp_path / "backup"))
    before = await contents(embedded)
    await store_all(embedded, put("after"))
    copy = EmbeddedStore.open(tmp_path / "backup", now=clock, min_free_bytes=0)
    assert await contents(copy) == before
    assert await copy.verify() == []
    assert await store_all(copy, put("same")) == (6,)  # it is a whole store: writable, counting on
    await copy.close()
    with pytest.raises(StoreError, match="never overwrites"):
        await embedded.backup(str(tmp_path / "backup"))


async def test_a_backup_under_writing_is_of_one_moment(embedded: EmbeddedStore, tmp_path: Path) -> None:
    import asyncio

    stop, enough = asyncio.Event(), asyncio.Event()

    async def write(task: int) -> None:
        n = 0
        while not stop.is_set():
            await store_all(embedded, put(f"{task}-{n}", b"x" * 5000, {"s": ["x"]}), put(f"{task}-{n}", type="Pair"))
            n += 1
            if n == 25:
                enough.set()

    writers = [asyncio.ensure_future(write(n)) for n in range(4)]
    await enough.wait()
    await embedded.backup(str(tmp_path / "backup"))
    stop.set()
    await asyncio.gather(*writers)
    copy = EmbeddedStore.open(tmp_path / "backup", min_free_bytes=0)
    assert await copy.verify() == []
    claims = await copy.search("acme", "Claim", limit=100_000)
    pairs = await copy.search("acme", "Pair", limit=100_000)
    assert {d.id for d in claims.documents} == {d.id for d in pairs.documents}
    assert len(claims.documents) >= 25
    await copy.close()
    mode = sqlite3.connect(tmp_path / "backup" / FILE)
    assert mode.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    mode.close()
