"""Invariants through the full FHIRPath engine: the few that the subset cannot say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from precert.fhir.path import compile_path
from precert.fhir.validation.invariants import Invariant, satisfied

_TRACE = re.compile(r"\.trace\('[^']*'\)")
"""The engine prints what it traces; patient data has no place on standard output."""

MAX_NODES = 5_000
"""Above this many JSON nodes a resource is not given to the engine, whose cost is not bounded."""


def engine_answers(
    invariant: Invariant, resource: dict[str, Any], root: dict[str, Any], path: str, subjects: Sequence[Any]
) -> list[bool | None]:
    """Whether each of ``subjects`` (objects at ``path``, written without indexes) satisfies ``invariant``.

    All elements at the path are judged in one evaluation and told apart by their order in the document. ``None`` where
    the engine fails or the document is too large for it: neither is held against the document.
    """
    places = instances(resource, path.split(".")[1:])
    if nodes_up_to(resource, MAX_NODES) >= MAX_NODES:
        return [None] * len(subjects)
    expression = _TRACE.sub("", invariant.expression)
    variables = {"resource": resource, "rootResource": root}
    try:
        if "." in path:
            each = f"{path}.select(iif(({expression}), true, false))"
            results = compile_path(each)(resource, variables)
        else:  # as it stands: inside select() the engine would not know the type name that some expressions begin with
            results = [satisfied(compile_path(expression)(resource, variables))]
    except Exception:  # the engine raises bare Exceptions of several kinds; the caller reports the rule as unchecked
        return [None] * len(subjects)
    if len(results) != len(places):
        return [None] * len(subjects)
    verdicts = {id(place): r for place, r in zip(places, results, strict=True) if isinstance(r, bool)}
    return [verdicts.get(id(subject)) for subject in subjects]


def instances(value: Any, names: Sequence[str]) -> list[Any]:
    """All elements at a path without indexes, in document order; ``value`` finds ``valueCode``."""
    found = [value]
    for name in names:
        step: list[Any] = []
        for item in found:
            if not isinstance(item, dict):
                continue
            members = (
                [item[name]]
                if name in item
                else [v for k, v in item.items() if k.startswith(name) and k[len(name) : len(name) + 1].isupper()]
            )
            for member in members:
                step.extend(member if isinstance(member, list) else [member])
        found = [item for item in step if item is not None]
    return found


def nodes_up_to(value: Any, limit: int) -> int:
    """How many JSON nodes ``value`` has, counted no further than ``limit``."""
    count, stack = 0, [value]
    while stack and count < limit:
        top = stack.pop()
        count += 1
        if isinstance(top, dict):
            stack.extend(top.values())
        elif isinstance(top, list):
            stack.extend(top)
    return count
