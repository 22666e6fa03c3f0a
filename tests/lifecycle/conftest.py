"""A driver at a precert in this process whose every answer is held against the profiles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lifecycle.steps import Driver
from precert.runtime import Runtime
from support.app import running


@pytest.fixture
async def driver(tmp_path: Path, runtime: Runtime) -> AsyncIterator[Driver]:
    async with running(tmp_path / "data", runtime, validate_answers=True) as (app, client):
        yield Driver(client, app)
