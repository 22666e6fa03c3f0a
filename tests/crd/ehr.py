"""A FHIR server of an EHR on loopback, well-behaved or not, as a plain asyncio server: what it sends is in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from precert.fhir import json

Handler = Callable[["Ehr", str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Ehr:
    """What it was asked, and with which headers."""

    url: str = ""
    resources: dict[str, Any] = field(default_factory=dict)  # by path with query, without the base
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    delay: float = 0.0
    open_now: int = 0
    open_most: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)  # set when the test is done with the server


async def send(writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str) -> None:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/fhir+json", f"Content-Length: {len(body)}", *headers]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
    await writer.drain()


async def well_behaved(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    """The resource under the path; for a search without one an empty Bundle; else 404."""
    if ehr.delay:
        await asyncio.sleep(ehr.delay)  # the slowness that is measured, not a way to wait for something
    found = ehr.resources.get(path)
    if found is None and "?" in path:
        found = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    status = 200 if found is not None else 404
    await send(writer, status, json.dumps(found or {"resourceType": "OperationOutcome", "issue": []}))


@asynccontextmanager
async def serving(handler: Handler = well_behaved, **resources: Any):
    """A running server; ``async with serving(handler) as ehr``."""
    ehr = Ehr(resources=resources)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ehr.open_now += 1
        ehr.open_most = max(ehr.open_most, ehr.open_now)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines if ": " in line)
            headers = {key.lower(): value for key, value in headers.items()}
            path = first.split(" ")[1].removeprefix("/fhir/")
            ehr.asked.append(path)
            ehr.tokens.append(headers.get("authorization"))
            await handler(ehr, path, headers, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client gave up, which is what some tests are about
        finally:
            ehr.open_now -= 1
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    ehr.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    try:
        yield ehr
    finally:
        ehr.closed.set()
        server.close()
