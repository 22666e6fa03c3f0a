"""Reading a JSON Web Key set from a registered address: bounded in time and size, and never an error to the caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import structlog

log = structlog.get_logger(__name__)

FETCH_SECONDS = 3.0
_MOST_BYTES = 256 * 1024
MOST_KEYS = 100
"""Of a set that others publish, no more are looked at."""


def members(jwks: Any) -> list[Any]:
    """The keys of a set, as they are written. Raises ValueError if it is no key set."""
    found = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(found, list):
        raise ValueError("a key set is an object with a list of keys")
    return found


async def read_jwks(
    http: httpx.AsyncClient, address: str, extensions: Mapping[str, Any] | None = None
) -> tuple[Any, str] | None:
    """The JSON at ``address`` and its Cache-Control; ``None``, and a line in the log, when it cannot be had.

    ``extensions`` go with the httpx request.
    """
    body = bytearray()
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            http.stream(
                "GET", address, headers={"Accept": "application/json"}, extensions=dict(extensions or {})
            ) as response,
        ):
            if response.status_code != 200:
                log.warning("keys cannot be read", address=address, status=response.status_code)
                return None
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    log.warning("keys cannot be read", address=address, why="too large")
                    return None
        return json.loads(bytes(body)), response.headers.get("cache-control", "")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
        log.warning("keys cannot be read", address=address, why=type(error).__name__)
        return None
