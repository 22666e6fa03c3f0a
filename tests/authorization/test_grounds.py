"""What the record holds for and against a request: by each criterion's place in the policy, and by what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from policy.support import policy
from precert.authorization.deciding.grounds import Ground, engine_determination, grounds
from precert.authorization.deciding.judge import determine
from precert.authorization.record.case import Case, Determination, Event, LineRequest, OpenQuestions
from precert.authorization.record.chain import Recorder, fold
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.library import PolicyLibrary
from precert.policy.trials import run_tests
from precert.policy.types import Answer, Decision, Evaluation, LineContext, Outcome
from support.app import EXAMPLES, frozen_runtime
from support.records import AT, opened

OPENED = opened()
ASKED = LineRequest(sequence=1, code="x|y")


def event(ev: str, actor: str = "system", after: timedelta = timedelta(), **content: Any) -> Event:
    made = Event(seq=0, at=AT + after, ev=ev, actor=actor, by=actor, line=1)
    return msgspec.structs.replace(made, **content)


def case_of(determination: Determination, *later: Event) -> Case:
    """A case whose one line the rules handed to a nurse with ``determination``, and what happened since."""
    recorder = Recorder()
    recorder.append(msgspec.structs.replace(event("opened", opened=OPENED), line=None))
    recorder.append(event("requested", requested=ASKED))
    recorder.append(event("validated"))
    recorder.append(event("evaluate"))
    recorder.append(event("hand_over", determination=determination))
    for one in later:
        recorder.append(one)
    return fold(recorder.events)


def told(evaluation: Evaluation, by: CompiledPolicy | None, *later: Event) -> dict[str, Ground]:
    decision = Decision(evaluation.outcome, evaluation.reason, evaluation, (evaluation,), (), (evaluation,))
    case = case_of(determine(decision, frozen_runtime(), AT), *later)
    return grounds(case, case.lines[1], by)


def leaf(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name.upper(), "test": f"%{name}", "cite": "c", "why_not": "w", **more}


def speaking(answers: dict[str, bool], **trees: Any) -> dict[str, str]:
    """What each criterion says once the questions a, b, c were answered so."""
    asked = {n: {"ask": {"text": f"{n}?", "type": "boolean", "who": "clinical"}} for n in ("a", "b", "c")}
    made = policy(facts=asked, **trees)
    context = LineContext(
        item={"productOrService": {"coding": [{"system": "s", "code": "E0601"}]}, "request": "initial"},
        service_date=date(2026, 11, 20),
        received=date(2026, 11, 20),
        answers={
            name: Answer(value, f"QuestionnaireResponse/1#{name}", authored="2026-11-02")
            for name, value in answers.items()
        },
    )
    found = told(evaluate_directly(made, context), made)
    return {id: ground.speaks for id, ground in found.items()}


def evaluate_directly(made: CompiledPolicy, context: LineContext) -> Evaluation:
    context.item["productOrService"] = {
        "coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "E0601"}]
    }
    return evaluate(made, context)


ALL = {"all": [leaf("a"), leaf("b")]}
ANY = {"id": "ANY", "any": [leaf("a"), leaf("b")]}
NONE = {"none": [leaf("a"), leaf("b")]}
NOT_BOTH = {"none": [{"all": [leaf("a"), leaf("b")]}]}
TWO_OF = {"at_least": 2, "of": [leaf("a"), leaf("b"), leaf("c")]}
F, A, U = "for", "against", "unknown"


@pytest.mark.parametrize(
    ("trees", "answers", "expected"),
    [
        ({"criteria": ALL}, {"a": True, "b": False}, {"A": F, "B": A}),
        ({"criteria": ALL}, {"a": True}, {"A": F, "B": U}),
        ({"criteria": ALL}, {"b": False}, {"A": U, "B": A}),
        # one of two ways is enough: the other is no reason, known or not
        ({"criteria": ANY}, {"a": True, "b": False}, {"A": F, "B": F, "ANY": F}),
        ({"criteria": ANY}, {"a": True}, {"A": F, "B": F, "ANY": F}),
        ({"criteria": ANY}, {"a": False, "b": False}, {"A": A, "B": A, "ANY": A}),
        ({"criteria": ANY}, {"a": False}, {"A": A, "B": U, "ANY": U}),
        # what must not be so speaks against the request when it is
        ({"criteria": NONE}, {"a": False, "b": True}, {"A": F, "B": A}),
        ({"criteria": NONE}, {"a": False, "b": False}, {"A": F, "B": F}),
        ({"criteria": NOT_BOTH}, {"a": True, "b": True}, {"A": A, "B": A}),
        ({"criteria": NOT_BOTH}, {"a": True, "b": False}, {"A": F, "B": F}),
        ({"criteria": TWO_OF}, {"a": True, "b": True, "c": False}, {"A": F, "B": F, "C": F}),
        ({"criteria": TWO_OF}, {"a": True, "b": False, "c": False}, {"A": F, "B": A, "C": A}),
        # an exclusion that holds, and one that does not
        ({"criteria": leaf("a"), "exclude": leaf("b")}, {"a": True, "b": True}, {"A": F, "B": A}),
        ({"criteria": leaf("a"), "exclude": leaf("b")}, {"a": False, "b": False}, {"A": A, "B": F}),
        (
            {"criteria": leaf("a"), "exclude": ALL | {"all": [leaf("b"), leaf("c")]}},
            {"a": False, "b": True, "c": False},
            {"A": A, "B": F, "C": F},
        ),
        # not to be exempt is no reason, nor not to know it
        (
            {"criteria": leaf("a"), "exempt": {**leaf("b"), "text": "exempt"}},
            {"a": False, "b": False},
            {"A": A, "B": F},
        ),
        ({"criteria": leaf("a"), "exempt": {**leaf("b"), "text": "exempt"}}, {"a": False}, {"A": A, "B": F}),
    ],
)
def test_by_its_place_in_the_policy(trees: dict[str, Any], answers: dict[str, bool], expected: dict[str, str]) -> None:
    assert speaking(answers, **trees) == expected


def trials() -> Sequence[tuple[CompiledPolicy, Evaluation]]:
    return [
        (made, trial.evaluation)
        for made in PolicyLibrary(EXAMPLES / "policies", AT).current
        for trial in run_tests(made)
        if trial.evaluation is not None and trial.evaluation.criteria
    ]


def test_in_every_shipped_policy_the_rules_and_the_record_agree() -> None:
    """What the rules named as unmet can be cited; when they found everything met, nothing can."""
    looked_at = 0
    for made, evaluation in trials():
        found = told(evaluation, made)
        against = {id for id, ground in found.items() if ground.speaks == "against" and not ground.group}
        assert set(evaluation.unmet) <= against, (made.id, evaluation)
        if evaluation.outcome is Outcome.APPROVE:
            assert not against, (made.id, evaluation)
        if evaluation.outcome is Outcome.REFER and evaluation.reason_code != "over-grant":
            assert against
        looked_at += 1
    assert looked_at > 50


def test_without_the_file_that_decided_only_what_the_rules_named_counts() -> None:
    seen = 0
    for made, evaluation in trials():
        other = policy(policy=made.id, version=made.version)
        for by in (None, other):
            found = told(evaluation, by)
            against = {id for id, ground in found.items() if ground.speaks == "against"}
            assert against == set(evaluation.unmet)
            seen += len(against)
    assert seen


def test_the_evidence_behind_a_criterion_is_named() -> None:
    made = policy()
    context = LineContext(
        item={"request": "initial"},
        service_date=AT.date(),
        received=AT.date(),
        answers={"ok": Answer(True, "QuestionnaireResponse/1#ok", authored="2026-11-02")},
    )
    found = told(evaluate_directly(made, context), made)
    assert found["OK"].evidence == ("QuestionnaireResponse/1#ok",)


def test_want_of_coverage_can_be_cited() -> None:
    determination = Determination(id="d", at=AT, outcome="deny-admin", reason="Ended.", reasons=("ELIGIBILITY",))
    case = case_of(determination)
    assert grounds(case, case.lines[1], None)["ELIGIBILITY"].speaks == "against"


def question(after: timedelta, due: timedelta | None, criteria: Sequence[str] = ("OK",)) -> OpenQuestions:
    return OpenQuestions(
        id="q",
        asked=AT + after,
        due=AT + due if due is not None else None,
        policy="small",
        version="1",
        questions=({"linkId": "ok", "text": "OK?", "criteria": list(criteria)},),
    )


DAY = timedelta(days=1)
PERSON = Determination(id="p", at=AT, outcome="pend", by="n", role="nurse", human=True)


def asking(after: timedelta, due: timedelta | None, *criteria: str) -> Event:
    return event("ask_more", "nurse", after, determination=PERSON, questions=question(after, due, criteria or ("OK",)))


def answering(after: timedelta) -> list[Event]:
    engine = Determination(id="e", at=AT, outcome="refer-nurse")
    return [event("info_received", "provider", after), event("hand_over", after=after, determination=engine)]


@pytest.mark.parametrize(
    ("later", "at", "expected"),
    [
        ([], 0, None),
        ([asking(DAY, 6 * DAY)], 2, True),
        ([asking(DAY, 6 * DAY)], 6, False),
        ([asking(DAY, None)], 300, True),
        ([asking(DAY, 6 * DAY, "OTHER")], 9, None),
        ([asking(DAY, 6 * DAY), *answering(2 * DAY)], 3, False),
        ([asking(DAY, 6 * DAY), event("nurse_takes_up", "nurse", 2 * DAY)], 3, True),
        ([asking(DAY, 6 * DAY), event("md_takes_up", "physician", 2 * DAY)], 3, True),
        ([asking(DAY, 6 * DAY), *answering(2 * DAY), asking(3 * DAY, 8 * DAY)], 7, True),
        ([asking(DAY, 6 * DAY), *answering(2 * DAY), asking(3 * DAY, 8 * DAY)], 8, False),
        ([asking(DAY, 6 * DAY), *answering(2 * DAY), asking(3 * DAY, 8 * DAY, "OTHER")], 7, False),
    ],
)
def test_a_question_is_open_until_it_is_answered_or_due(later: list[Event], at: int, expected: bool | None) -> None:
    evaluation = evaluate_directly(
        policy(), LineContext(item={"request": "initial"}, service_date=AT.date(), received=AT.date())
    )
    decision = Decision(evaluation.outcome, "", evaluation, (evaluation,), (), (evaluation,))
    engine = determine(decision, frozen_runtime(), AT)
    later = [msgspec.structs.replace(e, determination=engine) if e.ev == "hand_over" else e for e in later]
    case = case_of(engine, *later)
    ground = grounds(case, case.lines[1], policy())["OK"]
    assert ground.speaks == "unknown"
    assert (ground.asked.is_open(AT + at * DAY) if ground.asked else None) is expected
    if ground.asked:
        assert "OK?" in ground.asked.sentence
        assert ground.asked.at.date().isoformat() in ground.asked.sentence


def test_what_people_said_since_stands_on_top_of_what_the_rules_said() -> None:
    engine = Determination(id="d", at=AT, outcome="refer")
    case = case_of(engine, asking(DAY, 6 * DAY))
    assert case.lines[1].determination == PERSON
    assert engine_determination(case, case.lines[1]) == engine
