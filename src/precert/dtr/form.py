"""A policy version as a form: groups by who can answer, questions in the order of the criteria. Neither wire nor version.

Source: DTR spec-17 (only questions that are needed), spec-22 (clinical first); docs/policies.md ("ask").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, Protocol

from precert.authorization.deciding.answers import ADAPTIVE_SUFFIX
from precert.dtr.population import Population, population
from precert.policy.answer_reading import Kind, QuestionRule
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.logic import leaves
from precert.policy.question_conditions import Shown, required_facts, shown_when

Who = Literal["clinical", "admin", "patient"]

TITLES: dict[Who, str] = {
    "clinical": "For the clinician",
    "admin": "For the office",
    "patient": "For the patient",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``rule`` is what an answer has to be, ``shown`` says when it is put (``None``: always)."""

    rule: QuestionRule
    text: str
    who: Who
    required: bool
    number: int
    help: str | None = None
    cites: tuple[str, ...] = ()
    shown: Shown | None = None

    @property
    def link_id(self) -> str:
        """The fact's name."""
        return self.rule.link_id

    @property
    def kind(self) -> Kind:
        return self.rule.kind

    @property
    def unit(self) -> str | None:
        return self.rule.unit

    @property
    def options(self) -> tuple[str, ...]:
        return self.rule.options


@dataclass(frozen=True, slots=True)
class Group:
    """The questions for one kind of person."""

    who: Who
    items: tuple[Item, ...]

    @property
    def link_id(self) -> str:
        return f"group-{self.who}"  # a hyphen stands in no fact's name

    @property
    def title(self) -> str:
        return TITLES[self.who]


class Questions(Protocol):
    """What a questionnaire's extensions are made from."""

    @property
    def items(self) -> Mapping[str, Item]: ...
    @property
    def groups(self) -> Sequence[Group]: ...


class Form:
    """Everything about one policy version that its questionnaires are made of; immutable, made once and shared."""

    def __init__(self, policy: CompiledPolicy, value_sets: ValueSets | None = None) -> None:
        self.policy = policy
        self._value_sets = dict(value_sets or {})

    @property
    def id(self) -> str:
        return self.policy.id

    @property
    def version(self) -> str:
        return self.policy.version

    @property
    def title(self) -> str:
        return self.policy.model.title

    @property
    def changed(self) -> date:
        """The last day on which something about it changed for its readers: approved, or come into effect."""
        model = self.policy.model
        approved = model.approved.date if model.approved else model.effective.start
        return max(approved, model.effective.start)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        order = _order(self.policy)
        shown = shown_when(self.policy, order)
        required = required_facts(self.policy)
        items = [
            _item(self.policy, name, number, name in required, shown.get(name))
            for number, name in enumerate(order, start=1)
        ]
        listed = (Group(who, tuple(item for item in items if item.who == who)) for who in TITLES)
        return tuple(group for group in listed if group.items)

    @cached_property
    def items(self) -> dict[str, Item]:
        """The questions by linkId, in the order in which they are asked."""
        return {item.link_id: item for group in self.groups for item in group.items}

    @cached_property
    def population(self) -> Population:
        """What a chart can answer of it."""
        units = {link_id: item.unit if item.kind == "quantity" else None for link_id, item in self.items.items()}
        return population(self.policy, units, self._value_sets)

    @property
    def library_name(self) -> str:
        """``OxygenHome`` for ``oxygen-home``: a CQL identifier, unique among our policies."""
        return "".join(part[:1].upper() + part[1:] for part in f"form-{self.id}".split("-")[1:]) or "Form"

    @property
    def adaptive_id(self) -> str:
        return f"{self.id}{ADAPTIVE_SUFFIX}"


def _order(policy: CompiledPolicy) -> list[str]:
    """Askable facts as the criteria read them, by group; facts that no criterion reads are not asked."""
    read: dict[str, None] = {}
    for tree in (policy.exclude, policy.exempt, policy.criteria):
        for leaf in leaves(tree) if tree is not None else ():
            read.update(dict.fromkeys(leaf.facts))
    asked = {name: ask for name in read if (ask := policy.fact_models[name].ask) is not None}
    return [name for who in TITLES for name, ask in asked.items() if ask.who == who]


def _item(policy: CompiledPolicy, name: str, number: int, required: bool, shown: Shown | None) -> Item:
    ask, rule = policy.fact_models[name].ask, policy.facts[name].question
    assert ask is not None
    assert rule is not None
    return Item(
        rule=rule,
        text=ask.text,
        who=ask.who,
        required=required,
        number=number,
        help=ask.help,
        cites=tuple(dict.fromkeys(_cites(policy, name))),
        shown=shown,
    )


def _cites(policy: CompiledPolicy, name: str) -> Iterator[str]:
    for tree in (policy.exclude, policy.exempt, policy.criteria):
        for leaf in leaves(tree) if tree is not None else ():
            if name in leaf.facts and leaf.node.text:
                yield f"{leaf.node.text} ({leaf.node.cite})" if leaf.node.cite else leaf.node.text
