"""A policy made ready to run: expressions compiled, codes sorted into sets, trees built. All of it once, at load.

This is also where the parts of a policy are checked against each other: every expression must be FHIRPath, every fact
named must be declared, ids must not repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

from precert.fhir.coding import Code
from precert.fhir.path import PathSyntaxError
from precert.policy.codeset import CodeSet, ValueSets
from precert.policy.expression import Expression
from precert.policy.facts import CompiledFact
from precert.policy.load import KeyPath, PolicyFile, PolicyFileError, Problem, Source
from precert.policy.logic import Group, Tree, compile_tree, leaves
from precert.policy.model import PAYER_SOURCES, AlternativeRule, Fact, Node, Policy
from precert.policy.periods import Period
from precert.policy.questions import Probe
from precert.policy.relevance import Relevance
from precert.policy.types import Grant

Section = Literal["exclude", "exempt", "criteria"]
SECTIONS: tuple[Section, ...] = ("exclude", "exempt", "criteria")


@dataclass(frozen=True, slots=True)
class CompiledAlternative:
    model: AlternativeRule
    when: Expression | None


def nodes(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node]]:
    """A criteria model and everything below it, each with its place in the file."""
    yield path, node
    for key, children in (("all", node.all_), ("any", node.any_), ("none", node.none_), ("of", node.of)):
        for index, child in enumerate(children or ()):
            yield from nodes(child, (*path, key, index))


def sections(policy: Policy) -> Iterator[tuple[Section, Node]]:
    """The criteria trees that the policy has."""
    for section in SECTIONS:
        node: Node | None = getattr(policy, section)
        if node is not None:
            yield section, node


class CompiledPolicy:
    """One version of one policy. In: a file as loaded and the value sets known. Raises PolicyFileError.

    Instances are immutable in use and may be shared between threads.
    """

    def __init__(self, file: PolicyFile, value_sets: ValueSets | None = None) -> None:
        self.file = file
        self.model: Policy = file.policy
        problems = list(_check(self.model, file.source))
        if problems:
            raise PolicyFileError(sorted(problems, key=lambda problem: problem.line))
        model = self.model
        self.facts = {
            name: CompiledFact(name, _counting_everything(fact), value_sets) for name, fact in model.facts.items()
        }
        self.exclude: Tree | None = compile_tree(model.exclude) if model.exclude else None
        self.exempt: Tree | None = compile_tree(model.exempt) if model.exempt else None
        self.criteria: Tree | None = compile_tree(model.criteria) if model.criteria else None
        self.alternatives = tuple(
            CompiledAlternative(rule, Expression(rule.when) if rule.when else None) for rule in model.alternatives
        )
        any_service = model.applies.any_service
        self.services = CodeSet(() if any_service else model.applies.services, value_sets)
        self.diagnoses = CodeSet(model.applies.diagnosis, value_sets)
        self.grant = _grant(model)
        self.modifiers = _modifiers(model)
        counted = model.grant.counted if model.grant is not None else "policy"
        self._groups = () if isinstance(counted, str) else tuple(CodeSet(each, value_sets) for each in counted)
        self._each_code = counted == "code"

    @property
    def counts_siblings(self) -> bool:
        """Whether the grant's maximum counts other services together with the one that is asked for."""
        return self.grant is not None and self.grant.max_quantity is not None and not self._each_code

    def counts_together(self, own: Iterable[Code], other: Iterable[Code]) -> bool:
        """Whether the grant's maximum counts two services (normalized codes) together, ``own`` being one of the policy's."""
        own, other = frozenset(own), frozenset(other)
        if own & other or self._each_code:
            return bool(own & other)
        if not (self.model.applies.any_service or self.services.matches(other)):
            return False
        mine = {n for n, group in enumerate(self._groups) if group.matches(own)}
        theirs = {n for n, group in enumerate(self._groups) if group.matches(other)}
        return not mine or not theirs or bool(mine & theirs)

    @property
    def id(self) -> str:
        return self.model.policy

    @property
    def version(self) -> str:
        return self.model.version

    @property
    def digest(self) -> str:
        return self.file.source.digest

    @property
    def fact_models(self) -> dict[str, Fact]:
        return self.model.facts

    @cached_property
    def whole(self) -> Tree | None:
        """What the answer hangs on as one tree: exempt, or not excluded and the criteria met."""
        met: list[Tree] = []
        if self.exclude is not None:
            met.append(Group(None, "none", 0, (self.exclude,)))
        if self.criteria is not None:
            met.append(self.criteria)
        together: Tree | None = met[0] if len(met) == 1 else Group(None, "all", 0, tuple(met)) if met else None
        if self.exempt is None:
            return together
        return self.exempt if together is None else Group(None, "any", 0, (self.exempt, together))

    @cached_property
    def probe(self) -> Probe:
        trees = [tree for tree in (self.exclude, self.exempt, self.criteria) if tree is not None]
        return Probe.of(trees, self.model.facts)

    @cached_property
    def relevance(self) -> Relevance | None:
        """Which open facts can still change the answer; ``None`` if it hangs on nothing."""
        return Relevance(self.whole, self.probe) if self.whole is not None else None

    @cached_property
    def criteria_of(self) -> dict[str, tuple[str, ...]]:
        """For every fact the ids of the leaves that read it."""
        found: dict[str, list[str]] = {name: [] for name in self.facts}
        for tree in (self.exclude, self.exempt, self.criteria):
            for leaf in leaves(tree) if tree is not None else ():
                for name in leaf.facts:
                    found[name].append(leaf.node.id or "")
        return {name: tuple(dict.fromkeys(ids)) for name, ids in found.items()}

    def in_effect(self, day: date) -> bool:
        """Whether the policy is active and ``day`` lies between its first and last day."""
        effective = self.model.effective
        within = effective.start <= day and (effective.end is None or day <= effective.end)
        return self.model.status == "active" and within


