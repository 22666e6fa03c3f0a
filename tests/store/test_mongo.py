"""mongita's API on SQLite: the traps of mongita 1.2.0 are gone, transactions are whole, indexes and filters agree."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from mongita.errors import DuplicateKeyError, MongitaError, MongitaNotImplementedError

from precert.store.mongo.client import Client, Collection, self_test
from precert.store.mongo.connection import open_memory, open_reader, open_writer
from precert.store.mongo.engine import SqliteEngine
from precert.store.mongo.transaction import TransactionLost
from precert.store.mongo.values import conditions, matches
from precert.store.port import Corrupt, StoreError


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client(SqliteEngine(open_memory()))
    yield made
    made.close()


@pytest.fixture
def things(client: Client) -> Collection:
    return client["db"]["things"]


def ids(found: Any) -> list[Any]:
    return [doc["_id"] for doc in found]


def test_predicates_beside_id_count(things: Collection) -> None:
    things.insert_one({"_id": "x", "tenant": "acme", "version": 1})
    assert things.find_one({"_id": "x", "tenant": "WRONG"}) is None
    assert things.replace_one({"_id": "x", "version": 999}, {"version": 2}).matched_count == 0
    assert things.delete_one({"_id": "x", "tenant": "WRONG"}).deleted_count == 0
    assert things.find_one({"_id": "x"}) == {"_id": "x", "tenant": "acme", "version": 1}
    assert things.replace_one({"_id": "x", "version": 1}, {"version": 2}).modified_count == 1


def test_upsert_does_not_overwrite_what_the_filter_excludes(things: Collection) -> None:
    things.insert_one({"_id": "x", "version": 1})
    with pytest.raises(DuplicateKeyError):
        things.replace_one({"_id": "x", "version": 9}, {"version": 2}, upsert=True)
    things.replace_one({"_id": "y", "version": 9}, {"version": 1}, upsert=True)
    assert things.find_one({"_id": "y"}) == {"_id": "y", "version": 1}


def test_by_key_alone(things: Collection) -> None:
    """The shortest way, which every read and the audit chain take."""
    assert things.find_one({"_id": "x"}) is None
    assert things.replace_one({"_id": "x"}, {"n": 1}).matched_count == 0
    assert things.find_one({"_id": "x"}) is None
    made = things.replace_one({"_id": "x"}, {"n": 1}, upsert=True)
    assert (made.matched_count, made.modified_count, made.upserted_id) == (0, 1, "x")
    replacement = {"n": 2}
    changed = things.replace_one({"_id": "x"}, replacement, upsert=True)
    assert (changed.matched_count, changed.modified_count, changed.upserted_id) == (1, 1, None)
    assert replacement == {"n": 2}, "what was handed in stays as it is"
    assert things.find_one({"_id": "x"}) == {"_id": "x", "n": 2}
    with pytest.raises(MongitaError):
        things.replace_one({"_id": "x"}, {"$set": 1})
    fresh = ObjectId()
    things.insert_one({"_id": fresh, "n": 3})
    assert things.find_one({"_id": str(fresh)}) is None, "a text that reads like an ObjectId is none"
    assert things.insert_one({"n": 4}).inserted_id is not None


def test_id_in_works_for_find_one(things: Collection) -> None:
    things.insert_many([{"_id": "a"}, {"_id": "b"}])
    found = things.find_one({"_id": {"$in": ["b", "c"]}})
    assert found == {"_id": "b"}


@pytest.mark.parametrize("index", [False, True])
def test_skip_and_limit_count_matches(things: Collection, index: bool) -> None:
    if index:
        things.create_index("even")
    things.insert_many([{"_id": str(n), "even": n % 2 == 0, "n": n} for n in range(10)])
    assert ids(things.find({"even": True}, skip=1, limit=2)) == ["2", "4"]
    assert ids(things.find({"even": True}, sort=[("n", -1)], skip=1, limit=2)) == ["6", "4"]
    assert ids(things.find({"even": True}).skip(4)) == ["8"]


def test_paths_reach_through_arrays_of_objects(things: Collection) -> None:
    things.insert_one({"_id": "x", "identifier": [{"value": "1"}, {"value": "2"}], "n": {"zero": 0, "no": False}})
    for query in ({"identifier.value": "2"}, {"identifier.0.value": "1"}, {"n.zero": 0}, {"n.no": False}):
        assert things.count_documents(query) == 1, query
    assert things.count_documents({"n.no": 0}) == 0  # a truth value is not a number
    assert things.count_documents({"n.missing": None}) == 1


@pytest.mark.parametrize("index", [False, True])
def test_operators_on_arrays(things: Collection, index: bool) -> None:
    if index:
        things.create_index("tags")
    things.insert_many([{"_id": "1", "tags": ["t1", "t5"]}, {"_id": "2", "tags": []}, {"_id": "3"}])
    for query, found in {
        ("tags", "t5"): ["1"],
        ("tags", "$eq", "t5"): ["1"],
        ("tags", "$in", ("t5", "t9")): ["1"],
        ("tags", "$ne", "t5"): ["2", "3"],
        ("tags", "$nin", ("t1",)): ["2", "3"],
        ("tags", "$gt", "t4"): ["1"],
        ("tags", "$eq", None): ["3"],
    }.items():
        value = query[1] if len(query) == 2 else {query[1]: query[2]}
        assert ids(things.find({query[0]: value}, sort=[("_id", 1)])) == found, query
    assert ids(things.find({"tags": ["t1", "t5"]})) == ["1"]


@pytest.mark.parametrize("operator", ["$or", "$nor", "$where", "$text"])
def test_unknown_top_level_operators_are_loud(things: Collection, operator: str) -> None:
    things.insert_one({"_id": "x", "a": 1})
    with pytest.raises(MongitaError):
        list(things.find({operator: [{"a": 1}]}))
    with pytest.raises(MongitaError):
        things.delete_many({operator: [{"a": 1}]})


def test_and(things: Collection) -> None:
    things.insert_many([{"_id": "1", "t": ["a", "b"]}, {"_id": "2", "t": ["a"]}])
    assert ids(things.find({"$and": [{"t": "a"}, {"t": {"$in": ["b"]}}]})) == ["1"]
    with pytest.raises(MongitaError):
        list(things.find({"$and": {"t": "a"}}))
    with pytest.raises(MongitaError):
        list(things.find({"$and": [{"$or": []}]}))


def test_what_is_handed_in_and_out_is_a_copy(things: Collection) -> None:
    mine = {"_id": "x", "list": [1]}
    things.insert_one(mine)
    mine["list"].append(2)  # type: ignore[attr-defined]
    got = things.find_one({"_id": "x"})
    got["list"].append(3)
    new = {"deep": [1]}
    things.update_one({"_id": "x"}, {"$set": {"new": new}})
    new["deep"].append(2)
    assert things.find_one({"_id": "x"}) == {"_id": "x", "list": [1], "new": {"deep": [1]}}


def test_a_failed_update_changes_nothing(things: Collection) -> None:
    things.insert_one({"_id": "x", "n": 1})
    with pytest.raises(Exception, match="cannot encode"):
        things.update_one({"_id": "x"}, {"$set": {"n": object()}})
    assert things.find_one({"_id": "x"}) == {"_id": "x", "n": 1}
    assert things.update_one({"_id": "x"}, {"$inc": {"n": 1}}).modified_count == 1
    with pytest.raises(MongitaError):
        things.update_one({"_id": "x"}, {"$set": {"_id": "y"}})
    assert things.count_documents({}) == 1


def test_times_are_aware_before_and_after_storing(things: Collection) -> None:
    at = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    things.insert_one({"_id": "x", "at": at})
    assert things.find_one({"_id": "x"})["at"] == at.replace(microsecond=456000)
    things.create_index("at")
    assert things.count_documents({"at": at}) == 1
    assert things.count_documents({"at": at.replace(tzinfo=None)}) == 1


def test_dotted_collections_are_ours_too(client: Client) -> None:
    client["db"].a.b.insert_one({"_id": "x", "t": 1})
    assert client["db"].a.b.find_one({"_id": "x", "t": 2}) is None
    assert type(client["db"].a.b) is Collection
    assert client["db"].a.with_options() is client["db"].a
    with pytest.raises(MongitaNotImplementedError):
        client["db"].a.aggregate([])


def test_lists_and_drops(client: Client) -> None:
    client["db"]["one"].create_index("a")
    client["db"]["one"].insert_one({"_id": "x", "a": 1})
    client["db"]["two"].insert_one({"_id": "y"})
    assert sorted(client["db"].list_collection_names()) == ["one", "two"]
    assert all(type(found) is Collection for found in client["db"].list_collections())
    assert [found.name for found in client.list_databases()] == ["db"]
    client["db"].drop_collection("one")
    assert client["db"]["one"].count_documents({}) == 0
    assert client["db"]["one"].count_documents({"a": 1}) == 0
    client.drop_database("db")
    assert client["db"].list_collection_names() == []


def test_indexes_come_and_go(things: Collection) -> None:
    things.insert_many([{"_id": str(n), "a": n, "s": f"{9 - n}"} for n in range(10)])
    assert things.create_index([("a", 1), ("s", -1)]) == "a_1_s_-1"
    assert things.create_index([("a", 1), ("s", -1)]) == "a_1_s_-1"
    assert {"a_1_s_-1": {"key": [("a", 1)]}} in things.index_information()
    assert ids(things.find({"a": {"$in": [3, 5, 4]}}, sort=[("s", 1)])) == ["5", "4", "3"]
    assert ids(things.find({"a": {"$gte": 8}}, sort=[("a", 1)])) == ["8", "9"]
    with pytest.raises(MongitaError):
        things.insert_one({"_id": "no sort field", "a": 1})
    things.drop_index("a_1_s_-1")
    things.insert_one({"_id": "no sort field", "a": 1})
    assert things.count_documents({"a": 1}) == 2
    with pytest.raises(MongitaNotImplementedError):
        things.create_index([("a", 1), ("b", 1), ("c", 1)])


def test_a_transaction_is_whole_over_collections(client: Client) -> None:
    one, two = client["db"]["one"], client["db"]["two"]

    def fail_late() -> None:
        with client.engine.lock:
            one.insert_one({"_id": "x"})
            two.insert_one({"_id": "y"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    assert (one.count_documents({}), two.count_documents({})) == (0, 0)
    one.create_index("a")  # the collections were rolled back too and must come into being again
    with client.engine.lock:
        one.insert_one({"_id": "x", "a": 1})
        with pytest.raises(DuplicateKeyError):
            one.insert_one({"_id": "x"})
        two.insert_one({"_id": "y"})
    assert one.count_documents({"a": 1}) == 1
    assert two.count_documents({}) == 1


class FailingCommit(sqlite3.Connection):
    """A connection whose next COMMIT fails like a full disk does, with the transaction still open."""

    fails = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.fails:
            self.fails -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


def test_a_failed_commit_is_rolled_back_and_the_next_one_works(tmp_path: Path) -> None:
    open_writer(tmp_path / "db").close()
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None, factory=FailingCommit)
    client = Client(SqliteEngine(connection))
    client["db"]["c"].insert_one({"_id": "kept"})
    connection.fails = 1
    with pytest.raises(sqlite3.OperationalError):
        client["db"]["c"].insert_one({"_id": "x"})
    assert not connection.in_transaction
    client["db"]["c"].insert_one({"_id": "y"})
    assert client["db"]["c"].count_documents({}) == 2
    client.close()


def test_a_transaction_that_sqlite_ended_is_reported(client: Client) -> None:
    """An error that ended the transaction must not be swallowed into a COMMIT of nothing."""
    with pytest.raises(TransactionLost), client.engine.lock:
        client.engine.connection.execute("ROLLBACK")
    client["db"]["c"].insert_one({"_id": "x"})
    assert client["db"]["c"].count_documents({}) == 1


def test_a_failed_insert_many_keeps_its_promise(things: Collection) -> None:
    with pytest.raises(MongitaError):
        things.insert_many([{"_id": "1"}, {"_id": "1"}, {"_id": "2"}])
    assert things.count_documents({}) == 0  # one call, one transaction


def test_readers_cannot_write(tmp_path: Path) -> None:
    writer = Client(SqliteEngine(open_writer(tmp_path / "db")))
    writer["db"]["c"].insert_one({"_id": "x"})
    reader = Client(SqliteEngine(open_reader(tmp_path / "db"), read_only=True))
    assert reader["db"]["c"].find_one({"_id": "x"}) == {"_id": "x"}
    with pytest.raises(StoreError, match="read-only"):
        reader["db"]["c"].insert_one({"_id": "y"})
    with pytest.raises(Exception, match="readonly"):
        reader.engine.put_doc("db.c", {"_id": "y"})
    reader.close()
    writer.close()


def test_the_file_is_durable_private_and_ours(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    connection.execute("CREATE TABLE t(a)")
    assert {f.name: oct(f.stat().st_mode & 0o777) for f in tmp_path.iterdir()} == {
        "db": "0o600", "db-wal": "0o600", "db-shm": "0o600",
    }  # fmt: skip
    connection.close()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a database, but long enough to look like one " * 50)
    with pytest.raises(Corrupt, match="not a readable database"):
        open_writer(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t(a)")
    other.close()
    with pytest.raises(Corrupt, match="not one that precert made"):
        open_writer(tmp_path / "other")
    ours = open_writer(tmp_path / "ours")
    ours.execute("PRAGMA user_version=99")
    ours.close()
    with pytest.raises(StoreError, match="newer precert"):
        open_writer(tmp_path / "ours")


def test_self_test_passes() -> None:
    self_test()


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 1.5, math.inf, math.nan]),
    st.sampled_from(["", "a", "b", "a\x00"]), st.binary(max_size=1), st.just(ObjectId("0" * 24)),
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]),
)  # fmt: skip
VALUES = st.one_of(
    SCALARS,
    st.lists(st.sampled_from("ab"), max_size=3),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2),
)
FIELDS = st.sampled_from(["a", "b", "a.x", "b.0"])
DOCS = st.lists(
    st.fixed_dictionaries({"s": st.sampled_from(["", "1", "2", "3"])}, optional={"a": VALUES, "b": VALUES}), max_size=8
)
TESTS = st.one_of(
    VALUES.filter(lambda value: not isinstance(value, dict)),
    st.dictionaries(st.sampled_from(["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"]), SCALARS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, max_size=3), min_size=1),
    st.lists(st.sampled_from("ab"), min_size=1).map(lambda values: {"$in": values}),
)
FILTERS = st.one_of(
    st.dictionaries(FIELDS, TESTS, max_size=2),
    st.lists(st.dictionaries(FIELDS, TESTS, max_size=1), min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
    st.fixed_dictionaries({"a": TESTS, "s": st.sampled_from([{"$gt": "1"}, {"$lte": "2"}])}),
)


@settings(max_examples=300, deadline=None)
@given(DOCS, DOCS, FILTERS, st.sampled_from([None, [("s", 1)], [("s", -1)], [("_id", -1)]]), st.integers(0, 2))
def test_indexes_never_change_an_answer(
    before: list[dict[str, Any]], after: list[dict[str, Any]], query: dict[str, Any], sort: Any, skip: int
) -> None:
    """With any index, before or after the documents: the same documents as by testing each of them."""
    client = Client(SqliteEngine(open_memory()))
    things = client["db"]["things"]
    things.insert_many([{**doc, "_id": str(n)} for n, doc in enumerate(before)])
    things.create_index([("a", 1), ("s", 1)])
    things.create_index([("b", 1), ("s", 1)])
    things.create_index("a.x")
    for n, doc in enumerate(after):
        things.replace_one({"_id": str(n)}, doc, upsert=True)
    stored = list(things.find({}))
    expected = [doc["_id"] for doc in stored if matches(doc, conditions(query))]
    assert sorted(ids(things.find(query))) == sorted(expected)
    found = list(things.find(query, sort=sort, skip=skip, limit=3))
    assert len(found) == min(3, max(0, len(expected) - skip))
    if sort:
        keys = [doc[sort[0][0]] for doc in found]
        assert keys == sorted(keys, reverse=sort[0][1] < 0)
    assert things.delete_many(query).deleted_count == len(expected)
    assert client.engine.check_index("db.things") == []
    client.close()
