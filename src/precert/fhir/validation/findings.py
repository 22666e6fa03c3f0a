"""What the validator reports: an Issue that also knows its rule class, its element and the profile it broke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from precert.fhir.outcome import Issue, Severity

RuleClass = Literal[
    "structure",
    "cardinality",
    "type",
    "binding",
    "slicing",
    "extension",
    "invariant",
    "reference",
    "unknown-profile",
]

RULES: Mapping[str, tuple[RuleClass, str]] = {
    "unknown-resource-type": ("structure", "structure"),
    "unchecked-resource-type": ("unknown-profile", "not-supported"),
    "wrong-resource-type": ("structure", "structure"),
    "unknown-element": ("structure", "structure"),
    "not-an-object": ("structure", "structure"),
    "expected-array": ("structure", "structure"),
    "unexpected-array": ("structure", "structure"),
    "array-lengths": ("structure", "structure"),
    "empty-array": ("structure", "structure"),
    "empty-object": ("structure", "structure"),
    "null-value": ("structure", "structure"),
    "choice-twice": ("structure", "structure"),
    "choice-type": ("type", "structure"),
    "too-deep": ("structure", "too-costly"),
    "too-many": ("structure", "too-costly"),
    "base-required": ("cardinality", "required"),
    "required": ("cardinality", "required"),
    "too-few": ("cardinality", "required"),
    "too-many-repeats": ("cardinality", "structure"),
    "prohibited": ("cardinality", "structure"),
    "wrong-json-type": ("type", "value"),
    "bad-format": ("type", "value"),
    "no-such-date": ("type", "value"),
    "out-of-range": ("type", "value"),
    "too-long": ("type", "too-long"),
    "control-character": ("type", "value"),
    "active-content": ("type", "security"),
    "fixed-value": ("type", "value"),
    "pattern-value": ("type", "value"),
    "binding": ("binding", "code-invalid"),
    "unknown-code-system": ("binding", "code-invalid"),
    "slice-too-few": ("slicing", "required"),
    "slice-too-many": ("slicing", "structure"),
    "slice-closed": ("slicing", "structure"),
    "slice-order": ("slicing", "structure"),
    "extension-context": ("extension", "extension"),
    "extension-url": ("extension", "extension"),
    "unknown-modifier-extension": ("extension", "extension"),
    "modifier-misplaced": ("extension", "extension"),
    "unknown-profile": ("unknown-profile", "not-supported"),
    "profile-type": ("unknown-profile", "structure"),
    "reference-unresolved": ("reference", "not-found"),
    "reference-type": ("reference", "value"),
    "reference-profile": ("reference", "value"),
    "reference-contained": ("reference", "not-found"),
    "full-url": ("reference", "value"),
    "full-url-missing": ("reference", "required"),
    "full-url-duplicate": ("reference", "duplicate"),
    "entry-duplicate": ("reference", "duplicate"),
    "invariant-unchecked": ("invariant", "processing"),
}
"""Every rule but the invariants (``invariant:<key>``): its class and its code from issue-type."""

INVARIANT = "invariant:"


def rule_class(rule: str) -> RuleClass:
    """The class of ``rule``; policies of use are set per class."""
    return RULES[rule][0] if rule in RULES else "invariant"


def issue_code(rule: str) -> str:
    return RULES[rule][1] if rule in RULES else "invariant"


@dataclass(frozen=True, slots=True)
class Finding(Issue):
    """An Issue with what programs need besides: ``element`` is the path without indexes from its own resource on."""

    element: str = ""
    profile: str = ""

    @property
    def rule_class(self) -> RuleClass:
        return rule_class(self.rule or "")


class Path:
    """Where we are: a linked list, turned into text only for a finding."""

    __slots__ = ("index", "name", "parent", "root")

    def __init__(self, parent: Path | None, name: str, index: int = -1, root: str = "") -> None:
        self.parent = parent
        self.name = name
        self.index = index
        self.root = root
        """The resource type, if a resource begins here."""

    def __str__(self) -> str:
        parts: list[str] = []
        at: Path | None = self
        while at is not None:
            parts.append(at.name if at.index < 0 else f"{at.name}[{at.index}]")
            at = at.parent
        return ".".join(reversed(parts))

    @property
    def element(self) -> str:
        parts: list[str] = []
        at: Path | None = self
        while at is not None:
            if at.root:
                parts.append(at.root)
                break
            parts.append(at.name)
            at = at.parent
        return ".".join(reversed(parts))


def finding(
    path: Path, rule: str, text: str, profile: str = "", severity: Severity = "error", diagnostics: str | None = None
) -> Finding:
    """One finding at ``path``; ``diagnostics`` defaults to the profile that is broken."""
    said = diagnostics if diagnostics is not None else (f"profile: {profile}" if profile else None)
    return Finding(severity, issue_code(rule), text, str(path), rule, said, path.element, profile)


def errors(findings: list[Finding]) -> int:
    """How many of ``findings`` are errors."""
    return sum(1 for f in findings if f.severity in ("error", "fatal"))
