"""Sending PAS requests in tests, and changing them on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import httpx
from tools.make_examples import by_name

from precert.fhir import json

Json = dict[str, Any]
SUBMIT = "/fhir/Claim/$submit"
CLAIM, PATIENT, COVERAGE, PAYER, REQUESTER = range(5)
"""Where the parts of an example stand."""


def example(name: str = "approve") -> Json:
    """An example as a fresh dict."""
    return copy.deepcopy(by_name(name).document())


def changed(edit: Callable[[Json], Any], name: str = "approve") -> Json:
    """An example after ``edit``."""
    made = example(name)
    edit(made)
    return made


def part(bundle: Json, position: int) -> Json:
    """The resource at ``position``."""
    found: Json = bundle["entry"][position]["resource"]
    return found


async def submit(client: httpx.AsyncClient, body: Any, url: str = SUBMIT) -> httpx.Response:
    """Send ``body`` (bytes, or something to write as JSON)."""
    content = body if isinstance(body, bytes) else json.dumps(body)
    return await client.post(url, content=content, headers={"Content-Type": "application/fhir+json"})
