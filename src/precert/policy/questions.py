"""Ask only what can still change the answer.

For every unknown fact that somebody could supply: is there a value of it, for some values (or continued absence) of
the other such facts, that changes the result of the whole tree? If not, it is not asked. Source: docs/policies.md
("unknown is never false").

How: every open fact takes the values that its criteria can tell apart (true and false; each literal that it is compared
with, and one value in every gap between them), or stays unknown. Facts that occur in several leaves are fixed to each
combination in turn; with those fixed, leaves are independent of each other and possible results combine upwards as
small sets. That is exact. Two cases are answered "ask" without proof: a leaf that compares facts with each other or
uses FHIRPath beyond the native part, and more shared facts than ``_BUDGET`` combinations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import Any

from precert.policy.logic import Group, Leaf, Tree, Truth, combine, leaves
from precert.policy.model import Fact

_BUDGET = 4_000
_LITERAL = r"-?\d+(?:\.\d+)?|'[^'\\]*'|true|false"
_SIDE = r"(?:<=|>=|!=|=|<|>|in\b)"
_COMPARISON = re.compile(rf"%(\w+)\s*{_SIDE}\s*(\((?:{_LITERAL})(?:\s*\|\s*(?:{_LITERAL}))*\)|{_LITERAL})(?!\s*[-+.])")
_REVERSED = re.compile(rf"(?<![-+.\w])({_LITERAL})\s*{_SIDE}\s*%(\w+)")
_PLAIN = re.compile(r"%(\w+)")
_ONE = re.compile(_LITERAL)

Pair = tuple[Truth, Truth]
Env = Mapping[str, Any]


def _literal(written: str) -> Any:
    if written in ("true", "false"):
        return written == "true"
    if written.startswith("'"):
        return written[1:-1]
    return Decimal(written)


def comparisons(leaf: Leaf) -> dict[str, list[Any]] | None:
    """The literals that each fact of the leaf is compared with (none: used as a boolean); ``None`` if not that simple."""
    if not leaf.expression.native:
        return None
    found: dict[str, list[Any]] = {name: [] for name in leaf.facts}
    rest = leaf.expression.text
    for match in _COMPARISON.finditer(leaf.expression.text):
        found[match[1]].extend(_literal(one) for one in _ONE.findall(match[2]))
    rest = _COMPARISON.sub(" ", rest)
    for match in _REVERSED.finditer(rest):
        found[match[2]].append(_literal(match[1]))
    rest = _REVERSED.sub(" ", rest)
    if re.search(r"[<>=+-]|\bin\b|\bcontains\b", rest):
        return None
    for name in _PLAIN.findall(rest):
        found[name].append(True)
    return found


def samples(kind: str, literals: Iterable[Any], options: Sequence[str] = ()) -> list[Any]:
    """One value for everything that comparisons with ``literals`` can tell apart, for answers of type ``kind``."""
    if kind == "boolean":
        return [True, False]
    if kind in ("decimal", "integer"):
        points = sorted({Decimal(x) for x in literals if isinstance(x, (int, Decimal)) and not isinstance(x, bool)})
        if kind == "integer":
            near = {int(p) + step for p in points for step in (-1, 0, 1)} or {0}
            return sorted(near)
        gaps = [(a + b) / 2 for a, b in pairwise(points)]
        return [points[0] - 1, *points, *gaps, points[-1] + 1] if points else [Decimal(0)]
    words = [x for x in literals if isinstance(x, str)]
    if options:
        return list(dict.fromkeys((*options,)))
    if kind == "date":
        return list(dict.fromkeys((*words, "1900-01-01", "2999-12-31")))
    return list(dict.fromkeys((*words, "\x00other")))


@dataclass(frozen=True, slots=True)
class Probe:
    """The parts of a tree's leaves that do not change between lines; make it once per policy."""

    literals: Mapping[str, tuple[Any, ...]]
    opaque: frozenset[Leaf]

    @classmethod
    def of(cls, trees: Iterable[Tree]) -> Probe:
        literals: dict[str, list[Any]] = {}
        opaque: set[Leaf] = set()
        for tree in trees:
            for leaf in leaves(tree):
                simple = comparisons(leaf)
                if simple is None:
                    opaque.add(leaf)
                    continue
                for name, values in simple.items():
                    literals.setdefault(name, []).extend(values)
        return cls({name: tuple(values) for name, values in literals.items()}, frozenset(opaque))


