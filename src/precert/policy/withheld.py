"""Services whose coverage rules are not to be had, and the days on which that matters.

A rule that cannot be loaded is not "no rule": whatever it was about goes to a person until the file is mended. Source:
docs/policies.md, "When a file cannot be used".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from precert.fhir.systems import VALUE_SET
from precert.policy.codeset import ValueSets
from precert.policy.model import Policy
from precert.policy.types import Decision, Evaluation, LineContext, Outcome

RULES_UNAVAILABLE = "rules-unavailable"
"""The reason code of a decision that a person has to make because rules could not be loaded."""

_SENTENCE = "The coverage rules for this service could not be loaded, so a person decides about it."
_HANDED_OVER = (Outcome.REFER_NURSE, Outcome.REFER)
_A_DAY = timedelta(days=1)

Span = tuple[date, date]
"""A first and a last day, both included."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Rules that could not be loaded. ``services`` are patterns without value sets; ``None``: every service.

    ``start`` and ``end`` are the first and last day for which the rules would have counted; ``by`` says which day of a
    request is compared with them (``either``: it could not be read which). ``why`` is one sentence for the operator.
    """

    why: str
    services: tuple[str, ...] | None = None
    policy: str | None = None
    start: date = date.min
    end: date = date.max
    by: Literal["receipt", "service", "either"] = "either"

    def counts_for(self, context: LineContext) -> bool:
        """Whether the rules would have counted on the day of this line."""
        days = {context.reviewed or context.received, context.received} if self.by != "service" else set()
        if self.by != "receipt":
            days.add(context.service_date)
        return any(self.start <= day <= self.end for day in days)

    @property
    def about(self) -> str:
        """The services in words, for a status page."""
        return "every service" if self.services is None else ", ".join(self.services)

    def __str__(self) -> str:
        return f"{self.why}: a person decides about {self.about}"


def of_policy(policy: Policy, services: tuple[str, ...] | None, why: str) -> Withheld:
    """What was to be said by ``policy``. ``services`` are its patterns, expanded."""
    return Withheld(
        why,
        services,
        policy.policy,
        policy.effective.start,
        policy.effective.end or date.max,
        "service" if policy.role == "benefit" else "receipt",
    )


def expanded(services: Iterable[str], value_sets: ValueSets) -> tuple[str, ...] | None:
    """The patterns with the members of each value set beside its name; ``None`` for ``any`` or a set that is missing."""
    found: list[str] = []
    for written in services:
        if written == "any":
            return None
        found.append(written)
        system, _, name = written.partition("|")
        if system in ("vs", VALUE_SET):
            members = value_sets.get(name)
            if members is None:
                return None
            found.extend(members)
    return tuple(found)


def uncovered(spans: Iterable[Span], within: Span = (date.min, date.max)) -> Iterator[Span]:
    """The parts of ``within`` that none of ``spans`` covers, in order."""
    first, last = within
    for start, end in sorted(spans):
        if start > last:
            break
        if start > first:
            yield first, start - _A_DAY
        if end >= last:
            return
        first = max(first, end + _A_DAY)
    if first <= last:
        yield first, last


def handed_over(decision: Decision, withheld: Iterable[Withheld]) -> Decision:
    """``decision`` when some rules about the service are not to be had: a person decides, and the trace says which.

    What already goes to a person stays as it is. Everything else does not hold: a yes may be forbidden by the rule that
    is missing, a refusal may rest on one that was replaced, and a question may not be asked any more. What the rules
    that are there say stays in ``considered``, for the person.
    """
    notes = tuple(str(one) for one in withheld)
    conflicts = (*decision.conflicts, *notes)
    if decision.outcome in _HANDED_OVER:
        return replace(decision, conflicts=conflicts)
    return replace(
        decision,
        outcome=Outcome.REFER_NURSE,
        reason=_SENTENCE,
        governing=None,
        applied=(),
        conflicts=conflicts,
        reason_code=RULES_UNAVAILABLE,
    )


def held_back(evaluation: Evaluation) -> Evaluation:
    """One policy's view, likewise: a form of that policy promises nothing while rules about the service are not to be had."""
    if evaluation.outcome in _HANDED_OVER:
        return evaluation
    return replace(evaluation, outcome=Outcome.REFER_NURSE, reason=_SENTENCE, reason_code=RULES_UNAVAILABLE)
