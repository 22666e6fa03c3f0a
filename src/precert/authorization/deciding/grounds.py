"""What the record holds for and against a line, criterion by criterion: what a person who refuses may cite.

A criterion speaks against a request when its recorded result does: a condition that is false, an exclusion that is true.
What is unknown speaks against nobody; it may be cited once it was asked for and the answer's day has passed, or the
answer came and did not settle it. Source: 42 CFR 422.566(d), 438.210(b); docs/workbench.md ("Your decision").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from precert.authorization.record.case import Case, Determination, Line, OpenQuestions
from precert.fhir.types import Element
from precert.policy.compiled import CompiledPolicy, sections
from precert.policy.logic import combine
from precert.policy.model import Node

Speaks = Literal["for", "against", "unknown"]
ELIGIBILITY = "ELIGIBILITY"
"""The reason that stands for coverage that is not active; no policy has a criterion for it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest question about a criterion: when it was asked, until when it may be answered, when that was done."""

    text: str
    at: datetime
    due: datetime | None
    answered: datetime | None

    def is_open(self, now: datetime) -> bool:
        """Whether the answer may still come in time."""
        return self.answered is None and (self.due is None or now < self.due)

    @property
    def sentence(self) -> str:
        """What was asked, when, and what became of it."""
        until = f", to be answered by {self.due.date().isoformat()}" if self.due else ""
        answered = self.answered
        became = f"The answer of {answered.date().isoformat()} does not settle it." if answered else "No answer came."
        return f"Asked on {self.at.date().isoformat()}{until}: {self.text} {became}"


@dataclass(frozen=True, slots=True)
class Ground:
    """One criterion as recorded. ``evidence`` is what its result rests on, ``asked`` the newest question about it,
    ``group``: it is made of others."""

    id: str
    text: str
    speaks: Speaks
    why_not: str | None = None
    evidence: tuple[str, ...] = ()
    asked: Asked | None = None
    group: bool = False


def engine_determination(case: Case, line: Line) -> Determination | None:
    """What the rules said last about the line; what people said since stands on top of it."""
    made = (event.determination for event in reversed(case.events) if event.line == line.sequence)
    return next((d for d in made if d is not None and not d.human), None)


def grounds(case: Case, line: Line, policy: CompiledPolicy | None) -> dict[str, Ground]:
    """Every criterion of the line's record by id. ``policy`` is the version that decided, if it is still there."""
    made = engine_determination(case, line)
    trace: Element = made.trace if made else {}
    unmet = {str(id) for id in trace.get("unmet", ())}
    results = {str(entry.get("id")): entry.get("result") for entry in trace.get("criteria", ())}
    recorded = _recorded(policy, str(trace.get("digest", "")), results)
    evidence = {str(fact.get("name")): tuple(map(str, fact.get("evidence", ()))) for fact in trace.get("facts", ())}
    found: dict[str, Ground] = {}
    for entry in trace.get("criteria", ()):
        id = str(entry.get("id"))
        found[id] = Ground(
            id=id,
            text=str(entry.get("text") or id),
            speaks="against" if id in unmet else recorded.get(id, "unknown" if entry.get("result") is None else "for"),
            why_not=entry.get("why_not"),
            evidence=tuple(e for fact in entry.get("facts", ()) for e in evidence.get(str(fact), ())),
            asked=_asked(case, line, id),
            group=bool(entry.get("group")),
        )
    if made is not None and ELIGIBILITY in made.reasons:
        found[ELIGIBILITY] = Ground(ELIGIBILITY, made.reason, "against")
    return found


def _recorded(policy: CompiledPolicy | None, digest: str, results: Mapping[str, bool | None]) -> dict[str, Speaks]:
    """What each criterion's result says for or against the request, by its place in the policy's trees.

    The exemption never speaks against it: that a request is not exempt is no reason to refuse it. Without the very file that decided
    nobody can tell the place; then only what the rules themselves named as unmet speaks against it.
    """
    found: dict[str, Speaks] = {}
    if policy is not None and policy.digest == digest:
        for section, root in sections(policy.model):
            told: dict[str, Speaks] = {}
            _weigh(root, results, section == "exclude", told)
            found.update(dict.fromkeys(told, "for") if section == "exempt" else told)
    return found


def _weigh(node: Node, results: Mapping[str, bool | None], adverse: bool, found: dict[str, Speaks]) -> bool | None:
    """File what ``node`` and its children say in ``found``; returns its result. ``adverse``: its truth speaks against.

    What stands in a group that speaks for the request is settled with it: one of two ways is enough.
    """
    below: dict[str, Speaks] = {}
    children = [_weigh(child, results, adverse != (node.none_ is not None), below) for child in node.children]
    result = results.get(node.id) if node.id is not None and node.id in results else _combined(node, children)
    says: Speaks = "unknown" if result is None else "against" if result is adverse else "for"
    if node.id is not None:
        below[node.id] = says
    found.update(dict.fromkeys(below, "for") if says == "for" else below)
    return result


def _combined(node: Node, children: list[bool | None]) -> bool | None:
    if node.test is not None:
        return None
    if node.at_least is not None:
        return combine("at_least", node.at_least, children)
    return combine("all" if node.all_ else "any" if node.any_ else "none", 0, children)


def _asked(case: Case, line: Line, criterion: str) -> Asked | None:
    """The newest question for ``criterion`` on this line, and when something was answered after it."""
    asked: Asked | None = None
    for event in case.events:
        if event.line != line.sequence:
            continue
        if event.ev == "info_received" and asked is not None and asked.answered is None:
            asked = Asked(asked.text, asked.at, asked.due, event.at)
        if event.questions is not None:
            asked = _question(event.questions, criterion) or asked
    return asked


def _question(questions: OpenQuestions, criterion: str) -> Asked | None:
    texts = [str(q.get("text")) for q in questions.questions if criterion in _serves(q)]
    return Asked(" ".join(texts), questions.asked, questions.due, None) if texts else None


def _serves(question: Mapping[str, object]) -> tuple[str, ...]:
    criteria = question.get("criteria")
    return tuple(map(str, criteria)) if isinstance(criteria, (list, tuple)) else ()
