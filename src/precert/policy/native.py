"""Common criteria as Python closures: the everyday part of FHIRPath, some thirty times faster than interpreting it.

Covered: ``%facts``, literals, ``and or xor implies``, comparisons, ``in`` a list of literals, ``+`` and ``-``,
``.not()``, and plain member paths with ``.first()``. Everything else is left to fhirpathpy, either when compiling
(:class:`NotNative`) or, for values that only the interpreter handles (collections of several, types of the FHIR
model), while running (:class:`precert.policy.closures.Fallback`). tests/policy proves that both agree.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NoReturn

from precert.policy.closures import (
    Closure,
    add,
    both,
    compare,
    constant,
    contains,
    either,
    equal,
    exclusive,
    first,
    implies,
    member_of,
    members,
    negate,
    negation,
    subtract,
    variable,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>'[^'\\]*')|%(?P<fact>[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<op><=|>=|!=|[=<>().|+{}-]))"
)
_WORDS = frozenset({"and", "or", "xor", "implies", "in", "contains", "is", "as", "div", "mod", "true", "false"})


class NotNative(Exception):
    """The expression is outside the covered part; interpret it."""


class _Parser:
    """Recursive descent by FHIRPath's precedence, loosest first. Raises NotNative at the first thing not covered."""

    def __init__(self, expression: str, facts_only: bool) -> None:
        self.tokens = list(self._tokenize(expression))
        self.at = 0
        self.facts: list[str] = []
        self.facts_only = facts_only

    @staticmethod
    def _tokenize(expression: str) -> Any:
        at, end = 0, len(expression.rstrip())
        while at < end:
            match = _TOKEN.match(expression, at)
            if match is None:
                raise NotNative(expression[at : at + 20])
            yield match.lastgroup, match[match.lastgroup or 0]
            at = match.end()

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *options: str) -> str | None:
        kind, text = self.peek()
        if kind in ("op", "word") and text in options:
            self.at += 1
            return text
        return None

    def fail(self) -> NoReturn:
        raise NotNative(f"at {self.peek()[1]!r}")

    def parse(self) -> Closure:
        closure = self.implies()
        if self.peek()[0] != "end":
            self.fail()
        return closure

    def implies(self) -> Closure:
        left = self.disjunction()
        while self.take("implies"):
            left = implies(left, self.disjunction())
        return left

    def disjunction(self) -> Closure:
        left = self.conjunction()
        while operator := self.take("or", "xor"):
            left = (either if operator == "or" else exclusive)(left, self.conjunction())
        return left

    def conjunction(self) -> Closure:
        left = self.membership()
        while self.take("and"):
            left = both(left, self.membership())
        return left

    def membership(self) -> Closure:
        left = self.equality()
        if self.take("in"):
            return member_of(left, self.literals())
        if self.take("contains"):
            members = self.literals()
            if len(members) != 1:
                self.fail()
            return contains(left, members[0])
        return left

    def equality(self) -> Closure:
        left = self.inequality()
        if operator := self.take("=", "!="):
            return equal(left, self.inequality(), operator == "=")
        return left

    def inequality(self) -> Closure:
        left = self.sum()
        if operator := self.take("<", "<=", ">", ">="):
            return compare(left, self.sum(), operator)
        return left

    def sum(self) -> Closure:
        left = self.unary()
        while operator := self.take("+", "-"):
            left = (add if operator == "+" else subtract)(left, self.unary())
        return left

    def unary(self) -> Closure:
        if self.take("-"):
            return negate(self.postfix())
        return self.postfix()

    def postfix(self) -> Closure:
        term = self.term()
        while self.take("."):
            kind, text = self.peek()
            self.at += 1
            if kind != "word" or not self.take("(") or not self.take(")"):
                self.fail()
            if text == "not":
                term = negation(term)
            elif text == "first":
                term = first(term)
            else:
                self.fail()
        return term

    def term(self) -> Closure:
        kind, text = self.peek()
        if kind == "fact":
            self.at += 1
            self.facts.append(text)
            return variable(text)
        if kind == "word" and text not in _WORDS:
            return self.path()
        if self.take("{"):
            if not self.take("}"):
                self.fail()
            return constant(None)
        if self.take("("):
            inner = self.implies()
            if not self.take(")"):
                self.fail()
            return inner
        return constant(self.literal())

    def path(self) -> Closure:
        """Member names up to the first function call; a name that may be a type (upper case) is not covered."""
        if self.facts_only:
            self.fail()
        steps: list[str] = []
        while True:
            kind, text = self.peek()
            following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
            if kind != "word" or text in _WORDS or not text[0].islower() or following == "(":
                break
            steps.append(text)
            self.at += 1
            if following != ".":
                return members(tuple(steps))
            self.at += 1
        if not steps or kind != "word" or following != "(":
            self.fail()
        self.at -= 1  # give the dot back to postfix
        return members(tuple(steps))

    def literals(self) -> tuple[Any, ...]:
        if not self.take("("):
            return (self.literal(),)
        members = [self.literal()]
        while self.take("|"):
            members.append(self.literal())
        if not self.take(")"):
            self.fail()
        return tuple(members)

    def literal(self) -> Any:
        kind, text = self.peek()
        self.at += 1
        if kind == "number":
            number = Decimal(text)
            return int(number) if number == int(number) else number
        if kind == "string":
            return text[1:-1]
        if kind == "word" and text in ("true", "false"):
            return text == "true"
        self.at -= 1
        return self.fail()


def compile_native(expression: str, *, facts_only: bool = True) -> Closure:
    """A closure for ``expression``. In: FHIRPath text; with ``facts_only`` member paths are refused.

    Out: a callable from an environment (every ``%name`` used, and ``FOCUS``) to a collection as described above.
    Raises NotNative when the expression is not covered; the closure may raise Fallback or ExpressionError.
    """
    return _Parser(expression, facts_only).parse()
