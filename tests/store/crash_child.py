"""The process that is killed in the crash test: commits as fast as it can and tells each acknowledgement."""

from __future__ import annotations

import asyncio
import hashlib
import json
from multiprocessing.connection import Connection
from pathlib import Path

from precert.runtime import Runtime
from precert.store.embedded import EmbeddedStore
from precert.store.port import Audit, Commit, Idempotency, Outgoing, Put, Stored

TASKS = 8


def body(name: str) -> bytes:
    """2 to 24 KB that follow from the name alone, so that the parent knows what must be there."""
    seed = hashlib.sha256(name.encode()).hexdigest()
    return json.dumps({"id": name, "text": [f"{seed}-{n}" for n in range(30 + int(seed[:2], 16))]}).encode()


def commit(name: str, task: str, expect: int) -> Commit:
    """Everything a submit writes: claim, response, the task's own counter, message, audit entry, name, answer."""
    now = Runtime().now()
    return Commit(
        "acme",
        puts=(
            Put("Claim", name, body(name), {"run": [task], "status": ["active"]}, expect=0),
            Put("ClaimResponse", name, body(name)[::-1], {"request": [f"Claim/{name}"]}, expect=0),
            Put("Task", task, name.encode(), {}, expect=expect),
        ),
        outgoing=(Outgoing("notices", name.encode(), now),),
        audit=(Audit("submit", "client", f"Claim/{name}", now),),
        reserve=(f"number:{name}",),
        idempotency=Idempotency(f"key-{name}", "digest"),
        result=name.encode(),
    )


def main(directory: str, run: int, acknowledged: Connection) -> None:
    asyncio.run(_main(Path(directory), run, acknowledged))


async def _main(directory: Path, run: int, acknowledged: Connection) -> None:
    store = EmbeddedStore.open(directory, min_free_bytes=0)

    async def work(task: str) -> None:
        version = 0
        while True:
            name = f"{task}-{version}"
            assert isinstance(await store.commit(commit(name, task, version)), Stored)
            version += 1
            acknowledged.send((task, version))  # a write(2): it survives this process

    await asyncio.gather(*(work(f"{run}-{n}") for n in range(TASKS)))
