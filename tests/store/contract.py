"""What any store must do: the adapters under test and the helpers of the contract tests.

A new engine adds an ``Adapter`` to ``ADAPTERS``; every ``test_contract_*`` module then runs against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from precert.store.embedded import EmbeddedStore
from precert.store.port import Audit, Commit, Document, Outgoing, Page, Param, Put, Store, Stored
from support.app import FrozenClock

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


class Clock(FrozenClock):
    """It stands still at noon until told."""

    def __init__(self) -> None:
        super().__init__(NOON)


@dataclass(frozen=True)
class Adapter:
    """``open`` makes or reopens the store that lives in a directory."""

    name: str
    open: Callable[[Path, Clock], Store]


ADAPTERS = [Adapter("embedded", lambda path, clock: EmbeddedStore.open(path, now=clock, min_free_bytes=0))]


def put(
    id: str,
    body: bytes = b"{}",
    params: Mapping[str, Sequence[str]] | None = None,
    *,
    type: str = "Claim",
    expect: int | None = None,
) -> Put:
    return Put(type, id, body, params or {}, expect)


async def store_all(store: Store, *puts: Put, tenant: str = "acme") -> tuple[int, ...]:
    answer = await store.commit(Commit(tenant, puts))
    assert isinstance(answer, Stored)
    return answer.versions


async def all_pages(
    store: Store, tenant: str, type: str, params: Sequence[Param] = (), *, limit: int = 3, newest_first: bool = True
) -> list[Document]:
    found: list[Document] = []
    page: Page | None = None
    while page is None or page.next is not None:
        page = await store.search(
            tenant, type, params, limit=limit, newest_first=newest_first, page=page.next if page else None
        )
        assert len(page.documents) <= limit
        found += page.documents
    return found


def message(body: bytes = b"notice", queue: str = "notices", due: datetime = NOON) -> Outgoing:
    return Outgoing(queue, body, due)


def entry(action: str = "submit", **detail: str) -> Audit:
    return Audit(action, "client-1", "Claim/1", NOON, detail)
