"""Damage and tampering are noticed, named, and contained."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from precert.store import chain
from precert.store.embedded import FILE, EmbeddedStore
from precert.store.mongo.client import Client
from precert.store.mongo.connection import open_writer
from precert.store.mongo.engine import SqliteEngine
from precert.store.port import Commit, Corrupt, Document, Idempotency, Param, Replayed, StoreError
from precert.store.records import sealed
from precert.store.tables import Collections
from store.contract import NOON, Clock, entry, message, put


@pytest.fixture
async def directory(tmp_path: Path, clock: Clock) -> Path:
    """A closed store with something of everything."""
    store = EmbeddedStore.open(tmp_path / "data", now=clock, min_free_bytes=0)
    for n in range(6):
        await store.commit(
            Commit(
                "acme",
                (put(f"c{n}", b"body %d" % n, {"s": ["x"]}), put("same", b"v%d" % n)),
                (message(b"m%d" % n),),
                (entry(f"a{n}", n=str(n)),),
                (f"name{n}",),
                Idempotency(f"k{n}", "d"),
                b"answer %d" % n,
            )
        )
    assert await store.verify() == []
    await store.close()
    return tmp_path / "data"


def tamper(directory: Path, change: Callable[[Collections], Any]) -> None:
    client = Client(SqliteEngine(open_writer(directory / FILE)))
    change(Collections.of(client))
    client.close()


def changed(collection: str, id: str, **fields: Any) -> Callable[[Collections], Any]:
    return lambda db: getattr(db, collection).update_one({"_id": id}, {"$set": fields})


async def test_a_changed_body_is_corrupt_and_the_others_are_not(directory: Path) -> None:
    tamper(directory, changed("versions", "acme/Claim/c1/1", body=zlib.compress(b"another patient")))
    store = EmbeddedStore.open(directory)
    for read in (
        store.get("acme", "Claim", "c1"),
        store.vread("acme", "Claim", "c1", 1),
        store.history("acme", "Claim", "c1"),
        store.search("acme", "Claim", [Param("s", ["x"])]),
    ):
        with pytest.raises(Corrupt, match=r"acme/Claim/c1/1.*SHA-256"):
            await read
    good = await store.get("acme", "Claim", "c2")
    assert good is not None
    assert [line for line in await store.verify() if "acme/Claim/c1/1" in line]
    await store.close()


BODY_TAMPERINGS = {
    "not even zlib": changed("versions", "acme/Claim/c1/1", body=b"garbage"),
    "another's body and hash": lambda db: changed(
        "versions", "acme/Claim/c1/1",
        **{k: db.versions.find_one({"_id": "acme/Claim/c2/1"})[k] for k in ("body", "sha256")},
    )(db),
    "a hash of the new body alone": changed(
        "versions", "acme/Claim/c1/1", body=zlib.compress(b"x"), sha256=hashlib.sha256(b"x").hexdigest()
    ),
    "its time": changed("versions", "acme/Claim/c1/1", updated=1),
    "version gone": lambda db: db.versions.delete_one({"_id": "acme/Claim/c1/1"}),
}  # fmt: skip


@pytest.mark.parametrize("how", BODY_TAMPERINGS)
async def test_every_kind_of_body_tampering(directory: Path, how: str) -> None:
    tamper(directory, BODY_TAMPERINGS[how])
    store = EmbeddedStore.open(directory)
    with pytest.raises(Corrupt, match="acme/Claim/c1/1"):
        await store.get("acme", "Claim", "c1")
    assert any("acme/Claim/c1" in line for line in await store.verify())
    await store.close()


OTHER_TAMPERINGS = {
    "an old version shown as current": (changed("rows", "acme/Claim/same", version=2), "acme/Claim/same: .*version 2"),
    "row gone": (lambda db: db.rows.delete_one({"_id": "acme/Claim/c3"}), "c3: versions are stored, but no sound row"),
    "foreign tokens": (
        changed("rows", "acme/Claim/c3", tokens=["zeta/Claim"]),
        "c3: .*search tokens of something else",
    ),
    "moved in time": (changed("rows", "acme/Claim/c3", updated=5), "c3: the row's time"),
    "an index entry gone": (
        lambda db: db.client.engine.connection.execute("DELETE FROM ix WHERE k='acme/Claim?s=x'"),
        "rows acme/Claim/c0: the search index",
    ),
    "an index entry too many": (
        lambda db: db.client.engine.connection.execute(
            "INSERT INTO ix SELECT i, t, 'zeta/Claim', s, n FROM ix LIMIT 1"
        ),
        "1 stray entries",
    ),
    "an answer": (changed("answers", "acme/k3", body=zlib.compress(b"no")), "answer acme/k3"),
    "an answer's digest": (changed("answers", "acme/k3", digest="e"), "answer acme/k3"),
    "a message": (changed("outbox", f"{3:018d}", body=zlib.compress(b"no")), "outbox 3"),
}


@pytest.mark.parametrize("how", OTHER_TAMPERINGS)
async def test_verify_names_everything_else(directory: Path, how: str) -> None:
    change, pattern = OTHER_TAMPERINGS[how]
    tamper(directory, change)
    store = EmbeddedStore.open(directory)
    with pytest.raises(AssertionError, match=pattern):
        assert await store.verify() == []
    await store.close()


async def test_a_damaged_answer_is_not_replayed(directory: Path) -> None:
    tamper(directory, changed("answers", "acme/k3", body=zlib.compress(b"approved")))
    store = EmbeddedStore.open(directory)
    with pytest.raises(Corrupt):
        await store.replay("acme", Idempotency("k3", "d"))
    with pytest.raises(Corrupt):
        await store.commit(Commit("acme", idempotency=Idempotency("k3", "d")))
    await store.close()


async def test_a_damaged_message_does_not_stop_the_queue(directory: Path, clock: Clock) -> None:
    tamper(directory, changed("outbox", f"{3:018d}", body=zlib.compress(b"no")))
    store = EmbeddedStore.open(directory, now=clock)
    got = await store.lease("notices", "w", 10, 30, NOON)
    assert [m.body for m in got] == [b"m0", b"m1", b"m3", b"m4", b"m5"]
    assert (await store.health()).dead == 1
    with pytest.raises(Corrupt):
        await store.dead_letters()
    await store.close()


def rewritten(number: int) -> Callable[[Collections], Any]:
    """An entry changed by somebody who knows how to hash."""

    def change(db: Collections) -> None:
        stored = db.audit.find_one({"_id": f"{number:018d}"})
        line = json.dumps(
            {**json.loads(stored["line"]), "actor": "nobody"}, sort_keys=True, separators=(",", ":")
        ).encode()
        changed("audit", stored["_id"], line=line, hash=chain.digest(stored["previous"], line))(db)

    return change


AUDIT_TAMPERINGS = {
    "content": (changed("audit", f"{3:018d}", line=b"{}"), ["entry 3 was changed", "3 sound entries follow"]),
    "content and hash": (rewritten(3), ["entry 4 does not follow entry 3", "2 sound entries follow"]),
    "last, content and hash": (rewritten(6), ["the log ends at entry 6"]),
    "tenant": (changed("audit", f"{3:018d}", tenant="zeta"), ["entry 3 is stored under another number or tenant"]),
    "one missing": (
        lambda db: db.audit.delete_one({"_id": f"{3:018d}"}),
        ["entries 3 to 3 are missing", "2 sound entries"],
    ),
    "first missing": (lambda db: db.audit.delete_one({"_id": f"{1:018d}"}), ["entries 1 to 1 are missing"]),
    "last missing": (lambda db: db.audit.delete_one({"_id": f"{6:018d}"}), ["ends at entry 5, but 6 entries"]),
    "all missing": (lambda db: db.audit.delete_many({}), ["ends at entry 0, but 6 entries"]),
}


@pytest.mark.parametrize("how", AUDIT_TAMPERINGS)
async def test_audit_tampering_is_named(directory: Path, how: str) -> None:
    change, expected = AUDIT_TAMPERINGS[how]
    tamper(directory, change)
    store = EmbeddedStore.open(directory)
    said = "\n".join(await store.verify())
    for words in expected:
        assert words in said
    await store.close()


async def test_a_flipped_bit_in_the_file_is_noticed(directory: Path) -> None:
    raw = bytearray((directory / FILE).read_bytes())
    at = raw.index(sealed("", b"body 2")["body"])
    raw[at + 5] ^= 1
    (directory / FILE).write_bytes(raw)
    store = EmbeddedStore.open(directory)
    with pytest.raises(Corrupt):
        await store.get("acme", "Claim", "c2")
    await store.close()


async def test_an_unreadable_message_does_not_stop_the_queue(directory: Path) -> None:
    def damage(db: Collections) -> None:
        sql = "UPDATE doc SET v = substr(v, 1, 20) WHERE coll = 'precert.outbox' AND id = ?"
        db.client.engine.connection.execute(sql, (f"{3:018d}",))

    tamper(directory, damage)
    store = EmbeddedStore.open(directory)
    with capture_logs() as logs:
        got = await store.lease("notices", "w", 10, 30, NOON)
    assert [m.body for m in got] == [b"m0", b"m1", b"m3", b"m4", b"m5"]
    assert [log["ids"] for log in logs] == [[f"{3:018d}"]]
    assert f"outbox {3:018d}: the stored document is damaged" in await store.verify()
    await store.close()


async def outcome(work: Coroutine[Any, Any, Any]) -> Any:
    """What ``work`` returns, or the store error it raises; any other exception is a fault of the store."""
    try:
        return await work
    except StoreError as error:
        return error


@pytest.mark.parametrize("start", range(0, 80, 20))
async def test_flipped_bits_never_give_a_wrong_answer(directory: Path, clock: Clock, start: int) -> None:
    """One bit anywhere: every answer is right or a StoreError, or missing and then ``verify`` knows."""
    raw = (directory / FILE).read_bytes()
    used = [at for at in range(100, len(raw)) if raw[at]]
    for seed in range(start, start + 20):
        chance = random.Random(seed)
        flipped = bytearray(raw)
        flipped[chance.choice(used)] ^= 1 << chance.randrange(8)
        (directory / FILE).write_bytes(flipped)
        store = await outcome(asyncio.to_thread(EmbeddedStore.open, directory, now=clock))
        if isinstance(store, StoreError):
            continue
        answers = []
        for n in range(6):
            found = await outcome(store.get("acme", "Claim", f"c{n}"))
            answers.append(found.body if isinstance(found, Document) else found)
            assert answers[-1] == b"body %d" % n or not isinstance(answers[-1], bytes)
            replayed = await outcome(store.replay("acme", Idempotency(f"k{n}", "d")))
            assert replayed == Replayed(b"answer %d" % n) or replayed is None or isinstance(replayed, StoreError)
        hits = await outcome(store.search("acme", "Claim", [Param("s", ["x"])], newest_first=False))
        entries = await outcome(store.audit("acme"))
        await outcome(store.lease("notices", "w", 10, 30, NOON))
        wrong = await outcome(store.verify())
        if wrong == []:
            assert answers == [b"body %d" % n for n in range(6)]
            assert [d.body for d in hits.documents] == answers
            assert [e.action for e in entries] == [f"a{n}" for n in range(6)]
        await store.close()
