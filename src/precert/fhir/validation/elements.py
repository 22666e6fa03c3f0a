"""Checks on a single element: fixed and pattern values, bindings, lengths; where an extension may stand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from precert.fhir.outcome import Severity
from precert.fhir.validation.contexts import broken_rule
from precert.fhir.validation.fastpath import Frame
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
    inside.update(("Extension", "Element", "Base"))
    if isinstance(url, str):
        inside.add(url)
        inside.update([f"{context}.extension('{url}')" for context in contexts])
    return frozenset(inside)


def check_extension_place(
    slot: Slot,
    cut: Node | None,
    definition: Node | None,
    extension: dict[str, Any],
    owner: dict[str, Any],
    contexts: frozenset[str],
    path: Path,
    around: Frame,
) -> Iterator[tuple[str, str, Severity, str | None]]:
    """Rule, sentence, severity and diagnostics of what is wrong with ``extension`` standing on ``owner``.

    ``contexts`` are the names of ``owner`` (see contexts.Use), ``definition`` is the extension's, ``cut`` the slice of
    the profile for it.
    """
    url = extension.get("url")
    modifier = slot.node.name == "modifierExtension"
    if not isinstance(url, str):
        return  # reported as a missing or malformed url
    if definition is not None:
        if definition.modifier is not modifier:
            right = "modifierExtension" if definition.modifier else "extension"
            yield "modifier-misplaced", f"This extension belongs in {right}; move it.", "error", None
        use = definition.use
        if use is None:
            return
        if not use.allows(contexts):
            element = path.parent.element if path.parent is not None else ""
            known = known_context_error(url, element)
            if known is None:
                yield (
                    "extension-context",
                    f"This extension is defined for {use.shown}, not for {element}; move it.",
                    "error",
                    None,
                )
            else:
                said = f"The published context list is wrong: {known.reason}"
                yield "extension-context", said, "information", None
        elif use.rules and (rule := broken_rule(use, extension, owner, contexts, around)) is not None:
            text = "This extension may stand here only where the rule of its definition holds; take it out."
            yield "extension-context", text, "error", f"rule: {rule.expression}"
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
