"""OperationOutcome: every finding has a severity, a code, a FHIRPath and a sentence that says how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from precert.fhir.types import Resource

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding.

    ``code`` is from http://hl7.org/fhir/issue-type; ``text`` names the fault and the mend for a person;
    ``expression`` is the FHIRPath of the fault; ``rule`` is a stable short id for programs (``details.coding``).
    """

    severity: Severity
    code: str
    text: str
    expression: str | None = None
    rule: str | None = None
    diagnostics: str | None = None


RULE_SYSTEM = "urn:precert:rule"


def operation_outcome(issues: Iterable[Issue]) -> Resource:
    """Render ``issues`` as one OperationOutcome. FHIR wants at least one issue: none becomes "all is well"."""
    rendered: list[Resource] = []
    for issue in issues:
        details: Resource = {}
        if issue.rule:
            details["coding"] = [{"system": RULE_SYSTEM, "code": issue.rule}]
        details["text"] = issue.text
        element: Resource = {"severity": issue.severity, "code": issue.code, "details": details}
        if issue.diagnostics:
            element["diagnostics"] = issue.diagnostics
        if issue.expression:
            element["expression"] = [issue.expression]
        rendered.append(element)
    if not rendered:
        rendered = [{"severity": "information", "code": "informational", "details": {"text": "All OK."}}]
    return {"resourceType": "OperationOutcome", "issue": rendered}


class FhirError(Exception):
    """A request that gets ``status`` and one OperationOutcome with ``issues``. Nothing was stored."""

    def __init__(self, status: int, issues: Issue | Iterable[Issue], headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.issues: tuple[Issue, ...] = (issues,) if isinstance(issues, Issue) else tuple(issues)
        self.headers: Mapping[str, str] = headers or {}
        super().__init__("; ".join(i.text for i in self.issues))

    @property
    def resource(self) -> Resource:
        return operation_outcome(self.issues)


def quoted(value: object, most: int = 40) -> str:
    """How a text shows what was sent: in quotes, no longer than ``most`` characters; ``missing`` if nothing was."""
    return "missing" if value is None else repr(str(value)[:most])


def bad_request(
    text: str, expression: str | None = None, *, code: str = "invalid", rule: str | None = None
) -> FhirError:
    """400 with one error."""
    return FhirError(400, Issue("error", code, text, expression, rule))
