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
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import Any

from precert.policy.logic import Group, Leaf, Tree, Truth, combine, leaves
from precert.policy.model import Fact

_BUDGET = 4_000
_ANYTHING: frozenset[Truth] = frozenset({True, False, None})
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


def _classes(values: Sequence[Any], literals: Sequence[Any]) -> tuple[int, ...]:
    """For each value the position of the first one that comparisons with ``literals`` cannot tell from it."""
    first: dict[Any, int] = {}
    return tuple(first.setdefault(signature(value, literals), at) for at, value in enumerate(values))


def signature(value: Any, literals: Sequence[Any]) -> Hashable:
    """What comparisons with ``literals`` can say of ``value``: the same for values that they cannot tell apart."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):  # also several values, and none
        return repr(value)
    if any(isinstance(it, bool) or isinstance(it, str) is not isinstance(value, str) for it in literals):
        return repr(value)
    return tuple((value < literal, value == literal) for literal in literals)


@dataclass(frozen=True, slots=True)
class Probe:
    """What does not change between lines; made once per policy.

    ``values`` are the values to try for each fact, the first being "still unknown"; ``classes`` says for each leaf
    which of them look alike to it (``None``: nothing is known about that leaf); ``literals`` is what each fact is
    compared with in any of the known leaves.
    """

    literals: Mapping[str, tuple[Any, ...]]
    values: Mapping[str, tuple[Any, ...]]
    classes: Mapping[Leaf, Mapping[str, tuple[int, ...]] | None]

    @classmethod
    def of(cls, trees: Iterable[Tree], facts: Mapping[str, Fact]) -> Probe:
        compared = {leaf: comparisons(leaf) for tree in trees for leaf in leaves(tree)}
        literals: dict[str, list[Any]] = {name: [] for name in facts}
        for found in compared.values():
            for name, written in (found or {}).items():
                literals[name].extend(written)
        values = {name: (None, *_tried(fact, literals[name])) for name, fact in facts.items()}
        classes = {
            leaf: None if found is None else {name: _classes(values[name], lits) for name, lits in found.items()}
            for leaf, found in compared.items()
        }
        return cls({name: tuple(found) for name, found in literals.items()}, values, classes)

    @property
    def opaque(self) -> tuple[Leaf, ...]:
        """The leaves that are not worked out."""
        return tuple(leaf for leaf, found in self.classes.items() if found is None)


def _tried(fact: Fact, literals: Sequence[Any]) -> list[Any]:
    if fact.ask is not None:
        return samples(fact.ask.type, literals, fact.ask.options)
    if any(isinstance(literal, str) for literal in literals):
        return samples("text", literals)
    numeric = any(not isinstance(literal, bool) for literal in literals)
    return samples("decimal" if numeric else "boolean", literals)


class _Table:
    """One leaf worked out for every combination of its open facts.

    ``names`` are the facts that make a difference in this leaf, whatever the others are. ``rows`` is ``None`` for a
    leaf that is not worked out; it may then become anything. ``alike`` maps each value's position to the one that
    stands for it in ``rows``.
    """

    __slots__ = ("alike", "names", "rows")

    def __init__(self, leaf: Leaf, env: Env, free: Collection[str], probe: Probe) -> None:
        self.names = tuple(name for name in leaf.facts if name in free)
        self.rows: dict[tuple[int, ...], Truth] | None = None
        self.alike = probe.classes[leaf] or {}
        if probe.classes[leaf] is None:
            return
        distinct = [sorted(set(self.alike[name])) for name in self.names]
        if prod(map(len, distinct)) > _BUDGET:
            return
        rows: dict[tuple[int, ...], Truth] = {}
        inside = dict(env)
        for row in product(*distinct):
            for name, at in zip(self.names, row, strict=True):
                inside[name] = probe.values[name][at]
            rows[row] = leaf.truth(inside)[0]
        for position in reversed(range(len(self.names))):
            if all(rows[(*row[:position], 0, *row[position + 1 :])] is truth for row, truth in rows.items()):
                self.names = self.names[:position] + self.names[position + 1 :]
                rows = {row[:position] + row[position + 1 :]: v for row, v in rows.items() if row[position] == 0}
        self.rows = rows

    def choices(self, name: str, fixed: Mapping[str, int]) -> Sequence[int]:
        """The rows' positions for one fact: the fixed one, or all that differ."""
        alike = self.alike[name]
        return (alike[fixed[name]],) if name in fixed else tuple(set(alike))


