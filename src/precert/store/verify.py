"""Is everything stored still what was written? A full reading of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from precert.store import chain, outbox
from precert.store.errors import DATABASE_ERRORS
from precert.store.mongo.client import Collection
from precert.store.port import Corrupt
from precert.store.records import document, params_of, row_order, tokens, unsealed, version_key
from precert.store.tables import Collections
from precert.store.unit import answer_label

Check = Callable[[Mapping[str, Any]], Iterator[str]]


def check(db: Collections) -> Iterator[str]:
    """What is wrong, in words: the file, bodies, rows and versions, indexes, messages, answers, the audit chain.

    One fault does not end the search for others, unless SQLite cannot read on.
    """
    for part in (_file, _documents, _messages, _answers, _indexes, _audit):
        try:
            yield from part(db)
        except (Corrupt, *DATABASE_ERRORS) as error:
            yield f"{part.__name__.strip('_')}: {error}"


def _file(db: Collections) -> Iterator[str]:
    for (line,) in db.client.engine.connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"file: {line}"


def _documents(db: Collections) -> Iterator[str]:
    found: Counter[str] = Counter()

    def version(stored: Mapping[str, Any]) -> Iterator[str]:
        found[stored["_id"].rpartition("/")[0]] += 1
        document(stored)
        yield from ()

    def row(stored: Mapping[str, Any]) -> Iterator[str]:
        key, number = stored["_id"], stored["version"]
        count = found.pop(key, 0)
        if count != number:
            yield f"{key}: the row is at version {number}, but {count} sound versions are stored"
        current = db.versions.find_one({"_id": version_key(key, number)})
        if current is None:
            yield f"{key}: version {number} is missing"
        elif current["updated"] != stored["updated"] or stored["order"] != row_order(stored["updated"], key):
            yield f"{key}: the row's time is not its version's"
        within = key.rpartition("/")[0]
        if stored["tokens"] != tokens(within, params_of(within, stored["tokens"])):
            yield f"{key}: the row has search tokens of something else"

    yield from _each(db, db.versions, version)
    yield from _each(db, db.rows, row)
    for key in found:
        yield f"{key}: versions are stored, but no sound row"


def _messages(db: Collections) -> Iterator[str]:
    def message(stored: Mapping[str, Any]) -> Iterator[str]:
        unsealed(outbox.label(int(stored["_id"])), stored)
        yield from ()

    yield from _each(db, db.outbox, message)
    yield from _each(db, db.dead, message)


def _answers(db: Collections) -> Iterator[str]:
    def answer(stored: Mapping[str, Any]) -> Iterator[str]:
        unsealed(answer_label(stored["_id"], stored["digest"]), stored)
        yield from ()

    yield from _each(db, db.answers, answer)
    yield from _each(db, db.names, lambda stored: iter(()))


def _indexes(db: Collections) -> Iterator[str]:
    for collection in (db.rows, db.outbox, db.audit):
        for wrong in db.client.engine.check_index(collection.full_name):
            yield f"{collection.name} {wrong}: the search index does not say what the document says"


def _audit(db: Collections) -> Iterator[str]:
    damaged: list[str] = []
    yield from chain.check(_sound(db, db.audit, damaged), chain.head_of(db))
    for name in damaged:
        yield f"audit {name}: the stored document is damaged"


def _sound(db: Collections, collection: Collection, damaged: list[str]) -> Iterator[dict[str, Any]]:
    return db.client.engine.find(collection.full_name, (), [("_id", 1)], damaged=damaged)


def _each(db: Collections, collection: Collection, faults: Check) -> Iterator[str]:
    """The faults of every document of a collection, whatever state each is in."""
    damaged: list[str] = []
    for stored in _sound(db, collection, damaged):
        try:
            yield from faults(stored)
        except Corrupt as error:
            yield str(error)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            yield f"{collection.name} {stored.get('_id')}: not a sound record ({error!r})"
    for name in damaged:
        yield f"{collection.name} {name}: the stored document is damaged"
