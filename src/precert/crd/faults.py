"""Which status a fault gets, by CRD version: the 2.2.1 rule is 400 for what breaks CDS Hooks or FHIR and 422 for what breaks
CRD only; 2.0.1 gives 422 for everything that is JSON (docs/crd.md; hook-9, hook-13, 2.0.1 @162, @163)."""

from __future__ import annotations

from typing import Literal

from precert.fhir.outcome import FhirError, Issue

Version = Literal["2.0", "2.2"]
VERSIONS: tuple[Version, ...] = ("2.0", "2.2")


def malformed(version: Version, rule: str, text: str, expression: str, code: str = "structure") -> FhirError:
    """The call breaks a rule of CDS Hooks or base FHIR."""
    return FhirError(400 if version == "2.2" else 422, Issue("error", code, text, expression, rule))


def unacceptable(rule: str, text: str, expression: str, code: str = "business-rule") -> FhirError:
    """The call breaks a rule of CRD only."""
    return FhirError(422, Issue("error", code, text, expression, rule))


def coverage_fault(version: Version, rule: str, text: str, expression: str) -> FhirError:
    """No, several, or another payer's coverage."""
    return FhirError(400 if version == "2.2" else 422, Issue("error", "business-rule", text, expression, rule))


def unobtainable(rule: str, text: str, expression: str) -> FhirError:
    """Data that are needed came neither as prefetch nor over the client's FHIR server (H@54)."""
    return FhirError(412, Issue("error", "not-found", text, expression, rule))
