"""From an event to numbered notifications: which subscriptions it concerns, each counted once whatever crashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from precert.runtime import Runtime
from precert.store.port import Idempotency, Leased, Param, Store, StoreError
from precert.subscriptions.events import QUEUE, PasEvent, read_event
from precert.subscriptions.filters import bare_values, matches
from precert.subscriptions.progress import Changed, next_notice, stopped, with_work
from precert.subscriptions.record import FRESH, Numbered, Record
from precert.subscriptions.records import Change, Records

log = structlog.get_logger("precert.subscriptions")
_BATCH = 20
_LEASE = 15.0
_POISONED = 20
_FRONT = datetime(2000, 1, 1, tzinfo=UTC)
"""Due so long ago that a message given back comes before all that arrived later: the order of events is kept."""


class Intake:
    """Empties the queue ``pas-events``, one event after the other, so that numbers follow the order of the changes."""

    def __init__(self, store: Store, records: Records, runtime: Runtime, worker: str) -> None:
        self._store, self._records, self._runtime, self._worker = store, records, runtime, worker

    async def take(self) -> int:
        """Number the events that are due; how many there were. Raises the store's errors: then try again later.

        An event is acknowledged only when it is numbered everywhere; one that was numbered before a crash is found by
        the key of its commit and not numbered again.
        """
        leased = await self._store.lease(QUEUE, self._worker, _BATCH, _LEASE, self._runtime.now())
        for place, message in enumerate(leased):
            try:
                await self._number(message)
            except BaseException as error:
                await self._give_back(leased[place:], error)
                raise
        return len(leased)

    async def _give_back(self, leased: Sequence[Leased], error: BaseException) -> None:
        """Otherwise they would wait for the lease to run out. One that always fails here must not block the others."""
        first = leased[0]
        if first.attempt >= _POISONED and isinstance(error, Exception) and not isinstance(error, StoreError):
            await self._store.dead(first.id, first.fence, f"{type(error).__name__}: {error}")
        for message in leased:
            await self._store.nack(message.id, message.fence, _FRONT)  # no effect on one that is dead

    async def _number(self, message: Leased) -> None:
        try:
            event = read_event(message.body)
        except msgspec.DecodeError as error:
            log.error("not a PAS event", message=message.id, why=str(error))
            await self._store.dead(message.id, message.fence, f"not a PAS event: {error}")
            return
        for record in await self._concerned(event):
            await self._assign(record, event)
        await self._store.ack(message.id, message.fence)

    async def _concerned(self, event: PasEvent) -> list[Record]:
        wanted = [
            Param("live", ["yes"]),
            # Only whoever submitted the request hears about it: a filter alone must not open another client's cases.
            Param("owner", [event.submitter]),
            Param("match", bare_values(event.filters)),
        ]
        return [record async for record in self._records.all(wanted) if matches(record.filters, event.filters)]

    async def _assign(self, record: Record, event: PasEvent) -> None:
        now = self._runtime.now()
        new_id = self._runtime.new_id
        bundle, parameters, ticket = new_id(), new_id(), new_id()

        def decide(current: Record) -> Change | None:
            if not current.live:
                return None
            if current.ended(now):
                return Change(Changed(stopped(current, now)))
            number = current.progress.last + 1
            numbered = Numbered(number=number, event=event, at=now, bundle=bundle, parameters=parameters)
            return Change(_counted(current, number, ticket, now), event=numbered)

        key = f"{QUEUE}|{event.event}|{record.id}"
        await self._records.change(record.id, decide, once=Idempotency(key, event.event))


def _counted(record: Record, number: int, ticket: str, now: datetime) -> Changed:
    """The record with one more event. Whoever works on it already will come to that event by itself."""
    idle = next_notice(record) is None
    counted = msgspec.structs.replace(record, progress=msgspec.structs.replace(record.progress, last=number))
    return with_work(counted, FRESH, ticket, now) if idle else Changed(counted)
