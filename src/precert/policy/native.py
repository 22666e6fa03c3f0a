"""Common criteria as Python closures: the everyday part of FHIRPath, some fifty times faster than interpreting it.

Covered: ``%facts``, literals, ``and or xor implies``, comparisons, ``in`` a list of literals, ``+`` and ``-``,
``.not()``, and plain member paths with ``.first()``. Everything else is left to fhirpathpy, either when compiling
(:class:`NotNative`) or, for values that only the interpreter handles (collections of several, types of the FHIR
model), while running (:class:`Fallback`). tests/policy proves that both give the same results.

A collection is represented as ``None`` (empty), a plain value (one member) or a tuple (several).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

Env = Mapping[str, Any]
Closure = Callable[[Env], Any]

FOCUS = ""
"""The key in the environment under which the resource stands that member paths start from."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>'[^'\\]*')|%(?P<fact>[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<op><=|>=|!=|[=<>().|+{}-]))"
)
_DATE_LIKE = re.compile(r"@?\d{4}(-\d\d|$)|T\d\d")
_WORDS = frozenset({"and", "or", "xor", "implies", "in", "contains", "is", "as", "div", "mod", "true", "false"})


class NotNative(Exception):
    """The expression is outside the covered part; interpret it."""


class Fallback(Exception):
    """These values are outside the covered part; interpret this time."""


class ExpressionError(Exception):
    """Evaluation failed as FHIRPath prescribes (for example comparing text with a number)."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """A value that both engines treat alike; Fallback otherwise."""
    kind = type(value)
    if kind is bool or kind is int or kind is Decimal or kind is str:
        return value
    raise Fallback


def _boolean(value: Any) -> bool | None:
    if value is None or value is True or value is False:
        return value
    _plain(value)
    raise ExpressionError(f"expected true or false, found {value!r}")


def _and(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is False or b is False:
            return False
        return None if a is None or b is None else True

    return run


def _or(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is True or b is True:
            return True
        return None if a is None or b is None else False

    return run


def _xor(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        return None if a is None or b is None else a is not b

    return run


def _implies(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is False or b is True:
            return True
        return None if a is None or b is None else False

    return run


def _equal(left: Closure, right: Closure, positive: bool) -> Closure:
    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        return (_plain(a) == _plain(b)) is positive

    return run


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _compare(left: Closure, right: Closure, operator: str) -> Closure:
    compare = _COMPARE[operator]

    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        a, b = _plain(a), _plain(b)
        if type(a) is not type(b) and not (_is_number(a) and _is_number(b)):
            raise ExpressionError(f"cannot compare {a!r} with {b!r}")
        return compare(a, b)

    return run


def _add(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        a, b = _plain(a), _plain(b)
        if (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str)):
            return a + b
        raise ExpressionError(f"cannot add {a!r} and {b!r}")

    return run


def _subtract(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        a, b = _plain(a), _plain(b)
        if _is_number(a) and _is_number(b):
            return a - b
        raise ExpressionError(f"cannot subtract {b!r} from {a!r}")

    return run


def _negate(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        if a is None or not _is_number(_plain(a)):
            raise ExpressionError("a minus sign needs one number")
        return -a

    return run


def _not(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        if a is None:
            return None
        return a is False if isinstance(a, bool) else _plain(a) is None  # one member that is no boolean counts as true

    return run


def _in(left: Closure, members: tuple[Any, ...]) -> Closure:
    def run(env: Env) -> Any:
        a = left(env)
        return None if a is None else _plain(a) in members

    return run


def _contains(left: Closure, member: Any) -> Closure:
    def run(env: Env) -> Any:
        a = left(env)
        if a is None:
            return False
        return member in (a if isinstance(a, tuple) else (_plain(a),))

    return run


def _constant(value: Any) -> Closure:
    return lambda env: value


def _variable(name: str) -> Closure:
    def run(env: Env) -> Any:
        return env[name]

    return run


def _collect(found: list[Any]) -> Any:
    if not found:
        return None
    return found[0] if len(found) == 1 else tuple(found)


def _members(steps: tuple[str, ...]) -> Closure:
    """A path of member names from the focus. Choice types, primitive extensions and dates are left to the interpreter."""

    def run(env: Env) -> Any:
        level = [env[FOCUS]]
        for step in steps:
            below: list[Any] = []
            for element in level:
                if not isinstance(element, dict):
                    raise Fallback
                value = element.get(step)
                if value is None:
                    if f"_{step}" in element or any(k.startswith(step) for k in element):
                        raise Fallback  # value[x], or a primitive of which only the extension is there
                elif isinstance(value, list):
                    below.extend(value)
                else:
                    below.append(value)
                if f"_{step}" in element:
                    raise Fallback
            level = below
        for value in level:
            if value is None or isinstance(value, float) or (isinstance(value, str) and _DATE_LIKE.match(value)):
                raise Fallback
        return _collect(level)

    return run


def _first(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        return a[0] if isinstance(a, tuple) else a

    return run


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
            left = _implies(left, self.disjunction())
        return left

    def disjunction(self) -> Closure:
        left = self.conjunction()
        while operator := self.take("or", "xor"):
            left = (_or if operator == "or" else _xor)(left, self.conjunction())
        return left

    def conjunction(self) -> Closure:
        left = self.membership()
        while self.take("and"):
            left = _and(left, self.membership())
        return left

    def membership(self) -> Closure:
        left = self.equality()
        if self.take("in"):
            return _in(left, self.literals())
        if self.take("contains"):
            members = self.literals()
            if len(members) != 1:
                self.fail()
            return _contains(left, members[0])
        return left

    def equality(self) -> Closure:
        left = self.inequality()
        if operator := self.take("=", "!="):
            return _equal(left, self.inequality(), operator == "=")
        return left

    def inequality(self) -> Closure:
        left = self.sum()
        if operator := self.take("<", "<=", ">", ">="):
            return _compare(left, self.sum(), operator)
        return left

    def sum(self) -> Closure:
        left = self.unary()
        while operator := self.take("+", "-"):
            left = (_add if operator == "+" else _subtract)(left, self.unary())
        return left

    def unary(self) -> Closure:
        if self.take("-"):
            return _negate(self.postfix())
        return self.postfix()

    def postfix(self) -> Closure:
        term = self.term()
        while self.take("."):
            kind, text = self.peek()
            self.at += 1
            if kind != "word" or not self.take("(") or not self.take(")"):
                self.fail()
            if text == "not":
                term = _not(term)
            elif text == "first":
                term = _first(term)
            else:
                self.fail()
        return term

    def term(self) -> Closure:
        kind, text = self.peek()
        if kind == "fact":
            self.at += 1
            self.facts.append(text)
            return _variable(text)
        if kind == "word" and text not in _WORDS:
            return self.path()
        if self.take("{"):
            if not self.take("}"):
                self.fail()
            return _constant(None)
        if self.take("("):
            inner = self.implies()
            if not self.take(")"):
                self.fail()
            return inner
        return _constant(self.literal())

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
                return _members(tuple(steps))
            self.at += 1
        if not steps or kind != "word" or following != "(":
            self.fail()
        self.at -= 1  # give the dot back to postfix
        return _members(tuple(steps))

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
