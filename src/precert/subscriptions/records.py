"""Subscriptions and their events in the store: reading, and changing one when others may change it too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from precert.store.port import Audit, Commit, Conflict, Document, Idempotency, Param, Replayed, Store
from precert.subscriptions.progress import Changed
from precert.subscriptions.record import (
    EVENT_TYPE,
    TYPE,
    Delivery,
    Numbered,
    Record,
    event_id,
    put_event,
    put_record,
    read_numbered,
    read_record,
)

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with a record that was just read: store ``changed``, with a new event or an audit entry."""

    changed: Changed
    event: Numbered | None = None
    audit: tuple[Audit, ...] = ()


class Records:
    """The subscriptions of one tenant."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store, self._tenant = store, tenant

    async def read(self, id: str) -> Record | None:
        """The subscription, deleted ones too; ``None`` if there never was one."""
        document = await self._store.get(self._tenant, TYPE, id)
        return read_record(document.body) if document else None

    async def add(self, changed: Changed, audit: Audit) -> None:
        """Store a new subscription."""
        put = put_record(changed.record, expect=0)
        await self._store.commit(Commit(self._tenant, [put], changed.outgoing, [audit]))

    async def change(
        self, id: str, decide: Callable[[Record], Change | None], *, once: Idempotency | None = None
    ) -> Record | None:
        """Store what ``decide`` makes of the current record; ask again if somebody else was faster.

        Returns the record as stored; ``None`` if there is none, if ``decide`` declines, or if ``once`` was done before.
        Raises Conflict when others are always faster, and whatever ``decide`` raises.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            document = await self._store.get(self._tenant, TYPE, id)
            change = decide(read_record(document.body)) if document else None
            if document is None or change is None:
                return None
            try:
                answer = await self._store.commit(self._commit(document, change, once))
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
                continue
            # The same event for the same subscription always has the same digest: KeyReused cannot come.
            return None if isinstance(answer, Replayed) else change.changed.record
        raise AssertionError("unreachable: the loop returns or raises")

    def _commit(self, document: Document, change: Change, once: Idempotency | None) -> Commit:
        record = change.changed.record
        puts = [put_record(record, expect=document.version)]
        if change.event is not None:
            puts.append(put_event(record, change.event))
        return Commit(self._tenant, puts, change.changed.outgoing, change.audit, idempotency=once)

    async def event(self, subscription: str, number: int) -> Numbered | None:
        """One numbered event of a subscription."""
        document = await self._store.get(self._tenant, EVENT_TYPE, event_id(subscription, number))
        return read_numbered(document.body) if document else None

    async def bundles(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The stored PAS Response Bundles with these ids, those that are (still) there."""
        found = {id: await self._store.get(self._tenant, "Bundle", id) for id in ids}
        return {id: document.body for id, document in found.items() if document is not None}

    async def search(
        self, params: Sequence[Param], limit: int, page: str | None = None
    ) -> tuple[list[Record], str | None]:
        """A page of subscriptions, newest change first. Raises BadPage."""
        found = await self._store.search(self._tenant, TYPE, params, limit=limit, page=page)
        return [read_record(document.body) for document in found.documents], found.next

    async def all(self, params: Sequence[Param]) -> AsyncIterator[Record]:
        """Every subscription that satisfies ``params``."""
        page: str | None = None
        while True:
            records, page = await self.search(params, 200, page)
            for record in records:
                yield record
            if page is None:
                return

    async def deliveries(self, id: str) -> tuple[Delivery, ...]:
        """The delivery log of a subscription: the latest attempts, oldest first."""
        record = await self.read(id)
        return record.progress.log if record else ()
