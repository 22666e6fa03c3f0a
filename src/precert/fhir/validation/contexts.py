"""Where extensions may stand: the contexts and context rules of their definitions, read once.

FHIR R4 defining-extensions.html#context: an extension names the elements (or types) it may stand on, other extensions
it may stand in, or FHIRPath expressions; rules (``contextInvariant``) further limit the elements of such a context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from precert.fhir.validation.fastpath import Frame
from precert.fhir.validation.invariants import Invariant, invariant
from precert.fhir.validation.model import ProfileTable

RULE = "extension-context"
_NAMED = re.compile(r"[A-Z]\w*(?:\.\w+)*(?:\.ofType\(\w+\))?(?:\.extension\('[^']+'\))?")
"""FHIRPath contexts that only name an element, its type and an extension on it: an element has that very name."""
_BARE_TYPE = re.compile(r"ofType\((\w+)\)")
_ON_TYPE = re.compile(r"(?<![.\w])(\$this\.)?ofType\((\w+)\)")
_IS_TYPE = re.compile(r"\$this is (\w+)")


@dataclass(frozen=True, slots=True)
class Use:
    """Where an extension may stand. ``places`` are names of elements, types and extensions; ``anywhere``, that the
    definition sets no limit or one that cannot be told here; ``shown`` is what a message says of it."""

    places: frozenset[str]
    anywhere: bool
    rules: tuple[Invariant, ...]
    shown: str

    def allows(self, contexts: frozenset[str]) -> bool:
        """Whether the extension may stand on an element that has the names ``contexts``."""
        return self.anywhere or not self.places.isdisjoint(contexts)


def use_of(table: ProfileTable, canonical: str) -> Use:
    """What the definition ``table`` says about its use in FHIR R4."""
    places: set[str] = set()
    anywhere = not table.contexts and not table.other_versions_only
    for kind, expression in table.contexts:
        place = _place(kind, expression)
        if place is None:
            anywhere = True
        else:
            places.add(place)
    shown = ", ".join(expression for _, expression in table.contexts[:8]) or "other versions of FHIR than R4"
    rules = tuple(invariant(RULE, "error", _for_subset(rule), canonical) for rule in table.context_invariants)
    return Use(frozenset(places), anywhere, rules, shown)


def _place(kind: str, expression: str) -> str | None:
    """The name of an element that a context means; ``None`` if elements have no such name."""
    if kind == "extension":
        return expression.partition("#")[0]
    if kind == "element":
        return expression.rpartition("/")[2].removesuffix("[x]")
    bare = _BARE_TYPE.fullmatch(expression)
    if bare is not None:
        return bare[1]
    return expression if _NAMED.fullmatch(expression) else None


def _for_subset(rule: str) -> str:
    """``rule`` with its questions about the type of the element turned into ones about ``%types``.

    JSON does not say what type an element is; its place in the profile does, and that is what ``%types`` holds.
    """
    rule = _ON_TYPE.sub(r"$this.where('\2' in %types)", rule)
    return _IS_TYPE.sub(r"('\1' in %types)", rule)


class ContextFrame:
    """The document around an extension, for the rules of its context: adds ``%extension`` and ``%types``."""

    __slots__ = ("_around", "extension", "resource", "root", "types")

    def __init__(self, around: Frame, extension: dict[str, Any], contexts: frozenset[str]) -> None:
        self._around = around
        self.resource, self.root = around.resource, around.root
        self.extension = extension
        self.types = list(contexts)

    @property
    def contained(self) -> dict[str, dict[str, Any]]:
        return self._around.contained

    def resolve(self, reference: Any) -> dict[str, Any] | None:
        return self._around.resolve(reference)

    def member_of(self, value: Any, url: str) -> bool | None:
        return self._around.member_of(value, url)


def broken_rule(
    use: Use, extension: dict[str, Any], owner: dict[str, Any], contexts: frozenset[str], around: Frame
) -> Invariant | None:
    """The first rule of ``use`` that does not hold for ``owner``, on which ``extension`` stands."""
    frame = ContextFrame(around, extension, contexts)
    for rule in use.rules:
        if rule.test is not None and rule.test(owner, frame) is False:
            return rule
    return None
