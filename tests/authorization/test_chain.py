"""The record: an append-only chain of events, and the case that they fold into."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.record.case import GENESIS, Authorization, Determination, Event, LineRequest, Party
from precert.authorization.record.chain import BrokenRecord, Recorder, decode, digest, encode, fold
from precert.authorization.record.lifecycle import NotAllowed, lifecycle
from precert.fhir import json
from support.records import AT, opened

OPENED = opened(
    case="case-1",
    identifiers=("urn:a|1", "urn:b|2"),
    patient={"resourceType": "Patient", "weight": Decimal("1.10")},
    insurer={"reference": "x"},
    requester=Party(npi="1992817498"),
    member="MA-0001",
)


def event(ev: str, line: int | None = None, actor: str = "system", **more: Any) -> Event:
    return Event(seq=0, at=AT, ev=ev, actor=actor, by="somebody", line=line, **more)


def requested(sequence: int, code: str = "s|c") -> Event:
    asked = LineRequest(sequence=sequence, code=code, quantity=Decimal("3.50"), service_start=date(2027, 1, 4))
    return event("requested", sequence, requested=asked)


def record(*events: Event) -> Recorder:
    recorder = Recorder()
    for each in (event("opened", opened=OPENED), requested(1), *events):
        recorder.append(each)
    return recorder


APPROVAL = Authorization(
    number="PA1", issued=AT.date(), start=date(2027, 1, 4), quantity=Decimal("3.50"), unit="months"
)
DETERMINED = Determination(id="d", at=AT, outcome="approve", policy="p", version="1", trace={"facts": [{"value": 1}]})
APPROVED = (
    event("validated", 1),
    event("evaluate", 1),
    event("criteria_met", 1, determination=DETERMINED, authorization=APPROVAL),
    event("notified", 1),
)


def test_a_case_is_the_fold_of_its_events() -> None:
    case = fold(record(requested(7, "s|other"), *APPROVED).events)
    assert (case.id, case.number) == ("case-1", "CN1")
    assert [(line.sequence, line.state) for line in case.ordered] == [(1, "active"), (7, "received")]
    assert case.lines[1].authorization == APPROVAL
    assert case.lines[1].determination == DETERMINED
    assert case.lines[7].authorization is None


def test_events_are_numbered_and_chained() -> None:
    events = record(*APPROVED).events
    assert [e.seq for e in events] == [1, 2, 3, 4, 5, 6]
    assert [e.prev for e in events] == [GENESIS, *(e.hash for e in events[:-1])]
    assert all(e.hash == digest(e) for e in events)


def test_stored_events_come_back_whole_with_their_decimals() -> None:
    events = record(*APPROVED).events
    stored = encode(events)
    again = decode(stored)
    assert again == events
    assert str(again[0].opened.patient["weight"]) == "1.10"  # type: ignore[union-attr]
    assert encode(again) == stored


def test_a_recorder_goes_on_where_the_stored_events_end() -> None:
    stored = decode(encode(record(*APPROVED).events))
    recorder = Recorder(stored)
    assert recorder.state(1) == "active"
    recorder.append(event("cancel", 1, "provider"))
    assert decode(encode(recorder.events))[-1].ev == "cancel"
    assert fold(recorder.events).lines[1].state == "cancelled"


def test_what_may_not_happen_is_not_recorded() -> None:
    recorder = record(*APPROVED)
    before = list(recorder.events)
    for wrong in (event("criteria_met", 1), event("md_denies", 1, "physician"), event("cancel", 1, "nurse")):
        with pytest.raises(NotAllowed):
            recorder.append(wrong)
    assert recorder.events == before


def test_a_later_determination_supersedes_and_removes_nothing() -> None:
    first = msgspec.structs.replace(DETERMINED, id="first", outcome="refer")
    second = msgspec.structs.replace(DETERMINED, id="second", outcome="approve", human=True)
    case = fold(
        record(
            event("validated", 1),
            event("evaluate", 1),
            event("hand_over", 1, determination=first, reference="RN1"),
            event("nurse_approves", 1, "nurse", determination=second, authorization=APPROVAL),
        ).events
    )
    line = case.lines[1]
    assert (line.determination, line.authorization, line.reference) == (second, APPROVAL, "RN1")
    assert [e.determination.id for e in case.events if e.determination] == ["first", "second"]


def test_every_number_and_identifier_leads_to_the_record() -> None:
    tokens = fold(record(*APPROVED, event("resubmitted", detail={"numbers": ["x"]})).events).tokens()
    assert {"CN1", "PA1", "sub-1", "x"} <= set(tokens["number"])
    assert tokens["identifier"] == ["urn:a|1", "urn:b|2"]
    assert tokens["member"] == ["MA-0001"]
    assert tokens["state"] == ["active"]
    assert tokens["submitter"] == ["open"]


@pytest.mark.parametrize("events", [[], [event("validated", 1)]])
def test_a_record_begins_with_opened(events: list[Event]) -> None:
    with pytest.raises(BrokenRecord):
        fold(events)


def test_a_missing_swapped_or_doubled_event_is_found() -> None:
    events = record(*APPROVED).events
    for broken in (events[1:], [*events[:2], *events[3:]], [*events[:2], events[3], events[2]], [*events, events[-1]]):
        with pytest.raises(BrokenRecord):
            decode(encode(broken))


CHANGES: list[tuple[int, str, Any]] = [
    (0, "at", AT + timedelta(seconds=1)),
    (0, "opened", msgspec.structs.replace(OPENED, member="MA-0002")),
    (1, "requested", LineRequest(sequence=1, code="s|d")),
    (3, "actor", "nurse"),
    (4, "determination", msgspec.structs.replace(DETERMINED, outcome="refer")),
    (4, "authorization", msgspec.structs.replace(APPROVAL, quantity=Decimal("35.0"))),
    (5, "by", "somebody else"),
    (5, "detail", {"more": 1}),
]


@pytest.mark.parametrize(("position", "field", "value"), CHANGES)
def test_a_changed_event_is_found(position: int, field: str, value: Any) -> None:
    events = list(record(*APPROVED).events)
    events[position] = msgspec.structs.replace(events[position], **{field: value})
    with pytest.raises(BrokenRecord):
        decode(encode(events))


def test_a_changed_event_with_a_fresh_hash_breaks_its_successor() -> None:
    events = list(record(*APPROVED).events)
    changed = msgspec.structs.replace(events[2], by="somebody else")
    events[2] = msgspec.structs.replace(changed, hash=digest(changed))
    with pytest.raises(BrokenRecord):
        decode(encode(events))


RULES = {(source, rule.ev): rule for rule in lifecycle().transitions for source in rule.sources}


@st.composite
def walks(draw: st.DrawFn) -> list[tuple[str, str]]:
    """(event, actor) along the table, as long as chance goes on."""
    state, steps = lifecycle().initial, []
    for _ in range(draw(st.integers(0, 12))):
        possible = sorted(ev for source, ev in RULES if source == state)
        if not possible:
            break
        ev = draw(st.sampled_from(possible))
        steps.append((ev, RULES[state, ev].by))
        state = RULES[state, ev].to
    return steps


@given(walks())
def test_any_life_of_a_line_survives_storing(steps: list[tuple[str, str]]) -> None:
    recorder = record(*(event(ev, 1, actor) for ev, actor in steps))
    state = lifecycle().initial
    for ev, _ in steps:
        state = RULES[state, ev].to
    assert recorder.state(1) == state
    again = decode(encode(recorder.events))
    assert fold(again).lines[1].state == state
    assert Recorder(again).state(1) == state


@given(walks(), st.data())
def test_any_flipped_character_in_the_stored_record_is_found_or_without_effect(
    steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    recorder = record(*(event(ev, 1, actor) for ev, actor in steps))
    stored = bytearray(encode(recorder.events))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] = data.draw(st.sampled_from([b for b in b'09azAZ"{}[],: ' if b != stored[place]]))
    try:
        again = decode(bytes(stored))
    except (BrokenRecord, msgspec.DecodeError):
        return
    assert again == recorder.events


def test_the_stored_form_is_json_that_a_person_can_read() -> None:
    (first, *_) = json.loads(encode(record().events))
    assert (first["ev"], first["seq"], first["opened"]["number"]) == ("opened", 1, "CN1")
