"""What a MongoDB filter means: values at a path, typed comparison, matching. No storage in here.

Own code and not mongita's matcher, because that one never sees through arrays of objects, never matches a nested ``0``
or ``False``, and answers nothing, without an error, to a top-level ``$and``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from mongita.errors import MongitaError

OPERATORS = ("$eq", "$ne", "$in", "$nin", "$lt", "$lte", "$gt", "$gte")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

NULL, NUMBER, STRING, OBJECT, ARRAY, BYTES, OBJECT_ID, BOOLEAN, DATE, OTHER = range(1, 11)
_COMPARABLE = frozenset((NUMBER, STRING, BYTES, OBJECT_ID, BOOLEAN, DATE))
SCALARS = _COMPARABLE | {NULL}


@dataclass(frozen=True, slots=True)
class Condition:
    """``field`` (a dotted path) must stand in relation ``op`` to ``value``."""

    field: str
    op: str
    value: Any


def conditions(query: Mapping[str, Any]) -> list[Condition]:
    """A filter as a flat list of conditions that must all hold.

    Understands plain values, the operators of ``OPERATORS`` and ``$and``. Raises MongitaError for every other
    operator: a filter that is not understood must never quietly match nothing or everything.
    """
    found: list[Condition] = []
    for field, value in query.items():
        if field == "$and":
            if not isinstance(value, (list, tuple)) or not all(isinstance(part, Mapping) for part in value):
                raise MongitaError("'$and' requires a list of filters")
            for part in value:
                found += conditions(part)
        elif field.startswith("$"):
            raise MongitaError(f"The operator {field!r} is not supported; supported: $and, {', '.join(OPERATORS)}")
        elif isinstance(value, Mapping) and any(str(key).startswith("$") for key in value):
            for op, operand in value.items():
                if op not in OPERATORS:
                    raise MongitaError(f"The operator {op!r} is not supported; supported: {', '.join(OPERATORS)}")
                if op in ("$in", "$nin") and not isinstance(operand, (list, tuple, set, frozenset)):
                    raise MongitaError(f"{op!r} requires an iterable")
                found.append(Condition(field, op, operand))
        else:
            found.append(Condition(field, "$eq", value))
    return found


def values_at(document: Any, path: str) -> list[Any]:
    """Every value ``path`` reaches, through arrays too; an array counts as itself and as each of its elements."""
    return list(_walk(document, path.split("."), 0))


def typed(value: Any) -> tuple[int, Any]:
    """``value`` as (type class, key). Two values are the same if these are equal; in one class they sort by key."""
    if value is None:
        return NULL, 0
    if isinstance(value, bool):
        return BOOLEAN, int(value)
    if isinstance(value, (int, float)):
        return (OTHER, "nan") if isinstance(value, float) and math.isnan(value) else (NUMBER, value)
    if isinstance(value, str):
        return STRING, str(value)
    if isinstance(value, bytes):
        return BYTES, bytes(value)
    if isinstance(value, ObjectId):
        return OBJECT_ID, str(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return DATE, (aware - _EPOCH) // _MILLISECOND  # BSON keeps milliseconds, so compare those
    if isinstance(value, Mapping):
        return OBJECT, {key: typed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return ARRAY, [typed(item) for item in value]
    return OTHER, repr(value)


def matches(document: Mapping[str, Any], wanted: Sequence[Condition]) -> bool:
    """Does ``document`` satisfy every condition?"""
    return all(_holds(document, condition) for condition in wanted)


def _holds(document: Mapping[str, Any], condition: Condition) -> bool:
    op, value = condition.op, condition.value
    if op in ("$ne", "$nin"):
        return not _holds(document, Condition(condition.field, "$eq" if op == "$ne" else "$in", value))
    # A missing field equals null, as in MongoDB.
    present = [typed(item) for item in values_at(document, condition.field)] or [(NULL, 0)]
    if op == "$eq":
        return typed(value) in present
    if op == "$in":
        return any(typed(item) in present for item in value)
    kind, key = typed(value)
    return kind in _COMPARABLE and any(_ordered(op, other, key) for same, other in present if same == kind)


def _ordered(op: str, left: Any, right: Any) -> bool:
    if op == "$lt":
        return bool(left < right)
    if op == "$lte":
        return bool(left <= right)
    if op == "$gt":
        return bool(left > right)
    return bool(left >= right)


def _walk(item: Any, parts: list[str], at: int) -> Iterator[Any]:
    if at == len(parts):
        yield item
        if isinstance(item, (list, tuple)):
            yield from item
    elif isinstance(item, Mapping):
        if parts[at] in item:
            yield from _walk(item[parts[at]], parts, at + 1)
    elif isinstance(item, (list, tuple)):
        if parts[at].isdecimal() and int(parts[at]) < len(item):
            yield from _walk(item[int(parts[at])], parts, at + 1)
        for element in item:
            if isinstance(element, Mapping):
                yield from _walk(element, parts, at)