def _counting_everything(fact: Fact) -> Fact:
    """A sum over what was billed counts what is authorized and asked for as well: a limit split over requests is one limit."""
    if fact.take != "sum" or "PayerClaim" not in fact.sources:
        return fact
    return fact.model_copy(update={"sources": tuple(dict.fromkeys((*fact.sources, *PAYER_SOURCES)))})


_LITERAL = re.compile(r"'([0-9A-Z]{2})'", re.ASCII)


def _modifiers(model: Policy) -> frozenset[str]:
    """The modifiers that the policy names: in the facts that read those of the item, and where its criteria compare these."""
    reading = {
        name: f"{fact.value or ''} {fact.where or ''}"
        for name, fact in model.facts.items()
        if "Item" in fact.sources and "modifiers" in f"{fact.value} {fact.where}"
    }
    if not reading:
        return frozenset()
    tests = [node.test for section, root in sections(model) for _, node in nodes(root, (section,)) if node.test]
    about = [test for test in tests if not reading.keys().isdisjoint(Expression(test, facts_only=True).names)]
    return frozenset(found for written in (*reading.values(), *about) for found in _LITERAL.findall(written))


def _grant(model: Policy) -> Grant | None:
    terms = model.grant
    if terms is None:
        return None
    period = Period.parse(terms.period) if terms.period else None
    return Grant(
        period=terms.period,
        period_days=period.days if period else None,
        period_months=period.months if period else None,
        max_quantity=terms.max_quantity,
        unit=terms.unit,
        next_review=terms.next_review,
        note=terms.note,
        fast_path=terms.fast_path,
        on_stop=terms.on_stop,
    )


def _expression(text: str, path: KeyPath, source: Source, declared: frozenset[str], facts_only: bool) -> list[Problem]:
    try:
        expression = Expression(text, facts_only=facts_only)
    except PathSyntaxError as error:
        return [source.problem(path, str(error).splitlines()[0])]
    unknown = [name for name in expression.names if name not in declared]
    hint = f"; declared are {', '.join(sorted(declared))}" if declared else "; the policy declares no facts"
    return [source.problem(path, f"%{name} is not declared under facts{hint}") for name in unknown]


def _check(model: Policy, source: Source) -> Iterator[Problem]:
    declared = frozenset(model.facts)
    nothing: frozenset[str] = frozenset()
    for name, fact in model.facts.items():
        for key, text in (("where", fact.where), ("value", fact.value)):
            if text is not None:
                yield from _expression(text, ("facts", name, key), source, nothing, False)
    seen: dict[str, int] = {}
    for section, root in sections(model):
        for path, node in nodes(root, (section,)):
            if node.test is not None:
                yield from _expression(node.test, (*path, "test"), source, declared, True)
            if node.id is not None:
                line = source.line((*path, "id"))
                if node.id in seen:
                    yield source.problem((*path, "id"), f"{node.id} is already the id of line {seen[node.id]}")
                seen.setdefault(node.id, line)
    yield from _check_counted(model, source)
    for index, rule in enumerate(model.alternatives):
        if rule.when is not None:
            yield from _expression(rule.when, ("alternatives", index, "when"), source, declared, True)


def _check_counted(model: Policy, source: Source) -> Iterator[Problem]:
    """``grant.counted``: there is a maximum, and its lists name services of the policy, each once."""
    counted = model.grant.counted if model.grant is not None else "policy"
    if model.grant is None or counted == "policy":
        return
    path: KeyPath = ("grant", "counted")
    if model.grant.max_quantity is None:
        yield source.problem(path, "counted says what max_quantity counts, and there is no max_quantity")
    written = [pattern for group in counted for pattern in group] if not isinstance(counted, str) else []
    services = () if model.applies.any_service else model.applies.services
    for pattern in dict.fromkeys(written):
        if pattern not in services:
            yield source.problem(path, f"{pattern} does not stand under applies.services")
        if written.count(pattern) > 1:
            yield source.problem(path, f"{pattern} stands in more than one list")
