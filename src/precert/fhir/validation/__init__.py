"""Profile validation: tables compiled from IG packages, and a walker over them.

``Validator.load().validate(resource)`` finds what is wrong; ``assess(findings, policy)`` says what follows from it.
"""

from __future__ import annotations

from precert.fhir.validation.findings import Finding, RuleClass
from precert.fhir.validation.policy_of_use import LENIENT, OFF, STRICT, Assessment, Mode, Policy, assess
from precert.fhir.validation.tables import CONTEXTS, TablesError, data_dir
from precert.fhir.validation.validator import Validator

__all__ = [
    "CONTEXTS",
    "LENIENT",
    "OFF",
    "STRICT",
    "Assessment",
    "Finding",
    "Mode",
    "Policy",
    "RuleClass",
    "TablesError",
    "Validator",
    "assess",
    "data_dir",
]
