"""What is particular to CRD STU 2.2 (2.2.1): topic codes, what carries the answer."""

from __future__ import annotations

from precert.crd import urls
from precert.fhir.coverage_information import CoverageInfo, rendered
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_2

VERSION = STU_2_2.name
TOPIC_SYSTEM = urls.CARD_TYPE
ANNOTATE_BASED_ON = True
"""An appointment based on a ServiceRequest is answered on the ServiceRequest (docs/crd.md)."""


def coverage_information(info: CoverageInfo) -> Element:
    """The extension, as it is."""
    return rendered(info, VERSION)