class _Search:
    def __init__(self, tree: Tree, env: Env, free: Sequence[str], probe: Probe) -> None:
        self.tree = tree
        self.free = free
        self.sizes = {name: len(probe.values[name]) for name in free}
        self.tables = {leaf: _Table(leaf, env, self.sizes, probe) for leaf in leaves(tree)}
        uses = [name for table in self.tables.values() for name in table.names]
        self.shared = [name for name in free if uses.count(name) > 1]
        while prod(self.sizes[name] for name in self.shared) > _BUDGET:
            self.shared.pop()  # treated as independent in each leaf: may ask too much, never too little
        self.inside: dict[Tree, frozenset[str]] = {}
        self._collect(tree)
        self.known: dict[tuple[Tree, tuple[int, ...]], frozenset[Truth]] = {}

    def _collect(self, tree: Tree) -> frozenset[str]:
        if isinstance(tree, Leaf):
            found = frozenset(self.tables[tree].names)
        else:
            found = frozenset().union(*map(self._collect, tree.children))
        self.inside[tree] = found
        return found

    def relevant(self) -> Iterator[str]:
        return (name for name in self.free if name in self.inside[self.tree] and self._relevant(name))

    def _relevant(self, name: str) -> bool:
        others = [other for other in self.shared if other != name]
        every = range(1, self.sizes[name])
        probes = [(at,) for at in every] if name in self.shared else [tuple(every)]
        for row in product(*(range(self.sizes[other]) for other in others)):
            fixed = dict(zip(others, row, strict=True))
            for values in probes:
                if any(a is not b for a, b in self._pairs(self.tree, name, values, fixed)):
                    return True
        return False

    def _truths(self, tree: Tree, fixed: Mapping[str, int]) -> frozenset[Truth]:
        """What the tree can become, with the shared facts fixed."""
        key = tree, tuple(fixed[name] for name in self.shared if name in self.inside[tree])
        found = self.known.get(key)
        if found is None:
            if isinstance(tree, Leaf):
                rows = self.tables[tree].rows
                found = _ANYTHING if rows is None else frozenset(rows[row] for row in self._rows(tree, fixed))
            else:
                parts = [{(v, v) for v in self._truths(child, fixed)} for child in tree.children]
                found = frozenset(a for a, _ in _fold(tree, parts))
            self.known[key] = found
        return found

    def _rows(self, leaf: Leaf, fixed: Mapping[str, int]) -> Iterator[tuple[int, ...]]:
        table = self.tables[leaf]
        return product(*(table.choices(name, fixed) for name in table.names))

    def _pairs(self, tree: Tree, name: str, values: tuple[int, ...], fixed: Mapping[str, int]) -> set[Pair]:
        """All pairs (result with ``name`` unknown, result with one of ``values``) that the open facts allow."""
        if name not in self.inside[tree]:
            return {(v, v) for v in self._truths(tree, fixed)}
        if isinstance(tree, Group):
            return _fold(tree, [self._pairs(child, name, values, fixed) for child in tree.children])
        table = self.tables[tree]
        if table.rows is None:
            return {(None, True), (None, False), (None, None)}
        at = table.names.index(name)
        alike = {table.alike[name][value] for value in values}
        return {
            (table.rows[row], table.rows[(*row[:at], value, *row[at + 1 :])])
            for row in self._rows(tree, {**fixed, name: 0})
            for value in alike
        }


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


def relevant(tree: Tree, env: Env, free: Sequence[str], probe: Probe) -> tuple[str, ...]:
    """Those of the unknown facts ``free`` whose value can change the result of ``tree``, in the given order.

    In: ``env`` has every fact of the tree (``None`` = unknown); facts that are unknown but not in ``free`` stay so.
    ``probe`` was made from trees that include this one's leaves.
    """
    return tuple(_Search(tree, env, free, probe).relevant())
