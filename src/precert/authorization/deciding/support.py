"""Whether what is on file still bears a yes that was said, after something was added or withdrawn.

A machine never takes back what was granted: the answer is for a person, who looks at it (docs/workbench.md, "Evidence that
changes after a yes").
"""

from __future__ import annotations

from precert.policy.severity import severity
from precert.policy.types import Decision, Outcome

_YES = (Outcome.NOT_APPLICABLE, Outcome.NO_AUTH, Outcome.APPROVE)


def weakened(before: Decision, after: Decision) -> tuple[str, ...]:
    """Why ``after`` is less than ``before`` was, in sentences; empty when it is not.

    Both are decisions of the rules about one line, with what was on file before and with what is there now.
    """
    if after.outcome in _YES:
        return ()
    held, holds = _criteria(before), _criteria(after)
    lost = [
        f"{policy}: {text} ({id}): {'not met' if holds.get((policy, id), (None, text))[0] is False else 'not shown'} any more"
        for (policy, id), (result, text) in held.items()
        if result is True and holds.get((policy, id), (None, text))[0] is not True
    ]
    disputed = sorted(_conflicts(after) - _conflicts(before))
    if disputed:
        lost.append(f"the sources disagree by now about {', '.join(disputed)}")
    if not lost and severity(after.outcome) <= severity(before.outcome):
        return ()
    return (*lost, f"decided today the answer would be: {after.reason}")


def _criteria(decision: Decision) -> dict[tuple[str, str], tuple[bool | None, str]]:
    return {
        (evaluation.policy, each.id): (each.result, each.text)
        for evaluation in decision.applied
        for each in evaluation.criteria
        if not each.group
    }


def _conflicts(decision: Decision) -> set[str]:
    return {fact.name for e in decision.applied for fact in e.facts if fact.provenance == "conflict"}
