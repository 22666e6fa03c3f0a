"""Closing while somebody still reads: refused in words, never a crash of the process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from precert.store.embedded import EmbeddedStore
from precert.store.port import Commit, Put, StoreError


async def test_reads_during_close_are_refused(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path)
    await store.commit(Commit("t", [Put("Case", "1", b"{}")]))
    closing = asyncio.create_task(store.close())
    with pytest.raises(StoreError, match="closed"):
        await _read_until_refused(store)
    await closing


async def _read_until_refused(store: EmbeddedStore) -> None:
    while await store.get("t", "Case", "1") is not None:  # noqa: ASYNC110 - reading on is the point
        await asyncio.sleep(0)
