"""mongita's client, databases and collections with their finders replaced by SQL.

mongita's public methods, argument checks, cursors and results are used as they are; overridden are the private methods
that look for documents and that keep indexes (see precert.store.installation for the list and the start-up check).
"""

# The private names are mongita's, spelled as Python mangles them, so that a reader can search for them.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bson import ObjectId
from mongita.collection import Collection as MongitaCollection
from mongita.collection import _validate_doc
from mongita.command_cursor import CommandCursor
from mongita.common import ASCENDING, DESCENDING, MetaStorageObject, ok_name
from mongita.database import Database as MongitaDatabase
from mongita.errors import DuplicateKeyError, InvalidName, MongitaError, MongitaNotImplementedError
from mongita.mongita_client import MongitaClient
from mongita.results import InsertOneResult, UpdateResult

from precert.store.installation import UnsafeInstallation, check_privates
from precert.store.mongo.connection import open_memory
from precert.store.mongo.engine import SqliteEngine
from precert.store.mongo.values import conditions


class Collection(MongitaCollection):  # type: ignore[misc]
    """A mongita collection whose filters are honoured whole (also beside ``_id``), executed by SQLite."""

    _engine: SqliteEngine

    def __getattr__(self, name: str) -> Any:
        if name in self.DEPRECATED:
            raise MongitaNotImplementedError.create_depr("Collection", name)
        if name in self.UNIMPLEMENTED:
            raise MongitaNotImplementedError.create("Collection", name)
        if name.startswith("_"):
            raise AttributeError(name)
        # mongita makes one of its own here, without the overrides.
        return Collection(f"{self.name}.{name}", self.database)

    def with_options(self, **options: Any) -> Collection:
        """mongita's method; the concerns have no effect on SQLite."""
        super().with_options(**options)
        return self

    def insert_one(self, document: dict[str, Any]) -> InsertOneResult:
        """mongita's method without its deep copy, a fifth of the time: the engine encodes at once and keeps nothing."""
        _validate_doc(document)
        fresh = document if document.get("_id") else {**document, "_id": ObjectId()}
        self._Collection__create()
        with self._engine.lock:
            self._Collection__insert_one(fresh)
        return InsertOneResult(fresh["_id"])

    def replace_one(self, filter: dict[str, Any], replacement: dict[str, Any], upsert: bool = False) -> UpdateResult:
        """mongita's method; by ``_id`` alone without a search and a deep copy."""
        key = _only_id(filter)
        if key is None:
            return super().replace_one(filter, replacement, upsert)
        _validate_doc(replacement)
        self._Collection__create()
        with self._engine.lock:
            known = self._engine.doc_exists(self.full_name, key)
            if known or upsert:
                self._engine.put_doc(self.full_name, {**replacement, "_id": key})
        if known:
            return UpdateResult(1, 1)
        return UpdateResult(0, 1, key) if upsert else UpdateResult(0, 0)

    def count_documents(self, filter: dict[str, Any]) -> int:
        """How many documents match; counts rows without reading them if everything does."""
        if filter == {}:
            return self._engine.count(self.full_name)
        count: int = super().count_documents(filter)
        return count

    def create_index(self, keys: str | list[tuple[str, int]], background: bool = False) -> str:
        """Create an index on one field, or on a field and the string field its entries are sorted by.

        The second form is MongoDB's compound index ``[(field, 1), (sort, 1)]``: an equality filter on the field with
        a sort on the second needs no sorting. Returns the index's name; an existing one is left as it is.
        """
        if background is not False:
            raise MongitaNotImplementedError("background index creation is not supported")
        pairs = [(keys, ASCENDING)] if isinstance(keys, str) else list(keys)
        if not 1 <= len(pairs) <= 2:
            raise MongitaNotImplementedError("an index has one field, or a field and a sort field")
        for field, direction in pairs:
            if not field or not isinstance(field, str) or direction not in (ASCENDING, DESCENDING):
                raise MongitaError(f"not an index key: {(field, direction)!r}")
        self._Collection__create()
        name = "_".join(f"{field}_{direction}" for field, direction in pairs)
        field, direction = pairs[0]
        with self._engine.lock:
            metadata = MetaStorageObject(self._engine.get_metadata(self._base_location))
            if name not in metadata["indexes"]:
                definition: dict[str, Any] = {"_id": name, "key_str": field, "direction": direction, "idx": []}
                metadata["indexes"] = {**metadata["indexes"], name: definition}
                self._engine.put_metadata(self._base_location, metadata)
                self._engine.create_index(self.full_name, name, field, pairs[1][0] if len(pairs) > 1 else None)
        return name

    # mongita's private methods

    def _Collection__create(self) -> None:
        # Not mongita's: that one remembers "exists" even when the transaction that created it was rolled back.
        if self._engine.get_metadata(self._base_location):
            return
        with self._engine.lock:
            metadata = MetaStorageObject({"options": {}, "indexes": {}, "_id": self._base_location})
            self._engine.put_metadata(self._base_location, metadata)
            self.database._Database__create(self.name)

    def _Collection__find(
        self,
        filter: Mapping[str, Any] | None,
        sort: Any = None,
        limit: int | None = None,
        skip: int | None = None,
        metadata: Any = None,
        shallow: bool = False,
    ) -> Iterator[dict[str, Any]]:
        return self._engine.find(self.full_name, conditions(filter or {}), sort or (), skip=skip or 0, limit=limit)

    def _Collection__find_ids(
        self, filter: Any, sort: Any = None, limit: int | None = None, skip: int | None = None, metadata: Any = None
    ) -> Iterator[Any]:
        return (doc["_id"] for doc in self._Collection__find(filter, sort, limit, skip))

    def _Collection__find_one(self, filter: Any, sort: Any, skip: int | None) -> dict[str, Any] | None:
        key = _only_id(filter)
        if key is not None and not skip:
            return self._engine.get_doc(self.full_name, key)
        return next(iter(list(self._Collection__find(filter, sort, 1, skip))), None)

    def _Collection__find_one_id(
        self, filter: Any, sort: Any = None, skip: int | None = None, upsert: bool = False
    ) -> Any:
        found = self._Collection__find_one(filter, sort, skip)
        if found is not None:
            return found["_id"]
        wanted = (filter or {}).get("_id")
        if not upsert or wanted is None or isinstance(wanted, Mapping):
            return None
        if self._engine.doc_exists(self.full_name, wanted):
            raise DuplicateKeyError(f"Document {wanted!r} exists but does not match the filter")
        return wanted

    def _Collection__update_doc(self, doc_id: Any, update: Any) -> Any:
        doc = super()._Collection__update_doc(doc_id, update)
        if doc["_id"] != doc_id:
            raise MongitaError("an update cannot change _id")
        return doc

    def _Collection__update_indicies(self, documents: Any, metadata: Any) -> Any:
        return metadata  # the engine keeps index entries as it writes

    def _Collection__update_indicies_deletes(self, doc_ids: Any, metadata: Any) -> Any:
        return metadata


