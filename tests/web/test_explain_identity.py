"""Explanations are as guarded as reads."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from support.answers import only_fault


async def test_the_open_mode_explains_to_this_machine_only(app: FastAPI) -> None:
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=far, base_url="http://precert.test") as client:
        assert only_fault(await client.get("/explain/none"), 403).rule == "open-mode-loopback"
