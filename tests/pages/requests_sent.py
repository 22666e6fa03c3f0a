"""The shipped examples as new requests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from support.app import EXAMPLES

Submit = Callable[..., Awaitable[str]]
"""Sends an example as a new request; its case number (fixture ``submit``)."""


def fresh(name: str, change: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """``examples/pas/<name>.json`` under identifiers that were never sent; ``change`` may alter it."""
    body: dict[str, Any] = json.loads((EXAMPLES / "pas" / f"{name}.json").read_text())
    body["identifier"]["value"] = str(uuid.uuid4())
    body["entry"][0]["resource"]["identifier"][0]["value"] = str(uuid.uuid4())
    if change:
        change(body)
    return body


def resource(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first resource of a type."""
    found: dict[str, Any] = next(e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == kind)
    return found
