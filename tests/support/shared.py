"""One running server for a whole module of tests, where none minds what the others sent.

A request that is approved minds: the same service again for the same member is the same request or a possible duplicate.
Tests that send one take ``alone``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from support.app import running

in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def precert(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The app with the shipped examples, and a client for it."""
    async with running(tmp_path_factory.mktemp("shared")) as pair:
        yield pair


@pytest.fixture(scope="module")
def app(precert: tuple[FastAPI, httpx.AsyncClient]) -> FastAPI:
    return precert[0]


@pytest.fixture(scope="module")
def client(precert: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return precert[1]


@pytest_asyncio.fixture(loop_scope="module")
async def alone(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that nobody else has asked."""
    async with running(tmp_path / "alone") as (_, own):
        yield own
