"""The whole store as JSON lines and back: for moving to another engine, another machine, another version.

One line per version, row, message, answer, reserved name and audit entry, none of them in the terms of an engine; then a
last line with the number of lines and the SHA-256 of all of them, so that half a file is not taken for a whole one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from mongita.errors import MongitaError

from precert.store import chain, outbox
from precert.store.port import Corrupt, Put, StoreError
from precert.store.records import document, key_of, micros, moment, ordinal, params_of, row, sealed, unsealed, version
from precert.store.tables import Collections
from precert.store.unit import answer_key, answer_label

FORMAT = 1
Line = dict[str, Any]


def export_lines(db: Collections) -> Iterator[bytes]:
    """Every line, newline included. Call it in one snapshot. Raises Corrupt rather than export a damaged body."""
    digest, count = hashlib.sha256(), 0
    for content in _contents(db):
        line = _encoded(content)
        digest.update(line)
        count += 1
        yield line
    yield _encoded({"kind": "end", "lines": count, "sha256": digest.hexdigest()})


def import_lines(db: Collections, lines: Iterable[bytes]) -> dict[str, int]:
    """Fill an empty store with exported lines; how many of each kind. Call it inside a transaction.

    Raises StoreError if the store is not empty or the format unknown, Corrupt if the file is damaged, incomplete or its
    audit chain broken. The transaction must then be rolled back.
    """
    if any(collection.count_documents({}) for collection in (db.rows, db.versions, db.audit, db.heads, db.names)):
        raise StoreError("the store is not empty: import only into a new data directory")
    digest, counts, ended = hashlib.sha256(), dict.fromkeys(_IMPORTERS, 0), False
    updated: dict[str, int] = {}
    for number, line in enumerate(lines):
        content = _decoded(line, number)
        kind = str(content.get("kind"))
        if number == 0:
            _check_header(content)
        elif ended:
            raise Corrupt(f"line {number + 1}: nothing may follow the end")
        elif kind == "end":
            ended = True
            if content != {"kind": "end", "lines": number, "sha256": digest.hexdigest()}:
                raise Corrupt("the file was changed or lines are missing: its checksum does not match")
        elif kind in _IMPORTERS:
            try:
                _IMPORTERS[kind](db, content, updated)
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError, MongitaError) as error:
                raise Corrupt(f"line {number + 1}: not a sound {kind}: {error!r}") from error
            counts[kind] += 1
        else:
            raise Corrupt(f"line {number + 1}: unknown kind {kind!r}")
        digest.update(line)
    if not ended:
        raise Corrupt("the file is incomplete: its last line is missing")
    for fault in chain.check(db.audit.find({}, sort=[("_id", 1)]), chain.head_of(db)):
        raise Corrupt(fault)
    return counts


def _contents(db: Collections) -> Iterator[Line]:
    yield {"kind": "precert-store", "format": FORMAT}
    for stored in db.versions.find({}, sort=[("_id", 1)]):
        tenant, type, id, number = stored["_id"].split("/")
        yield {
            "kind": "version", "tenant": tenant, "type": type, "id": id, "version": int(number),
            "updated": _iso(stored["updated"]), "body": _text(document(stored).body),
        }  # fmt: skip
    for stored in db.rows.find({}, sort=[("_id", 1)]):
        within = stored["_id"].rpartition("/")[0]
        yield {
            "kind": "row", "tenant": stored["tenant"], "type": stored["type"], "id": stored["id"],
            "version": stored["version"], "params": params_of(within, stored["tokens"]),
        }  # fmt: skip
    for collection in (db.outbox, db.dead):
        yield from (_message(stored) for stored in collection.find({}, sort=[("_id", 1)]))
    for stored in db.answers.find({}, sort=[("_id", 1)]):
        yield {
            "kind": "answer", "tenant": stored["tenant"], "key": stored["_id"].removeprefix(f"{stored['tenant']}/"),
            "digest": stored["digest"], "at": _iso(stored["at"]),
            "result": _text(unsealed(answer_label(stored["_id"], stored["digest"]), stored)),
        }  # fmt: skip
    for stored in db.names.find({}, sort=[("_id", 1)]):
        yield {"kind": "name", "name": stored["_id"], "tenant": stored["tenant"], "at": _iso(stored["at"])}
    for stored in db.audit.find({}, sort=[("_id", 1)]):
        yield {
            "kind": "audit", "seq": int(stored["_id"]), "tenant": stored["tenant"], "line": stored["line"].decode(),
            "previous": stored["previous"], "hash": stored["hash"],
        }  # fmt: skip
    head = chain.head_of(db)
    yield {"kind": "heads", "audit": head["seq"], "hash": head["hash"], "outbox": outbox.last_number(db)}


def _message(stored: Mapping[str, Any]) -> Line:
    number = int(stored["_id"])
    line = {
        "kind": "message", "id": number, "queue": stored["queue"], "due": _iso(int(stored["order"].partition("/")[0])),
        "attempt": stored["attempt"], "fence": stored["fence"], "worker": stored["worker"],
        "until": _iso(stored["until"]) if stored["until"] else None,
        "body": _text(unsealed(outbox.label(number), stored)),
    }  # fmt: skip
    if "reason" in stored:
        line["dead"] = {"reason": stored["reason"], "at": _iso(stored["at"])}
    return line


def _add_version(db: Collections, line: Line, updated: dict[str, int]) -> None:
    key = key_of(line["tenant"], line["type"], line["id"])
    at = _micros(line["updated"])
    stored = version(key, line["version"], _bytes(line["body"]), at)
    updated[stored["_id"]] = at
    db.versions.insert_one(stored)


def _add_row(db: Collections, line: Line, updated: dict[str, int]) -> None:
    key = key_of(line["tenant"], line["type"], line["id"])
    put = Put(line["type"], line["id"], b"", line["params"])
    db.rows.insert_one(row(line["tenant"], put, line["version"], updated[f"{key}/{line['version']}"]))


def _add_message(db: Collections, line: Line, updated: dict[str, int]) -> None:
    stored = {
        "_id": ordinal(line["id"]), "queue": line["queue"], "order": outbox.order(_micros(line["due"]), line["id"]),
        "until": _micros(line["until"]) if line["until"] else 0, "worker": line["worker"], "fence": line["fence"],
        "attempt": line["attempt"], **sealed(outbox.label(line["id"]), _bytes(line["body"])),
    }  # fmt: skip
    if "dead" in line:
        db.dead.insert_one({**stored, "reason": line["dead"]["reason"], "at": _micros(line["dead"]["at"])})
    else:
        db.outbox.insert_one(stored)


def _add_answer(db: Collections, line: Line, updated: dict[str, int]) -> None:
    name = answer_key(line["tenant"], line["key"])
    kept = sealed(answer_label(name, line["digest"]), _bytes(line["result"]))
    at = _micros(line["at"])
    db.answers.insert_one({"_id": name, "tenant": line["tenant"], "digest": line["digest"], "at": at, **kept})


def _add_name(db: Collections, line: Line, updated: dict[str, int]) -> None:
    db.names.insert_one({"_id": line["name"], "tenant": line["tenant"], "at": _micros(line["at"])})


def _add_audit(db: Collections, line: Line, updated: dict[str, int]) -> None:
    names = ("tenant", "previous", "hash")
    content = {"_id": ordinal(line["seq"]), "line": line["line"].encode(), **{name: line[name] for name in names}}
    db.audit.insert_one(content)


def _add_heads(db: Collections, line: Line, updated: dict[str, int]) -> None:
    chain.put_head(db, line["audit"], line["hash"])
    outbox.set_last_number(db, line["outbox"])


_IMPORTERS: Mapping[str, Callable[[Collections, Line, dict[str, int]], None]] = {
    "version": _add_version,
    "row": _add_row,
    "message": _add_message,
    "answer": _add_answer,
    "name": _add_name,
    "audit": _add_audit,
    "heads": _add_heads,
}


def _check_header(content: Line) -> None:
    if content.get("kind") != "precert-store":
        raise Corrupt("this is not an export of a precert store")
    if content.get("format") != FORMAT:
        raise StoreError(f"export format {content.get('format')!r} is not known to this precert (it knows {FORMAT})")


def _encoded(content: Line) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes, number: int) -> Line:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise Corrupt(f"line {number + 1} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise Corrupt(f"line {number + 1} is not a JSON object")
    return content


def _iso(count: int) -> str:
    return moment(count).isoformat()


def _micros(text: str) -> int:
    return micros(datetime.fromisoformat(text))


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
