"""The CRD presets, played once for all modules."""

from __future__ import annotations

import asyncio

import pytest

from inferno import crd_running_221 as newer
from inferno.crd_running import EDITIONS, UNSIGNED, Group, play
from support.app import frozen_runtime, running


@pytest.fixture(scope="session")
def crd_plays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Group]]:
    """The preset in both versions, each against a server of its own."""

    async def one(edition: str, version: str | None) -> dict[str, Group]:
        folder = tmp_path_factory.mktemp(f"crd-{edition}")
        async with running(folder, frozen_runtime(), validate_answers=True, **UNSIGNED) as (_, client):
            return await play(client, version)

    return {edition: asyncio.run(one(edition, version)) for edition, version in EDITIONS.items()}


@pytest.fixture(scope="session")
def crd_221_plays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, newer.Played]:
    """The preset of the 2.2.1 suite, with its follow-up calls."""

    async def one() -> dict[str, newer.Played]:
        folder = tmp_path_factory.mktemp("crd-221")
        async with running(folder, frozen_runtime(), validate_answers=True, **newer.SETTINGS) as (_, client):
            return await newer.play(client)

    return asyncio.run(one())
