"""SQLite connections as the store needs them: one that writes, several that read, and the tables."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from precert.store.port import Corrupt, StoreError

APPLICATION = 0x50435254  # "PCRT", so that some other program's database is recognised as such
FORMAT = 1
_BUSY_MS = 5000
# The writer checkpoints by itself between groups; this is only the limit if it could not for a long while.
_BACKSTOP_PAGES = 16384

_TABLES = (
    "CREATE TABLE IF NOT EXISTS doc(n INTEGER PRIMARY KEY, coll TEXT NOT NULL, id TEXT NOT NULL, v BLOB NOT NULL,"
    " sum INTEGER NOT NULL, UNIQUE(coll, id))",
    "CREATE TABLE IF NOT EXISTS meta(coll TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ixdef(i INTEGER PRIMARY KEY, coll TEXT NOT NULL, name TEXT NOT NULL,"
    " field TEXT NOT NULL, suffix TEXT, UNIQUE(coll, name))",
    # i: which index; t, k: type class and key of the value; s: the value of the index's sort field; n: the document.
    "CREATE TABLE IF NOT EXISTS ix(i INTEGER, t INTEGER, k, s TEXT, n INTEGER, PRIMARY KEY(i, t, k, s, n))"
    " WITHOUT ROWID",
)


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes and checkpoints, in WAL mode with an fsync per commit; makes file and tables.

    Raises Corrupt if the file is not a store's or not readable, StoreError if a newer precert wrote it; sqlite3.Error
    if the disk fails.
    """
    fresh = not path.exists()
    if fresh:
        # Before SQLite does it, to say who may read: this file holds clinical data. The WAL inherits the mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        _check_ours(connection, path)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"{path}: SQLite could not switch to WAL (it says {mode!r}); use a local file system")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=1")  # macOS: a plain fsync does not reach the platter
        connection.execute("PRAGMA checkpoint_fullfsync=1")
        connection.execute(f"PRAGMA wal_autocheckpoint={_BACKSTOP_PAGES}")
        # What a savepoint would restore goes into memory: SQLite else makes and removes a file for it in every commit.
        connection.execute("PRAGMA temp_store=MEMORY")
        if not connection.execute("PRAGMA application_id").fetchone()[0]:
            _create(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Corrupt(f"{path} is not a readable database: {error}") from error
    except BaseException:
        connection.close()
        raise
    if fresh:
        sync_directory(path.parent)
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can neither write nor checkpoint. Sees each commit as soon as it is acknowledged."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA query_only=1")
        connection.execute("SELECT 1 FROM doc LIMIT 1").fetchall()  # really opens the file
    except BaseException:
        connection.close()
        raise
    return connection


def open_memory() -> sqlite3.Connection:
    """An empty database in memory, for the start-up self-test."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _create(connection)
    return connection


def make_directory(directory: Path) -> None:
    """Make ``directory`` and those above it, for our eyes only, so that they survive a power cut. Raises OSError."""
    if not directory.exists():
        make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make new names in ``directory`` survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute("COMMIT")


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (application or tables):
        raise Corrupt(f"{path} is a database, but not one that precert made")
    if version > FORMAT:
        raise StoreError(f"{path} was written by a newer precert (format {version}, this one knows {FORMAT})")
