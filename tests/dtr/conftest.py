"""The app with the DTR operations on both bases."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # dtr_support, whatever the import mode

from dtr_support import Driver, mounted

from precert.runtime import Runtime
from support.app import running


@pytest.fixture
async def driver(tmp_path: Path, runtime: Runtime) -> AsyncIterator[Driver]:
    async with running(tmp_path / "data", runtime) as (app, client):
        yield mounted(app, client)
