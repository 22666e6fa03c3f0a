"""One ``Commit`` applied to the collections. Call it inside a transaction."""

from __future__ import annotations

from typing import Any

from mongita.errors import DuplicateKeyError

from precert.store import chain, outbox
from precert.store.port import AlreadyTaken, Commit, Conflict, Idempotency, KeyReused, Put, Replayed, Stored
from precert.store.records import key_of, row, scope, sealed, unsealed, version
from precert.store.tables import Collections


def apply(db: Collections, commit: Commit, now: int) -> Stored | Replayed | KeyReused:
    """Write everything ``commit`` says, at time ``now`` (microseconds), or find that it was written before.

    Raises Conflict, AlreadyTaken; ValueError for names that cannot be keys. The transaction must then be rolled back.
    """
    scope(commit.tenant, "any")  # refuses a tenant that could be mistaken for another, also if nothing is put
    if commit.idempotency:
        known = answered(db, commit.tenant, commit.idempotency)
        if known:
            return known
    for name in commit.reserve:
        _reserve(db, commit.tenant, name, now)
    versions = tuple(_put(db, commit.tenant, put, now) for put in commit.puts)
    if commit.outgoing:
        outbox.enqueue(db, commit.outgoing)
    if commit.audit:
        chain.append(db, commit.tenant, commit.audit)
    if commit.idempotency:
        _remember(db, commit.tenant, commit.idempotency, commit.result, now)
    return Stored(versions)


def answered(db: Collections, tenant: str, key: Idempotency) -> Replayed | KeyReused | None:
    """What a request with this key was answered, if it was. Raises Corrupt if that answer is damaged."""
    name = answer_key(tenant, key.key)
    stored = db.answers.find_one({"_id": name})
    if stored is None:
        return None
    result = unsealed(answer_label(name, stored["digest"]), stored)
    return Replayed(result) if stored["digest"] == key.digest else KeyReused(result)


def answer_key(tenant: str, key: str) -> str:
    """The ``_id`` under which an answer is kept."""
    return f"{tenant}/{key}"


def answer_label(name: str, digest: str) -> str:
    """What an answer is sealed under."""
    return f"answer {name} to {digest}"


def _remember(db: Collections, tenant: str, key: Idempotency, result: bytes, now: int) -> None:
    name = answer_key(tenant, key.key)
    kept = sealed(answer_label(name, key.digest), result)
    db.answers.insert_one({"_id": name, "tenant": tenant, "digest": key.digest, "at": now, **kept})


def _reserve(db: Collections, tenant: str, name: str, now: int) -> None:
    if not name:
        raise ValueError("an empty name cannot be reserved")
    try:
        db.names.insert_one({"_id": name, "tenant": tenant, "at": now})
    except DuplicateKeyError as error:
        raise AlreadyTaken(name) from error


def _put(db: Collections, tenant: str, put: Put, now: int) -> int:
    key = key_of(tenant, put.type, put.id)
    if put.expect == 0:
        return _create(db, tenant, put, now)
    current: dict[str, Any] | None = db.rows.find_one({"_id": key})
    actual: int = current["version"] if current else 0
    if put.expect is not None and put.expect != actual:
        raise Conflict(key, put.expect, actual)
    fresh = row(tenant, put, actual + 1, now)
    db.versions.insert_one(version(key, actual + 1, put.body, now))
    if current:
        db.rows.replace_one({"_id": key}, fresh)
    else:
        db.rows.insert_one(fresh)
    return actual + 1


def _create(db: Collections, tenant: str, put: Put, now: int) -> int:
    """A resource that must be new: the row's key tells whether it is."""
    fresh = row(tenant, put, 1, now)
    try:
        db.rows.insert_one(fresh)
    except DuplicateKeyError as error:
        current = db.rows.find_one({"_id": fresh["_id"]})
        raise Conflict(fresh["_id"], 0, current["version"] if current else 0) from error
    db.versions.insert_one(version(fresh["_id"], 1, put.body, now))
    return 1
