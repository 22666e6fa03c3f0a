"""What people said about a line binds the rules afterwards (deciding/people.py), as values."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from authorization.test_judge import AT, OPENED, decision, under_review
from precert.authorization.deciding.judge import Repeated, authorized_already, judge
from precert.authorization.deciding.people import after_people
from precert.authorization.record.case import Authorization, Determination, Event, Line, OpenQuestions
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.record.explain import explain_line
from precert.policy.types import Outcome

ACTORS = {"nurse_takes_up": "nurse", "ask_more": "nurse", "refer_up": "nurse", "nurse_approves": "nurse"}
ACTORS |= {"info_received": "provider", "revised": "provider", "extend": "provider"}
ACTORS |= dict.fromkeys(["md_takes_up", "ask_more_md", "md_approves", "md_modifies"], "physician")
NURSE, PHYSICIAN = Outcome.REFER_NURSE, Outcome.REFER
YES = (Outcome.APPROVE, Outcome.NO_AUTH, Outcome.NOT_APPLICABLE)


def history(names: str, link_id: str = "note") -> list[Event]:
    """A record whose line 3 went to a nurse and then through ``names``."""
    recorder = Recorder()
    recorder.append(Event(seq=0, at=AT, ev="opened", actor="system", by="t", opened=OPENED))
    line = under_review().line
    recorder.append(Event(seq=0, at=AT, ev="requested", actor="provider", by="t", line=3, requested=line))
    for name in ["validated", "evaluate", "hand_over", *names.split()]:
        event = Event(seq=0, at=AT, ev=name, actor=ACTORS.get(name, "system"), by="p", line=3)
        if name.startswith("ask_more"):
            made = Determination(id="d", at=AT, outcome="pend", by="p", human=True)
            question = {"linkId": link_id, "text": "Since when?", "type": "text"}
            asked = OpenQuestions(id="q", asked=AT, due=AT + timedelta(5), policy="", version="", questions=(question,))
            event = msgspec.structs.replace(event, determination=made, questions=asked)
        recorder.append(event)
    return recorder.events


@pytest.mark.parametrize("outcome", YES)
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ask_more info_received", NURSE),
        ("ask_more revised evaluate", NURSE),
        ("ask_more info_received hand_over revised evaluate", NURSE),
        ("ask_more info_received criteria_unknown info_received", NURSE),
        ("md_takes_up ask_more_md info_received", PHYSICIAN),
        ("md_takes_up ask_more_md info_received hand_over ask_more info_received", PHYSICIAN),
        ("refer_up revised evaluate", PHYSICIAN),
        ("md_takes_up md_modifies extend evaluate", PHYSICIAN),
        ("ask_more info_received hand_over nurse_approves notified extend evaluate", None),
        ("md_takes_up ask_more_md md_takes_up md_approves notified extend evaluate", None),
        ("revised evaluate", None),
    ],
)
def test_no_machine_says_yes_past_an_open_question(outcome: Outcome, names: str, expected: Outcome | None) -> None:
    events = history(names)
    at = under_review(state="auto_review", reference="R")
    judged = judge(at, decision(outcome))
    after = after_people(at, judged, events)
    if expected is None:
        assert after == judged
        return
    (event,) = after.events
    assert event.determination is not None
    assert (event.ev, event.determination.outcome, after.numbers) == ("hand_over", expected.value, ())
    assert event.authorization is None
    Recorder(events).append(event)  # the lifecycle allows it


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ask_more revised evaluate", NURSE),
        ("refer_up revised evaluate", PHYSICIAN),
        ("md_takes_up md_modifies extend evaluate", PHYSICIAN),
        ("revised evaluate", None),
    ],
)
def test_nor_does_an_authorization_on_record(names: str, expected: Outcome | None) -> None:
    events = history(names)
    at = under_review(state="auto_review", reference="R")
    granted = Authorization(number="PA1", issued=AT.date(), start=AT.date())
    earlier = Line(sequence=1, requested=at.line, state="active", authorization=granted)
    judged = authorized_already(at, Repeated(earlier, granted, "CN2", "and named in the request"))
    after = after_people(at, judged, events)
    if expected is None:
        assert after == judged
        return
    (event,) = after.events
    assert event.determination is not None
    assert (event.ev, event.determination.outcome) == ("hand_over", expected.value)
    assert event.authorization is None


@pytest.mark.parametrize(("link_id", "expected"), [("note", "hand_over"), ("ahi", "criteria_unknown")])
def test_a_question_in_words_is_not_replaced_by_the_rules_own(link_id: str, expected: str) -> None:
    at = under_review(state="auto_review", reference="R")
    after = after_people(at, judge(at, decision(Outcome.PEND_INFO)), history("ask_more info_received", link_id))
    assert [event.ev for event in after.events] == [expected]


def test_what_somebody_said_about_another_line_binds_nothing() -> None:
    at = under_review(state="auto_review", reference="R", line=msgspec.structs.replace(under_review().line, sequence=4))
    judged = judge(at, decision(Outcome.APPROVE))
    assert after_people(at, judged, history("ask_more info_received")) == judged


@pytest.mark.parametrize(
    ("names", "state", "missing"),
    [
        ("ask_more", "asked", ["note"]),
        ("ask_more info_received hand_over", "answered", []),
        ("ask_more revised evaluate hand_over", "answered", []),
        ("ask_more nurse_takes_up", "asked", []),
    ],
)
def test_a_reviewers_question_stays_in_the_explanation(names: str, state: str, missing: list[str]) -> None:
    events = history(names)
    explained = explain_line(fold(events).lines[3], events)
    (question,) = explained["questions"]
    assert (question["link_id"], question["text"], question["state"]) == ("note", "Since when?", state)
    assert explained["missing"] == missing
