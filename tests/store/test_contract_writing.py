"""Contract: commits are whole, versions are checked, names are taken for ever, a request counts once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from precert.store.port import (
    AlreadyTaken,
    Commit,
    Conflict,
    Idempotency,
    KeyReused,
    Put,
    Replayed,
    Store,
    Stored,
    StoreError,
)
from store.contract import NOON, Adapter, Clock, entry, message, put, store_all

ODD_BODIES = [
    b"",
    b"{}",
    b'{"value": 1.50, "x": 1e-7, "y": 0.10}\r\n',
    '{"name":"Jos\u00e9 \U0001f9ec"}'.encode(),
    bytes(range(256)) * 40,
    b"\x00",
    b"\xff\xfe not utf-8 \x80",
    b"A" * 3_000_000,
]


async def test_first_version_is_one_and_each_put_adds_one(store: Store) -> None:
    assert await store_all(store, put("1", b"a"), put("2", b"b")) == (1, 1)
    assert await store_all(store, put("2", b"c"), put("1", b"d"), put("2", b"e")) == (2, 2, 3)


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
async def test_bodies_come_back_byte_for_byte(adapter: Adapter, tmp_path: Path, clock: Clock, body: bytes) -> None:
    store = adapter.open(tmp_path / "odd", clock)
    await store_all(store, put("1", body))
    found = await store.get("acme", "Claim", "1")
    await store.close()
    store = adapter.open(tmp_path / "odd", clock)
    again = await store.get("acme", "Claim", "1")
    await store.close()
    assert found is not None
    assert found.body == body
    assert again == found


async def test_times_are_the_clocks_aware_and_exact(store: Store, clock: Clock) -> None:
    await store_all(store, put("1"))
    found = await store.get("acme", "Claim", "1")
    assert found is not None
    assert found.updated == NOON
    assert found.updated.utcoffset() == timedelta(0)
    assert found.updated.microsecond == 123456


async def test_expect_zero_means_must_not_exist(store: Store) -> None:
    assert await store_all(store, put("1", expect=0)) == (1,)
    with pytest.raises(Conflict) as caught:
        await store_all(store, put("1", b"other", expect=0))
    assert (caught.value.expected, caught.value.actual) == (0, 1)
    found = await store.get("acme", "Claim", "1")
    assert found is not None
    assert found.body == b"{}"


@pytest.mark.parametrize("expect", [0, 2, 999])
async def test_a_wrong_version_is_refused_and_the_right_one_taken(store: Store, expect: int) -> None:
    await store_all(store, put("1"))
    with pytest.raises(Conflict):
        await store_all(store, put("1", expect=expect))
    assert await store_all(store, put("1", expect=1)) == (2,)


async def test_a_missing_one_conflicts_with_any_version(store: Store) -> None:
    with pytest.raises(Conflict) as caught:
        await store_all(store, put("1", expect=3))
    assert caught.value.actual == 0


async def test_expect_counts_puts_of_the_same_commit(store: Store) -> None:
    assert await store_all(store, put("1", expect=0), put("1", expect=1)) == (1, 2)


async def test_a_conflict_in_the_middle_leaves_nothing(store: Store) -> None:
    await store_all(store, put("old", b"before"))
    bad = Commit(
        "acme",
        puts=(put("new"), put("old", b"after"), put("old", expect=1)),
        outgoing=(message(),),
        audit=(entry(),),
        reserve=("auth-number:7",),
        idempotency=Idempotency("k", "d"),
        result=b"r",
    )
    with pytest.raises(Conflict):
        await store.commit(bad)
    assert await store.get("acme", "Claim", "new") is None
    assert [found.body for found in await store.history("acme", "Claim", "old")] == [b"before"]
    assert await store.lease("notices", "w", 10, 30, NOON) == ()
    assert await store.audit("acme") == ()
    assert await store.replay("acme", Idempotency("k", "d")) is None
    assert (await store.commit(Commit("acme", reserve=("auth-number:7",)))) == Stored(())
    assert await store.verify() == []


async def test_a_taken_name_leaves_nothing(store: Store) -> None:
    await store.commit(Commit("acme", reserve=("case:1",)))
    with pytest.raises(AlreadyTaken) as caught:
        await store.commit(Commit("acme", puts=(put("1"),), audit=(entry(),), reserve=("case:2", "case:1")))
    assert caught.value.name == "case:1"
    assert await store.get("acme", "Claim", "1") is None
    assert await store.audit("acme") == ()
    assert await store.commit(Commit("acme", reserve=("case:2",))) == Stored(())


async def test_names_are_taken_across_tenants_and_restarts(adapter: Adapter, tmp_path: Path, clock: Clock) -> None:
    store = adapter.open(tmp_path / "names", clock)
    await store.commit(Commit("acme", reserve=("case:1",)))
    await store.close()
    store = adapter.open(tmp_path / "names", clock)
    with pytest.raises(AlreadyTaken):
        await store.commit(Commit("other", reserve=("case:1",)))
    with pytest.raises(AlreadyTaken):
        await store.commit(Commit("other", reserve=("case:9", "case:9")))
    await store.close()


BAD_PUTS = [
    put(""),
    put("a/b"),
    put("1", type=""),
    put("1", type="a/b"),
    put("1", params={"a=b": ["c"]}),
    put("1", params={"": ["c"]}),
    put("1", params={"status": "active"}),
    put("\ud800"),
]


@pytest.mark.parametrize("bad", BAD_PUTS, ids=range(len(BAD_PUTS)))
async def test_names_that_could_be_mistaken_are_refused_whole(store: Store, bad: Put) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        await store.commit(Commit("acme", puts=(put("good"), bad)))
    assert await store.get("acme", "Claim", "good") is None


@pytest.mark.parametrize("tenant", ["", "a/b"])
async def test_tenants_that_could_be_mistaken_are_refused(store: Store, tenant: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        await store.commit(Commit(tenant, audit=(entry(),)))


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    await store_all(store, put("1", b"ours", {"s": ["x"]}), tenant="acme")
    await store_all(store, put("1", b"theirs", {"s": ["x"]}), tenant="zeta")
    ours, theirs = await store.get("acme", "Claim", "1"), await store.get("zeta", "Claim", "1")
    assert ours is not None
    assert theirs is not None
    assert (ours.body, theirs.body, theirs.version) == (b"ours", b"theirs", 1)
    assert await store.get("other", "Claim", "1") is None
    await store.commit(Commit("acme", idempotency=Idempotency("k", "d"), result=b"ours"))
    assert await store.replay("zeta", Idempotency("k", "d")) is None


async def test_the_same_request_again_is_answered_and_not_done(store: Store) -> None:
    once = Commit("acme", puts=(put("1"),), outgoing=(message(),), idempotency=Idempotency("k", "d"), result=b"answer")
    assert await store.commit(once) == Stored((1,))
    assert await store.commit(once) == Replayed(b"answer")
    assert await store.replay("acme", Idempotency("k", "d")) == Replayed(b"answer")
    assert len(await store.history("acme", "Claim", "1")) == 1
    assert len(await store.lease("notices", "w", 10, 30, NOON)) == 1


async def test_a_key_with_other_content_is_told_apart(store: Store) -> None:
    await store.commit(Commit("acme", idempotency=Idempotency("k", "d"), result=b"answer"))
    other = Idempotency("k", "e")
    assert await store.replay("acme", other) == KeyReused(b"answer")
    assert await store.commit(Commit("acme", puts=(put("1"),), idempotency=other)) == KeyReused(b"answer")
    assert await store.get("acme", "Claim", "1") is None


async def test_a_known_key_wins_over_conflicts_and_taken_names(store: Store) -> None:
    once = Commit("acme", (put("1", expect=0),), reserve=("n",), idempotency=Idempotency("k", "d"), result=b"a")
    await store.commit(once)
    assert await store.commit(once) == Replayed(b"a")


async def test_concurrent_duplicates_are_stored_exactly_once(store: Store) -> None:
    once = Commit("acme", puts=(put("1"),), idempotency=Idempotency("k", "d"), result=b"answer")
    answers = await asyncio.gather(*(store.commit(once) for _ in range(40)))
    assert Counter(map(type, answers)) == {Stored: 1, Replayed: 39}
    assert len(await store.history("acme", "Claim", "1")) == 1


async def test_optimistic_locking_loses_no_update(store: Store) -> None:
    """32 tasks add one each to a counter, 8 times, by read, expect and retry: the sum must be exact."""
    await store_all(store, put("n", b"0"))
    conflicts = 0

    async def add() -> None:
        nonlocal conflicts
        for _ in range(8):
            while True:
                now = await store.get("acme", "Claim", "n")
                assert now is not None
                try:
                    await store_all(store, put("n", b"%d" % (int(now.body) + 1), expect=now.version))
                    break
                except Conflict:
                    conflicts += 1

    await asyncio.gather(*(add() for _ in range(32)))
    final = await store.get("acme", "Claim", "n")
    assert final is not None
    assert (final.body, final.version) == (b"256", 257)
    assert conflicts > 0  # or the test did not test
    bodies = [found.body for found in await store.history("acme", "Claim", "n")]
    assert bodies == [b"%d" % n for n in range(256, -1, -1)]


async def test_concurrent_reservations_give_a_name_to_one(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.commit(Commit("acme", puts=(put(str(n)),), reserve=("case:1",))) for n in range(30)),
        return_exceptions=True,
    )
    kinds = Counter(map(type, answers))
    assert kinds == {Stored: 1, AlreadyTaken: 29}
    assert (await store.health()).documents == 1


async def test_one_failing_request_does_not_touch_its_neighbours(store: Store) -> None:
    await store_all(store, put("0"))
    commits = [Commit("acme", (put(str(n), expect=0), put(f"b{n}")), audit=(entry(),)) for n in range(20)]
    answers = await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
    assert isinstance(answers[0], Conflict)
    assert answers[1:] == [Stored((1, 1))] * 19
    assert await store.get("acme", "Claim", "b0") is None
    assert len(await store.audit("acme")) == 19
    assert await store.verify() == []


async def test_an_empty_commit_is_fine(store: Store) -> None:
    assert await store.commit(Commit("acme")) == Stored(())


async def test_health_counts(store: Store) -> None:
    await store.commit(Commit("acme", (put("1"), put("1"), put("2")), (message(), message())))
    health = await store.health()
    assert (health.ok, health.detail, health.documents, health.outbox, health.dead) == (True, "ok", 2, 2, 0)
    assert health.free_bytes > 0


async def test_a_closed_store_says_so(adapter: Adapter, tmp_path: Path, clock: Clock) -> None:
    store = adapter.open(tmp_path / "closed", clock)
    await store_all(store, put("1"))
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.get("acme", "Claim", "1")
    with pytest.raises(StoreError, match="closed"):
        await store.search("acme", "Claim")
    with pytest.raises(StoreError, match="closed"):
        await store_all(store, put("2"))
