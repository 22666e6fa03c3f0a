"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from precert.store.embedded import EmbeddedStore
from precert.store.port import Store
from store.contract import ADAPTERS, Adapter, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.name)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    found: Adapter = request.param
    return found


@pytest.fixture
async def store(adapter: Adapter, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    opened = adapter.open(tmp_path / "data", clock)
    yield opened
    await opened.close()


@pytest.fixture
async def embedded(tmp_path: Path, clock: Clock) -> AsyncIterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "data", now=clock, min_free_bytes=0)
    yield opened
    await opened.close()
