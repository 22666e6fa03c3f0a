"""The default store: mongita's collections on one SQLite file, for one process, safe against kill -9 and power cuts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from precert.runtime import Runtime
from precert.store import chain, outbox, reading, transfer, unit, verify
from precert.store.copying import copy_database
from precert.store.errors import DATABASE_ERRORS, translated
from precert.store.installation import warn_about_sqlite
from precert.store.lockfile import DirectoryLock
from precert.store.mongo.client import Client, self_test
from precert.store.mongo.connection import make_directory, open_writer
from precert.store.mongo.engine import SqliteEngine
from precert.store.port import (
    AuditEntry,
    Commit,
    DeadLetter,
    Document,
    Health,
    Idempotency,
    KeyReused,
    Leased,
    NoStore,
    Page,
    Param,
    Replayed,
    Store,
    Stored,
)
from precert.store.readers import Readers
from precert.store.records import micros
from precert.store.tables import Collections
from precert.store.writer import Unit, Writer

T = TypeVar("T")

FILE = "precert.db"
_MIB = 1024 * 1024


def _written(file: Path) -> bool:
    """Is there a database file that something was ever written to? What SQLite made and never filled has no bytes."""
    return file.is_file() and file.stat().st_size > 0


def free_bytes(directory: Path) -> int:
    """What an ordinary user may still write on the disk of ``directory``."""
    return shutil.disk_usage(directory).free


class EmbeddedStore(Store):
    """The port :class:`precert.store.port.Store` on a data directory. Make one with :meth:`open`.

    Every method raises StoreError or one of its kinds, or ValueError for names that cannot be keys; nothing of SQLite's.
    """

    def __init__(
        self,
        *,
        db: Collections,
        lock: DirectoryLock,
        directory: Path,
        now: Callable[[], datetime],
        queue_limit: int,
        min_free_bytes: int,
        free_space: Callable[[Path], int],
        readers: int,
    ) -> None:
        """Use :meth:`open`, which makes the parts and cleans up if one fails."""
        self.directory = directory
        self._db = db
        self._lock = lock
        self._now = now
        self._min_free = min_free_bytes
        self._free_space = free_space
        self._readers = Readers(directory / FILE, readers)
        self._writer = Writer(db, queue_limit, lambda: free_space(directory) >= min_free_bytes)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        create: bool = True,
        now: Callable[[], datetime] | None = None,
        queue_limit: int = 1024,
        min_free_bytes: int = 64 * _MIB,
        free_space: Callable[[Path], int] = free_bytes,
        readers: int = 2,
    ) -> EmbeddedStore:
        """Open or create the store in ``directory``, for this process alone. Blocks for a few milliseconds.

        Without ``create`` a store that is not there is not made, and neither is its folder: for commands that read what
        a server wrote, where an empty store made of a mistyped path would be told as "nothing was found". ``now`` is the clock for version times (default: the system's). ``queue_limit`` writes may wait, more are refused
        with Busy. With less than ``min_free_bytes`` left, as told by ``free_space``, writes are refused with StorageFull
        and reads go on. ``readers`` threads run searches.

        Raises Locked (another process has it), NoStore (nothing there and not ``create``), Corrupt (not a store, or
        damaged), StorageFull, UnsafeInstallation (wrong packages) and StoreError (not writable, written by a newer precert).
        """
        if not create and not _written(directory / FILE):
            raise NoStore(
                f"there is no store in {directory} (no file {FILE} with anything in it), and none was made;"
                " name the server's data folder with --data, as `precert serve` has it"
            )
        self_test()
        warn_about_sqlite()
        try:
            make_directory(directory)
            lock = DirectoryLock(directory)
        except OSError as error:
            raise translated(error) from error
        try:
            db = Collections.of(Client(SqliteEngine(open_writer(directory / FILE))))
            try:
                db.create()
                with db.client.engine.lock:
                    outbox.release_all(db)
                return cls(
                    db=db,
                    lock=lock,
                    directory=directory,
                    now=now or Runtime().now,
                    queue_limit=queue_limit,
                    min_free_bytes=min_free_bytes,
                    free_space=free_space,
                    readers=readers,
                )
            except BaseException:
                db.client.close()
                raise
        except DATABASE_ERRORS as error:
            lock.release()
            raise translated(error) from error
        except BaseException:
            lock.release()
            raise

    @property
    def waiting(self) -> int:
        """Writes that wait for their turn, for metrics."""
        return self._writer.waiting

    # Writing: through the one writer; each method answers when the change is durable.

    async def commit(self, commit: Commit) -> Stored | Replayed | KeyReused:
        """See the port."""
        return await self._write(lambda db: unit.apply(db, commit, micros(self._now())))

    async def lease(self, queue: str, worker: str, n: int, ttl: float, now: datetime) -> tuple[Leased, ...]:
        """See the port."""
        return await self._write(lambda db: outbox.lease(db, queue, worker, n=n, ttl=ttl, now=now))

    async def ack(self, id: int, fence: int) -> bool:
        """See the port. Works on a full disk too, as it frees space."""
        return await self._write(lambda db: outbox.ack(db, id, fence), grows=False)

    async def nack(self, id: int, fence: int, due: datetime) -> bool:
        """See the port."""
        return await self._write(lambda db: outbox.nack(db, id, fence, due), grows=False)

    async def dead(self, id: int, fence: int, reason: str) -> bool:
        """See the port."""
        return await self._write(lambda db: outbox.dead(db, id, fence, reason, self._now()), grows=False)

    async def revive(self, id: int, due: datetime) -> bool:
        """See the port."""
        return await self._write(lambda db: outbox.revive(db, id, due))

    async def load(self, lines: Iterable[bytes]) -> dict[str, int]:
        """Fill this store, which must be empty, with an export; all of it or nothing. How many of each kind.

        Raises Corrupt if the export is damaged or incomplete, StoreError if the store is not empty. ``lines`` is read in
        the writer's thread.
        """
        return await self._write(lambda db: transfer.import_lines(db, lines))

    # Reading

    async def replay(self, tenant: str, key: Idempotency) -> Replayed | KeyReused | None:
        """See the port. Raises Corrupt."""
        return self._readers.inline(lambda db: unit.answered(db, tenant, key))

    async def get(self, tenant: str, type: str, id: str) -> Document | None:
        """The current version, or ``None``. Raises Corrupt."""
        return self._readers.inline(lambda db: reading.get(db, tenant, type, id))

    async def vread(self, tenant: str, type: str, id: str, version: int) -> Document | None:
        """One version, or ``None``. Raises Corrupt."""
        return self._readers.inline(lambda db: reading.vread(db, tenant, type, id, version))

    async def history(self, tenant: str, type: str, id: str) -> tuple[Document, ...]:
        """See the port. Raises Corrupt."""
        return await self._readers.run(lambda db: reading.history(db, tenant, type, id))

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
        """See the port. Raises Corrupt, BadPage; ValueError for a limit below 0."""
        if page is None and limit > 0:
            short = self._readers.inline(
                lambda db: reading.short_search(db, tenant, type, params, newest_first=newest_first, limit=limit)
            )
            if short is not None:
                return short
        return await self._readers.run(
            lambda db: reading.search(db, tenant, type, params, newest_first=newest_first, limit=limit, page=page)
        )

    async def dead_letters(self, after: int = 0, limit: int = 100) -> tuple[DeadLetter, ...]:
        """See the port. Raises Corrupt."""
        return await self._readers.run(lambda db: outbox.dead_letters(db, after, limit))

    async def audit(self, tenant: str, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """The tenant's entries by number, from the one after ``after``. Numbers are shared by all tenants."""
        return await self._readers.run(lambda db: chain.read(db, tenant, after, limit))

    async def verify(self) -> list[str]:
        """See the port. Also checks the file, rows against versions, and the search index. Reads everything."""
        return await self._readers.alone(lambda db: list(verify.check(db)))

    async def backup(self, path: str) -> None:
        """Write a consistent copy to the directory ``path``, to be opened like any data directory.

        Raises StoreError if there is one already, StorageFull if it does not fit; then nothing is left behind.
        """
        await self._readers.alone(lambda db: copy_database(db.client.engine.connection, Path(path), FILE))

    async def export(self, out: BinaryIO) -> int:
        """Write everything as JSON lines to ``out``, of one moment, while running. The number of lines. Raises Corrupt."""

        def write(db: Collections) -> int:
            count = 0
            for line in transfer.export_lines(db):
                out.write(line)
                count += 1
            return count

        return await self._readers.alone(write)

    async def health(self) -> Health:
        """Counts, space, and whether writes are possible. Raises StoreError only if reading fails."""
        documents, waiting, given_up, free = await self._readers.run(
            lambda db: (
                *(collection.count_documents({}) for collection in (db.rows, db.outbox, db.dead)),
                self._free_space(self.directory),
            )
        )
        detail = "ok"
        if not self._writer.alive:
            detail = "the writer has stopped"
        elif free < self._min_free:
            detail = f"{free} bytes are free, below {self._min_free}: writes are refused"
        return Health(detail == "ok", detail, documents, waiting, free, given_up)

    async def close(self) -> None:
        """Finish queued writes and running reads, then let the directory go. May be called twice."""
        self._readers.refuse()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        self._readers.close()
        # Last, so that this connection writes the final checkpoint.
        self._db.client.close()
        self._lock.release()

    async def _write(self, work: Unit[T], *, grows: bool = True) -> T:
        return await asyncio.wrap_future(self._writer.submit(work, grows=grows))
