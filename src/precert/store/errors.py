"""SQLite's and the operating system's errors as the port's: no database type may cross it."""

from __future__ import annotations

import errno
import sqlite3

from precert.store.port import Busy, Corrupt, StorageFull, StoreError

# What a database call may raise; the last when SQLite quotes damaged text in an error message.
DATABASE_ERRORS = (sqlite3.Error, OSError, UnicodeDecodeError)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def translated(error: sqlite3.Error | OSError | UnicodeDecodeError) -> StoreError:
    """The store error that ``error`` amounts to; its message keeps the original words."""
    if isinstance(error, OSError):
        return StorageFull(str(error)) if error.errno in _NO_SPACE else StoreError(str(error))
    if isinstance(error, UnicodeDecodeError):
        return Corrupt(f"the database file is damaged: {error}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; the rest is detail
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        # A full disk shows as either, depending on which file could not grow.
        return StorageFull(f"the disk is full or failing: {error}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy()
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(f"the database file is damaged: {error}")
    return StoreError(f"SQLite: {error}")
