"""Filters pushed down: conditions and a sort in, one SQL statement that streams candidate documents out.

The statement may return too much, never too little: the engine checks every candidate against the whole filter.
So a condition that SQL cannot express costs time, not truth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from precert.store.mongo.values import NUMBER, SCALARS, STRING, Condition, typed

Sort = Sequence[tuple[str, int]]

_RANGES = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_MOST_VALUES = 1000  # an $in longer than this is checked document by document (SQLite limits variables)
_COUNT_UP_TO = 500  # how exactly the sizes of two index entries are compared
_FEW = 16  # so few entries that looking for a better condition would take longer than reading them


@dataclass(frozen=True, slots=True)
class Index:
    """Index entries of one field of a collection; ``suffix`` is the field by which each value's entries are sorted."""

    number: int
    name: str
    field: str
    suffix: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL selecting the documents' id, BSON and checksum. ``ordered``: they come in the wanted order, so a limit can stop
    early. ``short``: an index says that there are few candidates."""

    sql: str
    args: tuple[Any, ...]
    ordered: bool
    short: bool = False


_NOTHING = Statement("SELECT id, v, sum FROM doc WHERE 0", (), ordered=True, short=True)


@dataclass(slots=True)
class _Where:
    """The text and the arguments of a WHERE clause, growing together."""

    text: list[str] = field(default_factory=list)
    args: list[Any] = field(default_factory=list)

    def add(self, text: str, *args: Any) -> None:
        self.text.append(text)
        self.args += args

    def __str__(self) -> str:
        return " AND ".join(self.text)


def plan(
    connection: sqlite3.Connection,
    collection: str,
    indexes: Sequence[Index],
    wanted: Sequence[Condition],
    sort: Sort,
) -> Statement:
    """The cheapest statement known for this query: by ``_id``, by the most selective index entry, or a scan."""
    if any(c.field == "_id" and c.op in ("$eq", "$in") and _values(c) is not None for c in wanted):
        return _by_id(collection, wanted, sort)
    usable = [
        (index, values)
        for condition in wanted
        if condition.op in ("$eq", "$in") and (values := _values(condition)) is not None
        for index in indexes
        if index.field == condition.field
    ]
    if usable:
        return _by_index(connection, usable, wanted, sort)
    for index in indexes:
        ranges = [
            c for c in wanted if c.field == index.field and c.op in _RANGES and typed(c.value)[0] in (STRING, NUMBER)
        ]
        if ranges:
            return _by_range(index, ranges[0])
    return _by_id(collection, wanted, sort)


def _values(condition: Condition) -> list[tuple[int, Any]] | None:
    """The condition's values as index keys; ``None`` if an index cannot answer it."""
    raw = condition.value if condition.op == "$in" else [condition.value]
    if len(raw) > _MOST_VALUES:
        return None
    keys = [typed(value) for value in raw]
    return list(dict.fromkeys(keys)) if all(kind in SCALARS for kind, _ in keys) else None


def _by_id(collection: str, wanted: Sequence[Condition], sort: Sort) -> Statement:
    where = _Where(["coll=?"], [collection])
    for condition in wanted:
        if condition.field != "_id":
            continue
        if condition.op in ("$eq", "$in") and (values := _values(condition)) is not None:
            where.add(f"id IN ({_marks(values)})", *(str(key) for _, key in values))
        elif condition.op in _RANGES and isinstance(condition.value, str):
            where.add(f"id{_RANGES[condition.op]}?", condition.value)
    ordered = not sort or [name for name, _ in sort] == ["_id"]
    direction = "DESC" if ordered and sort and sort[0][1] < 0 else "ASC"
    return Statement(f"SELECT id, v, sum FROM doc WHERE {where} ORDER BY id {direction}", tuple(where.args), ordered)  # noqa: S608


def _by_index(
    connection: sqlite3.Connection,
    usable: Sequence[tuple[Index, list[tuple[int, Any]]]],
    wanted: Sequence[Condition],
    sort: Sort,
) -> Statement:
    few = None
    for use in usable:
        size = _size(connection, *use, _FEW + 1) if use[1] else 0  # {'$in': []} matches nothing
        if not size:
            return _NOTHING
        if size <= _FEW:
            few = use
            break
    driver = few or (min(usable, key=lambda use: _size(connection, *use)) if len(usable) > 1 else usable[0])
    index, values = driver
    where = _Where()
    where.add("a.i=?", index.number)
    _among(where, "a", values)
    for condition in wanted:
        if condition.field == index.suffix and condition.op in _RANGES and isinstance(condition.value, str):
            where.add(f"a.s{_RANGES[condition.op]}?", condition.value)
    for other, keys in usable:
        # The sort field is part of an entry's key: with the same one this is a single look-up per candidate.
        if (other, keys) != driver and other.suffix == index.suffix:
            inner = _Where()
            inner.add("b.i=?", other.number)
            _among(inner, "b", keys)
            where.add(f"EXISTS(SELECT 1 FROM ix b WHERE {inner} AND b.s=a.s AND b.n=a.n)", *inner.args)  # noqa: S608
    ordered = len(sort) == 1 and sort[0][0] == index.suffix
    direction = "DESC" if ordered and sort[0][1] < 0 else "ASC"
    if len(values) == 1:
        # One value: its entries are stored in this order already and stream, whatever their number.
        source = f"SELECT d.id, d.v, d.sum FROM ix a CROSS JOIN doc d ON d.n=a.n WHERE {where} ORDER BY a.s {direction}, a.n {direction}"  # noqa: S608
    else:
        source = (
            f"SELECT d.id, d.v, d.sum FROM (SELECT DISTINCT a.s AS s, a.n AS n FROM ix a WHERE {where}) c"  # noqa: S608
            f" CROSS JOIN doc d ON d.n=c.n ORDER BY c.s {direction}, c.n {direction}"
        )
    return Statement(source, tuple(where.args), ordered or not sort, few is not None)


def _by_range(index: Index, condition: Condition) -> Statement:
    kind, key = typed(condition.value)
    return Statement(
        "SELECT d.id, d.v, d.sum FROM (SELECT DISTINCT a.n AS n FROM ix a"  # noqa: S608
        f" WHERE a.i=? AND a.t=? AND a.k{_RANGES[condition.op]}?) c CROSS JOIN doc d ON d.n=c.n ORDER BY d.n",
        (index.number, kind, key),
        False,
    )


def _size(
    connection: sqlite3.Connection, index: Index, values: list[tuple[int, Any]], up_to: int = _COUNT_UP_TO
) -> int:
    where = _Where()
    where.add("a.i=?", index.number)
    _among(where, "a", values)
    sql = f"SELECT count(*) FROM (SELECT 1 FROM ix a WHERE {where} LIMIT {up_to})"  # noqa: S608
    count: int = connection.execute(sql, where.args).fetchone()[0]
    return count


def _among(where: _Where, alias: str, values: Sequence[tuple[int, Any]]) -> None:
    """``alias``'s entry holds one of ``values``, grouped by type so that each group is a range of the key."""
    groups: dict[int, list[Any]] = {}
    for kind, key in values:
        groups.setdefault(kind, []).append(key)
    parts = []
    args: list[Any] = []
    for kind, keys in groups.items():
        test = f"={alias}.k" if len(keys) == 1 else f" IN ({_marks(keys)})"
        parts.append(f"({alias}.t=? AND " + (f"?{test}" if len(keys) == 1 else f"{alias}.k{test}") + ")")
        args += [kind, *keys]
    where.add(parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})", *args)


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
