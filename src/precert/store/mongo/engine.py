"""mongita's storage engine on one SQLite connection."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from mongita.collection import _sort_docs
from mongita.common import MetaStorageObject
from mongita.engines.engine_common import Engine
from mongita.errors import MongitaError

from precert.store.mongo.plan import Index, Sort, Statement, plan
from precert.store.mongo.transaction import ReadOnly, Transaction
from precert.store.mongo.values import NULL, SCALARS, Condition, matches, typed, values_at
from precert.store.port import Corrupt

_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)
Entry = tuple[int, int, Any, str]  # index number, type class, key, sort field's value


class SqliteEngine(Engine):  # type: ignore[misc]
    """Documents as BSON rows, index entries as rows, one connection, one thread at a time.

    ``lock`` is what mongita holds around every mutation: here it is the transaction. Nothing is cached but collection
    metadata, so what a caller gets is always its own copy and always what is stored.
    """

    def __init__(self, connection: sqlite3.Connection, *, read_only: bool = False) -> None:
        self.connection = connection
        self.lock: Transaction | ReadOnly = ReadOnly() if read_only else Transaction(connection, self.forget)
        self._metadata: dict[str, Any] = {}
        self._indexes: dict[str, tuple[Index, ...]] = {}

    def forget(self) -> None:
        """Drop what is cached, after a rollback."""
        self._metadata.clear()
        self._indexes.clear()

    def close(self) -> None:
        """Close the connection."""
        self.forget()
        self.connection.close()

    # Documents

    def put_doc(self, collection: str, doc: Mapping[str, Any], no_overwrite: bool = False) -> bool:
        """Write a document and its index entries. ``False`` if it exists and ``no_overwrite``."""
        encoded = bson.encode(doc)
        key = (collection, str(doc["_id"]))
        if no_overwrite:
            return self._insert(key, encoded, self.entries(collection, doc))
        old = self.connection.execute("SELECT n, id, v, sum FROM doc WHERE coll=? AND id=?", key).fetchone()
        before = self.entries(collection, _opened(collection, *old[1:])) if old else set()
        after = self.entries(collection, doc)
        if not old:
            return self._insert(key, encoded, after)
        change = (encoded, _checksum(*key, encoded), old[0])
        self.connection.execute("UPDATE doc SET v=?, sum=? WHERE n=?", change)
        self._change_entries(old[0], before - after, after - before)
        return True

    def _insert(self, key: tuple[str, str], encoded: bytes, entries: set[Entry]) -> bool:
        """``False`` if there is such a document. The table's own key says so; looking first would be one query more."""
        sql = "INSERT INTO doc(coll, id, v, sum) VALUES(?,?,?,?) ON CONFLICT(coll, id) DO NOTHING"
        done = self.connection.execute(sql, (*key, encoded, _checksum(*key, encoded)))
        if not done.rowcount:
            return False
        self._change_entries(done.lastrowid, set(), entries)
        return True

    def get_doc(self, collection: str, doc_id: Any) -> dict[str, Any] | None:
        """The document, or ``None``."""
        sql = "SELECT id, v, sum FROM doc WHERE coll=? AND id=?"
        row = self.connection.execute(sql, (collection, str(doc_id))).fetchone()
        return _opened(collection, *row) if row else None

    def doc_exists(self, collection: str, doc_id: Any) -> bool:
        """Is there such a document?"""
        sql = "SELECT 1 FROM doc WHERE coll=? AND id=?"
        return self.connection.execute(sql, (collection, str(doc_id))).fetchone() is not None

    def delete_doc(self, collection: str, doc_id: Any) -> bool:
        """Remove a document and its index entries. ``False`` if there was none."""
        key = (collection, str(doc_id))
        old = self.connection.execute("SELECT n, id, v, sum FROM doc WHERE coll=? AND id=?", key).fetchone()
        if not old:
            return False
        self.connection.execute("DELETE FROM doc WHERE n=?", (old[0],))
        self._change_entries(old[0], self.entries(collection, _opened(collection, *old[1:])), set())
        return True

    def list_ids(self, collection: str, limit: int | None = None) -> list[str]:
        """The ids of a collection, sorted."""
        sql = "SELECT id FROM doc WHERE coll=? ORDER BY id LIMIT ?"
        return [row[0] for row in self.connection.execute(sql, (collection, -1 if limit is None else limit))]

    def count(self, collection: str) -> int:
        """How many documents the collection holds."""
        count: int = self.connection.execute("SELECT count(*) FROM doc WHERE coll=?", (collection,)).fetchone()[0]
        return count

    def find(
        self,
        collection: str,
        wanted: Sequence[Condition],
        sort: Sort = (),
        *,
        skip: int = 0,
        limit: int | None = None,
        damaged: list[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Stream the documents that meet every condition. ``skip`` and ``limit`` count matches, ``None`` is no limit.

        Exhaust or close the iterator: until then it holds a snapshot, which keeps the WAL from being emptied. Raises
        Corrupt at a damaged document; with a list ``damaged`` its id is added to that instead and the search goes on.
        """
        statement = plan(self.connection, collection, self.indexes(collection), wanted, sort)
        yield from self._found(statement, collection, wanted, sort, skip, limit, damaged)

    def find_few(
        self, collection: str, wanted: Sequence[Condition], sort: Sort, limit: int
    ) -> list[dict[str, Any]] | None:
        """What :meth:`find` finds, if an index says that it is quickly found; else ``None``."""
        statement = plan(self.connection, collection, self.indexes(collection), wanted, sort)
        if not statement.short:
            return None
        return list(self._found(statement, collection, wanted, sort, 0, limit, None))

    def _found(
        self,
        statement: Statement,
        collection: str,
        wanted: Sequence[Condition],
        sort: Sort,
        skip: int,
        limit: int | None,
        damaged: list[str] | None,
    ) -> Iterator[dict[str, Any]]:
        opened = self._documents(collection, self.connection.execute(statement.sql, statement.args), damaged)
        found: Iterable[dict[str, Any]] = (doc for doc in opened if matches(doc, wanted))
        if not statement.ordered:
            sorted_docs = list(found)
            _sort_docs(sorted_docs, sort)
            found = sorted_docs
        yield from islice(found, skip, None if limit is None else skip + limit)

    def _documents(
        self, collection: str, rows: Iterable[tuple[str, bytes, int]], damaged: list[str] | None
    ) -> Iterator[dict[str, Any]]:
        for row in rows:
            try:
                document = _opened(collection, *row)
            except Corrupt:
                if damaged is None:
                    raise
                damaged.append(str(row[0]))
            else:
                yield document

    # Indexes

    def indexes(self, collection: str) -> tuple[Index, ...]:
        """The indexes of a collection."""
        known = self._indexes.get(collection)
        if known is None:
            sql = "SELECT i, name, field, suffix FROM ixdef WHERE coll=? ORDER BY i"
            known = tuple(Index(*row) for row in self.connection.execute(sql, (collection,)))
            self._indexes[collection] = known
        return known

    def create_index(self, collection: str, name: str, field: str, suffix: str | None) -> None:
        """Define an index and fill it from the documents. Call it inside ``lock``."""
        sql = "INSERT INTO ixdef(coll, name, field, suffix) VALUES(?,?,?,?)"
        self.connection.execute(sql, (collection, name, field, suffix))
        self._indexes.pop(collection, None)
        added = [index for index in self.indexes(collection) if index.name == name]
        sql = "SELECT n, id, v, sum FROM doc WHERE coll=?"
        for number, *row in self.connection.execute(sql, (collection,)).fetchall():
            self._change_entries(number, set(), _entries(added, _opened(collection, *row)))

    def entries(self, collection: str, doc: Mapping[str, Any]) -> set[Entry]:
        """The index entries a document must have. Raises MongitaError if an index's sort field is not a string."""
        return _entries(self.indexes(collection), doc)

    def check_index(self, collection: str) -> list[str]:
        """The ids of documents that lack an index entry, and whether there are entries too many."""
        wrong, right = [], 0
        one = "SELECT 1 FROM ix WHERE i=? AND t=? AND k=? AND s=? AND n=?"
        for number, *row in self.connection.execute("SELECT n, id, v, sum FROM doc WHERE coll=?", (collection,)):
            entries = self.entries(collection, _opened(collection, *row))
            found = sum(self.connection.execute(one, (*entry, number)).fetchone() is not None for entry in entries)
            right += found
            if found != len(entries):
                wrong.append(str(row[0]))
        count = "SELECT count(*) FROM ix WHERE i=?"
        stored = sum(
            self.connection.execute(count, (index.number,)).fetchone()[0] for index in self.indexes(collection)
        )
        # What is there beyond the right entries belongs to no document, or not to the one it points at.
        return wrong + ([f"({stored - right} stray entries)"] if stored != right else [])

    def _change_entries(self, number: int | None, gone: set[Entry], added: set[Entry]) -> None:
        if gone:
            sql = "DELETE FROM ix WHERE i=? AND t=? AND k=? AND s=? AND n=?"
            self.connection.executemany(sql, [(*entry, number) for entry in gone])
        if added:
            self.connection.executemany("INSERT INTO ix VALUES(?,?,?,?,?)", [(*entry, number) for entry in added])

    # mongita's metadata: definitions only, index contents live in the ix table

    def put_metadata(self, collection: str, metadata: Mapping[str, Any]) -> bool:
        """Keep a collection's metadata; an index no longer named in it is dropped with its entries."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", (collection, bson.encode(metadata)))
        self._metadata.pop(collection, None)
        for index in self.indexes(collection):
            if index.name not in metadata.get("indexes", {}):
                self.connection.execute("DELETE FROM ix WHERE i=?", (index.number,))
                self.connection.execute("DELETE FROM ixdef WHERE i=?", (index.number,))
        self._indexes.pop(collection, None)
        return True

    def get_metadata(self, collection: str) -> Any:
        """mongita's metadata of a collection, or ``None``."""
        known = self._metadata.get(collection)
        if known is None:
            row = self.connection.execute("SELECT v FROM meta WHERE coll=?", (collection,)).fetchone()
            if not row:
                return None
            known = self._metadata[collection] = MetaStorageObject(_decode(collection, row[0]))
        return known

    def create_path(self, collection: str) -> None:
        """Nothing to prepare: a collection is rows."""

    def delete_dir(self, collection: str) -> bool:
        """Remove a collection: documents, indexes and metadata."""
        with self.lock:
            for index in self.indexes(collection):
                self.connection.execute("DELETE FROM ix WHERE i=?", (index.number,))
            self.connection.execute("DELETE FROM ixdef WHERE coll=?", (collection,))
            self.connection.execute("DELETE FROM doc WHERE coll=?", (collection,))
            self.connection.execute("DELETE FROM meta WHERE coll=?", (collection,))
            self.forget()
        return True


def _entries(indexes: Iterable[Index], doc: Mapping[str, Any]) -> set[Entry]:
    found: set[Entry] = set()
    for index in indexes:
        suffix = "" if index.suffix is None else doc.get(index.suffix)
        if not isinstance(suffix, str):
            raise MongitaError(f"index {index.name}: the sort field {index.suffix!r} must be a string")
        for value in values_at(doc, index.field) or [None]:
            kind, key = typed(value)
            if kind in SCALARS:
                found.add((index.number, kind, key, suffix))
            elif kind == NULL:
                found.add((index.number, NULL, 0, suffix))
    return found


def _checksum(collection: str, doc_id: str, encoded: bytes) -> int:
    # SQLite has none of its own: a flipped bit would otherwise surface as anything at all, or not at all.
    return zlib.crc32(encoded, zlib.crc32(f"{collection}\n{doc_id}\n".encode()))


def _opened(collection: str, doc_id: str, encoded: bytes, checksum: int) -> dict[str, Any]:
    """The document behind a row. Raises Corrupt if it is not what was written."""
    if not isinstance(encoded, bytes) or _checksum(collection, str(doc_id), encoded) != checksum:
        raise Corrupt(f"{collection} {doc_id}: the stored document is damaged")
    return _decode(collection, encoded)


def _decode(collection: str, encoded: bytes) -> dict[str, Any]:
    try:
        doc: dict[str, Any] = bson.decode(encoded, _AWARE)
    except BSONError as error:
        raise Corrupt(f"{collection}: a stored document is damaged ({error})") from error
    return doc
