"""Checks on a single element: fixed and pattern values, bindings, lengths; where an extension may stand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from precert.fhir.outcome import Severity
from precert.fhir.validation.findings import Path
from precert.fhir.validation.known import known_context_error
from precert.fhir.validation.nodes import NOTHING, Node, Slot
from precert.fhir.validation.values import brief, contains, equal

_NUMBERS = (int, float, Decimal)


def value_faults(node: Node, value: Any) -> Iterator[tuple[str, str, Severity]]:
    """Rule, sentence and severity of everything wrong with ``value`` itself."""
    if node.fixed is not NOTHING and not equal(node.fixed, value):
        yield "fixed-value", f"This must be exactly {brief(node.fixed)}.", "error"
    if node.pattern is not NOTHING and not contains(node.pattern, value):
        yield "pattern-value", f"This must have at least {brief(node.pattern)}.", "error"
    binding = node.binding
    if binding is not None and not binding.takes(value):
        severity: Severity = "warning" if binding.inferred else "error"
        yield "binding", f"The code is not in the required value set {binding.url}. {binding.advice(value)}", severity
    if node.max_length is not None and isinstance(value, str) and len(value) > node.max_length:
        yield "too-long", f"At most {node.max_length} characters are allowed.", "error"
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        if isinstance(node.least, _NUMBERS) and value < node.least:
            yield "out-of-range", f"The least allowed value is {node.least}.", "error"
        if isinstance(node.most, _NUMBERS) and value > node.most:
            yield "out-of-range", f"The greatest allowed value is {node.most}.", "error"


def nested_contexts(contexts: frozenset[str], url: Any) -> frozenset[str]:
    """The contexts of what stands inside an extension ``url`` that itself stands in ``contexts``."""
    inside = {f"{context}.extension" for context in contexts}
    inside.update(("Extension", "Element"))
    if isinstance(url, str):
        inside.add(url)
    return frozenset(inside)


def check_extension_place(
    slot: Slot, cut: Node | None, definition: Node | None, url: Any, contexts: frozenset[str], path: Path
) -> Iterator[tuple[str, str, Severity, str | None]]:
    """Rule, sentence, severity and diagnostics of what is wrong with an extension being where it is."""
    modifier = slot.node.name == "modifierExtension"
    if not isinstance(url, str):
        return  # reported as a missing or malformed url
    if definition is not None:
        if definition.modifier is not modifier:
            right = "modifierExtension" if definition.modifier else "extension"
            yield "modifier-misplaced", f"This extension belongs in {right}; move it.", "error", None
        if not _allowed(definition.allowed, contexts):
            element = path.parent.element if path.parent is not None else ""
            known = known_context_error(url, element)
            places = ", ".join(expression for _, expression in definition.allowed[:8])
            if known is None:
                yield (
                    "extension-context",
                    f"This extension is defined for {places}, not for {element}; move it.",
                    "error",
                    None,
                )
            else:
                said = f"The published context list is wrong: {known.reason}"
                yield "extension-context", said, "information", None
        return
    if cut is not None:
        return
    if slot.node.slicing is not None and slot.node.slicing.closed:
        named = ", ".join(c.slice_name for c in slot.node.slices[:8])
        yield "slice-closed", f"No other extensions than {named} are allowed here; take it out.", "error", None
    elif ":" not in url and not _in_unknown_extension(slot.node):
        text = "A relative url names a part of a complex extension, and the one around has no such part; use its names."
        yield "extension-url", text, "error", None
    if modifier:
        text = "This modifier extension is unknown here and may change the meaning; remove it or agree on it first."
        yield "unknown-modifier-extension", text, "error", f"url: {url[:200]}"


def _in_unknown_extension(node: Node) -> bool:
    return node.path == "Extension.extension" and "|" not in node.profile


def _allowed(allowed: tuple[tuple[str, str], ...], contexts: frozenset[str]) -> bool:
    if not allowed:
        return True
    for kind, expression in allowed:
        if kind == "fhirpath":
            return True  # contexts by expression are rare and describe types only; they are not enforced
        place = expression.partition("#")[0] if kind == "extension" else expression.rpartition("/")[2]
        if place in contexts or place.removesuffix("[x]") in contexts:
            return True
    return False
