"""The one thread that writes: a bounded queue in, group commits out.

Whatever waits is applied in one transaction, each request in its own savepoint, and one COMMIT makes all of it durable
with one fsync. Only then are the requests answered. Nothing is awaited inside a transaction.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from precert.store.errors import DATABASE_ERRORS, translated
from precert.store.mongo.transaction import TransactionLost
from precert.store.port import Busy, StorageFull, StoreError
from precert.store.tables import Collections

T = TypeVar("T")
Unit = Callable[[Collections], T]

GROUP = 64  # requests per COMMIT at most; bounds how long the first of them waits
# Changed rows after which the WAL is copied into the database: soon when idle, later under load.
_CHECKPOINT_IDLE = 1000
_CHECKPOINT_BUSY = 8000
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    unit: Unit[Any]
    grows: bool
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Runs units of work one after the other on the writing connection."""

    def __init__(self, db: Collections, limit: int, enough_space: Callable[[], bool]) -> None:
        """Start the thread. ``limit`` requests may wait; ``enough_space`` is asked before anything that grows the data.

        From here on only this thread may use ``db``, until ``close`` has returned.
        """
        self._db = db
        self._transaction = db.client.engine.lock
        self._connection = db.client.engine.connection
        self._enough_space = enough_space
        self._limit = limit
        # Not queue.Queue: its two locks wake the thread twice, which costs more than applying a small commit.
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._checkpointed = self._connection.total_changes
        self._thread = threading.Thread(target=self._work, name="precert-store-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._jobs.qsize()

    @property
    def alive(self) -> bool:
        """Is the thread running?"""
        return self._thread.is_alive()

    def submit(self, unit: Unit[T], *, grows: bool = True) -> Future[T]:
        """Queue ``unit``; the future has its result once that is durable, or its exception once it is rolled back.

        Raises Busy if the queue is full, StoreError if the writer is closed. A future cancelled before its turn is not
        run. ``grows=False`` lets a unit that frees space run when space is short.
        """
        if self._closing:
            raise StoreError("the store is closed")
        if self._jobs.qsize() >= self._limit:
            raise Busy
        job = _Job(unit, grows)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued and end the thread. Blocks."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        running = True
        while running:
            group, running = self._next_group()
            if group:
                self._run(group)
                self._checkpoint()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Everything that waits, up to GROUP; waits for the first. The flag is False once the writer should end."""
        group: list[_Job] = []
        while len(group) < GROUP:
            try:
                job = self._jobs.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                return group, False
            if job.future.set_running_or_notify_cancel():
                group.append(job)
        return group, True

    def _run(self, group: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            space = self._enough_space()
            with self._transaction:
                for job in group:
                    outcomes.append(self._one(job, space))
        except BaseException as error:  # whatever it is, nobody may be left waiting for an answer
            self._fail(group, error)
            return
        for job, result, failure in outcomes:
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)

    def _one(self, job: _Job, space: bool) -> tuple[_Job, Any, BaseException | None]:
        """Run one job in its savepoint. An error of its own stays its own; an error of the database is raised."""
        if job.grows and not space:
            return job, None, StorageFull("too little space is left on the data directory's disk; nothing was written")
        try:
            with self._transaction:
                return job, job.unit(self._db), None
        except (*DATABASE_ERRORS, TransactionLost):
            raise
        except Exception as error:  # whatever the unit raises is for the caller who waits for it, and for nobody else
            if not self._transaction.active:
                raise
            return job, None, error

    def _fail(self, group: list[_Job], error: BaseException) -> None:
        _log.error("store_group_rolled_back", requests=len(group), error=type(error).__name__, reason=str(error))
        for job in group:
            # One each: an exception that several tasks raise would gather all their tracebacks.
            failure = translated(error) if isinstance(error, DATABASE_ERRORS) else TransactionLost(repr(error))
            failure.__cause__ = error
            job.future.set_exception(failure)

    def _checkpoint(self) -> None:
        """Copy the WAL into the database when enough has gathered. Only this connection ever does it."""
        changes = self._connection.total_changes
        if changes - self._checkpointed < (_CHECKPOINT_IDLE if self._jobs.empty() else _CHECKPOINT_BUSY):
            return
        self._checkpointed = changes
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            # Nothing is lost: it is all in the WAL, and the next checkpoint takes it along.
            _log.warning("store_checkpoint_failed", reason=str(error))