class _Search:
    def __init__(self, tree: Tree, env: Env, free: Sequence[str], facts: Mapping[str, Fact], probe: Probe) -> None:
        self.tree = tree
        self.env = dict(env)
        self.opaque = probe.opaque
        self.values: dict[str, list[Any]] = {}
        for name in free:
            ask = facts[name].ask
            kind, options = (ask.type, ask.options) if ask else ("boolean", ())
            literals = probe.literals.get(name, ())
            if ask is None and any(not isinstance(x, bool) for x in literals):
                kind = "text" if any(isinstance(x, str) for x in literals) else "decimal"
            self.values[name] = samples(kind, literals, options)
        self.parts = {leaf: tuple(n for n in leaf.facts if n in self.values) for leaf in leaves(tree)}
        uses = [name for names in self.parts.values() for name in names]
        self.shared = [name for name in self.values if uses.count(name) > 1]
        while prod(len(self.values[n]) + 1 for n in self.shared) > _BUDGET:
            self.shared.pop()  # treated as independent in each leaf: may ask too much, never too little

    def relevant(self) -> Iterator[str]:
        for name in self.values:
            if self._relevant(name):
                yield name

    def _relevant(self, name: str) -> bool:
        home = [leaf for leaf, names in self.parts.items() if name in names]
        if not home:
            return False
        fixed = [other for other in self.shared if other != name]
        probes = [[value] for value in self.values[name]] if name in self.shared else [self.values[name]]
        for combination in product(*([None, *self.values[other]] for other in fixed)):
            base = {**self.env, **dict(zip(fixed, combination, strict=True))}
            for values in probes:
                if any(a is not b for a, b in self._pairs(self.tree, base, name, values, frozenset(fixed))):
                    return True
        return False

    def _pairs(self, tree: Tree, base: Env, name: str, values: list[Any], fixed: frozenset[str]) -> set[Pair]:
        """All pairs (result with ``name`` unknown, result with one of ``values``) that the open facts allow."""
        if isinstance(tree, Leaf):
            return self._leaf_pairs(tree, base, name, values, fixed)
        parts = [self._pairs(child, base, name, values, fixed) for child in tree.children]
        return _fold(tree, parts)

    def _leaf_pairs(self, leaf: Leaf, base: Env, name: str, values: list[Any], fixed: frozenset[str]) -> set[Pair]:
        names = self.parts[leaf]
        others = [n for n in names if n != name and n not in fixed]
        size = prod(len(self.values[n]) + 1 for n in others) * (len(values) if name in names else 1)
        if names and (leaf in self.opaque or size > _BUDGET):
            if name in names:
                return {(None, True), (None, False), (None, None)}
            return {(v, v) for v in (True, False, None)}
        env = dict(base)
        pairs: set[Pair] = set()
        for combination in product(*([None, *self.values[n]] for n in others)):
            env.update(zip(others, combination, strict=True))
            env[name] = None
            before = leaf.truth(env)[0]
            if name not in names:
                pairs.add((before, before))
                continue
            for value in values:
                env[name] = value
                pairs.add((before, leaf.truth(env)[0]))
        return pairs


def _fold(group: Group, parts: list[set[Pair]]) -> set[Pair]:
    if group.operator == "at_least":
        # (true, unknown) counts on both sides
        states = {(0, 0, 0, 0)}
        for part in parts:
            states = {
                (a + (x is True), b + (x is None), c + (y is True), d + (y is None))
                for a, b, c, d in states
                for x, y in part
            }
        return {(_counted(group.count, a, b), _counted(group.count, c, d)) for a, b, c, d in states}
    inner = "any" if group.operator == "none" else group.operator
    start = inner == "all"
    folded: set[Pair] = {(start, start)}
    for part in parts:
        folded = {(combine(inner, 0, (a, x)), combine(inner, 0, (b, y))) for a, b in folded for x, y in part}
    if group.operator == "none":
        return {(combine("none", 0, (a,)), combine("none", 0, (b,))) for a, b in folded}
    return folded


def _counted(count: int, true: int, unknown: int) -> Truth:
    return True if true >= count else None if true + unknown >= count else False


def relevant(tree: Tree, env: Env, free: Sequence[str], facts: Mapping[str, Fact], probe: Probe) -> tuple[str, ...]:
    """Those of the unknown facts ``free`` whose value can change the result of ``tree``, in the given order.

    In: ``env`` has every fact of the tree (``None`` = unknown); facts that are unknown but not in ``free`` stay so.
    """
    return tuple(_Search(tree, env, free, facts, probe).relevant())
