"""SMART scopes of systems: ``system/Claim.cruds`` (version 2) and ``system/Claim.read`` (version 1).

Sources: SMART App Launch 2.2 "Scopes and Launch Context" (letters ``cruds`` in this order; ``.read`` = ``.rs``,
``.write`` = ``.cud``, ``.*`` = ``.cruds``). DTR 2.2 prints its resource types in lower case
(``system/questionnaire.rs``), so types are compared without case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LETTERS = "cruds"
MOST_SCOPES = 64
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(r"system/(?P<type>\*|[A-Za-z]{1,64})\.(?P<actions>read|write|\*|(?=[cruds])c?r?u?d?s?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """Permission for some ``actions`` (letters of ``cruds``) on one resource ``type``, or on all (``*``)."""

    type: str
    actions: str

    def __str__(self) -> str:
        return f"system/{self.type}.{self.actions}"

    def concerns(self, other: Scope) -> bool:
        """Whether every resource type of ``other`` is one of this scope's."""
        return self.type == "*" or self.type.lower() == other.type.lower()

    def meet(self, other: Scope) -> Scope | None:
        """What both permit; ``None`` if that is nothing."""
        narrow = other if self.concerns(other) else self if other.concerns(self) else None
        actions = "".join(letter for letter in LETTERS if letter in self.actions and letter in other.actions)
        return Scope(narrow.type, actions) if narrow and actions else None


def parse_scope(text: str) -> Scope:
    """Read one scope. Raises ValueError with the reason."""
    matched = _SCOPE.fullmatch(text)
    if matched is None:
        if "?" in text:
            raise ValueError(f"{text[:80]!r}: scopes with search parameters are not supported")
        raise ValueError(f"{text[:80]!r} is not a scope such as system/Claim.cruds, system/*.rs or system/Claim.read")
    actions = matched["actions"]
    return Scope(matched["type"], _VERSION_1.get(actions, actions))


def permits(held: Iterable[Scope], wanted: Scope) -> bool:
    """Whether the scopes ``held`` together permit all of ``wanted``."""
    missing = set(wanted.actions)
    for scope in held:
        if scope.concerns(wanted):
            missing.difference_update(scope.actions)
    return not missing


def grant(requested: Iterable[str], allowed: Sequence[Scope]) -> list[str]:
    """What a client gets that asks for ``requested`` and may have ``allowed``.

    A scope that it may have in full is granted as it was spelled; of others the part that it may have is granted, in
    version 2. What is no ``system/`` scope is not granted, as RFC 6749 section 3.3 permits: the answer says what was.
    """
    granted: dict[str, None] = {}
    for text in requested:
        try:
            wanted = parse_scope(text)
        except ValueError:  # openid, launch, patient/…: nothing a system could be granted
            continue
        if permits(allowed, wanted):
            granted[text] = None
        else:
            parts = (scope.meet(wanted) for scope in allowed)
            granted |= {str(part): None for part in parts if part is not None}
    return list(granted)
