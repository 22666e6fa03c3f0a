"""Too little disk: refused clearly, everything acknowledged stays readable, writing goes on when there is room."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from precert.store.embedded import EmbeddedStore
from precert.store.port import Commit, StorageFull
from store.contract import NOON, Clock, message, put, store_all


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", mount], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.decode().strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


async def fill(store: EmbeddedStore, prefix: str) -> dict[str, bytes]:
    """Commit until the disk is full; what was acknowledged."""
    kept: dict[str, bytes] = {}
    for n in range(1_000):
        group = {f"{prefix}{n}-{task}": os.urandom(20_000) for task in range(3)}
        answers = await asyncio.gather(
            *(store_all(store, put(name, body, {"s": ["x"]})) for name, body in group.items()), return_exceptions=True
        )
        kept |= {name: body for (name, body), answer in zip(group.items(), answers, strict=True) if answer == (1,)}
        refused = [answer for answer in answers if answer != (1,)]
        if refused:
            assert all(isinstance(answer, StorageFull) for answer in refused)
            return kept
    raise AssertionError("the disk never filled up")


async def check(store: EmbeddedStore, kept: dict[str, bytes]) -> None:
    for name, body in kept.items():
        found = await store.get("acme", "Claim", name)
        assert found is not None
        assert found.body == body
    assert len((await store.search("acme", "Claim", limit=10_000)).documents) == len(kept)


async def test_a_really_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "log of another program"
    ballast.write_bytes(bytes(2_000_000))
    store = EmbeddedStore.open(small_disk / "data", min_free_bytes=0)
    kept = await fill(store, "a")
    assert len(kept) > 20
    for _ in range(3):  # refused again and again, never half written
        with pytest.raises(StorageFull):
            await store_all(store, put("big", os.urandom(2_000_000)))
    await check(store, kept)
    assert await store.verify() == []

    ballast.unlink()
    await store_all(store, put("more", b"room"))
    kept["more"] = b"room"
    kept |= await fill(store, "b")
    await check(store, kept)
    await store.close()

    again = EmbeddedStore.open(small_disk / "data", min_free_bytes=0)
    await check(again, kept)
    assert await again.verify() == []
    await again.close()


async def test_a_disk_filled_by_others(small_disk: Path) -> None:
    store = EmbeddedStore.open(small_disk / "data", min_free_bytes=0)
    kept = {f"k{n}": os.urandom(5_000) for n in range(20)}
    await store_all(store, *(put(name, body, {"s": ["x"]}) for name, body in kept.items()))
    ballast = small_disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as out:
            while True:
                out.write(bytes(4096))
    except OSError:
        pass  # full: that is the point
    with pytest.raises(StorageFull):
        await store_all(store, put("big", os.urandom(2_000_000)))
    await check(store, kept)
    with pytest.raises(StorageFull):
        await store.backup(str(small_disk / "backup"))
    assert list((small_disk / "backup").iterdir()) == []
    ballast.unlink()
    await store.close()


async def test_the_watermark_refuses_before_the_disk_is_full(tmp_path: Path, clock: Clock) -> None:
    free = 10_000
    store = EmbeddedStore.open(tmp_path, now=clock, min_free_bytes=5_000, free_space=lambda _: free)
    await store.commit(Commit("acme", (put("1", b"kept"),), (message(), message())))
    one, two = await store.lease("notices", "w", 2, 30, NOON)
    free = 4_999
    with pytest.raises(StorageFull, match="nothing was written"):
        await store_all(store, put("1"))
    with pytest.raises(StorageFull):
        await store.lease("notices", "w", 1, 30, NOON)
    found = await store.get("acme", "Claim", "1")
    assert found is not None
    assert found.body == b"kept"
    health = await store.health()
    assert not health.ok
    assert "writes are refused" in health.detail
    assert await store.ack(one.id, one.fence)  # frees space, so it goes on
    assert await store.nack(two.id, two.fence, NOON)
    free = 5_000
    assert (await store.health()).ok
    assert await store_all(store, put("1")) == (2,)
    await store.close()
