"""A conversation with precert in this process: what a client sends, step by step, until an adaptive form is complete.

The suite for 2.0.1 replays fixed bodies, so they have to be what the server's own forms look like.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from precert.app import create_app
from precert.runtime import Runtime
from precert.settings import Settings, shipped
from tools.inferno_dtr_parts import filled
from tools.requests import Json

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
MOST_STEPS = 20


def _counted() -> Callable[[], str]:
    numbers = iter(range(1, 1_000_000))
    return lambda: str(uuid.uuid5(uuid.NAMESPACE_URL, f"precert-preset/{next(numbers)}"))


@asynccontextmanager
async def server(root: str) -> AsyncIterator[httpx.AsyncClient]:
    """precert with the demo world, reached at ``root``; time stands still and ids are counted."""
    with tempfile.TemporaryDirectory() as folder:
        examples = shipped("examples")
        settings = Settings(
            data=Path(folder),
            policies=examples / "policies",
            forms=examples / "forms",
            eligibility=examples / "eligibility",
            policy_reload_seconds=0,
            log_level="error",
        )
        app = create_app(settings, Runtime(now=lambda: AT, new_id=_counted()))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=root) as client:
                yield client


async def post(client: httpx.AsyncClient, path: str, body: Json) -> Json:
    """One call, which must succeed."""
    answered = await client.post(path, json=body)
    if answered.status_code != 200:
        raise RuntimeError(f"{path}: {answered.status_code} {answered.text}")
    made: Json = json.loads(answered.content)
    return made


async def interview(
    client: httpx.AsyncClient, base: str, package: Json, form: str, answers: dict[str, Json]
) -> tuple[list[Json], Json]:
    """The bodies that were sent to ``$next-question`` for ``form`` of ``package``, and the completed response."""
    answered = await post(client, f"{base}/Questionnaire/$questionnaire-package", package)
    response = next(
        bundle["entry"][1]["resource"]
        for bundle in (part["resource"] for part in answered["parameter"])
        if bundle["resourceType"] == "Bundle" and bundle["entry"][0]["resource"]["id"] == form
    )
    sent: list[Json] = []
    while response["status"] != "completed":
        if len(sent) == MOST_STEPS:
            raise RuntimeError(f"{form} did not end")
        sent.append(filled(response, answers))
        response = await post(client, f"{base}/Questionnaire/$next-question", sent[-1])
    return sent, response
