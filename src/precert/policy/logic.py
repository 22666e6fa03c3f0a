"""Three-valued criteria: Kleene's logic, compiled trees, and what makes a tree false.

``True``, ``False`` and ``None`` (unknown). False needs a present value: an unknown fact is an empty variable, and an
expression that cannot be evaluated is unknown with its error, never false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from precert.policy.closures import ExpressionError
from precert.policy.expression import Expression
from precert.policy.model import Node
from precert.policy.types import CriterionResult

Truth = bool | None
Operator = Literal["all", "any", "none", "at_least"]
Env = Mapping[str, Any]


def kleene_not(value: Truth) -> Truth:
    return None if value is None else not value


def kleene_all(values: Iterable[Truth]) -> Truth:
    """False if any is false, else unknown if any is unknown, else true (also for nothing at all)."""
    result: Truth = True
    for value in values:
        if value is False:
            return False
        if value is None:
            result = None
    return result


def kleene_any(values: Iterable[Truth]) -> Truth:
    """True if any is true, else unknown if any is unknown, else false (also for nothing at all)."""
    result: Truth = False
    for value in values:
        if value is True:
            return True
        if value is None:
            result = None
    return result


def kleene_at_least(count: int, values: Iterable[Truth]) -> Truth:
    """True once ``count`` are true, false once they cannot be any more, else unknown."""
    true = unknown = 0
    for value in values:
        true += value is True
        unknown += value is None
    if true >= count:
        return True
    return None if true + unknown >= count else False


def combine(operator: Operator, count: int, values: Iterable[Truth]) -> Truth:
    if operator == "all":
        return kleene_all(values)
    if operator == "any":
        return kleene_any(values)
    if operator == "none":
        return kleene_not(kleene_any(values))
    return kleene_at_least(count, values)


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A compiled leaf. Identity matters, not equality: two leaves may say the same."""

    node: Node
    expression: Expression

    @property
    def facts(self) -> tuple[str, ...]:
        return self.expression.names

    def truth(self, env: Env) -> tuple[Truth, str | None]:
        """The result and, if it could not be worked out, why."""
        try:
            return self.expression.truth(env), None
        except ExpressionError as error:
            return None, str(error)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A compiled group."""

    node: Node | None
    operator: Operator
    count: int
    children: tuple[Tree, ...]


Tree = Leaf | Group


def compile_tree(node: Node) -> Tree:
    """A tree from its model. Raises precert.fhir.path.PathSyntaxError (see :func:`expressions` for checked use)."""
    if node.test is not None:
        return Leaf(node, Expression(node.test))
    children = tuple(map(compile_tree, node.children))
    if node.all_ is not None:
        return Group(node, "all", 0, children)
    if node.any_ is not None:
        return Group(node, "any", 0, children)
    if node.none_ is not None:
        return Group(node, "none", 0, children)
    return Group(node, "at_least", node.at_least or 0, children)


def leaves(tree: Tree) -> Iterator[Leaf]:
    if isinstance(tree, Leaf):
        yield tree
    else:
        for child in tree.children:
            yield from leaves(child)


class Evaluated:
    """One evaluation of a tree: the result of every node, and the errors of leaves."""

    __slots__ = ("errors", "tree", "truths")

    def __init__(self, tree: Tree, env: Env) -> None:
        self.tree = tree
        self.truths: dict[Tree, Truth] = {}
        self.errors: dict[Leaf, str] = {}
        self._visit(tree, env)

    @property
    def truth(self) -> Truth:
        return self.truths[self.tree]

    def _visit(self, tree: Tree, env: Env) -> Truth:
        truth: Truth
        if isinstance(tree, Leaf):
            truth, error = tree.truth(env)
            if error is not None:
                self.errors[tree] = error
        else:  # every child is visited: the trace shows all of them
            truth = combine(tree.operator, tree.count, [self._visit(child, env) for child in tree.children])
        self.truths[tree] = truth
        return truth

    def decisive(self, tree: Tree | None = None) -> Iterator[Leaf]:
        """The leaves that make the tree what it is: for false, the minimal reasons; for true, what carries it."""
        tree = self.tree if tree is None else tree
        truth = self.truths[tree]
        if isinstance(tree, Leaf):
            yield tree
            return
        if tree.operator == "none":
            wanted = kleene_not(truth)
        else:
            wanted = truth
        for child in tree.children:
            if self.truths[child] is wanted:
                yield from self.decisive(child)

    def results(self) -> Iterator[CriterionResult]:
        """Every leaf, and every group that has an id, parents before children."""
        return self._results(self.tree)

    def _results(self, tree: Tree) -> Iterator[CriterionResult]:
        node = tree.node
        if isinstance(tree, Leaf):
            yield CriterionResult(
                id=tree.node.id or "",
                text=tree.node.text or tree.expression.text,
                result=self.truths[tree],
                cite=tree.node.cite,
                why_not=tree.node.why_not,
                admin=tree.node.admin,
                facts=tree.facts,
                error=self.errors.get(tree),
            )
            return
        if node is not None and node.id is not None:
            yield CriterionResult(
                id=node.id,
                text=node.text or tree.operator,
                result=self.truths[tree],
                cite=node.cite,
                why_not=node.why_not,
                admin=node.admin,
                group=True,
            )
        for child in tree.children:
            yield from self._results(child)
