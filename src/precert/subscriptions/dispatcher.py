"""The task that delivers notifications: it reads the outbox, lets many receivers be slow at once and none be in the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import structlog

from precert.runtime import Runtime
from precert.store.port import Leased, Store, StoreError
from precert.subscriptions import progress
from precert.subscriptions.intake import Intake
from precert.subscriptions.notifications import event_notification, handshake
from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.progress import Changed, Notice, next_notice, stopped
from precert.subscriptions.record import END, FRESH, RETRY, Record, WorkOrder, read_work
from precert.subscriptions.records import Change, Records
from precert.subscriptions.sender import Attempt, Sender

log = structlog.get_logger("precert.subscriptions")


@dataclass(slots=True)
class Lane:
    """One queue and how many deliveries of it run at once."""

    queue: str
    slots: int
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def free(self) -> int:
        return self.slots - len(self.tasks)


class Dispatcher:
    """Run it with ``async with dispatcher.running():`` in the app's lifespan; one per store.

    All that must survive is in the store: an outbox message per subscription with something to send, due when it is to be
    sent. A restart goes on where the last commit was; a receiver may get a notification twice, never another number.
    """

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        *,
        tenant: str = "default",
        allow_private: bool = False,
        policy: DeliveryPolicy | None = None,
        sender: Sender | None = None,
    ) -> None:
        self._store, self._runtime = store, runtime
        self._policy = policy or DeliveryPolicy()
        self._sender = sender or Sender(allow_private=allow_private)
        self._records = Records(store, tenant)
        self._worker = f"dispatcher-{runtime.new_id()}"
        self._intake = Intake(store, self._records, runtime, self._worker)
        self._lanes = (Lane(FRESH, self._policy.slots), Lane(RETRY, self._policy.retry_slots))
        self._at_work: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is new work: look now instead of at the next poll. Call it from the event loop's thread."""
        self._wake.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        """Deliver until the block is left. Deliveries under way get a moment to finish; the rest is for the next start."""
        loop = asyncio.create_task(self._run(), name="subscriptions-dispatcher")
        try:
            yield self
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            tasks = self._tasks()
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=self._policy.grace)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            await self._sender.close()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for lane in self._lanes for task in lane.tasks]

    async def drain(self) -> int:
        """Do everything that is due by the clock, once, and wait for it; how many messages that were. For tests and tools."""
        done = 0
        while moved := await self._round():
            done += moved
            await asyncio.gather(*self._tasks())
        return done

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                moved = await self._round()
            except StoreError as error:
                log.warning("the store declined, trying again", why=str(error))
                moved = 0
            except Exception:
                # The loop must outlive any one bad message; it is written down, and the message comes again.
                log.exception("dispatcher round failed")
                moved = 0
            if not moved:
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._policy.poll):
                await self._wake.wait()
        except TimeoutError:
            return  # poll: something may have become due

    async def _round(self) -> int:
        """Number new events, start what is due and has a free slot. How many messages were taken up."""
        moved = await self._intake.take()
        for lane in self._lanes:
            now = self._runtime.now()
            for message in await self._store.lease(lane.queue, self._worker, lane.free, self._policy.lease, now):
                task = asyncio.create_task(self._attend(message))
                lane.tasks.add(task)
                task.add_done_callback(lane.tasks.discard)
                task.add_done_callback(lambda _: self.wake())
                moved += 1
        return moved

    async def _attend(self, message: Leased) -> None:
        try:
            order = read_work(message.body)
        except msgspec.DecodeError as error:
            log.error("not a work order", message=message.id, why=str(error))
            await self._store.dead(message.id, message.fence, f"not a work order: {error}")
            return
        if order.subscription in self._at_work:  # one at a time per receiver; come back in a moment
            await self._store.nack(message.id, message.fence, self._runtime.now() + timedelta(seconds=1))
            return
        self._at_work.add(order.subscription)
        try:
            await self._work(order)
            await self._store.ack(message.id, message.fence)
        except asyncio.CancelledError:
            # Shutting down: give it back, so that the next start need not wait for the lease to run out.
            await self._store.nack(message.id, message.fence, self._runtime.now())
            raise
        except Exception:
            # Not the receiver's fault, so it does not count against it. Never given up: the subscription would be stuck.
            log.exception("delivery failed here, not at the receiver", subscription=order.subscription)
            due = self._runtime.now() + self._policy.retry_in(message.attempt, self._runtime.random_bits)
            with contextlib.suppress(StoreError):  # then the lease runs out, to the same effect
                await self._store.nack(message.id, message.fence, due)
        finally:
            self._at_work.discard(order.subscription)

    async def _work(self, order: WorkOrder) -> None:
        record = await self._records.read(order.subscription)
        if record is None or not record.live:
            return
        now = self._runtime.now()
        if record.ended(now):
            await self._records.change(record.id, self._end)
        elif order.ticket == END:
            return  # the end was moved
        elif order.ticket == record.progress.ticket:
            notice = next_notice(record)
            if notice is not None:
                await self._deliver(order, record, notice)
        elif order.ticket == record.progress.pulse:
            await self._beat(order, record)

    async def _deliver(self, order: WorkOrder, record: Record, notice: Notice) -> None:
        body = await self._body(record, notice)
        attempt = await self._sender.post(record.channel, body, self._policy.limit(record.channel.timeout))
        log.info(
            "notification",
            subscription=record.id,
            kind=notice.kind,
            number=notice.number,
            status=attempt.status,
            error=attempt.error or None,
            ms=attempt.ms,
        )
        stored = await self._records.change(record.id, lambda current: self._after(order, current, notice, attempt))
        if stored is not None and stored.status != record.status:
            log.info("subscription status", subscription=record.id, status=stored.status)

    def _after(self, order: WorkOrder, current: Record, notice: Notice, attempt: Attempt) -> Change | None:
        held = current.progress.pulse if notice.kind == "heartbeat" else current.progress.ticket
        if not current.live or held != order.ticket:
            return None  # changed, stopped or deleted by the client meanwhile: the attempt counts for nothing
        now = self._runtime.now()
        return Change(progress.after(current, notice, attempt, policy=self._policy, runtime=self._runtime, now=now))

    async def _body(self, record: Record, notice: Notice) -> bytes:
        new_id, now = self._runtime.new_id, self._runtime.now()
        if notice.number is None:
            return handshake(record, id=new_id(), parameters=new_id(), at=now, kind=notice.kind)
        numbered = await self._records.event(record.id, notice.number)
        if numbered is None:
            raise LookupError(f"event {notice.number} of Subscription/{record.id} is not in the store")
        bundle = numbered.event.bundles.get(record.version)
        full = record.channel.content == "full-resource" and bundle is not None
        bundles = await self._records.bundles([bundle] if full and bundle else [])
        if record.channel.content == "full-resource" and not bundles:
            log.error("no PAS Response Bundle for this event", subscription=record.id, number=notice.number)
        return event_notification(record, numbered, bundles)

    async def _beat(self, order: WorkOrder, record: Record) -> None:
        now = self._runtime.now()
        quiet = progress.beat_due(record, now) <= now and next_notice(record) is None
        if record.channel.heartbeat is not None and quiet:
            await self._deliver(order, record, Notice("heartbeat"))
        else:
            await self._records.change(record.id, lambda current: self._postpone(order, current))

    def _postpone(self, order: WorkOrder, current: Record) -> Change | None:
        if current.progress.pulse != order.ticket:
            return None
        if current.channel.heartbeat is None:  # no longer asked for
            silent = msgspec.structs.replace(current.progress, pulse="")
            return Change(Changed(msgspec.structs.replace(current, progress=silent)))
        return Change(progress.next_beat(current, (), self._runtime, self._runtime.now()))

    def _end(self, current: Record) -> Change | None:
        now = self._runtime.now()
        return Change(Changed(stopped(current, now))) if current.live and current.ended(now) else None
