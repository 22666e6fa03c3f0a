"""The events of a record as they are kept: append-only, chained by their hashes, moved on by the lifecycle, folded into a case."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from precert.authorization.record.case import EVIDENCE_CHANGED, EVIDENCE_REVIEWED, GENESIS, REPEATS, Case, Event, Line
from precert.authorization.record.lifecycle import advance, lifecycle


class Recorder:
    """Appends events to a record, keeping sequence numbers and the hash chain. The lifecycle refuses what may not be."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.events: list[Event] = list(events)
        self._states: dict[int, str] = {}
        for event in self.events:
            self._move(event)

    def state(self, line: int) -> str:
        """The line's state now."""
        return self._states.get(line, lifecycle().initial)

    def append(self, event: Event) -> Event:
        """Number, chain and add ``event``. Raises NotAllowed when a line event has no rule."""
        prev = self.events[-1].hash if self.events else GENESIS
        numbered = msgspec.structs.replace(event, seq=len(self.events) + 1, prev=prev, hash="")
        self._move(numbered)
        chained = msgspec.structs.replace(numbered, hash=digest(numbered))
        self.events.append(chained)
        return chained

    def _move(self, event: Event) -> None:
        if event.line is not None and event.requested is None and event.ev not in CASE_EVENTS:
            rule = advance(self.state(event.line), event.ev, event.actor)
            self._states[event.line] = rule.to


CASE_EVENTS = frozenset(
    {
        *("opened", "requested", "updated", "answered", "resubmitted", "evidence", "note"),
        *(EVIDENCE_CHANGED, EVIDENCE_REVIEWED),
    }
)
"""Events that record something without moving a line."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(Event, float_hook=Decimal)


def digest(event: Event) -> str:
    """SHA-256 over the event without its own hash; it covers ``prev``, so the events form a chain."""
    return hashlib.sha256(_ENCODER.encode(msgspec.structs.replace(event, hash=""))).hexdigest()


def encode(events: Sequence[Event]) -> bytes:
    """The events as stored."""
    return _ENCODER.encode(list(events))


class BrokenRecord(ValueError):
    """The stored events do not form an unbroken chain."""


def decode(body: bytes) -> list[Event]:
    """Read stored events back. Raises BrokenRecord when one was changed, removed, added or moved.

    The hash is taken over the stored bytes with the hash itself blanked (it is the last member), so nothing depends on
    writing a value the same way twice.
    """
    events: list[Event] = []
    prev = GENESIS
    for position, raw in enumerate(_RAW.decode(body), start=1):
        event = _EVENT.decode(raw)
        blank = bytes(raw).removesuffix(f'"{event.hash}"}}'.encode()) + b'""}'
        if event.seq != position or event.prev != prev or hashlib.sha256(blank).hexdigest() != event.hash:
            raise BrokenRecord(f"event {position} does not follow its predecessor, or was changed")
        events.append(event)
        prev = event.hash
    return events


def fold(events: Sequence[Event]) -> Case:
    """The case that ``events`` make. The first one must be ``opened``."""
    if not events or events[0].opened is None:
        raise BrokenRecord("a record begins with the event 'opened'")
    opened = events[0].opened
    case = Case(
        opened=opened, lines={}, events=list(events), claim=opened.claim, submission=opened.submission, attachments=[]
    )
    for event in events:
        _apply(case, event)
    return case


def _apply(case: Case, event: Event) -> None:
    if event.updated is not None:
        case.claim, case.submission = event.updated.claim, event.updated.submission
    if event.ev == "evidence" and "bundle" in event.detail:
        case.attachments.append(str(event.detail["bundle"]))
    if event.line is None:
        return
    if event.requested is not None:
        known = case.lines.get(event.line)
        if known is None:
            known = case.lines[event.line] = Line(
                sequence=event.line, requested=event.requested, state=lifecycle().initial, updated=event.at
            )
        known.requested = event.requested
        known.order = str(event.detail["order"]) if "order" in event.detail else known.order
        return
    line = case.lines[event.line]
    if event.ev not in CASE_EVENTS:
        line.state = advance(line.state, event.ev, event.actor).to
        if event.ev != "cancel":  # a repetition that is taken back is one still
            line.rests_on = str(event.detail.get("case")) if event.ev == REPEATS else None
    line.updated = event.at
    line.determination = event.determination or line.determination
    line.authorization = event.authorization or line.authorization
    line.reference = event.reference or line.reference
    line.questions = event.questions if line.state == "pended_info" else None
