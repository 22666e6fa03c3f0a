"""The audit log: append-only, each entry hashed together with the hash of the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from precert.store.port import Audit, AuditEntry, Corrupt
from precert.store.records import micros, moment, ordinal
from precert.store.tables import Collections

GENESIS = "0" * 64
_HEAD = "audit"


def append(db: Collections, tenant: str, entries: Sequence[Audit]) -> None:
    """Add entries to the chain. Call it inside a transaction."""
    head = head_of(db)
    number, last = head["seq"], head["hash"]
    for entry in entries:
        number += 1
        line = _line(number, tenant, entry)
        fresh = digest(last, line)
        db.audit.insert_one({"_id": ordinal(number), "tenant": tenant, "line": line, "previous": last, "hash": fresh})
        last = fresh
    put_head(db, number, last)


def read(db: Collections, tenant: str, after: int, limit: int) -> tuple[AuditEntry, ...]:
    """A tenant's entries, by number, from the one after ``after``. Raises Corrupt."""
    if limit <= 0:
        return ()
    found = db.audit.find({"tenant": tenant, "_id": {"$gt": ordinal(after)}}, sort=[("_id", 1)], limit=limit)
    return tuple(_entry(stored) for stored in found)


def check(stored: Iterable[Mapping[str, Any]], head: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the chain, in words; nothing if it is whole. ``stored`` must come by number.

    Reading goes on after a fault: a sound entry behind a broken one proves that the log did not just end early.
    """
    number, last = 0, GENESIS
    broken = 0  # the first fault's number
    sound_after = 0
    for entry in stored:
        faults = list(_faults(entry, number, last))
        yield from faults
        number, last = int(entry["_id"]), entry["hash"]
        if faults:
            broken = broken or number
        elif broken:
            sound_after += 1
    if sound_after:
        yield (
            f"audit: {sound_after} sound entries follow the first fault (at {broken}):"
            " entries were changed or removed afterwards, the log did not just end early"
        )
    if (number, last) != (head["seq"], head["hash"]):
        yield f"audit: the log ends at entry {number}, but {head['seq']} entries were written"


def head_of(db: Collections) -> dict[str, Any]:
    """Number and hash of the last entry."""
    return db.heads.find_one({"_id": _HEAD}) or {"seq": 0, "hash": GENESIS}


def put_head(db: Collections, number: int, last: str) -> None:
    """Remember the chain's end, so that entries missing at the end are missed."""
    db.heads.replace_one({"_id": _HEAD}, {"seq": number, "hash": last}, upsert=True)


def digest(previous: str, line: bytes) -> str:
    """The hash of an entry after ``previous``."""
    return hashlib.sha256(previous.encode() + b"\n" + line).hexdigest()


def _faults(entry: Mapping[str, Any], number: int, last: str) -> Iterator[str]:
    here = int(entry["_id"])
    if here != number + 1:
        yield f"audit: entries {number + 1} to {here - 1} are missing"
    elif entry["previous"] != last:
        yield f"audit: entry {here} does not follow entry {number}"
    if digest(entry["previous"], entry["line"]) != entry["hash"]:
        yield f"audit: entry {here} was changed: its content does not match its hash"
    else:
        said = json.loads(entry["line"])
        if said["seq"] != here or said["tenant"] != entry["tenant"]:
            yield f"audit: entry {here} is stored under another number or tenant than it says"


def _line(number: int, tenant: str, entry: Audit) -> bytes:
    content = {
        "seq": number,
        "tenant": tenant,
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "at": micros(entry.at),
        "detail": dict(entry.detail),
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _entry(stored: Mapping[str, Any]) -> AuditEntry:
    if digest(stored["previous"], stored["line"]) != stored["hash"]:
        raise Corrupt(f"audit: entry {int(stored['_id'])} was changed: its content does not match its hash")
    said = json.loads(stored["line"])
    return AuditEntry(
        seq=said["seq"],
        tenant=said["tenant"],
        action=said["action"],
        actor=said["actor"],
        subject=said["subject"],
        at=moment(said["at"]),
        detail=said["detail"],
        hash=stored["hash"],
    )
