"""What is particular to DTR STU 2.0 (2.0.1)."""

from __future__ import annotations

from precert.dtr import urls
from precert.dtr.form import Questions
from precert.fhir.coverage_information import CoverageInfo, rendered
from precert.fhir.systems import CRD_TEMP
from precert.fhir.types import Element, Resource
from precert.fhir.versions import STU_2_0

VERSION = STU_2_0.name
PREFIX = STU_2_0.prefix
CONTEXT = STU_2_0.tables("dtr")
PACKAGE_PARAMETER = "PackageBundle"
OUTCOME_PARAMETER = "operationOutcome"
ALTERNATIVE = urls.ALTERNATIVE_20
TERMINOLOGY_SERVER = urls.TERMINOLOGY_SERVER
AUTO = "auto"
EXPANDS_ALL = True
ASKS_IN_WAVES = True
SHELL_ASKS = True


def version_algorithm() -> list[Element]:
    """None: the code system of the extension came with FHIR R5, and no guide that 2.0.1 builds on has it."""
    return []


def root_extensions(form: Questions) -> list[Element]:
    """2.0.1 says nothing more about a form."""
    return []


def library(url: str, version: str) -> str:
    """The 2.0.1 suite compares with ``Library.url`` as it stands."""
    return url


def support_link(url: str) -> Element:
    """2.0.1 follows the older extension, which is a plain uri."""
    return {"url": urls.SUPPORT_LINK, "valueUri": url}


def contained_identity(canonical: str, version: str, new_id: str) -> Element:
    """SDC 3.0.0: the asked form has no url."""
    return {"version": version, "derivedFrom": [f"{canonical}|{version}"]}


def response_extensions(coverage: Element, orders: list[Element]) -> list[Element]:
    """One extension for both, two of them at least; without an order the second says that none was named."""
    named = orders or [{"type": "ServiceRequest", "display": "No order was named."}]
    return [{"url": urls.QR_CONTEXT, "valueReference": reference} for reference in (coverage, *named)]


def intended_use(code: str) -> Element:
    """CRD 2.0.1's temporary codes."""
    return {"coding": [{"system": CRD_TEMP, "code": code}]}


def coverage_information(info: CoverageInfo) -> Element:
    """As CRD 2.0.1 spells it."""
    return rendered(info, VERSION)


def closing(text: str) -> Resource | None:
    """The last answer echoes the response and adds nothing (2.0.1 requirement 219)."""
    return None
