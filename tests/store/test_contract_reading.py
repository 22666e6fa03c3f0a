"""Contract: versions, history, search by tokens, stable pages."""

from __future__ import annotations

import pytest

from precert.store.port import BadPage, Param, Store
from store.contract import Clock, all_pages, put, store_all


async def test_absent_things_are_none_or_empty(store: Store) -> None:
    assert await store.get("acme", "Claim", "1") is None
    assert await store.vread("acme", "Claim", "1", 1) is None
    assert await store.history("acme", "Claim", "1") == ()
    assert (await store.search("acme", "Claim")).documents == ()
    await store_all(store, put("1"))
    assert await store.vread("acme", "Claim", "1", 0) is None
    assert await store.vread("acme", "Claim", "1", 2) is None


async def test_every_version_stays_readable(store: Store, clock: Clock) -> None:
    times = []
    for n in range(5):
        times.append(clock.tick())
        await store_all(store, put("1", b"v%d" % n))
    current = await store.get("acme", "Claim", "1")
    third = await store.vread("acme", "Claim", "1", 3)
    assert current is not None
    assert third is not None
    assert (current.version, current.body, current.updated) == (5, b"v4", times[4])
    assert (third.version, third.body, third.updated, third.type, third.id) == (3, b"v2", times[2], "Claim", "1")
    assert [(d.version, d.body) for d in await store.history("acme", "Claim", "1")] == [
        (n + 1, b"v%d" % n) for n in range(4, -1, -1)
    ]


async def test_a_long_history(store: Store) -> None:
    await store_all(store, *(put("1", b"%d" % n) for n in range(1100)))
    assert [d.version for d in await store.history("acme", "Claim", "1")] == list(range(1100, 0, -1))


async def test_ids_that_begin_alike_are_different(store: Store) -> None:
    await store_all(store, put("1"), put("10"), put("1-1"), put("1", type="ClaimResponse"), put("Z"), put("z"))
    assert len(await store.history("acme", "Claim", "1")) == 1
    assert len((await store.search("acme", "Claim")).documents) == 5


async def test_search_values_are_or_and_params_are_and(store: Store) -> None:
    await store_all(
        store,
        put("1", params={"status": ["active"], "patient": ["p1"]}),
        put("2", params={"status": ["done"], "patient": ["p1"]}),
        put("3", params={"status": ["active"], "patient": ["p2"]}),
        put("4", params={"status": ["draft", "active"], "patient": ["p1", "p2"]}),
    )

    async def ids(*params: Param) -> list[str]:
        return sorted(d.id for d in (await store.search("acme", "Claim", params)).documents)

    assert await ids(Param("status", ["active"])) == ["1", "3", "4"]
    assert await ids(Param("status", ["active", "done"])) == ["1", "2", "3", "4"]
    assert await ids(Param("status", ["active", "draft"])) == ["1", "3", "4"]  # "4" has both and comes once
    assert await ids(Param("status", ["active"]), Param("patient", ["p1"])) == ["1", "4"]
    assert await ids(Param("patient", ["p1"]), Param("patient", ["p2"])) == ["4"]
    assert await ids(Param("status", ["active", "draft"]), Param("patient", ["p2", "p9"])) == ["3", "4"]
    assert await ids(Param("status", [])) == []
    assert await ids(Param("nothing", ["x"])) == []
    assert await ids(Param("status", ["ACTIVE"])) == []
    assert await ids() == ["1", "2", "3", "4"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 16, 17, 40])
async def test_few_and_many_are_found_alike(store: Store, count: int) -> None:
    """A handful is looked up another way than many."""
    both = [put(f"b{n:02}", params={"patient": ["p1"], "status": ["active"]}) for n in range(count)]
    await store_all(store, *both, *(put(f"o{n:02}", params={"patient": ["p1"]}) for n in range(3)))
    await store_all(store, *(put(f"s{n:02}", params={"status": ["active"]}) for n in range(30)))
    params = [Param("patient", ["p1", "p9"]), Param("status", ["active"])]
    found = await store.search("acme", "Claim", params)
    assert [d.id for d in found.documents] == [one.id for one in reversed(both)]
    assert [d.body for d in found.documents] == [one.body for one in reversed(both)]
    first = await store.search("acme", "Claim", params, newest_first=False, limit=1)
    assert [d.id for d in first.documents] == ["b00"][:count]
    assert (first.next is not None) is (count > 1)


