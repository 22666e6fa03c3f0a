"""Filters of a subscription: which senders' responses it is about.

PAS 2.2.1 writes ``org-identifier=<id>[,<id>…]``, its topic ``orgIdentifier``, PAS 2.0.1 ``identifier=``, and clients in the
wild other names again; the topic has one filter, so the name is not looked at. A comma is OR, several filters (or ``&``)
are AND (backport IG, "Filters"). A value is bare or ``system|value``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

Filters = tuple[tuple[str, ...], ...]
"""All of the outer must hold, any of the inner suffices."""

LONGEST_VALUE = 256
MOST_VALUES = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_UNESCAPED_COMMA = re.compile(r"(?<!\\),")
_ESCAPE = re.compile(r"\\([\\,$|])")


def parse_filter(written: str) -> Filters:
    """Read one ``name=value[,value…]`` (several joined by ``&``). Raises ValueError with the mend in words."""
    query = written.rpartition("?")[2].strip()
    return tuple(_condition(part) for part in query.split("&"))


def _condition(written: str) -> tuple[str, ...]:
    name, equals, listed = written.partition("=")
    if not equals:
        raise ValueError("it is not of the form org-identifier=<id>[,<id>…]")
    name, colon, modifier = name.strip().partition(":")
    if colon:
        raise ValueError(f"the modifier :{modifier[:40]} is not supported; leave it out")
    if not _NAME.fullmatch(name):
        raise ValueError("the part before '=' is not a name; write org-identifier=<id>[,<id>…]")
    values = tuple(_value(part) for part in _UNESCAPED_COMMA.split(listed))
    if not all(_bare(value) for value in values):
        raise ValueError("a value is empty; write org-identifier=<id>[,<id>…] without empty places")
    if any(len(value) > LONGEST_VALUE for value in values):
        raise ValueError(f"a value is longer than {LONGEST_VALUE} characters")
    return values


def _value(written: str) -> str:
    return _ESCAPE.sub(r"\1", unquote(written)).strip()


def _bare(value: str) -> str:
    return value.rpartition("|")[2].strip()


def bare_values(values: Iterable[str]) -> list[str]:
    """The values without their systems, each once, for the store's index."""
    return sorted({_bare(value) for value in values if _bare(value)})


def matches(filters: Filters, identifiers: Sequence[str]) -> bool:
    """Whether every filter names at least one of ``identifiers``. No filter matches nothing."""
    return bool(filters) and all(any(_same(value, i) for value in anyof for i in identifiers) for anyof in filters)


def _same(wanted: str, identifier: str) -> bool:
    if _bare(wanted) != _bare(identifier):
        return False
    system, bar, _ = wanted.rpartition("|")
    other, other_bar, _ = identifier.rpartition("|")
    # A system only tells two identifiers apart when both sides name one: ISA06 and GS02 come without.
    return not (bar and other_bar and system.strip() and other.strip()) or system.strip() == other.strip()
