"""Is everything stored still what was written? A full reading of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from precert.store import chain, outbox
from precert.store.port import Corrupt
from precert.store.records import document, params_of, row_order, tokens, unsealed, version_key
from precert.store.tables import Collections
from precert.store.unit import answer_label


def check(db: Collections) -> Iterator[str]:
    """What is wrong, in words: the file, bodies, rows and versions, indexes, messages, answers, the audit chain."""
    yield from _file(db)
    yield from _documents(db)
    yield from _indexes(db)
    yield from _sealed_rest(db)
    yield from chain.check(db.audit.find({}, sort=[("_id", 1)]), chain.head_of(db))


def _file(db: Collections) -> Iterator[str]:
    for (line,) in db.client.engine.connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"file: {line}"


def _documents(db: Collections) -> Iterator[str]:
    found: Counter[str] = Counter()
    for stored in db.versions.find({}, sort=[("_id", 1)]):
        found[stored["_id"].rpartition("/")[0]] += 1
        try:
            document(stored)
        except Corrupt as error:
            yield str(error)
    for row in db.rows.find({}, sort=[("_id", 1)]):
        key, version = row["_id"], row["version"]
        count = found.pop(key, 0)
        if count != version:
            yield f"{key}: the row is at version {version}, but {count} versions are stored"
        current = db.versions.find_one({"_id": version_key(key, version)})
        if current is None:
            yield f"{key}: version {version} is missing"
        elif current["updated"] != row["updated"] or row["order"] != row_order(row["updated"], key):
            yield f"{key}: the row's time is not its version's"
        within = key.rpartition("/")[0]
        if row["tokens"] != tokens(within, params_of(within, row["tokens"])):
            yield f"{key}: the row has search tokens of something else"
    for key in found:
        yield f"{key}: versions are stored, but the row is missing"


def _indexes(db: Collections) -> Iterator[str]:
    for collection in (db.rows, db.outbox, db.audit):
        for wrong in db.client.engine.check_index(collection.full_name):
            yield f"{collection.name} {wrong}: the search index does not say what the document says"


def _sealed_rest(db: Collections) -> Iterator[str]:
    for collection in (db.outbox, db.dead):
        for stored in collection.find({}, sort=[("_id", 1)]):
            try:
                unsealed(outbox.label(int(stored["_id"])), stored)
            except Corrupt as error:
                yield str(error)
    for stored in db.answers.find({}, sort=[("_id", 1)]):
        try:
            unsealed(answer_label(stored["_id"], stored["digest"]), stored)
        except Corrupt as error:
            yield str(error)
