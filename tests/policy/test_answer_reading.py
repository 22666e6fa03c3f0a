"""Answers: one reader for what is warned about and for what decides; the newest of the right time; two that differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.support import fact_policy, line, observation
from precert.authorization.deciding.answers import answers, merged
from precert.dtr.answers import judge
from precert.dtr.form import Form
from precert.fhir.bundle import BundleIndex
from precert.policy.evaluate import evaluate
from precert.policy.types import Evaluation, FactValue

NUMBER = {"ask": {"text": "?", "type": "decimal", "who": "clinical"}, "min": 0, "max": 200}
WHOLE = {"ask": {"text": "?", "type": "integer", "who": "clinical"}, "min": 0, "max": 200}
WEIGHT = {"ask": {"text": "?", "type": "decimal", "who": "clinical", "unit": "kg"}, "min": 2, "max": 650}
FLAG = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
DAY = {"ask": {"text": "?", "type": "date", "who": "clinical"}}
WORD = {"ask": {"text": "?", "type": "text", "who": "clinical"}}
CHOICE = {"ask": {"text": "?", "type": "choice", "options": ["a", "b"], "who": "clinical"}}
OURS = "urn:precert:answers:small:x"

READ: list[tuple[dict[str, Any], dict[str, Any], Any]] = [
    (NUMBER, {"valueDecimal": 22.5}, 22.5),
    (NUMBER, {"valueInteger": 22}, 22),
    (NUMBER, {"valueString": "22"}, None),
    (NUMBER, {"valueString": "1e3"}, None),
    (NUMBER, {"valueString": "２２"}, None),
    (NUMBER, {"valueDecimal": "22"}, None),
    (NUMBER, {"valueDecimal": "２２"}, None),
    (NUMBER, {"valueDecimal": True}, None),
    (NUMBER, {"valueDecimal": 1e3}, None),  # more than can be
    (NUMBER, {"valueDecimal": -1}, None),
    (NUMBER, {"valueDecimal": [22]}, None),
    (NUMBER, {"valueCoding": {"code": "22"}}, None),
    (NUMBER, {"valueQuantity": {"value": 22, "code": "kg"}}, None),
    (NUMBER, {"valueQuantity": {"value": 22}}, None),
    (NUMBER, {"valueQuantity": {"value": 22, "comparator": "<"}}, None),
    (NUMBER, {"valueDecimal": 22, "valueInteger": 3}, None),
    (NUMBER, {"valueBoolean": True}, None),
    (NUMBER, {"valueDate": "2022-01-01"}, None),
    (WHOLE, {"valueInteger": 22}, 22),
    (WHOLE, {"valueDecimal": 22.0}, None),
    (WHOLE, {"valueInteger": 22.5}, None),
    (WHOLE, {"valueInteger": 99999}, None),
    (WEIGHT, {"valueQuantity": {"value": 80, "code": "kg"}}, 80),
    (WEIGHT, {"valueQuantity": {"value": 80, "unit": "kg"}}, 80),
    (WEIGHT, {"valueQuantity": {"value": 80}}, 80),  # taken in the unit asked, and said so
    (WEIGHT, {"valueDecimal": 80}, 80),
    (WEIGHT, {"valueQuantity": {"value": 180, "code": "[lb_av]"}}, None),
    (WEIGHT, {"valueQuantity": {"value": 80, "code": "kg", "comparator": ">"}}, None),
    (WEIGHT, {"valueQuantity": {"value": 80, "comparator": ">"}}, None),
    (WEIGHT, {"valueQuantity": {"value": "80", "code": "kg"}}, None),
    (WEIGHT, {"valueQuantity": {"value": 80, "code": "kg", "unit": "lb"}}, None),
    (WEIGHT, {"valueQuantity": {"value": 80, "code": "kg", "system": "http://other.test"}}, None),
    (WEIGHT, {"valueQuantity": {"value": 800, "code": "kg"}}, None),
    (WEIGHT, {"valueQuantity": 80}, None),
    (WEIGHT, {"valueDecimal": {"value": 80}}, None),
    (FLAG, {"valueBoolean": True}, True),
    (FLAG, {"valueBoolean": "true"}, None),
    (FLAG, {"valueBoolean": 1}, None),
    (FLAG, {"valueString": "yes"}, None),
    (FLAG, {"valueCoding": {"code": "true"}}, None),
    (FLAG, {"valueCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0136", "code": "Y"}}, None),
    (DAY, {"valueDate": "2026-10-01"}, "2026-10-01"),
    (DAY, {"valueDate": "2026-10"}, None),
    (DAY, {"valueDate": "soon"}, None),
    (DAY, {"valueDateTime": "2026-10-01T08:00:00Z"}, None),
    (WORD, {"valueString": "so"}, "so"),
    (WORD, {"valueString": " "}, None),
    (WORD, {"valueInteger": 5}, None),
    (CHOICE, {"valueCoding": {"code": "a"}}, "a"),
    (CHOICE, {"valueCoding": {"system": OURS, "code": "a"}}, "a"),
    (CHOICE, {"valueCoding": {"code": "c"}}, None),
    (CHOICE, {"valueCoding": {"code": "A"}}, None),
    (CHOICE, {"valueCoding": {"display": "a"}}, None),
    (CHOICE, {"valueCoding": {"system": "http://other.test", "code": "a"}}, None),
    (CHOICE, {"valueCoding": {"system": "urn:precert:answers:small:y", "code": "a"}}, None),
    (CHOICE, {"valueString": "a"}, None),
]


def response(
    *given: dict[str, Any], id: str = "q", authored: Any = "2026-11-01T08:00:00Z", **more: Any
) -> dict[str, Any]:
    made = {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "status": "completed",
        "questionnaire": "http://precert.test/fhir/Questionnaire/small|1",
        "authored": authored,
        "item": [{"linkId": "x", "answer": list(given)}],
    }
    return {key: value for key, value in (made | more).items() if value is not None}


def told(*responses: dict[str, Any]) -> dict[str, Any]:
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": one} for n, one in enumerate(responses)]
    return answers(BundleIndex({"resourceType": "Bundle", "entry": entries}).entries)


def evaluated(model: dict[str, Any], *responses: dict[str, Any], **context: Any) -> Evaluation:
    return evaluate(fact_policy(model), replace(line(**context), answers=told(*responses)))


def fact(model: dict[str, Any], *responses: dict[str, Any], **context: Any) -> FactValue:
    (found,) = evaluated(model, *responses, **context).facts
    return found


@pytest.mark.parametrize(("model", "answer", "value"), READ)
def test_an_answer_is_read_by_the_type_of_its_question(
    model: dict[str, Any], answer: dict[str, Any], value: Any
) -> None:
    found = fact(model, response(answer))
    assert found.values == (() if value is None else (value,))
    assert found.provenance == ("missing" if value is None else "attested")
    assert value is not None or found.notes


@pytest.mark.parametrize(("model", "answer", "value"), READ)
def test_what_is_warned_about_never_decides(model: dict[str, Any], answer: dict[str, Any], value: Any) -> None:
    judged = judge(Form(fact_policy(model)), response(answer), "Q")
    assert bool(judged.faults) is (value is None)


@pytest.mark.parametrize(
    ("authored", "counts"),
    [
        ("2026-11-02T08:00:00Z", True),
        ("2026-11-02", True),
        ("2025-11-02", True),  # a year before
        ("2025-11-01", False),
        ("2026-11-03T04:00:00+10:00", True),
        ("2026-11-03T00:00:00Z", False),
        ("2026-11-02T23:00:00-05:00", False),
        ("2026-11", False),
        ("2026", False),
        ("2019-01-01T00:00:00Z", False),
        ("2030-01-01T00:00:00Z", False),
        ("yesterday", False),
        ("", False),
        (5, False),
        (None, False),
    ],
)
def test_answers_are_of_the_last_year(authored: Any, counts: bool) -> None:
    found = fact(FLAG, response({"valueBoolean": True}, authored=authored))
    assert bool(found.values) is counts
    assert counts or found.notes


def test_the_question_or_the_fact_may_say_otherwise() -> None:
    old = response({"valueDecimal": 86}, authored="2026-09-20T08:00:00Z")
    searched = {"from": "Observation", "code": ["loinc|1"], "take": "latest", **NUMBER}
    assert fact(searched, old).values == (86,)
    assert fact({**searched, "within": "30d"}, old).values == ()
    longer = {**searched, "within": "30d", "ask": {**NUMBER["ask"], "within": "60d"}}  # type: ignore[dict-item]
    assert fact(longer, old).values == (86,)


@pytest.mark.parametrize(
    "status", ["in-progress", "entered-in-error", "stopped", "unknown", "Completed", None, ["completed"]]
)
def test_only_a_finished_response_counts(status: Any) -> None:
    assert fact(FLAG, response({"valueBoolean": True}, status=status)).values == ()
    assert fact(FLAG, response({"valueBoolean": True}, status="amended")).values == (True,)


def test_the_newest_response_counts_whatever_the_order() -> None:
    old = response({"valueDecimal": 3}, id="old", authored="2026-11-01T23:30:00-05:00")
    new = response({"valueDecimal": 22}, id="new", authored="2026-11-02T05:00:00Z")  # half an hour later
    for order in permutations((old, new)):
        found = fact(NUMBER, *order)
        assert (found.values, found.evidence) == ((22,), ("QuestionnaireResponse/new#x",))


def test_two_responses_of_one_time_that_differ_are_a_conflict() -> None:
    one, other = response({"valueDecimal": 3}, id="a"), response({"valueDecimal": 22}, id="b")
    day_only = response({"valueDecimal": 22}, id="b", authored="2026-11-01")
    for pair in ((one, other), (other, one), (one, day_only), (day_only, one)):
        found = fact(NUMBER, *pair)
        assert (found.provenance, set(found.values)) == ("conflict", {3, 22})
        assert evaluated(NUMBER, *pair).outcome.value == "refer-nurse"
    same = response({"valueDecimal": 22.0}, id="b")
    assert fact(NUMBER, response({"valueInteger": 22}, id="a"), same).values == (22,)


def test_two_answers_in_one_response_are_none() -> None:
    assert fact(NUMBER, response({"valueDecimal": 22}, {"valueDecimal": 3})).values == ()
    assert fact(NUMBER, response({"valueDecimal": 22}, {"valueDecimal": 22})).values == ()


def test_an_unreadable_newer_answer_does_not_give_way_to_an_older_one() -> None:
    old = response({"valueDecimal": 22}, id="old", authored="2026-10-01T08:00:00Z")
    assert fact(NUMBER, old, response({"valueString": "3"}, id="new")).values == ()
    assert fact(NUMBER, old, response({"valueDecimal": 3}, id="new", authored="2030-01-01")).values == (22,)


def test_the_same_response_sent_again_is_the_same_answer() -> None:
    one = response({"valueDecimal": 22})
    assert fact(NUMBER, one, one).values == (22,)
    again = merged(told(one), told(one))
    assert {key: len(answer.others) for key, answer in again.items()} == {"small#x": 1}


def test_a_response_that_names_no_form_answers_no_question() -> None:
    one = response({"valueDecimal": 3}, id="a", questionnaire=None)
    assert fact(NUMBER, one).values == ()
    assert fact(NUMBER, one, response({"valueDecimal": 22}, id="b")).values == (22,)


def test_form_against_chart_is_a_conflict() -> None:
    model = {**NUMBER, "from": "Observation", "code": ["loinc|59408-5"], "unit": "%", "take": "latest", "max": 100}
    answer = response({"valueQuantity": {"value": 86, "code": "%"}})
    assert fact(model, answer, evidence=[observation("loinc|59408-5", 93)]).provenance == "conflict"
    assert fact(model, answer, evidence=[observation("loinc|59408-5", 86)]).provenance == "structured"


@pytest.mark.parametrize(("day", "counts"), [("2027-10-01", True), ("2035-01-01", False), ("1900-01-01", False)])
def test_answers_of_now_say_nothing_of_a_service_years_away(day: str, counts: bool) -> None:
    found = fact(FLAG, response({"valueBoolean": True}), service_date=date.fromisoformat(day))
    assert bool(found.values) is counts


some = st.tuples(
    st.sampled_from([{"valueDecimal": 22}, {"valueDecimal": 3}, {"valueInteger": 22}, {"valueString": "22"}]),
    st.sampled_from(["2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z", "2026-11-01", "2019-01-01", "2030-01-01", None]),
)


@given(st.lists(some, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_responses_says_nothing(listed: list[tuple[dict[str, Any], Any]], random: Any) -> None:
    made = [response(answer, id=str(n), authored=at) for n, (answer, at) in enumerate(listed)]
    before = fact(NUMBER, *made)
    random.shuffle(made)
    after = fact(NUMBER, *made)
    assert (after.provenance, set(after.values)) == (before.provenance, set(before.values))


invalid = st.one_of(
    st.tuples(
        st.sampled_from([answer for model, answer, value in READ if model is NUMBER and value is None]), st.none()
    ),
    st.tuples(st.just({"valueDecimal": 1}), st.sampled_from(["2019-01-01", "2030-01-01", "soon", "missing"])),
)


@given(st.lists(some, max_size=3), invalid)
def test_an_invalid_answer_never_adds_a_value(
    listed: list[tuple[dict[str, Any], Any]], bad: tuple[dict[str, Any], str | None]
) -> None:
    """``%x = 1`` is the criterion, so that any yes that it brought about would show."""
    made = [response(answer, id=str(n), authored=at) for n, (answer, at) in enumerate(listed)]
    authored = "2026-11-01T10:00:00Z" if bad[1] is None else None if bad[1] == "missing" else bad[1]
    more = [*made, response(bad[0], id="bad", authored=authored)]
    assert evaluated(NUMBER, *more).outcome.value != "approve"
    before, after = fact(NUMBER, *made), fact(NUMBER, *more)
    assert after.values in (before.values, ())


RECEIVED = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        ("2026-11-02T09:00:00Z", True),
        ("2026-11-02T09:04:59Z", True),  # the sender's clock is ahead
        ("2026-11-02T09:05:01Z", False),
        ("2026-11-02T14:00:00Z", False),
        ("2026-11-02T23:59:59Z", False),
        ("2026-11-02T22:59:00+14:00", True),
        ("2026-11-03T04:30:00+14:00", False),  # the 2nd in UTC, five and a half hours later
        ("2026-11-02T04:00:00-05:00", True),
        ("2026-11-02T09:30:00-05:00", False),
        ("2026-11-02", True),
        ("2026-11-03", False),
    ],
)
def test_what_is_dated_after_the_receipt_does_not_count_to_the_instant(time: str, counts: bool) -> None:
    values = (True,) if counts else ()
    assert fact(FLAG, response({"valueBoolean": True}, authored=time), instant=RECEIVED).values == values
    seen = {"from": "Observation", "code": ["loinc|59408-5"], "take": "exists"}
    for when in ({"day": time}, {"day": "2026-11-01", "issued": time}):
        pieces = [observation("loinc|59408-5", 1, **when)]
        (found,) = evaluate(fact_policy(seen), line(evidence=pieces, instant=RECEIVED)).facts
        assert found.values == values
