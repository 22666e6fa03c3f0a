"""What people said about a line binds the rules afterwards: a machine's yes does not go past a reviewer's open question.

Sources: 42 CFR 422.566(d) (who decides what), NCQA UM 4; docs/workbench.md ("Your decision").
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from precert.authorization.deciding.judge import Judged, LineUnderReview, hand_over
from precert.authorization.record.case import ASKED_BY_PEOPLE, REPEATS, Event, is_note
from precert.policy.types import Outcome

ARRIVED = "A reviewer asked for more; what arrived waits for a reviewer."
CUT = "A physician granted less of this than was asked; more of it is a physician's decision again."
REFERRED = "A reviewer referred this to a physician; it waits for one."

_APPROVALS = frozenset({"nurse_approves", "md_approves"})
_PHYSICIANS = {"ask_more_md": ARRIVED, "md_modifies": CUT, "refer_up": REFERRED}
_YES = frozenset({"criteria_met", "not_required", REPEATS})


def after_people(under_review: LineUnderReview, judged: Judged, events: Iterable[Event]) -> Judged:
    """``judged``, unless it is a yes, or new questions, that would go past what people said about the line before.

    ``events`` are those of the record. Since the last approval by a person: who asked for more sees what arrived; what a
    physician asked about or cut, and what was referred to one, a nurse does not approve either (``Outcome.REFER``). Questions
    of the rules stay questions, unless a person asked one in words, which no rule can call answered.
    """
    waits, physician, worded = "", False, False
    for event in events:
        if event.line != under_review.line.sequence:
            continue
        if event.ev in _APPROVALS:
            waits, physician, worded = "", False, False
        elif event.ev in _PHYSICIANS:
            waits, physician = _PHYSICIANS[event.ev], True
        elif event.ev in ASKED_BY_PEOPLE:
            waits = ARRIVED
        if event.ev in ASKED_BY_PEOPLE and event.questions is not None:
            worded = any(map(is_note, event.questions.questions))
    if not waits:
        return judged
    outcome = Outcome.REFER if physician else Outcome.REFER_NURSE
    for event in judged.events:
        passed = event.ev in _YES or (event.ev == "criteria_unknown" and worded)
        if event.determination is not None and passed:
            met = msgspec.structs.replace(event.determination, outcome=outcome.value, reason=waits)
            return hand_over(under_review, met)
        if event.determination is not None and event.ev == "hand_over" and physician:
            reason = f"{waits} {event.determination.reason}".strip()
            met = msgspec.structs.replace(event.determination, outcome=outcome.value, reason=reason)
            return hand_over(under_review, met)
    return judged


def unread(under_review: LineUnderReview, judged: Judged, why: str) -> Judged:
    """``judged`` for a person, who finds something on file that the rules did not read; ``why`` says what."""
    for event in judged.events:
        if event.determination is not None:
            made = event.determination
            outcome = made.outcome if event.ev == "hand_over" else Outcome.REFER_NURSE.value
            reason = f"{why} {made.reason}".strip()
            return hand_over(under_review, msgspec.structs.replace(made, outcome=outcome, reason=reason))
    return judged
