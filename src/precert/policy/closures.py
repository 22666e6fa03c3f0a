"""The operators of everyday FHIRPath as Python closures over collections.

A collection is ``None`` (empty), a plain value (one member) or a tuple (several). Each function here takes compiled
operands and returns a compiled expression: a callable from an environment to a collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Env = Mapping[str, Any]
Closure = Callable[[Env], Any]

FOCUS = ""
"""The key in the environment under which the resource stands that member paths start from."""

_DATE_LIKE = re.compile(r"@?\d{4}(-\d\d|$)|T\d\d")


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


def both(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is False or b is False:
            return False
        return None if a is None or b is None else True

    return run


def either(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is True or b is True:
            return True
        return None if a is None or b is None else False

    return run


def exclusive(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        return None if a is None or b is None else a is not b

    return run


def implies(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = _boolean(left(env)), _boolean(right(env))
        if a is False or b is True:
            return True
        return None if a is None or b is None else False

    return run


def equal(left: Closure, right: Closure, positive: bool) -> Closure:
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


def compare(left: Closure, right: Closure, operator: str) -> Closure:
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


def add(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        a, b = _plain(a), _plain(b)
        if (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str)):
            return a + b
        raise ExpressionError(f"cannot add {a!r} and {b!r}")

    return run


def subtract(left: Closure, right: Closure) -> Closure:
    def run(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        a, b = _plain(a), _plain(b)
        if _is_number(a) and _is_number(b):
            return a - b
        raise ExpressionError(f"cannot subtract {b!r} from {a!r}")

    return run


def negate(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        if a is None or not _is_number(_plain(a)):
            raise ExpressionError("a minus sign needs one number")
        return -a

    return run


def negation(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        if a is None:
            return None
        return a is False if isinstance(a, bool) else _plain(a) is None  # one member that is no boolean counts as true

    return run


def member_of(left: Closure, members: tuple[Any, ...]) -> Closure:
    def run(env: Env) -> Any:
        a = left(env)
        return None if a is None else _plain(a) in members

    return run


def contains(left: Closure, member: Any) -> Closure:
    def run(env: Env) -> Any:
        a = left(env)
        if a is None:
            return False
        return member in (a if isinstance(a, tuple) else (_plain(a),))

    return run


def constant(value: Any) -> Closure:
    return lambda env: value


def variable(name: str) -> Closure:
    def run(env: Env) -> Any:
        return env[name]

    return run


def _collect(found: list[Any]) -> Any:
    if not found:
        return None
    return found[0] if len(found) == 1 else tuple(found)


def members(steps: tuple[str, ...]) -> Closure:
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


def first(operand: Closure) -> Closure:
    def run(env: Env) -> Any:
        a = operand(env)
        return a[0] if isinstance(a, tuple) else a

    return run
