"""precert in this process: frozen time, counted ids, seeded numbers, an app on a store of its own, a client for it."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from precert.runtime import Runtime
from precert.settings import Settings

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


class FrozenClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        """Move on, for example ``forward(days=3)``."""
        self.at += timedelta(**by)

    def tick(self, seconds: float = 1.0) -> datetime:
        """Move on a little; what it says then."""
        self.at += timedelta(seconds=seconds)
        return self.at


class CountedIds:
    """Uuids that count: 00000000-0000-4000-8000-000000000001 and so on."""

    def __init__(self) -> None:
        self.issued = 0

    def __call__(self) -> str:
        self.issued += 1
        return str(uuid.UUID(int=(4 << 76) | (8 << 60) | self.issued))


def frozen_runtime(clock: FrozenClock | None = None, seed: int = 1) -> Runtime:
    """The same time, ids and numbers in every run."""
    chance = random.Random(seed)
    return Runtime(now=clock or FrozenClock(), new_id=CountedIds(), random_bits=chance.getrandbits)


def settings(data: Path, **given: Any) -> Settings:
    """Settings with the shipped examples, a store under ``data`` and no policy watcher.

    The hand-made forms are left out (``forms=EXAMPLES / "forms"`` brings them): checking them is a third of a start.
    """
    chosen: dict[str, Any] = {
        "data": data,
        "policies": EXAMPLES / "policies",
        "eligibility": EXAMPLES / "eligibility",
        "policy_reload_seconds": 0,
        "forms": None,
    }
    return Settings(**chosen | given)


@contextlib.asynccontextmanager
async def running(
    data: Path, runtime: Runtime | None = None, *, raise_app_exceptions: bool = True, **given: Any
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """An app with its lifespan running, and a client that calls it without a network."""
    from precert.app import create_app  # here, so that tests of one room do not need all the others

    app = create_app(settings(data, **given), runtime or frozen_runtime())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=raise_app_exceptions)
        async with httpx.AsyncClient(transport=transport, base_url="http://precert.test") as client:
            yield app, client
