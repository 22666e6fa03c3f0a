"""An answer that cannot be taken, beside a value of the record: it may say the opposite, so a person looks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policy.support import fact_policy, line, observation
from precert.policy.evaluate import evaluate
from precert.policy.types import Answer, FactValue

QUESTION = {"text": "How many?", "type": "decimal", "who": "clinical"}
FACT = {
    "from": "Observation",
    "code": ["loinc|1-8"],
    "unit": "%",
    "min": 0,
    "max": 100,
    "take": "latest",
    "ask": QUESTION,
}
NOW = "2026-11-02T08:00:00Z"


def said(given: dict[str, Any] | None, authored: str | None = NOW, **more: Any) -> Answer:
    return Answer(None, "QuestionnaireResponse/1#x", given=given, authored=authored, **more)


def percent(value: Any, **more: Any) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "code": "%", "unit": "%", **more}}


def fact(answer: Answer | None, *, chart: bool = True) -> FactValue:
    evidence = [observation("loinc|1-8", 22)] if chart else []
    context = replace(line(evidence=evidence), answers={"x": answer} if answer is not None else {})
    (found,) = evaluate(fact_policy(FACT), context).facts
    return found


SPOILED: dict[str, Answer] = {
    "text for a number": said({"valueString": "22"}),
    "only a bound": said(percent(22, comparator="<")),
    "another unit": said({"valueQuantity": {"value": 22, "code": "kg"}}),
    "impossible": said(percent(220)),
    "two values": said({**percent(22), "valueBoolean": True}),
    "twice in one response": replace(said(percent(22), repeated=True), others=(said(percent(3), repeated=True),)),
    "twice the same": replace(said(percent(22), repeated=True), others=(said(percent(22), repeated=True),)),
    "two responses that differ": replace(said(percent(22)), others=(said(percent(3)),)),
    "undated and other": said(percent(3), None),
    "dated in the future and other": said(percent(3), "2027-11-02T08:00:00Z"),
    "undated and unreadable": said({"valueString": "22"}, None),
    "a good one and an undated other": replace(said(percent(22)), others=(said(percent(3), None),)),
}


@pytest.mark.parametrize("answer", SPOILED.values(), ids=SPOILED)
def test_an_answer_that_cannot_be_taken_is_not_passed_over_for_the_chart(answer: Answer) -> None:
    found = fact(answer)
    assert (found.provenance, bool(found.notes)) == ("conflict", True)
    assert any(reference.startswith("QuestionnaireResponse/") for reference in found.evidence)


HARMLESS: dict[str, Answer | None] = {
    "none": None,
    "the same": said(percent(22)),
    "undated and the same": said(percent(22), None),
    "too old": said(percent(3), "2019-11-02T08:00:00Z"),
    "too old and unreadable": said({"valueString": "22"}, "2019-11-02T08:00:00Z"),
}


@pytest.mark.parametrize("answer", HARMLESS.values(), ids=HARMLESS)
def test_an_absent_or_agreeing_answer_leaves_the_charts_value(answer: Answer | None) -> None:
    found = fact(answer)
    assert (found.values, found.provenance) == ((22,), "structured")


@pytest.mark.parametrize("name", ["text for a number", "twice in one response", "undated and other"])
def test_without_a_chart_the_question_stays_open(name: str) -> None:
    found = fact(SPOILED[name], chart=False)
    assert (found.provenance, found.unreadable) == ("missing", True)
