"""The world of the security tests, one per test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from security.world import World, make_world


@pytest.fixture(autouse=True)
def every_level() -> Iterator[None]:
    """Lines of every level, whatever level a test before left behind: what is logged is part of these tests."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = make_world(tmp_path)
    async with made.http:
        yield made
