"""A consistent copy of the running store, by SQLite's online backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from precert.store.mongo.connection import make_directory, sync_directory
from precert.store.port import Corrupt, StoreError


def copy_database(source: sqlite3.Connection, directory: Path, name: str) -> None:
    """Write what ``source`` sees to ``directory/name``, checked and fsynced; the name appears only when it is whole.

    Raises StoreError if it exists, Corrupt if the copy is not sound; sqlite3.Error or OSError if it cannot be written.
    """
    target, partial = directory / name, directory / f"{name}.partial"
    make_directory(directory)
    if target.exists():
        raise StoreError(f"{target} exists: a backup never overwrites; choose another directory")
    partial.unlink(missing_ok=True)
    try:
        partial.touch(mode=0o600)
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=FULL")
            source.backup(copy)  # all pages in one step, that is, of one snapshot
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise Corrupt(f"the copy is not sound: {verdict}")
        partial.rename(target)
        sync_directory(directory)
    finally:
        partial.unlink(missing_ok=True)