def _only_id(filter: Mapping[str, Any] | None) -> str | None:
    """The key if the filter asks for one document by its key and for nothing else. Not one that reads like an ObjectId:
    the engine's keys are text, to mongita the two differ."""
    key = filter.get("_id") if filter and len(filter) == 1 else None
    return key if isinstance(key, str) and key and not ObjectId.is_valid(key) else None


class Database(MongitaDatabase):  # type: ignore[misc]
    """A mongita database of :class:`Collection`."""

    def __getitem__(self, name: str) -> Collection:
        if name not in self._cache:
            if not ok_name(name):
                raise InvalidName(f"Collection cannot be named {name!r}.")
            self._cache[name] = Collection(name, self)
        collection: Collection = self._cache[name]
        return collection

    def list_collections(self) -> CommandCursor:
        """Every collection."""
        return CommandCursor(lambda: (self[name] for name in self.list_collection_names()))


class Client(MongitaClient):  # type: ignore[misc]
    """A mongita client on a :class:`SqliteEngine`; ``engine.lock`` is a transaction over any number of collections."""

    engine: SqliteEngine

    def __init__(self, engine: SqliteEngine) -> None:
        self.engine = engine
        self.is_primary = True
        super().__init__()

    def __getitem__(self, name: str) -> Database:
        if name not in self._cache:
            if not ok_name(name):
                raise InvalidName(f"Database cannot be named {name!r}.")
            self._cache[name] = Database(name, self)
        database: Database = self._cache[name]
        return database

    def list_databases(self) -> CommandCursor:
        """Every database."""
        return CommandCursor(lambda: (self[name] for name in self.list_database_names()))


def self_test() -> None:
    """Prove, before a store opens, that the overrides are really called. Raises UnsafeInstallation."""
    check_privates(MongitaCollection, MongitaDatabase, MongitaClient)
    client = Client(SqliteEngine(open_memory()))
    try:
        probe = client["self"]["test"]
        probe.create_index([("tokens", 1), ("order", 1)])
        probe.insert_many([{"_id": str(n), "order": str(n), "tokens": [{"k": n}, "all"], "n": n} for n in range(3)])
        newest = [doc["_id"] for doc in probe.find({"tokens": "all"}, sort=[("order", -1)], limit=2)]
        answers = (
            probe.find_one({"_id": "1", "n": 2}) is None,
            probe.replace_one({"_id": "1", "n": 2}, {"n": 9}).matched_count == 0,
            probe.delete_one({"_id": "1", "n": 2}).deleted_count == 0,
            newest == ["2", "1"],
            probe.find_one({"_id": "0"}) == {"_id": "0", "order": "0", "tokens": [{"k": 0}, "all"], "n": 0},
        )
    finally:
        client.close()
    if not all(answers):
        raise UnsafeInstallation(f"mongita on SQLite gave wrong answers in the self-test: {answers}")
