"""What was given and may have been used counts, however the record went on: cancelled, narrowed, changed, denied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from precert.authorization.deciding.counted import on_record, used
from precert.authorization.record.case import Authorization, Case, Event, LineRequest, Party
from precert.authorization.record.chain import Recorder, fold
from precert.fhir.coding import HCPCS
from support.records import AT, opened

DAY = AT.date()
ASKED = LineRequest(sequence=1, code=f"{HCPCS}|E0601", quantity=Decimal(3), unit="months", service_start=DAY)
APPROVED = ["validated", "evaluate", "criteria_met", "notified"]
FREE = ["validated", "not_required"]
PROVIDER = frozenset({"cancel", "revised", "extend", "narrowed", "info_received"})
PHYSICIAN = frozenset({"md_takes_up", "md_approves", "md_denies", "md_modifies"})


def record(course: Sequence[str | int | LineRequest], asked: LineRequest = ASKED) -> Case:
    """A record of one line: events by name, a number of days that pass, and what is asked for from then on."""
    recorder, at, numbers = Recorder(), AT, 0
    first = opened(member="M1", requester=Party(npi="1992817498"))
    recorder.append(Event(seq=0, at=at, ev="opened", actor="system", by="t", opened=first))
    for step in (asked, *course):
        if isinstance(step, int):
            at += timedelta(days=step)
            continue
        if isinstance(step, LineRequest):
            asked = step
            recorder.append(Event(seq=0, at=at, ev="requested", actor="provider", by="t", line=1, requested=step))
            continue
        actor = "provider" if step in PROVIDER else "physician" if step in PHYSICIAN else "system"
        authorization = None
        if step in ("criteria_met", "md_approves", "md_modifies", "narrowed"):
            numbers += step != "narrowed"
            authorization = Authorization(
                number=f"PA{numbers}",
                issued=at.date(),
                start=asked.service_start or DAY,
                end=(asked.service_start or DAY) + timedelta(days=83),
                quantity=asked.quantity,
                unit=asked.unit,
            )
        recorder.append(
            Event(seq=0, at=at, ev=step, actor=actor, by="t", line=1, authorization=authorization)  # type: ignore[arg-type]
        )
    return fold(recorder.events)


def later(days: int, quantity: int = 3) -> LineRequest:
    return msgspec.structs.replace(ASKED, service_start=DAY + timedelta(days=days), quantity=Decimal(quantity))


def counts(case: Case) -> list[tuple[int, bool, bool]]:
    """Amount, in force, was in force: of everything of the record that counts for other requests."""
    found = on_record([(case, case.lines[1])]).lines
    return [(int(each.quantity["value"]), each.granted, each.was_granted) for each in found if each.quantity]


@pytest.mark.parametrize(
    ("course", "start", "expected"),
    [
        ([*APPROVED], 0, [(3, True, False)]),
        ([*APPROVED, "cancel"], 0, [(3, False, True)]),  # begins today: may have been used
        ([*APPROVED, "cancel"], -1, [(3, False, True)]),
        ([*APPROVED, "cancel"], 1, []),
        ([*APPROVED, 77, "cancel"], 0, [(3, False, True)]),
        ([*APPROVED, 1, "cancel"], 1, [(3, False, True)]),
        ([*APPROVED, 1, "cancel"], 2, []),
        ([*FREE, "cancel"], 0, [(3, False, False)]),
        ([*FREE, "cancel"], 1, []),
        (["validated", "evaluate", "hand_over", "cancel"], 0, []),  # nothing was given
        # while a change waits for a decision, what was granted stands: also before it begins
        ([*APPROVED, "extend", later(90)], 5, [(3, True, False)]),
        ([*APPROVED, "extend", later(90), "evaluate", "criteria_unknown"], 0, [(3, True, False)]),
        ([*APPROVED, 10, "extend", later(90), "evaluate", "hand_over", "cancel"], 0, [(3, False, True)]),
        (
            [*APPROVED, 10, "extend", later(90), "evaluate", "hand_over", "md_takes_up", "md_denies"],
            0,
            [(3, False, True)],
        ),
        ([*APPROVED, "extend", later(90), "evaluate", "hand_over", "md_takes_up", "md_denies"], 5, []),
        # granted for other days afterwards: both, if the first had begun
        ([*APPROVED, 10, "extend", later(90), "evaluate", "criteria_met"], 0, [(3, False, True), (3, True, False)]),
        ([*APPROVED, "extend", later(90), "evaluate", "criteria_met"], 5, [(3, True, False)]),
        # one amount that was changed is one amount, the greatest that it was while it could be used
        ([*APPROVED, 10, "extend", later(0, 6), "evaluate", "criteria_met"], 0, [(6, True, False)]),
        ([*APPROVED, 10, later(0, 1), "narrowed"], 0, [(3, True, False)]),
        ([*APPROVED, 10, later(0, 2), "narrowed", later(0, 1), "narrowed", "cancel"], 0, [(3, False, True)]),
        ([*FREE, 1, "revised", later(0, 1), "not_required"], 0, [(3, False, False)]),
        ([*FREE, 1, "revised", later(30, 1), "not_required"], 0, [(3, False, False), (1, False, False)]),
    ],
    ids=str,
)
def test_what_may_have_been_used_counts(
    course: list[str | int | LineRequest], start: int, expected: list[tuple[int, bool, bool]]
) -> None:
    first = msgspec.structs.replace(ASKED, service_start=DAY + timedelta(days=start))
    case = record(course, first)
    assert counts(case) == expected


@drawn(st.integers(-5, 30), st.integers(0, 30), st.booleans())
def test_a_cancellation_forgets_only_what_had_not_begun(start: int, wait: int, free: bool) -> None:
    first = msgspec.structs.replace(ASKED, service_start=DAY + timedelta(days=start))
    case = record([*(FREE if free else APPROVED), wait, "cancel"], first)
    assert bool(counts(case)) is (start <= wait)
    (line,) = case.ordered
    assert bool(used(case, line, DAY + timedelta(days=400))) is (start <= wait)


@pytest.mark.parametrize(("start", "today", "expected"), [(0, 0, [3]), (1, 0, []), (1, 1, [3])])
def test_a_line_counts_beside_what_replaces_it_once_it_has_begun(start: int, today: int, expected: list[int]) -> None:
    first = msgspec.structs.replace(ASKED, service_start=DAY + timedelta(days=start))
    case = record([*APPROVED, "extend", later(90)], first)
    found = used(case, case.lines[1], DAY + timedelta(days=today))
    assert [int(each.quantity["value"]) for each in found if each.quantity] == expected
    assert all(each.same_line and each.granted for each in found)


def test_what_was_given_up_is_no_evidence_of_an_authorization() -> None:
    """It uses a limit up; but no rule may take it for an authorization that the member has."""
    case = record([*APPROVED, "cancel"])
    found = on_record([(case, case.lines[1])])
    assert [each.resource["resourceType"] for each in found.evidence()] == ["PayerUnits"]


def test_a_record_is_found_by_what_it_asked_for_before() -> None:
    case = record([*APPROVED, "extend", msgspec.structs.replace(ASKED, code=f"{HCPCS}|E0470")])
    assert case.tokens()["code"] == [f"{HCPCS}|E0470", f"{HCPCS}|E0601"]
