"""Extensions: finding them, reading their value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from precert.fhir.types import Element, elements


def extensions(element: object, url: str, *, modifier: bool = False) -> Iterator[Element]:
    """Every extension of ``element`` with this URL (``modifier`` looks among modifierExtension)."""
    if isinstance(element, dict):
        for extension in elements(element.get("modifierExtension" if modifier else "extension")):
            if extension.get("url") == url:
                yield extension


def extension(element: object, url: str, *, modifier: bool = False) -> Element | None:
    """The first one, or ``None``."""
    return next(extensions(element, url, modifier=modifier), None)


def value(extension: Element | None) -> Any:
    """The extension's ``value[x]``, whatever its type; ``None`` if it has none."""
    if extension is not None:
        for key, member in extension.items():
            if key.startswith("value"):
                return member
    return None


def extension_value(element: object, url: str, *, modifier: bool = False) -> Any:
    """The value of the first extension with this URL, or ``None``."""
    return value(extension(element, url, modifier=modifier))
