"""The operators of the FHIRPath subset (see ``fastpath``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from precert.fhir.validation.fastfunctions import Fn, Undecided, compare, single, truth
from precert.fhir.validation.values import equal


def binary(operator: str, left: Fn, right: Fn) -> Fn:
    """``left operator right``, three-valued where it is logic."""
    if operator in _LOGIC:
        logic = _LOGIC[operator]

        def combined(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
            result = logic(truth(left(focus, this, frame)), lambda: truth(right(focus, this, frame)))
            return [] if result is None else [result]

        return combined
    work = _OPERATORS[operator]
    return lambda focus, this, frame: work(left(focus, this, frame), right(focus, this, frame))


def _and(left: bool | None, right: Callable[[], bool | None]) -> bool | None:
    if left is False:
        return False
    other = right()
    return other if other is False or left is True else None


def _or(left: bool | None, right: Callable[[], bool | None]) -> bool | None:
    if left is True:
        return True
    other = right()
    return other if other is True or left is False else None


def _xor(left: bool | None, right: Callable[[], bool | None]) -> bool | None:
    other = right()
    return None if left is None or other is None else left is not other


def _implies(left: bool | None, right: Callable[[], bool | None]) -> bool | None:
    if left is False:
        return True
    other = right()
    return other if other is True or left is True else None


_LOGIC: dict[str, Callable[[bool | None, Callable[[], bool | None]], bool | None]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}


def _equals(left: list[Any], right: list[Any]) -> list[Any]:
    if not left or not right:
        return []
    return [len(left) == len(right) and all(map(equal, left, right))]


def _union(left: list[Any], right: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for item in [*left, *right]:
        if not any(equal(item, known) for known in merged):
            merged.append(item)
    return merged


def _within(left: list[Any], right: list[Any]) -> list[Any]:
    value = single(left)
    return [] if value is None else [any(equal(value, item) for item in right)]


def _plus(left: list[Any], right: list[Any]) -> list[Any]:
    a, b = single(left), single(right)
    if a is None or b is None:
        return []
    if isinstance(a, str) is not isinstance(b, str):
        raise Undecided("text plus number")
    return [a + b]


_OPERATORS: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "+": _plus,
    "=": _equals,
    "!=": lambda left, right: [not same for same in _equals(left, right)],
    "|": _union,
    "in": _within,
    "contains": lambda left, right: _within(right, left),
    ">": lambda left, right: compare(left, right, lambda order: order > 0),
    "<": lambda left, right: compare(left, right, lambda order: order < 0),
    ">=": lambda left, right: compare(left, right, lambda order: order >= 0),
    "<=": lambda left, right: compare(left, right, lambda order: order <= 0),
}
