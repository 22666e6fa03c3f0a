"""What is particular to CRD STU 2.0 (2.0.1), from the same answer (differences: docs/conformance.md)."""

from __future__ import annotations

from dataclasses import replace

from precert.fhir.coverage_information import CoverageInfo, Reason, rendered
from precert.fhir.systems import CRD_TEMP
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_0

VERSION = STU_2_0.name
TOPIC_SYSTEM = CRD_TEMP
ANNOTATE_BASED_ON = False
"""The appointment itself carries the answer."""


def coverage_information(info: CoverageInfo) -> Element:
    """The extension. Who orders is told in words that the patient is asked too, as 2.0.1 has no code for that."""
    if "patient" in info.doc_needed:
        info = replace(info, reasons=(*info.reasons, Reason("Some of the questions are for the patient.")))
    return rendered(info, VERSION)
