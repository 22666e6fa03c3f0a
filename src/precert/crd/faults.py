"""Which status a fault gets, by CRD version: the 2.2.1 rule is 400 for what breaks CDS Hooks or FHIR and 422 for what breaks
CRD only; 2.0.1 gives 422 for everything that is JSON (docs/crd.md; hook-9, hook-13, 2.0.1 @162, @163)."""

from __future__ import annotations

from precert.fhir.outcome import FhirError, Issue
from precert.fhir.versions import STU_2_2, VERSIONS, VersionName

NAMES: tuple[VersionName, ...] = tuple(version.name for version in reversed(VERSIONS))
"""What a client may ask for, the oldest first."""


def malformed(version: VersionName, rule: str, text: str, expression: str, code: str = "structure") -> FhirError:
    """The call breaks a rule of CDS Hooks or base FHIR."""
    return FhirError(400 if version == STU_2_2.name else 422, Issue("error", code, text, expression, rule))


def unacceptable(rule: str, text: str, expression: str, code: str = "business-rule") -> FhirError:
    """The call breaks a rule of CRD only."""
    return FhirError(422, Issue("error", code, text, expression, rule))


def coverage_fault(version: VersionName, rule: str, text: str, expression: str) -> FhirError:
    """No, several, or another payer's coverage."""
    return FhirError(400 if version == STU_2_2.name else 422, Issue("error", "business-rule", text, expression, rule))


def unobtainable(rule: str, text: str, expression: str) -> FhirError:
    """Data that are needed came neither as prefetch nor over the client's FHIR server (H@54)."""
    return FhirError(412, Issue("error", "not-found", text, expression, rule))
