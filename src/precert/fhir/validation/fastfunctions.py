"""The functions of the FHIRPath subset (see ``fastpath``)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from precert.fhir.validation.values import equal

Fn = Callable[[list[Any], list[Any], Any], list[Any]]
"""(focus, $this, frame) → collection."""

_LONGEST_MATCHED = 4_096
"""No pattern in a published profile is meant for longer strings; a longer one does not match."""


class Unsupported(ValueError):
    """The expression is outside the subset."""


class Undecided(ValueError):
    """The expression cannot be evaluated on this value (a collection where one item is wanted)."""


def single(items: list[Any]) -> Any:
    """The only item, or ``None``. Raises Undecided if there are several."""
    if len(items) > 1:
        raise Undecided("more than one item")
    return items[0] if items else None


def truth(items: list[Any]) -> bool | None:
    """The collection as a condition: a single non-boolean counts as true."""
    value = single(items)
    return value if value is None or isinstance(value, bool) else True


def compare(left: list[Any], right: list[Any], test: Callable[[int], bool]) -> list[Any]:
    """``left`` against ``right`` if both are there and comparable, else nothing."""
    a, b = single(left), single(right)
    if a is None or b is None:
        return []
    order = order_of(a, b)
    return [] if order is None else [test(order)]


def order_of(a: Any, b: Any) -> int | None:
    """Negative, zero or positive; ``None`` if the two cannot be told apart at their precision."""
    if isinstance(a, str) and isinstance(b, str):
        return _date_order(a, b)
    numbers = (int, float, Decimal)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return (a > b) - (a < b)
    if (
        isinstance(a, dict)
        and isinstance(b, dict)
        and a.get("code") == b.get("code")
        and a.get("unit") == b.get("unit")
    ):
        x, y = a.get("value"), b.get("value")
        if isinstance(x, numbers) and isinstance(y, numbers):
            return (x > y) - (x < y)
    return None


def _date_order(a: str, b: str) -> int | None:
    if "T" in a and "T" in b:
        try:
            x, y = datetime.fromisoformat(a), datetime.fromisoformat(b)
        except ValueError:
            return None
        if x.tzinfo is None or y.tzinfo is None:
            return None
        x, y = x.astimezone(UTC), y.astimezone(UTC)
        return (x > y) - (x < y)
    shared = min(len(a.partition("T")[0]), len(b.partition("T")[0]))
    if a[:shared] != b[:shared]:
        return 1 if a[:shared] > b[:shared] else -1
    return 0 if len(a) == len(b) else None


def _where(criterion: Fn) -> Fn:
    return lambda focus, this, frame: [item for item in focus if truth(criterion([item], [item], frame))]


def _exists(criterion: Fn | None = None) -> Fn:
    if criterion is None:
        return lambda focus, this, frame: [bool(focus)]
    return lambda focus, this, frame: [any(truth(criterion([item], [item], frame)) for item in focus)]


def _all(criterion: Fn) -> Fn:
    return lambda focus, this, frame: [all(truth(criterion([item], [item], frame)) for item in focus)]


def _select(projection: Fn) -> Fn:
    return lambda focus, this, frame: [found for item in focus for found in projection([item], [item], frame)]


def _repeat(projection: Fn) -> Fn:
    def repeat(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        found: list[Any] = []
        todo = deque(focus)
        while todo:  # documents are trees, so this ends
            item = todo.popleft()
            more = projection([item], [item], frame)
            found.extend(more)
            todo.extend(more)
        return found

    return repeat


def _not() -> Fn:
    def negate(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        value = truth(focus)
        return [] if value is None else [not value]

    return negate


def _text(work: Callable[[str], Any]) -> Callable[[], Fn]:
    def make() -> Fn:
        def run(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
            value = single(focus)
            return [work(value)] if isinstance(value, str) else []

        return run

    return make


def _with_text(work: Callable[[str, str], bool]) -> Callable[[Fn], Fn]:
    def make(argument: Fn) -> Fn:
        def run(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
            value, wanted = single(focus), single(argument(this, this, frame))
            return [work(value, wanted)] if isinstance(value, str) and isinstance(wanted, str) else []

        return run

    return make


def _matches(value: str, pattern: str) -> bool:
    return len(value) <= _LONGEST_MATCHED and re.search(pattern, value) is not None


def _extension(url: Fn) -> Fn:
    def run(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        wanted = single(url(this, this, frame))
        listed = [item.get("extension") for item in focus if isinstance(item, dict)]
        return [
            e
            for many in listed
            if isinstance(many, list)
            for e in many
            if isinstance(e, dict) and e.get("url") == wanted
        ]

    return run


def _to_string(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
    value = single(focus)
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if isinstance(value, (str, int, float, Decimal)) else []


def _resolve(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
    found = [frame.resolve(item) for item in focus]
    return [item for item in found if item is not None]


def _member_of(url: Fn) -> Fn:
    def run(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        value = single(focus)
        answer = None if value is None else frame.member_of(value, single(url(this, this, frame)))
        return [] if answer is None else [answer]

    return run


def _iif(condition: Fn, then: Fn, otherwise: Fn | None = None) -> Fn:
    def run(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
        if truth(condition(focus, focus, frame)):
            return then(focus, focus, frame)
        return otherwise(focus, focus, frame) if otherwise else []

    return run


def _distinct(items: list[Any]) -> list[Any]:
    if all(isinstance(item, str) for item in items):  # by far the most usual, and the only one that gets long
        return list(dict.fromkeys(items))
    kept: list[Any] = []
    for item in items:
        if not any(equal(item, known) for known in kept):
            kept.append(item)
    return kept


def _plain(work: Fn) -> Callable[[], Fn]:
    return lambda: work


def _has_value(focus: list[Any], this: list[Any], frame: Any) -> list[Any]:
    return [len(focus) == 1 and not isinstance(focus[0], dict)]


FUNCTIONS: dict[str, Callable[..., Fn]] = {
    "where": _where,
    "exists": _exists,
    "all": _all,
    "select": _select,
    "repeat": _repeat,
    "not": _not,
    "extension": _extension,
    "resolve": _plain(_resolve),
    "memberOf": _member_of,
    "iif": _iif,
    "empty": _plain(lambda focus, this, frame: [not focus]),
    "count": _plain(lambda focus, this, frame: [len(focus)]),
    "first": _plain(lambda focus, this, frame: focus[:1]),
    "tail": _plain(lambda focus, this, frame: focus[1:]),
    "hasValue": _plain(_has_value),
    "trace": lambda name, projection=None: lambda focus, this, frame: focus,
    "isDistinct": _plain(lambda focus, this, frame: [len(_distinct(focus)) == len(focus)]),
    "distinct": _plain(lambda focus, this, frame: _distinct(focus)),
    "allTrue": _plain(lambda focus, this, frame: [all(item is True for item in focus)]),
    "allFalse": _plain(lambda focus, this, frame: [all(item is False for item in focus)]),
    "toString": _plain(_to_string),
    "length": _text(len),
    "startsWith": _with_text(str.startswith),
    "contains": _with_text(lambda value, part: part in value),
    "matches": _with_text(_matches),
}
