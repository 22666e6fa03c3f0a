"""``absent`` speaks only where nothing was said: an answer that cannot be taken leaves the fact unknown, never favourable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from precert.policy.evidence import EvidenceIndex
from precert.policy.run import Run
from precert.policy.types import Answer, FactValue, LineContext

from .support import DAY, fact_policy, policy

ANSWERED = "2026-11-01"
BOOLEAN = {"absent": True, "ask": {"text": "So?", "type": "boolean", "who": "clinical"}}
CHOICE = {"absent": "a", "ask": {"text": "Which?", "type": "choice", "options": ["a", "b"], "who": "clinical"}}
NUMBER = {"absent": 5, "min": 0, "max": 10, "ask": {"text": "How many?", "type": "integer", "who": "clinical"}}


def resolved(model: dict[str, Any], *given: dict[str, Any], authored: str | None = ANSWERED) -> FactValue:
    """The fact ``x`` of ``model`` after one response with all of ``given`` as its answers."""
    told = [
        Answer(None, "QuestionnaireResponse/1#x", authored=authored, given=one, repeated=len(given) > 1)
        for one in given
    ]
    answers = {"x": replace(told[0], others=tuple(told[1:]))} if told else {}
    context = LineContext(item={}, service_date=DAY, received=DAY, answers=answers)
    return fact_policy(model).facts["x"].resolve(context, EvidenceIndex(context))


@pytest.mark.parametrize("model", [BOOLEAN, CHOICE, NUMBER], ids=["boolean", "choice", "integer"])
@pytest.mark.parametrize(
    "given",
    [
        [{"valueString": "false"}],
        [{"valueString": "another"}],
        [{"valueCoding": {"code": "N"}}],
        [{"valueCoding": {"code": "a", "system": "http://example.org/other"}}],
        [{"valueDecimal": 0.5}],
        [{"valueInteger": 11}],
        [{"_valueBoolean": {"extension": []}}],
        [{"valueBoolean": True}, {"valueBoolean": False}],
        [{"valueCoding": {"code": "a"}}, {"valueCoding": {"code": "b"}}],
        [{"valueInteger": 5}, {"valueInteger": 0}],
        [{"valueBoolean": True}, {"valueString": "false"}],
        [{"valueBoolean": True}, {"valueBoolean": True}],
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_taken_is_never_the_default(model: dict[str, Any], given: list[Any]) -> None:
    assert resolved(model, *given).provenance in ("missing", "conflict")


@pytest.mark.parametrize("authored", [None, "soon", "2027-01-01"])
def test_an_answer_of_no_known_time_is_not_the_default(authored: str | None) -> None:
    assert resolved(BOOLEAN, {"valueBoolean": False}, authored=authored).provenance == "missing"


def test_silence_and_an_answer_from_another_time_are_the_default() -> None:
    assert resolved(BOOLEAN).values == (True,)
    old = resolved(BOOLEAN, {"valueBoolean": False}, authored="2024-01-01")
    assert (old.values, old.provenance) == ((True,), "closed-world")


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([], (False,)),
        ([{"valueInteger": 3}], (True,)),
        ([{"valueString": "3"}], ()),
        ([{"valueInteger": 11}], ()),
        ([{"valueInteger": 3}, {"valueInteger": 4}], ()),
    ],
    ids=str,
)
def test_what_is_implied_by_an_answer_is_unknown_when_the_answer_is(given: list[Any], values: tuple[Any, ...]) -> None:
    number = {key: value for key, value in NUMBER.items() if key != "absent"}
    facts = {"x": number, "there": {"take": "exists", "absent": False, "implied_by": "x"}}
    compiled = policy(facts=facts, criteria={"id": "X", "test": "%there", "cite": "c", "why_not": "w"})
    told = [Answer(None, "q#x", authored=ANSWERED, given=one, repeated=len(given) > 1) for one in given]
    answers = {"x": replace(told[0], others=tuple(told[1:]))} if told else {}
    context = LineContext(item={}, service_date=DAY, received=DAY, answers=answers)
    assert Run.of(compiled, context, EvidenceIndex(context)).facts["there"].values == values
