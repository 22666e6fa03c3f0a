"""The store's port: what the rest of precert may ask of a database, and nothing more.

One method is one atomic unit. No database types cross this line and there is no generic "find": every search
parameter is declared by its writer as tokens (scalar strings) on the row. Bodies are opaque bytes that come back
byte for byte (FHIR decimals and element order survive), guarded by SHA-256.

Durability: when a write method returns, the data survives ``kill -9`` and power loss (WAL + fsync on the embedded
engine). Errors are the exceptions below; each says whether trying again can help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class StoreError(Exception):
    """The base of everything a store raises."""


class Conflict(StoreError):
    """``Put.expect`` did not match the stored version: somebody else wrote first. Read again and retry."""

    def __init__(self, key: str, expected: int | None, actual: int) -> None:
        super().__init__(f"{key}: expected version {expected}, found {actual}")
        self.key, self.expected, self.actual = key, expected, actual


class AlreadyTaken(StoreError):
    """A name in ``Commit.reserve`` is in use, for ever. Choose another one and retry."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already taken")
        self.name = name


class Busy(StoreError):
    """The write queue is full. Nothing was written; retry after ``retry_after`` seconds."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("the store's write queue is full")
        self.retry_after = retry_after


class StorageFull(StoreError):
    """No space (or too little, see the free-space watermark). Nothing was written; reads go on."""


class Corrupt(StoreError):
    """A stored body does not match its SHA-256, or the audit chain is broken."""


class BadPage(StoreError):
    """The ``page`` of a search is not a token this store gave out for a search in this order."""


class Locked(StoreError):
    """Another process holds the data directory."""


class NoStore(StoreError):
    """There is no store where one was to be read. Nothing was made."""


def is_id(id: str) -> bool:
    """Whether a resource can have ``id``: what clients call things may hold what no key may."""
    return bool(id) and "/" not in id


@dataclass(frozen=True, slots=True)
class Put:
    """Write one new version of a resource.

    ``params`` are the declared search tokens; they replace the earlier version's. ``expect`` is the version that must
    be current: ``0`` = must not exist, ``n`` = must be version n, ``None`` = whatever is there.

    Names that could be mistaken for others are refused with ValueError: tenant, type and id must be non-empty and
    without ``/`` (type also without ``?``), a param's name non-empty and without ``=``. Values may be any text.
    """

    type: str
    id: str
    body: bytes
    params: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for the outbox: delivered at least once by whoever leases ``queue``."""

    queue: str
    body: bytes
    due: datetime


@dataclass(frozen=True, slots=True)
class Idempotency:
    """``key`` names the request, ``digest`` its content. Same key and digest = the same request sent again."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Audit:
    """One entry for the append-only, hash-chained audit log. ``detail`` must not hold clinical content."""

    action: str
    actor: str
    subject: str
    at: datetime
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that must happen together or not at all, for one tenant.

    ``reserve`` are names (for example ``auth-number:…``) that must never have been used by anybody; they are taken
    for ever. ``result`` is what a replay of the same ``idempotency`` key gets back.
    """

    tenant: str
    puts: Sequence[Put] = ()
    outgoing: Sequence[Outgoing] = ()
    audit: Sequence[Audit] = ()
    reserve: Sequence[str] = ()
    idempotency: Idempotency | None = None
    result: bytes = b""


@dataclass(frozen=True, slots=True)
class Stored:
    """The commit is durable. ``versions`` are the new version numbers, in the order of ``Commit.puts``."""

    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """This key and digest were committed before; nothing was written now. ``result`` is what was stored then."""

    result: bytes


@dataclass(frozen=True, slots=True)
class KeyReused:
    """This key was committed before with *another* digest; nothing was written now."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """One stored version of a resource."""

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Param:
    """A search condition: the row has *any* of ``values`` under ``name``. Several params are ANDed."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Page:
    documents: tuple[Document, ...]
    next: str | None  # pass as ``page`` to get the following ones


@dataclass(frozen=True, slots=True)
class Leased:
    """An outbox message handed to one worker until ``until``. ``fence`` must be given back with ack/nack."""

    id: int
    queue: str
    body: bytes
    attempt: int
    fence: int
    until: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An outbox message that was given up, kept for people: what it was, how often it was tried and why it failed."""

    id: int
    queue: str
    body: bytes
    attempt: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    seq: int
    tenant: str
    action: str
    actor: str
    subject: str
    at: datetime
    detail: Mapping[str, str]
    hash: str


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    detail: str
    documents: int = 0
    outbox: int = 0
    free_bytes: int = 0
    dead: int = 0


class Store(Protocol):
    """What every engine does. All methods are safe to call concurrently from one event loop."""

    async def commit(self, commit: Commit) -> Stored | Replayed | KeyReused:
        """Apply ``commit`` atomically and durably.

        Raises Conflict, AlreadyTaken, Busy, StorageFull; ValueError for names that cannot be keys. When the
        idempotency key is known nothing is written, whatever else the commit asks.
        """
        ...

    async def replay(self, tenant: str, key: Idempotency) -> Replayed | KeyReused | None:
        """What a commit with this key would answer, without writing: ``None`` if the key is new."""
        ...

    async def get(self, tenant: str, type: str, id: str) -> Document | None: ...

    async def vread(self, tenant: str, type: str, id: str, version: int) -> Document | None: ...

    async def history(self, tenant: str, type: str, id: str) -> tuple[Document, ...]:
        """All versions, newest first."""
        ...

    async def search(
        self,
        tenant: str,
        type: str,
        params: Sequence[Param] = (),
        *,
        newest_first: bool = True,
        limit: int = 50,
        page: str | None = None,
    ) -> Page:
        """Current versions whose tokens satisfy every param, ordered by last update (then id).

        ``newest_first`` is the exact reverse of the other order. Raises BadPage.
        """
        ...

    async def lease(self, queue: str, worker: str, n: int, ttl: float, now: datetime) -> tuple[Leased, ...]:
        """Take up to ``n`` due messages, in order, for ``ttl`` seconds. Expired leases can be taken again.

        The order is by due time, then as sent. Raises Busy, StorageFull.
        """
        ...

    async def ack(self, id: int, fence: int) -> bool:
        """The message is done; forget it. ``False`` if the lease was lost meanwhile."""
        ...

    async def nack(self, id: int, fence: int, due: datetime) -> bool:
        """Try again at ``due``."""
        ...

    async def dead(self, id: int, fence: int, reason: str) -> bool:
        """Give up; the message is kept aside for people to look at."""
        ...

    async def dead_letters(self, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Messages that were given up, by id, from the one after ``after``."""
        ...

    async def revive(self, id: int, due: datetime) -> bool:
        """Put a dead letter back into its queue, due at ``due``. ``False`` if there is none with this id."""
        ...

    async def audit(self, tenant: str, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]: ...

    async def verify(self) -> list[str]:
        """Check every body's SHA-256 and the audit chain; returns what is wrong, in words."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy of the whole store to ``path`` while running."""
        ...

    async def health(self) -> Health: ...

    async def close(self) -> None: ...
