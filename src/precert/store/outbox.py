"""The outbox as documents: enqueue, lease with a fence, acknowledge, retry, give up. Call all inside a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from precert.store.mongo.values import conditions
from precert.store.port import Corrupt, DeadLetter, Leased, Outgoing
from precert.store.records import micros, moment, ordinal, sealed, unsealed
from precert.store.tables import Collections

_log = structlog.get_logger(__name__)
_HEAD = "outbox"
_LAST = "\U0010ffff"  # sorts behind every id


def enqueue(db: Collections, messages: Sequence[Outgoing]) -> None:
    """Add messages, numbered in the order given. Numbers are never used twice."""
    number = last_number(db)
    for message in messages:
        number += 1
        due = micros(message.due)
        db.outbox.insert_one(
            {
                "_id": ordinal(number),
                "queue": message.queue,
                "order": order(due, number),
                "until": 0,
                "worker": "",
                "fence": 0,
                "attempt": 0,
                **sealed(label(number), message.body),
            }
        )
    set_last_number(db, number)


def lease(db: Collections, queue: str, worker: str, *, n: int, ttl: float, now: datetime) -> tuple[Leased, ...]:
    """Hand out up to ``n`` messages due at ``now``, earliest due first, that nobody holds at ``now``.

    A damaged message must not stop the ones behind it: if only its body is damaged it goes to the dead letters, else it
    stays where it is, is logged, and ``verify`` names it.
    """
    if n <= 0:
        return ()
    at = micros(now)
    until = at + round(ttl * 1_000_000)
    ready = {"queue": queue, "order": {"$lte": f"{ordinal(at)}/{_LAST}"}, "until": {"$lte": at}}
    taken = []
    unreadable: list[str] = []
    due = db.client.engine.find(
        db.outbox.full_name, conditions(ready), [("order", 1)], limit=n, damaged=unreadable
    )  # not the collection's own find: that one would stop at a damaged document, and with it the queue
    for stored in list(due):
        number = int(stored["_id"])
        try:
            body = unsealed(label(number), stored)
        except Corrupt as error:
            _bury(db, stored, str(error), now)
            continue
        held = {
            **stored,
            "fence": stored["fence"] + 1,
            "attempt": stored["attempt"] + 1,
            "until": until,
            "worker": worker,
        }
        db.outbox.replace_one({"_id": stored["_id"]}, held)
        taken.append(Leased(number, queue, body, held["attempt"], held["fence"], moment(until)))
    if unreadable:
        _log.error("outbox_messages_damaged", queue=queue, ids=unreadable)
    return tuple(taken)


def release_all(db: Collections) -> int:
    """Take back every lease; how many there were. For the start of the one process that may use the store: whoever held
    them is dead, and its messages need not wait until the leases run out."""
    unreadable: list[str] = []  # a damaged message stays where it is; ``lease`` and ``verify`` name it
    wanted = conditions({"until": {"$gt": 0}})
    held = list(db.client.engine.find(db.outbox.full_name, wanted, damaged=unreadable))
    for stored in held:
        db.outbox.replace_one({"_id": stored["_id"]}, {**stored, "until": 0, "worker": ""})
    return len(held)


def ack(db: Collections, number: int, fence: int) -> bool:
    """Forget a message. ``False`` if ``fence`` is not its latest lease."""
    if _held(db, number, fence) is None:
        return False
    return bool(db.outbox.delete_one({"_id": ordinal(number)}).deleted_count)


def nack(db: Collections, number: int, fence: int, due: datetime) -> bool:
    """Give a message back, due at ``due``. ``False`` if ``fence`` is not its latest lease."""
    stored = _held(db, number, fence)
    if stored is None:
        return False
    _release(db, stored, due)
    return True


def dead(db: Collections, number: int, fence: int, reason: str, now: datetime) -> bool:
    """Move a message to the dead letters. ``False`` if ``fence`` is not its latest lease."""
    stored = _held(db, number, fence)
    if stored is None:
        return False
    _bury(db, stored, reason, now)
    return True


def dead_letters(db: Collections, after: int, limit: int) -> tuple[DeadLetter, ...]:
    """Messages given up, by number. A damaged body raises Corrupt."""
    if limit <= 0:
        return ()
    found = db.dead.find({"_id": {"$gt": ordinal(after)}}, sort=[("_id", 1)], limit=limit)
    return tuple(
        DeadLetter(
            id=int(stored["_id"]),
            queue=stored["queue"],
            body=unsealed(label(int(stored["_id"])), stored),
            attempt=stored["attempt"],
            reason=stored["reason"],
            at=moment(stored["at"]),
        )
        for stored in found
    )


def revive(db: Collections, number: int, due: datetime) -> bool:
    """Move a dead letter back into its queue. ``False`` if there is none."""
    stored = db.dead.find_one({"_id": ordinal(number)})
    if stored is None:
        return False
    db.dead.delete_one({"_id": stored["_id"]})
    message = {name: value for name, value in stored.items() if name not in ("reason", "at")}
    db.outbox.insert_one(message)
    _release(db, message, due)
    return True


def label(number: int) -> str:
    """What a message's body is sealed under."""
    return f"outbox {number}"


def last_number(db: Collections) -> int:
    """The highest number ever given to a message."""
    head = db.heads.find_one({"_id": _HEAD})
    return int(head["last"]) if head else 0


def set_last_number(db: Collections, number: int) -> None:
    """Remember the highest number given."""
    db.heads.replace_one({"_id": _HEAD}, {"last": number}, upsert=True)


def order(due: int, number: int) -> str:
    """The text by which a queue is sorted: when due, then in the order of coming."""
    return f"{ordinal(due)}/{ordinal(number)}"


def _held(db: Collections, number: int, fence: int) -> dict[str, Any] | None:
    stored: dict[str, Any] | None = db.outbox.find_one({"_id": ordinal(number)})
    # "until" is 0 unless leased: a fence counts once, a second ack or nack with it finds nothing.
    return stored if stored and stored["fence"] == fence and stored["until"] else None


def _release(db: Collections, stored: Mapping[str, Any], due: datetime) -> None:
    place = order(micros(due), int(stored["_id"]))
    db.outbox.replace_one({"_id": stored["_id"]}, {**stored, "order": place, "until": 0, "worker": ""})


def _bury(db: Collections, stored: Mapping[str, Any], reason: str, now: datetime) -> None:
    db.outbox.delete_one({"_id": stored["_id"]})
    db.dead.insert_one({**stored, "until": 0, "worker": "", "reason": reason, "at": micros(now)})
