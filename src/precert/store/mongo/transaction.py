"""mongita's ``engine.lock``, which it holds around every mutation, made into a SQLite transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from types import TracebackType

from precert.store.port import StoreError


class TransactionLost(StoreError):
    """SQLite rolled the whole transaction back by itself (full disk, I/O error); nothing of it was written."""


class Transaction:
    """A re-entrant context manager: the outermost level is BEGIN IMMEDIATE ... COMMIT, each inner one a SAVEPOINT.

    So one mongita call is one transaction, several calls inside ``with engine.lock:`` are one transaction together, and
    a call that fails inside it undoes just itself. An exception that leaves a level rolls that level back.
    """

    def __init__(self, connection: sqlite3.Connection, forget: Callable[[], None]) -> None:
        """``forget`` is called after every rollback: whatever was cached may never have happened."""
        self._connection = connection
        self._forget = forget
        self._mutex = threading.RLock()
        self._depth = 0

    @property
    def active(self) -> bool:
        """False if SQLite has ended the transaction behind our back."""
        return self._connection.in_transaction

    def __enter__(self) -> Transaction:
        self._mutex.acquire()
        try:
            self._connection.execute(f"SAVEPOINT s{self._depth}" if self._depth else "BEGIN IMMEDIATE")
        except BaseException:
            self._mutex.release()
            raise
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        try:
            if not self.active:
                self._forget()
                if error is None:
                    raise TransactionLost("SQLite rolled the transaction back")
            elif error is not None:
                self._undo()
            elif self._depth:
                self._connection.execute(f"RELEASE s{self._depth}")
            else:
                self._commit()
        finally:
            self._mutex.release()

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may leave the transaction open; the next BEGIN would then fail for ever.
            if self.active:
                self._undo()
            self._forget()
            raise

    def _undo(self) -> None:
        if self._depth:
            self._connection.execute(f"ROLLBACK TO s{self._depth}")
            self._connection.execute(f"RELEASE s{self._depth}")
        else:
            self._connection.execute("ROLLBACK")
        self._forget()


class ReadOnly:
    """The lock of an engine that may only read: entering it is a programming error."""

    active = False

    def __enter__(self) -> ReadOnly:
        raise StoreError("this connection is read-only; writes go through the store's writer")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Never reached: entering fails."""
