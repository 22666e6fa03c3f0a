"""Fixed and pattern values, compared as JSON: ``true`` is not ``1``, ``1.0`` is ``1.00``."""

from __future__ import annotations

from typing import Any


def equal(wanted: Any, given: Any) -> bool:
    """``given`` is exactly ``wanted`` (fixed value)."""
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and wanted.keys() == given.keys()
            and all(equal(member, given[key]) for key, member in wanted.items())
        )
    if isinstance(wanted, list):
        return isinstance(given, list) and len(wanted) == len(given) and all(map(equal, wanted, given))
    return isinstance(wanted, bool) is isinstance(given, bool) and bool(wanted == given)


def contains(pattern: Any, given: Any) -> bool:
    """``given`` has at least what ``pattern`` has; of an array, each member somewhere (pattern value)."""
    if isinstance(pattern, dict):
        return isinstance(given, dict) and all(
            key in given and contains(member, given[key]) for key, member in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(given, list) and all(any(contains(member, item) for item in given) for member in pattern)
    return equal(pattern, given)


def brief(value: Any, limit: int = 120) -> str:
    """``value`` of a definition (never of a document) as short text for a message."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key}: {brief(member, limit)}" for key, member in value.items())
        text = f"{{{inner}}}"
    elif isinstance(value, list):
        text = "[" + ", ".join(brief(member, limit) for member in value) + "]"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
