"""From the engine's word to events: each outcome, and that no word of it is ever a clinical refusal."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.judge import (
    Judged,
    LineUnderReview,
    authorize,
    engine_failure,
    for_a_person,
    grant_end,
    judge,
    not_eligible,
)
from precert.authorization.record.case import Event, Line, LineRequest
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.record.codes import code_table
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.record.numbers import is_valid
from precert.policy.types import Decision, Evaluation, Grant, Outcome, Question
from support.app import frozen_runtime
from support.records import AT, opened

ASKED = LineRequest(
    sequence=3,
    code="s|c",
    service_start=date(2027, 1, 4),
    service_end=date(2027, 2, 3),
    quantity=Decimal(2),
    unit="units",
)
QUESTION = Question("ahi", "How many?", "decimal", "clinical", ("AHI",), unit="/h", options=("1", "2"))
OPENED = opened()


def decision(outcome: Outcome, **more: Any) -> Decision:
    evaluation = Evaluation("pol", "7", "Title", "clinical", outcome, unmet=("X-1",), questions=(QUESTION,), **more)
    return Decision(outcome, "Because.", evaluation, (evaluation,), (), (evaluation,))


def under_review(**more: Any) -> LineUnderReview:
    return LineUnderReview(**{"line": ASKED, "runtime": frozen_runtime(), "at": AT, **more})


def outcome_of(judged: Judged, state: str = "screening", asked: LineRequest = ASKED) -> Line:
    """The line after these events, as the lifecycle allows them."""
    recorder = Recorder()
    recorder.append(Event(seq=0, at=AT, ev="opened", actor="system", by="t", opened=OPENED))
    recorder.append(Event(seq=0, at=AT, ev="requested", actor="system", by="t", line=3, requested=asked))
    ways = {"screening": ["validated"], "auto_review": ["validated", "evaluate"]}
    for event in ways[state]:
        recorder.append(Event(seq=0, at=AT, ev=event, actor="system", by="t", line=3))
    for each in judged.events:
        recorder.append(each)
    return fold(recorder.events).lines[3]


@pytest.mark.parametrize(
    ("outcome", "deny_allowed", "events", "state"),
    [
        (Outcome.NOT_APPLICABLE, True, ["not_required"], "exempt"),
        (Outcome.NO_AUTH, True, ["not_required"], "exempt"),
        (Outcome.APPROVE, True, ["evaluate", "criteria_met", "notified"], "active"),
        (Outcome.PEND_INFO, True, ["evaluate", "criteria_unknown"], "pended_info"),
        (Outcome.REFER_NURSE, True, ["evaluate", "hand_over"], "nurse_review"),
        (Outcome.REFER, True, ["evaluate", "hand_over"], "nurse_review"),
        (Outcome.DENY_ADMIN, True, ["not_eligible"], "denied_admin"),
        (Outcome.DENY_ADMIN, False, ["evaluate", "hand_over"], "nurse_review"),
    ],
)
def test_each_outcome(outcome: Outcome, deny_allowed: bool, events: list[str], state: str) -> None:
    judged = judge(under_review(deny_allowed=deny_allowed), decision(outcome))
    assert [e.ev for e in judged.events] == events
    assert {e.actor for e in judged.events} == {"system"}
    line = outcome_of(judged)
    assert line.state == state
    found = line.determination
    assert found is not None
    assert (found.outcome, found.policy, found.version, found.title) == (outcome.value, "pol", "7", "Title")
    asked_for_none = outcome is Outcome.NOT_APPLICABLE
    assert found.reason == (
        "No coverage policy asks for authorization of this service." if asked_for_none else "Because."
    )
    assert (found.human, found.by, found.reasons) == (False, "precert", ("X-1",))


def test_every_outcome_is_covered_above() -> None:
    (mark,) = [m for m in test_each_outcome.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(Outcome)


def test_a_line_looked_at_again_goes_on_from_there_with_its_number() -> None:
    again = under_review(state="auto_review", reference="RN1")
    for outcome in Outcome:
        judged = judge(again, decision(outcome))
        assert "evaluate" not in [e.ev for e in judged.events]
        line = outcome_of(judged, "auto_review")
        if line.state in ("pended_info", "nurse_review"):
            assert (line.reference, judged.numbers) == ("RN1", ())


def test_an_approval_gives_what_was_asked_for_the_time_of_the_grant() -> None:
    grant = Grant(period="12 weeks", period_days=84, max_quantity=Decimal(3), unit="months")
    judged = judge(under_review(), decision(Outcome.APPROVE, grant=grant))
    authorization = outcome_of(judged).authorization
    assert authorization is not None
    assert judged.numbers == (authorization.number,)
    assert is_valid(authorization.number)
    assert authorization.number.startswith("PA")
    assert (authorization.issued, authorization.start, authorization.end) == (
        date(2026, 11, 20),
        date(2027, 1, 4),
        date(2027, 2, 3),  # the days asked for; the policy would grant until 28 March
    )
    assert (authorization.quantity, authorization.unit) == (Decimal(2), "units")


def test_an_approval_without_a_grant_keeps_the_dates_asked_for() -> None:
    authorization = outcome_of(judge(under_review(), decision(Outcome.APPROVE))).authorization
    assert authorization is not None
    assert (authorization.start, authorization.end) == (date(2027, 1, 4), date(2027, 2, 3))


def test_an_approval_without_a_quantity_asked_gives_the_grants_most() -> None:
    asked = msgspec.structs.replace(ASKED, quantity=None, unit=None, service_start=None, service_end=None)
    grant = Grant(period_days=1, max_quantity=Decimal(12), unit="visits")
    judged = judge(under_review(line=asked), decision(Outcome.APPROVE, grant=grant))
    authorization = outcome_of(judged, asked=asked).authorization
    assert authorization is not None
    assert (authorization.quantity, authorization.unit) == (Decimal(12), "visits")
    assert (authorization.start, authorization.end) == (date(2026, 11, 20), date(2026, 11, 20))


def test_a_question_is_kept_whole_and_has_a_day() -> None:
    judged = judge(under_review(), decision(Outcome.PEND_INFO))
    asked = outcome_of(judged).questions
    assert asked is not None
    assert (asked.policy, asked.version, asked.asked) == ("pol", "7", AT)
    assert asked.due == datetime(2026, 11, 25, 15, tzinfo=UTC)
    assert asked.questions == (
        {
            "linkId": "ahi",
            "text": "How many?",
            "type": "decimal",
            "who": "clinical",
            "criteria": ["AHI"],
            "unit": "/h",
            "options": ["1", "2"],
        },
    )


def test_questions_are_closed_by_the_next_event() -> None:
    line = outcome_of(judge(under_review(), decision(Outcome.REFER)))
    assert line.questions is None


@pytest.mark.parametrize(("deny_allowed", "state"), [(True, "denied_admin"), (False, "nurse_review")])
def test_ended_coverage(deny_allowed: bool, state: str) -> None:
    line = outcome_of(not_eligible(under_review(deny_allowed=deny_allowed), "Coverage ended."))
    assert line.state == state
    assert line.determination is not None
    assert (line.determination.reason, line.determination.reasons) == ("Coverage ended.", ("ELIGIBILITY",))


def test_a_failure_of_the_rules_goes_to_a_person_with_a_number() -> None:
    judged = engine_failure(under_review())
    assert [e.ev for e in judged.events] == ["evaluate", "engine_error"]
    line = outcome_of(judged)
    assert line.state == "nurse_review"
    assert judged.numbers == (line.reference,)


def test_an_appeal_goes_to_a_person() -> None:
    assert outcome_of(for_a_person(under_review(), "An appeal.")).state == "nurse_review"


GRANTS = st.builds(
    Grant,
    period_days=st.none() | st.integers(1, 4000),
    period_months=st.none() | st.integers(1, 120),
    max_quantity=st.none() | st.decimals(0, 999, places=2),
)
DECISIONS = st.builds(
    lambda outcome, governed, grant, reason, unmet, questions: Decision(
        outcome,
        reason,
        governing := Evaluation(
            "p", "1", "t", "clinical", outcome, reason, unmet=unmet, questions=questions, grant=grant
        )
        if governed
        else None,
        (governing,) if governing else (),
        (),
        (governing,) if governing else (),
    ),
    st.sampled_from(list(Outcome)),
    st.booleans(),
    st.none() | GRANTS,
    st.text(max_size=20),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
    st.lists(st.just(QUESTION), max_size=2).map(tuple),
)
LINES = st.builds(
    LineRequest,
    sequence=st.just(3),
    code=st.just("s|c"),
    service_start=st.none() | st.dates(date(1900, 1, 1), date(9000, 1, 1)),
    service_end=st.none() | st.dates(date(1900, 1, 1), date(9000, 1, 1)),
    quantity=st.none() | st.decimals(0, 999, places=2),
    unit=st.none() | st.just("units"),
)


@given(DECISIONS, LINES, st.booleans(), st.sampled_from(["screening", "auto_review"]))
def test_no_decision_of_the_engine_is_a_clinical_refusal(
    decided: Decision, asked: LineRequest, deny_allowed: bool, state: str
) -> None:
    judged = judge(under_review(line=asked, deny_allowed=deny_allowed, state=state), decided)
    line = outcome_of(judged, state, asked)
    table = lifecycle()
    assert line.state not in table.adverse
    refused = code_table().review[line.state].result in ("denied", "modified")
    assert refused is (decided.outcome is Outcome.DENY_ADMIN and deny_allowed and state == "screening")
    assert (line.authorization is not None) is (decided.outcome is Outcome.APPROVE)
    for number in judged.numbers:
        assert is_valid(number)


@pytest.mark.parametrize(
    ("start", "grant", "end"),
    [
        (date(2027, 3, 1), Grant(period_months=12), date(2028, 2, 29)),
        (date(2026, 3, 1), Grant(period_months=12), date(2027, 2, 28)),
        (date(2027, 1, 31), Grant(period_months=1), date(2027, 2, 28)),
        (date(2028, 1, 31), Grant(period_months=1), date(2028, 2, 29)),
        (date(2026, 12, 15), Grant(period_months=1), date(2027, 1, 14)),
        (date(2027, 1, 4), Grant(period_days=1), date(2027, 1, 4)),
        (date(2027, 1, 4), Grant(period_days=60), date(2027, 3, 4)),
        (date(9999, 12, 31), Grant(period_days=60), date.max),  # a client may write any day; the calendar ends
        (date(9999, 12, 31), Grant(period_months=1), date.max),
        (date(2027, 1, 4), Grant(), None),
        (date(2027, 1, 4), None, None),
    ],
)
def test_the_last_day_of_a_grant(start: date, grant: Grant | None, end: date | None) -> None:
    assert grant_end(start, grant) == end


YEAR = Grant(period_months=12, max_quantity=Decimal(12), unit="months")


@pytest.mark.parametrize(
    ("start", "end", "grant", "expected"),
    [
        # several days asked for: those, and no more
        (date(2027, 1, 4), date(2027, 2, 3), YEAR, (date(2027, 1, 4), date(2027, 2, 3))),
        (date(2027, 1, 4), date(2027, 1, 5), YEAR, (date(2027, 1, 4), date(2027, 1, 5))),
        # one day says when it begins (servicedDate); the policy says for how long
        (date(2027, 1, 4), date(2027, 1, 4), YEAR, (date(2027, 1, 4), date(2028, 1, 3))),
        (date(2027, 1, 4), None, YEAR, (date(2027, 1, 4), date(2028, 1, 3))),
        (None, None, YEAR, (AT.date(), date(2027, 11, 19))),
        # no policy says it: the day alone, or no end that anybody named
        (date(2027, 1, 4), date(2027, 1, 4), None, (date(2027, 1, 4), date(2027, 1, 4))),
        (date(2027, 1, 4), None, None, (date(2027, 1, 4), None)),
        (date(2027, 1, 4), None, Grant(), (date(2027, 1, 4), None)),
    ],
)
def test_the_days_of_an_authorization(
    start: date | None, end: date | None, grant: Grant | None, expected: tuple[date, date | None]
) -> None:
    line = msgspec.structs.replace(ASKED, service_start=start, service_end=end)
    made = authorize(line, grant, frozen_runtime(), AT)
    assert (made.start, made.end) == expected
    assert made.issued == AT.date()


@pytest.mark.parametrize(
    ("quantity", "unit", "grant", "expected"),
    [
        (Decimal(2), "units", YEAR, (Decimal(2), "units")),
        (Decimal(2), None, YEAR, (Decimal(2), "months")),
        (Decimal(2), None, None, (Decimal(2), None)),
        (None, None, YEAR, (Decimal(12), "months")),
        (None, None, None, (None, None)),
        (None, None, Grant(), (None, None)),
    ],
)
def test_the_amount_of_an_authorization(
    quantity: Decimal | None, unit: str | None, grant: Grant | None, expected: tuple[Decimal | None, str | None]
) -> None:
    line = msgspec.structs.replace(ASKED, quantity=quantity, unit=unit)
    made = authorize(line, grant, frozen_runtime(), AT)
    assert (made.quantity, made.unit) == expected
