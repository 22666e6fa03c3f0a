"""What is stored for a subscription: the resource as the client sent it, what was read from it, and how far delivery is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.types import Resource
from precert.fhir.versions import VersionName
from precert.store.port import Outgoing, Put
from precert.subscriptions.events import PasEvent
from precert.subscriptions.filters import Filters, bare_values

Content = Literal["empty", "id-only", "full-resource"]
Status = Literal["requested", "active", "error", "off"]
Kind = Literal["handshake", "heartbeat", "event-notification"]

TYPE = "Subscription"
EVENT_TYPE = "SubscriptionEvent"
FRESH = "pas-notifications"
"""Queue of work for receivers that answered last time."""
RETRY = "pas-notification-retries"
"""Queue of work for receivers that did not."""
END = "end"
"""The ticket of the message that is due when a subscription ends."""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to deliver. ``headers`` are the client's, checked; ``payload`` is sent as Content-Type."""

    endpoint: str
    payload: str
    content: Content
    headers: tuple[tuple[str, str], ...] = ()
    timeout: int | None = None
    heartbeat: int | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the delivery log. Never a body, never a header."""

    at: datetime
    kind: Kind
    number: int | None
    attempt: int
    status: int | None
    error: str
    ms: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far delivery is.

    ``last`` is the number of the latest event, ``delivered`` of the latest one that the receiver took. ``ticket`` names the
    one outbox message that may work on this subscription ("" = nothing to do), ``pulse`` the one of its heartbeat: any
    other message is outdated and dropped, so that however often messages are handed out, deliveries stay in line.
    """

    last: int = 0
    delivered: int = 0
    handshaken: bool = False
    ticket: str = ""
    pulse: str = ""
    failures: int = 0
    failing_since: datetime | None = None
    error: str = ""
    sent: datetime | None = None
    log: tuple[Delivery, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription. ``revision`` counts what the client can see (its ETag), not deliveries."""

    id: str
    owner: str
    version: VersionName
    base: str
    resource: msgspec.Raw
    status: Status
    revision: int
    updated: datetime
    channel: Channel
    filters: Filters
    end: datetime | None = None
    deleted: bool = False
    progress: Progress = Progress()

    @property
    def live(self) -> bool:
        """Whether events are for it. One whose handshake is still out counts: its events wait behind the handshake."""
        return not self.deleted and self.status != "off"

    def ended(self, now: datetime) -> bool:
        """Whether its ``end`` has come."""
        return self.end is not None and self.end <= now

    @property
    def etag(self) -> str:
        return f'W/"{self.revision}"'


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its number in one subscription, and the ids of the notification, so that a retry is the same one."""

    number: int
    event: PasEvent
    at: datetime
    bundle: str
    parameters: str


class WorkOrder(msgspec.Struct, frozen=True):
    """Body of an outbox message: look after ``subscription`` if its ticket (or pulse) still is ``ticket``."""

    subscription: str
    ticket: str


def read_record(body: bytes) -> Record:
    """A stored record. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=Record)


def put_record(record: Record, expect: int) -> Put:
    """The record as a write, found by owner, base version, url, status and the identifiers it filters on."""
    params = {} if record.deleted else _params(record)
    return Put(TYPE, record.id, msgspec.json.encode(record), params, expect)


def _params(record: Record) -> dict[str, list[str]]:
    return {
        "owner": [record.owner],
        "version": [record.version],
        "_id": [record.id],
        "url": [record.channel.endpoint],
        "status": [record.status],
        "live": ["yes" if record.live else "no"],
        "match": bare_values(value for anyof in record.filters for value in anyof),
    }


def put_event(record: Record, numbered: Numbered) -> Put:
    """A numbered event, written once."""
    return Put(EVENT_TYPE, event_id(record.id, numbered.number), msgspec.json.encode(numbered), expect=0)


def event_id(subscription: str, number: int) -> str:
    return f"{subscription}.{number}"


def read_numbered(body: bytes) -> Numbered:
    """A stored event. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=Numbered)


def work(queue: str, subscription: str, ticket: str, due: datetime) -> Outgoing:
    """The outbox message that makes the dispatcher look after a subscription at ``due``."""
    return Outgoing(queue, msgspec.json.encode(WorkOrder(subscription, ticket)), due)


def read_work(body: bytes) -> WorkOrder:
    """The inverse of :func:`work`. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=WorkOrder)


def shown(record: Record) -> Resource:
    """The Subscription as the client gets it: what it sent, with our id, status, version and time."""
    sent: Resource = json.loads(bytes(record.resource))
    meta = sent.get("meta")
    ours = {"versionId": str(record.revision), "lastUpdated": instant(record.updated)}
    return {
        "resourceType": TYPE,
        "id": record.id,
        "meta": {**meta, **ours} if isinstance(meta, dict) else ours,
        **{name: value for name, value in sent.items() if name not in ("resourceType", "id", "meta")},
        "status": record.status,  # always there, so this keeps its place
    }
