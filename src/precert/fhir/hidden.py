"""What changes the meaning of a resource without being understood here, or contradicts itself.

FHIR R4 forbids processing a resource as if it were understood when it has ``implicitRules`` or a ``modifierExtension`` that
the receiver does not know (https://hl7.org/fhir/R4/extensibility.html#modifierExtension, resource.html#implicitRules). An
element that has a value and says by the extension data-absent-reason that it has none says two things at once
(https://hl7.org/fhir/R4/extension-data-absent-reason.html). An element that is only said to be absent is in order;
so is in a ClaimResponse an identifier beside it, because answers of this server name their Claim so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from precert.fhir.outcome import Issue
from precert.fhir.types import Element, elements

DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
"""The extension by which an element says that its value is not there."""
INFO_CANCELLED = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/modifierextension-infoCancelled"
"""The one modifier extension that is understood: on what a Claim names, and nowhere else (PAS update requests)."""

_MOST = 50
_NO_VALUE = frozenset({"id", "extension"})
_LABELS = frozenset({"id", "extension", "linkId", "text", "definition"})
"""Members that say which element it is and are no content of it: of any element, and of an item of a form."""
_CHOICES = (
    "value",
    "effective",
    "occurrence",
    "onset",
    "abatement",
    "performed",
    "serviced",
    "deceased",
    "medication",
    "productOrService",
    "location",
    "diagnosis",
    "reported",
    "timing",
)
"""Elements of several types (``value[x]``), as far as anything is read from them."""


class Hidden(NamedTuple):
    """One finding: the FHIRPath of it, the stable id of the rule, and (of a modifier extension) its url."""

    path: str
    rule: str
    url: str = ""

    @property
    def phrase(self) -> str:
        """What is there, to follow "It has"."""
        return _PHRASES[self.rule]


IMPLICIT, MODIFIER, ABSENT = "implicit-rules", "unknown-modifier-extension", "value-and-absent"
_PHRASES = {
    IMPLICIT: "implicitRules, which are not understood",
    MODIFIER: "a modifierExtension that is not understood",
    ABSENT: "a value that is said to be absent (data-absent-reason)",
}
_ISSUES = {
    issue.rule: issue
    for issue in (
        Issue(
            "error",
            "not-supported",
            "No implicitRules are understood here, and they may change what the resource means. Leave them out.",
            None,
            "implicit-rules",
        ),
        Issue(
            "error",
            "extension",
            "This modifier extension is unknown here and may change the meaning; remove it or agree on it first.",
            None,
            "unknown-modifier-extension",
        ),
        Issue(
            "error",
            "value",
            "The element has a value and a data-absent-reason, which says that it has none. Leave one of the two out.",
            None,
            "value-and-absent",
        ),
    )
}

_Way = tuple[Any, str]
"""The way to an element: that to the one around it, and the last step."""


def hidden(value: object, path: str) -> Iterator[Hidden]:
    """Everything of the kind in a resource or element ``value`` that stands at ``path``, also in resources inside."""
    stack: list[tuple[Element, _Way, object]] = [(value, (None, path), None)] if isinstance(value, dict) else []
    while stack:
        element, way, kind = stack.pop()
        kind = element.get("resourceType") or kind
        if _says_absent(element) and _has_content(element, way[1]) and kind != "ClaimResponse":
            yield Hidden(_path(way), ABSENT)
        for key, member in element.items():
            if key == "implicitRules":
                yield Hidden(_path((way, ".implicitRules")), IMPLICIT)
            elif key == "modifierExtension":
                yield from _modifiers(member, way, claim=kind == "Claim")
            if isinstance(member, dict):
                if _says_absent(member):
                    yield from _contradicted(element, key, member, way)
                stack.append((member, (way, f".{key}"), kind))
            elif isinstance(member, list):
                for n, one in enumerate(member):
                    if isinstance(one, dict):
                        if key[:1] == "_" and _says_absent(one) and _stands(element.get(key[1:]), n):
                            yield Hidden(_path((way, f".{key[1:]}[{n}]")), ABSENT)
                        stack.append((one, (way, f".{key}[{n}]"), kind))


def first_hidden(value: object) -> Hidden | None:
    """One of them, or ``None`` when everything is understood."""
    return next(hidden(value, ""), None)


def refusals(value: object, path: str) -> list[Issue]:
    """The errors with which a request that holds such a thing is refused, the first fifty."""
    found = islice(hidden(value, path), _MOST)
    return [
        replace(_ISSUES[rule], expression=where, diagnostics=f"url: {url[:200]}" if url else None)
        for where, rule, url in found
    ]


def _modifiers(member: object, way: _Way, *, claim: bool) -> Iterator[Hidden]:
    listed = member if isinstance(member, list) and member else [member]
    for n, one in enumerate(listed):
        url = one.get("url") if isinstance(one, dict) else None
        if not (claim and url == INFO_CANCELLED):
            step = f".modifierExtension[{n}]" if listed is member else ".modifierExtension"
            yield Hidden(_path((way, step)), MODIFIER, url if isinstance(url, str) else "")


def _says_absent(element: Element) -> bool:
    told = element.get("extension")
    return told is not None and any(one.get("url") == DATA_ABSENT for one in elements(told))


def _has_content(element: Element, step: str) -> bool:
    """Whether an element with a data-absent-reason holds anything. ``step`` leads to it: an extension has its url in any
    case, and the extensions inside are its content."""
    if step.startswith((".extension[", ".modifierExtension[")):
        inside = elements(element.get("extension"))
        return not element.keys() <= {"url", *_NO_VALUE} or any(one.get("url") != DATA_ABSENT for one in inside)
    return not element.keys() <= (_LABELS if "linkId" in element else _NO_VALUE)


def _contradicted(owner: Element, key: str, member: Element, way: _Way) -> Iterator[Hidden]:
    """``owner`` says by its member ``key`` that an element is absent: the value that it has all the same."""
    name = key.removeprefix("_")
    if name != key and owner.get(name) is not None:
        yield Hidden(_path((way, f".{name}")), ABSENT)
        return
    if name == key and _has_content(member, name):
        return  # found when the element itself is looked at
    stem = next(
        (stem for stem in _CHOICES if name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper()), None
    )
    for other in owner if stem is not None else ():
        if other != name and other.startswith(stem or "") and other[len(stem or "") :][:1].isupper():
            yield Hidden(_path((way, f".{other}")), ABSENT)


def _stands(values: object, n: int) -> bool:
    return isinstance(values, list) and n < len(values) and values[n] is not None


def _path(way: _Way) -> str:
    steps: list[str] = []
    at: Any = way
    while at is not None:
        at, step = at
        steps.append(step)
    return "".join(reversed(steps))
