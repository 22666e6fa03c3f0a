"""The shapes that travel through precert. A resource is the dict that arrived."""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]
Element = dict[str, Any]
JsonValue = Any


def as_list(value: object) -> list[Any]:
    """The value as a list: lists as they are, ``None`` as empty, anything else as its only member."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def elements(value: object) -> list[Element]:
    """Only the object members of ``value`` as of :func:`as_list`; a malformed member is skipped, never an exception."""
    if isinstance(value, dict):
        return [value]
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """``value`` if it is a non-blank string, else ``None``."""
    return value if isinstance(value, str) and value.strip() else None
