"""Reads: one resource, its history, a search. Never write, need no lock: a committed version never changes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from precert.store.mongo.values import conditions
from precert.store.port import BadPage, Corrupt, Document, Page, Param
from precert.store.records import document, key_of, scope, token, version_key
from precert.store.tables import Collections

_CHUNK = 500
_FEW_BODIES = 2


def get(db: Collections, tenant: str, type: str, id: str) -> Document | None:
    """The current version. Raises Corrupt."""
    key = key_of(tenant, type, id)
    row = db.rows.find_one({"_id": key})
    return _versions(db, [version_key(key, row["version"])])[0] if row else None


def vread(db: Collections, tenant: str, type: str, id: str, version: int) -> Document | None:
    """One version. Raises Corrupt."""
    stored = db.versions.find_one({"_id": version_key(key_of(tenant, type, id), version)})
    return document(stored) if stored else None


def history(db: Collections, tenant: str, type: str, id: str) -> tuple[Document, ...]:
    """All versions, newest first. Raises Corrupt, also if one is missing."""
    key = key_of(tenant, type, id)
    row = db.rows.find_one({"_id": key})
    return tuple(_versions(db, [version_key(key, n) for n in range(row["version"], 0, -1)])) if row else ()


def search(
    db: Collections,
    tenant: str,
    type: str,
    params: Sequence[Param],
    *,
    newest_first: bool,
    limit: int,
    page: str | None,
) -> Page:
    """A page of current versions. Raises Corrupt, BadPage; ValueError for a limit below 0.

    A page begins right behind the last row of the one before, wherever that stands by now: rows that did not change
    meanwhile are neither skipped nor repeated. The search should run in one snapshot.
    """
    if limit < 0:
        raise ValueError("the limit of a search cannot be negative")
    if limit == 0:
        return Page((), None)
    wanted = _wanted(tenant, type, params)
    if page is not None:
        wanted["order"] = {"$lt" if newest_first else "$gt": _opened(page, newest_first)}
    found = list(db.rows.find(wanted, sort=[("order", -1 if newest_first else 1)], limit=limit + 1))
    shown = found[:limit]
    documents = _versions(db, [version_key(row["_id"], row["version"]) for row in shown])
    return Page(tuple(documents), _closed(shown[-1]["order"], newest_first) if len(found) > limit else None)


def short_search(
    db: Collections, tenant: str, type: str, params: Sequence[Param], *, newest_first: bool, limit: int
) -> Page | None:
    """The first page of a search if an index says that it is a matter of a few rows and a body or two; else ``None``.

    Short enough for the event loop: a member's cases at a hook are found, or found not to be there, without a thread.
    """
    wanted = conditions(_wanted(tenant, type, params))
    sort = [("order", -1 if newest_first else 1)]
    rows = db.client.engine.find_few(db.rows.full_name, wanted, sort, _FEW_BODIES + 1)
    if rows is None or len(rows) > min(limit, _FEW_BODIES):
        return None
    return Page(tuple(_versions(db, [version_key(row["_id"], row["version"]) for row in rows])), None)


def _wanted(tenant: str, type: str, params: Sequence[Param]) -> dict[str, Any]:
    within = scope(tenant, type)
    return {
        "$and": [{"tokens": {"$in": [token(within, param.name, value) for value in param.values]}} for param in params]
        or [{"tokens": within}]
    }


def _versions(db: Collections, names: Sequence[str]) -> list[Document]:
    stored: dict[str, Any] = {}
    for start in range(0, len(names), _CHUNK):
        for found in db.versions.find({"_id": {"$in": list(names[start : start + _CHUNK])}}):
            stored[found["_id"]] = found
    missing = [name for name in names if name not in stored]
    if missing:
        raise Corrupt(f"{missing[0]}: the row is there, but its body is missing")
    return [document(stored[name]) for name in names]


def _closed(order: str, newest_first: bool) -> str:
    return base64.urlsafe_b64encode(f"{'-' if newest_first else '+'}{order}".encode()).decode().rstrip("=")


def _opened(page: str, newest_first: bool) -> str:
    try:
        text = base64.urlsafe_b64decode(page + "=" * (-len(page) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise BadPage("this is not a page token of this server") from error
    if text[:1] != ("-" if newest_first else "+"):
        raise BadPage("this page token is of a search in another order")
    return text[1:]
