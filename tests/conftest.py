"""Fixtures for every test: a frozen runtime and precert running in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tools/, also when pytest is called directly

from precert.runtime import Runtime
from support import logs
from support.app import FrozenClock, frozen_runtime, running
from support.once import shared_starts

hypothesis_settings.register_profile(
    "precert",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # CI judges the change at hand by the same examples; other runs explore
)
hypothesis_settings.load_profile("precert")
logs.configure()


@pytest.fixture(autouse=True, scope="session")
def once() -> Iterator[None]:
    with shared_starts():
        yield


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """How logs are written is one thing for the whole process: what a test sets does not reach the next."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def runtime(clock: FrozenClock) -> Runtime:
    return frozen_runtime(clock)


@pytest.fixture
async def precert(tmp_path: Path, runtime: Runtime) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The app with the shipped examples on an empty store, and a client for it."""
    async with running(tmp_path / "data", runtime) as pair:
        yield pair


@pytest.fixture
def app(precert: tuple[FastAPI, httpx.AsyncClient]) -> FastAPI:
    return precert[0]


@pytest.fixture
def client(precert: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return precert[1]
