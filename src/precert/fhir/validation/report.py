"""Collecting findings, and judging the invariants that can be judged on the spot."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from precert.fhir.outcome import Severity
from precert.fhir.validation.fastpath import Frame
from precert.fhir.validation.findings import INVARIANT, Finding, Path, finding
from precert.fhir.validation.invariants import Invariant
from precert.fhir.validation.model import TypeRow
from precert.fhir.validation.nodes import Node


class Surroundings(Frame, Protocol):
    """What discriminators may ask besides what invariants ask."""

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Whether a resource meets a profile; ``None`` if that cannot be said."""
        ...


class Inner(NamedTuple):
    """A resource found inside (entry, contained, parameter) and what its place demands of it."""

    resource: Any
    path: Path
    types: tuple[TypeRow, ...]


class Link(NamedTuple):
    """A Reference and what it may point to."""

    value: dict[str, Any]
    path: Path
    targets: tuple[str, ...]
    profile: str


class Reporter:
    """The findings of one pass over one resource."""

    def __init__(self, around: Surroundings, profile: str, limit: int) -> None:
        self._around = around
        self._profile = profile
        self._limit = limit
        self.findings: list[Finding] = []
        self.deferred: dict[tuple[Invariant, str], list[tuple[Any, Path]]] = {}
        """Invariants for the full engine, by path without indexes."""

    def _report(self, path: Path, rule: str, text: str, severity: Severity = "error", said: str | None = None) -> None:
        if len(self.findings) < self._limit:
            self.findings.append(finding(path, rule, text, self._profile, severity, said))

    def _invariants(self, invariants: tuple[Invariant, ...], value: Any, path: Path) -> None:
        for rule in invariants:
            if rule.known is not None and rule.known.severity == "ignore":
                continue
            if rule.test is None:
                if rule.way == "engine":
                    self.deferred.setdefault((rule, path.element), []).append((value, path))
                continue
            if rule.test(value, self._around) is False:
                self.broken(rule, path)

    def broken(self, rule: Invariant, path: Path) -> None:
        """Report that ``rule`` does not hold at ``path``."""
        severity: Severity = "error" if rule.severity == "error" else "warning"
        said = f"profile: {self._profile}; " if self._profile else ""
        said += f"expression: {rule.expression}"
        text = (
            f"The rule {rule.key} does not hold for this {path.name}; see its expression for what has to go together."
        )
        if rule.known is not None:
            severity = "information"
            text = f"The rule {rule.key} does not hold here, but the published rule is wrong: {rule.known.reason}"
        self._report(path, INVARIANT + rule.key, text, severity, said)

    def _slice_counts(self, counts: dict[Node, int], path: Path, certain: bool) -> None:
        for cut, count in counts.items():
            if count > cut.max:
                text = f"{cut.slice_name} occurs {count} times in {path.name}; at most {cut.max} allowed."
                self._report(path, "slice-too-many", text)
            elif count < cut.min and certain:
                self._too_few(cut, count, path)

    def _too_few(self, cut: Node, count: int, path: Path) -> None:
        text = f"{path.name} needs {cut.slice_name} at least {cut.min} times, it is there {count} times; add it."
        self._report(path, "slice-too-few", text)
