"""Criteria as trees: a policy's own, and what became of each node in one decision.

A trace is a flat list; its shape comes from the policy version that made it. Without that version (or when the file
was changed since) the list is shown flat, which is still the whole truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy, sections
from precert.policy.logic import Operator, combine
from precert.policy.model import Node

HEADINGS = {
    "exclude": "Not covered when",
    "exempt": "No authorization is needed when",
    "criteria": "Covered when",
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One node. ``rule`` says how its children are combined; ``result`` is its truth in a decision.

    ``judged`` is False on a policy's page, where nothing has been decided. ``adverse``: being true speaks against
    coverage (an exclusion, or a child of "none of these"). ``settled``: what it is a part of holds without it (one of two
    ways is enough; an exemption that does not hold is no reason to refuse).
    """

    id: str | None
    text: str | None
    cite: str | None
    why_not: str | None
    rule: str | None
    admin: bool
    adverse: bool
    judged: bool
    result: bool | None
    error: str | None
    facts: tuple[str, ...]
    children: tuple[Criterion, ...]
    settled: bool = False

    @property
    def word(self) -> str:
        if self.result is None:
            said = "unknown"
        elif self.adverse:
            said = "applies" if self.result else "does not apply"
        else:
            said = "met" if self.result else "not met"
        return said if self.tone != "gone" else f"{said}, not needed"

    @property
    def tone(self) -> str:
        if self.result is not None and self.result is not self.adverse:
            return "good"
        return "gone" if self.settled else "wait" if self.result is None else "bad"

    def below(self) -> Iterator[Criterion]:
        """This node and all under it."""
        yield self
        for child in self.children:
            yield from child.below()


@dataclass(frozen=True, slots=True)
class Section:
    """One tree of a policy under its heading."""

    name: str
    heading: str
    root: Criterion


def policy_sections(policy: CompiledPolicy, trace: Sequence[Element] | None = None) -> tuple[Section, ...]:
    """The trees of a policy; with ``trace`` (the criteria of an explanation) every node carries its result."""
    results = None if trace is None else {str(entry.get("id")): entry for entry in trace}
    shown = (
        (name, _criterion(policy, node, results, adverse=name == "exclude")) for name, node in sections(policy.model)
    )
    return tuple(
        Section(name, HEADINGS[name], _settled(root) if name == "exempt" and root.result is False else root)
        for name, root in shown
    )


def traced_sections(catalogue: Catalogue, line: Element) -> tuple[Section, ...]:
    """The trees behind one explained line, as the policy version of that time had them."""
    trace: list[Element] = line.get("criteria") or []
    if not trace:
        return ()
    name, version = line.get("policy"), line.get("version")
    policy = catalogue.get(name, version) if name and version else None
    known = {node.id for _, root in sections(policy.model) for node in _walk(root)} if policy else set()
    changed = policy is not None and line.get("digest") not in (None, policy.digest)
    if policy is None or changed or not {entry.get("id") for entry in trace} <= known:
        root = Criterion(
            None, None, None, None, "As evaluated", False, False, False, None, None, (), tuple(map(_flat, trace))
        )
        return (Section("criteria", "Criteria", root),)
    return policy_sections(policy, trace)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _flat(entry: Element) -> Criterion:
    return Criterion(
        id=entry.get("id"),
        text=entry.get("text"),
        cite=entry.get("cite"),
        why_not=entry.get("why_not"),
        rule=None,
        admin=bool(entry.get("admin")),
        adverse=False,
        judged=True,
        result=entry.get("result"),
        error=entry.get("error"),
        facts=tuple(entry.get("facts", ())),
        children=(),
    )


def _criterion(
    policy: CompiledPolicy, node: Node, results: Mapping[str, Element] | None, *, adverse: bool
) -> Criterion:
    operator, count = _operator(node)
    below = adverse != (operator == "none")
    children = tuple(_criterion(policy, child, results, adverse=below) for child in node.children)
    entry = results.get(node.id or "") if results is not None else None
    if entry is not None:
        result = entry.get("result")
    elif results is not None and operator is not None:  # a group without an id is not in the trace
        result = combine(operator, count, [child.result for child in children])
    else:
        result = None
    if results is not None and result is not None and result is not adverse:
        children = tuple(map(_settled, children))
    return Criterion(
        id=node.id,
        text=node.text or node.test,
        cite=node.cite,
        why_not=node.why_not,
        rule=_rule(operator, count),
        admin=node.admin,
        adverse=adverse,
        judged=results is not None,
        result=result,
        error=entry.get("error") if entry else None,
        facts=_facts(policy, node),
        children=children,
    )


def _settled(node: Criterion) -> Criterion:
    """``node`` and all under it, marked as not needed."""
    return replace(node, settled=True, children=tuple(map(_settled, node.children)))


def _facts(policy: CompiledPolicy, node: Node) -> tuple[str, ...]:
    return tuple(name for name, ids in policy.criteria_of.items() if node.test is not None and node.id in ids)


def _operator(node: Node) -> tuple[Operator | None, int]:
    if node.all_ is not None:
        return "all", 0
    if node.any_ is not None:
        return "any", 0
    if node.none_ is not None:
        return "none", 0
    if node.at_least is not None:
        return "at_least", node.at_least
    return None, 0


def _rule(operator: Operator | None, count: int) -> str | None:
    words = {
        "all": "All of these:",
        "any": "At least one of these:",
        "none": "None of these:",
        "at_least": f"At least {count} of these:",
    }
    return words[operator] if operator else None
