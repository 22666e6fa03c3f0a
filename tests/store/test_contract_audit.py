"""Contract: the audit log."""

from __future__ import annotations

from precert.store.port import Audit, Commit, Store
from store.contract import NOON, entry, put


async def test_entries_come_back_as_written(store: Store) -> None:
    one = Audit("submit", "client \u00e9", "Claim/1", NOON, {"case": "c-1", "dotted.$key": "v", "a": ""})
    await store.commit(Commit("acme", (put("1"),), audit=(one, entry("decide"))))
    first, second = await store.audit("acme")
    assert (first.action, first.actor, first.subject, first.at, first.detail) == (
        one.action, one.actor, one.subject, one.at, one.detail,
    )  # fmt: skip
    assert (first.seq, second.seq, first.tenant, second.action) == (1, 2, "acme", "decide")
    assert first.hash != second.hash


async def test_paging_by_number(store: Store) -> None:
    for n in range(10):
        await store.commit(Commit("acme", audit=(entry(str(n)),)))
        await store.commit(Commit("zeta", audit=(entry("theirs"),)))
    first = await store.audit("acme", limit=4)
    rest = await store.audit("acme", after=first[-1].seq)
    assert [e.action for e in first + rest] == [str(n) for n in range(10)]
    assert {e.action for e in await store.audit("zeta")} == {"theirs"}
    assert await store.audit("acme", limit=0) == ()
    assert await store.audit("nobody") == ()


async def test_equal_entries_have_different_hashes(store: Store) -> None:
    await store.commit(Commit("acme", audit=[entry()] * 5))
    assert len({e.hash for e in await store.audit("acme")}) == 5
    assert await store.verify() == []