async def test_search_stays_within_tenant_and_type(store: Store) -> None:
    await store_all(store, put("1", params={"s": ["x"]}), put("2", params={"s": ["x"]}, type="Task"))
    await store_all(store, put("3", params={"s": ["x"]}), tenant="zeta")
    found = await store.search("acme", "Claim", [Param("s", ["x"])])
    assert [d.id for d in found.documents] == ["1"]


@pytest.mark.parametrize("value", ["", "http://x|a=b?c/d", "a\x00b", "\u00e9\U0001f9ec", "%", "*", "$in", "x" * 5000])
async def test_odd_tokens_match_exactly(store: Store, value: str) -> None:
    await store_all(store, put("1", params={"identifier": [value]}), put("2", params={"identifier": ["other"]}))
    found = await store.search("acme", "Claim", [Param("identifier", [value])])
    assert [d.id for d in found.documents] == ["1"]


async def test_tokens_are_those_of_the_current_version(store: Store) -> None:
    await store_all(store, put("1", b"old", {"status": ["draft"], "patient": ["p"]}))
    await store_all(store, put("1", b"new", {"status": ["active"]}))
    assert (await store.search("acme", "Claim", [Param("status", ["draft"])])).documents == ()
    assert (await store.search("acme", "Claim", [Param("patient", ["p"])])).documents == ()
    (found,) = (await store.search("acme", "Claim", [Param("status", ["active"])])).documents
    assert (found.version, found.body) == (2, b"new")


async def test_order_is_last_update_then_id_and_its_reverse(store: Store, clock: Clock) -> None:
    await store_all(store, put("b"), put("a"), put("c"))
    clock.tick()
    await store_all(store, put("d"))
    clock.tick()
    await store_all(store, put("a"))
    oldest = [d.id for d in (await store.search("acme", "Claim", newest_first=False)).documents]
    newest = [d.id for d in (await store.search("acme", "Claim")).documents]
    assert oldest == ["b", "c", "d", "a"]
    assert newest == oldest[::-1]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("params", [(), (Param("s", ["x"]),), (Param("s", ["x", "y"]), Param("t", ["z"]))])
async def test_pages_join_to_the_whole(
    store: Store, clock: Clock, params: tuple[Param, ...], newest_first: bool
) -> None:
    for n in range(20):
        await store_all(store, put(f"{n:02d}", params={"s": ["x", "y"], "t": ["z"]}))
        clock.tick(n % 3 and 0.000001)  # several share a time
    whole = await store.search("acme", "Claim", params, limit=100, newest_first=newest_first)
    assert len(whole.documents) == 20
    assert whole.next is None
    for limit in (1, 3, 20):
        assert await all_pages(store, "acme", "Claim", params, limit=limit, newest_first=newest_first) == list(
            whole.documents
        )


async def test_a_page_is_not_shifted_by_writes_between(store: Store, clock: Clock) -> None:
    for n in range(10):
        clock.tick()
        await store_all(store, put(str(n)))
    first = await store.search("acme", "Claim", limit=4)
    clock.tick()
    await store_all(store, put("new"), put("8"), put("2"))
    rest = await store.search("acme", "Claim", limit=10, page=first.next)
    assert [d.id for d in first.documents] == ["9", "8", "7", "6"]
    assert [d.id for d in rest.documents] == ["5", "4", "3", "1", "0"]  # "2" is newer now, nothing else moved


async def test_limits(store: Store) -> None:
    await store_all(store, put("1"), put("2"))
    assert (await store.search("acme", "Claim", limit=0)).documents == ()
    assert (await store.search("acme", "Claim", limit=2)).next is None
    with pytest.raises(ValueError, match="negative"):
        await store.search("acme", "Claim", limit=-1)


@pytest.mark.parametrize("page", ["", "x", "!!!", "AAAA"])
async def test_a_made_up_page_token_is_refused(store: Store, page: str) -> None:
    await store_all(store, put("1"))
    with pytest.raises(BadPage):
        await store.search("acme", "Claim", page=page)


async def test_a_page_token_belongs_to_its_direction(store: Store) -> None:
    await store_all(store, put("1"), put("2"))
    token = (await store.search("acme", "Claim", limit=1)).next
    assert token is not None
    with pytest.raises(BadPage, match="another order"):
        await store.search("acme", "Claim", newest_first=False, page=token)
