"""What becomes of a subscription after each attempt. Pure: record in, record and outbox messages out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from precert.runtime import Runtime
from precert.store.port import Outgoing
from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.record import END, FRESH, RETRY, Delivery, Kind, Record, Status, work
from precert.subscriptions.sender import Attempt


@dataclass(frozen=True, slots=True)
class Notice:
    """What is next for a receiver; ``number`` for an event."""

    kind: Kind
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A record and the messages that must be stored together with it."""

    record: Record
    outgoing: tuple[Outgoing, ...] = ()


def next_notice(record: Record) -> Notice | None:
    """The handshake first, then events in order, one at a time; ``None`` if everything is delivered."""
    progress = record.progress
    if not record.live:
        return None
    if not progress.handshaken:
        return Notice("handshake")
    if progress.delivered < progress.last:
        return Notice("event-notification", progress.delivered + 1)
    return None


def with_status(record: Record, status: Status, now: datetime) -> Record:
    """The record in another status; a change is a new revision for the client."""
    if record.status == status:
        return record
    return msgspec.structs.replace(record, status=status, revision=record.revision + 1, updated=now)


def with_work(record: Record, queue: str, ticket: str, due: datetime) -> Changed:
    """Have somebody look at the record at ``due``, and nobody before."""
    progress = msgspec.structs.replace(record.progress, ticket=ticket)
    return Changed(msgspec.structs.replace(record, progress=progress), (work(queue, record.id, ticket, due),))


def started(record: Record, policy: DeliveryPolicy, new_id: Callable[[], str], now: datetime) -> Changed:
    """A new or changed endpoint: status requested, and a handshake once the answer to the client is out."""
    progress = msgspec.structs.replace(record.progress, handshaken=False, failures=0, failing_since=None, error="")
    record = msgspec.structs.replace(with_status(record, "requested", now), progress=progress)
    changed = with_work(record, FRESH, new_id(), now + timedelta(seconds=policy.handshake_delay))
    return Changed(changed.record, (*changed.outgoing, *end_message(record)))


def end_message(record: Record) -> tuple[Outgoing, ...]:
    """The message that turns the subscription off at its end."""
    return () if record.end is None else (work(FRESH, record.id, END, record.end),)


def stopped(record: Record, now: datetime) -> Record:
    """Off: nothing outstanding counts any more. Undelivered events stay for ``$events`` and for a restart."""
    progress = msgspec.structs.replace(record.progress, ticket="", pulse="")
    return msgspec.structs.replace(with_status(record, "off", now), progress=progress)


def after(
    record: Record, notice: Notice, attempt: Attempt, *, policy: DeliveryPolicy, runtime: Runtime, now: datetime
) -> Changed:
    """The record after an attempt to deliver ``notice``, with the message for what comes next."""
    if attempt.delivered:
        return _succeeded(_logged(record, notice, attempt, policy, now), notice, policy, runtime, now)
    return _failed(_logged(record, notice, attempt, policy, now), notice, attempt, policy, runtime, now)


def _succeeded(record: Record, notice: Notice, policy: DeliveryPolicy, runtime: Runtime, now: datetime) -> Changed:
    done = {"handshaken": True} if notice.kind == "handshake" else {}
    reached = {"delivered": notice.number} if notice.number is not None else {}
    beat = notice.kind == "heartbeat"
    progress = msgspec.structs.replace(
        record.progress,
        **done,
        **reached,
        failures=0,
        failing_since=None,
        error="",
        sent=now,
        ticket=record.progress.ticket if beat else "",
    )
    record = msgspec.structs.replace(with_status(record, "active", now), progress=progress)
    outgoing: tuple[Outgoing, ...] = ()
    if not beat and next_notice(record) is not None:
        changed = with_work(record, FRESH, runtime.new_id(), now)
        record, outgoing = changed.record, changed.outgoing
    return _beating(record, outgoing, runtime, now, renew=beat)


def _failed(
    record: Record, notice: Notice, attempt: Attempt, policy: DeliveryPolicy, runtime: Runtime, now: datetime
) -> Changed:
    since = record.progress.failing_since or now
    failures = record.progress.failures + 1
    progress = msgspec.structs.replace(
        record.progress, failures=failures, failing_since=since, error=attempt.error, sent=now
    )
    record = msgspec.structs.replace(record, progress=progress)
    if now - since >= timedelta(seconds=policy.give_up_after):
        return Changed(stopped(record, now))
    if failures >= policy.error_after:
        record = with_status(record, "error", now)
    if notice.kind == "heartbeat":  # not repeated: the next one comes anyway
        return _beating(record, (), runtime, now, renew=True)
    return with_work(record, RETRY, runtime.new_id(), now + policy.retry_in(failures, runtime.random_bits))


def _beating(
    record: Record,
    outgoing: tuple[Outgoing, ...],
    runtime: Runtime,
    now: datetime,
    *,
    renew: bool,
) -> Changed:
    """Keep exactly one heartbeat message outstanding, if the client asked for heartbeats."""
    if record.channel.heartbeat is None or (record.progress.pulse and not renew):
        return Changed(record, outgoing)
    return next_beat(record, outgoing, runtime, now)


def next_beat(record: Record, outgoing: tuple[Outgoing, ...], runtime: Runtime, now: datetime) -> Changed:
    """Plan a heartbeat one period after the last thing sent."""
    pulse = runtime.new_id()
    due = beat_due(record, now)
    if due <= now:  # overdue because something else is being retried: that will be heard of, or the next beat
        due = now + timedelta(seconds=record.channel.heartbeat or 0)
    progress = msgspec.structs.replace(record.progress, pulse=pulse)
    queue = RETRY if record.progress.failures else FRESH
    return Changed(msgspec.structs.replace(record, progress=progress), (*outgoing, work(queue, record.id, pulse, due)))


def beat_due(record: Record, now: datetime) -> datetime:
    """When the receiver should next hear from us, if nothing else is sent before."""
    return (record.progress.sent or now) + timedelta(seconds=record.channel.heartbeat or 0)


def _logged(record: Record, notice: Notice, attempt: Attempt, policy: DeliveryPolicy, now: datetime) -> Record:
    line = Delivery(
        at=now,
        kind=notice.kind,
        number=notice.number,
        attempt=record.progress.failures + 1,
        status=attempt.status,
        error=attempt.error,
        ms=attempt.ms,
    )
    log = (*record.progress.log, line)[-policy.log_size :]
    return msgspec.structs.replace(record, progress=msgspec.structs.replace(record.progress, log=log))
