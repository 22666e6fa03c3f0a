"""What counts beside a line: the other lines of its request, each read once and up to a bound, and the lines on record."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from authorization.test_repetition import granted
from precert.authorization.deciding.counted import MOST_BESIDE, NOTHING_COUNTED, CountedLines, asked, on_record
from precert.authorization.deciding.request import Ask
from precert.authorization.record.case import Case, Event, LineRequest, Party
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.record.lifecycle import lifecycle
from precert.fhir.coding import HCPCS
from support.records import AT, opened

DAY = date(2026, 11, 20)


def ask(sequence: int, request: str = "initial") -> Ask:
    return Ask(LineRequest(sequence=sequence, code=f"{HCPCS}|E0601", request=request))


def test_what_is_given_up_counts_for_nothing() -> None:
    assert asked(ask(1, "cancel"), DAY) is None


@pytest.mark.parametrize(("others", "complete"), [(0, True), (1, True), (MOST_BESIDE, True), (MOST_BESIDE + 1, False)])
def test_nothing_is_within_a_maximum_beside_more_lines_than_are_counted(others: int, complete: bool) -> None:
    beside = [found for n in range(others) if (found := asked(ask(n), DAY)) is not None]
    whole = NOTHING_COUNTED.beside(beside)
    assert (len(whole.lines), whole.complete) == (min(others, MOST_BESIDE), complete)


def record() -> Case:
    recorder = Recorder()
    first = opened(member="M1", requester=Party(npi="1992817498"))
    recorder.append(Event(seq=0, at=AT, ev="opened", actor="system", by="t", opened=first))
    return fold(recorder.events)


@pytest.mark.parametrize("state", sorted(lifecycle().states))
def test_what_is_in_force_counts_and_what_was_free(state: str) -> None:
    """What was denied, given up or is not decided uses nothing up; what needed no authorization was given all the same."""
    found = on_record([(record(), granted(state=state))])
    counts = state in lifecycle().in_force or state == "exempt"
    assert bool(found.lines) is counts
    assert found.numbers == ({"PA1"} if counts else set())
    assert found.complete


def test_a_repetition_is_not_counted_twice() -> None:
    again = granted()
    again.rests_on = "CN2"
    assert on_record([(record(), again)]) == NOTHING_COUNTED
    assert len(on_record([(record(), granted()), (record(), again)]).lines) == 1


def test_an_authorization_counts_as_granted_and_anything_else_as_asked() -> None:
    (given,) = on_record([(record(), granted(quantity=Decimal(2)))]).lines
    assert (given.granted, given.quantity, given.start, given.end) == (
        True,
        {"value": Decimal(2), "unit": "months"},
        date(2026, 12, 1),
        date(2027, 2, 28),
    )
    free = granted(state="exempt")
    free.authorization = None
    (used,) = on_record([(record(), free)]).lines
    assert (used.granted, used.quantity) == (False, {"value": Decimal(3), "unit": "months"})
    assert [item.resource["resourceType"] for item in on_record([(record(), free)]).evidence()] == ["PayerUnits"]
    assert [item.resource["resourceType"] for item in on_record([(record(), granted())]).evidence()] == ["PayerAuth"]


@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("other", [True, False])
def test_what_is_not_all_read_stays_so(one: bool, other: bool) -> None:
    """Also when the part that was not read has no line: then nothing can be said to be within a maximum."""
    assert CountedLines(complete=one).and_(CountedLines(complete=other)).complete is (one and other)
    assert CountedLines(complete=one).beside([]).complete is one
