"""What differs between DTR 2.2.0 and 2.0.1, as one protocol; the two versions stand side by side."""

from __future__ import annotations

from typing import Protocol

from precert.dtr.form import Questions
from precert.fhir.coverage_information import CoverageInfo
from precert.fhir.types import Element, Resource
from precert.fhir.versions import VersionName


class Shape(Protocol):
    """The parts of forms and packages that the versions spell differently. Nothing here decides anything."""

    @property
    def VERSION(self) -> VersionName:  # noqa: N802 (constants of the shape modules)
        """``2.2`` or ``2.0``."""
        ...

    @property
    def PREFIX(self) -> str:  # noqa: N802
        """The base that speaks this version."""
        ...

    @property
    def CONTEXT(self) -> str:  # noqa: N802
        """The set of profile tables to check against."""
        ...

    @property
    def PACKAGE_PARAMETER(self) -> str:  # noqa: N802
        """Name of the parameter that holds a package."""
        ...

    @property
    def OUTCOME_PARAMETER(self) -> str:  # noqa: N802
        """Name of the parameter that holds the OperationOutcome."""
        ...

    @property
    def ALTERNATIVE(self) -> str:  # noqa: N802
        """The extension that carries an expression as ELM."""
        ...

    @property
    def TERMINOLOGY_SERVER(self) -> str:  # noqa: N802
        """The extension that says where value sets are expanded."""
        ...

    @property
    def AUTO(self) -> str:  # noqa: N802
        """The origin of an answer that the payer filled in."""
        ...

    @property
    def EXPANDS_ALL(self) -> bool:  # noqa: N802
        """Whether every value set of a package is expanded, whatever its size."""
        ...

    @property
    def ASKS_IN_WAVES(self) -> bool:  # noqa: N802
        """Adaptive forms have no ``enableWhen``: what hangs on an open question is asked after it."""
        ...

    @property
    def SHELL_ASKS(self) -> bool:  # noqa: N802
        """The adaptive form in a package holds its first questions already, and its response their groups."""
        ...

    def version_algorithm(self) -> list[Element]:
        """The extension that says how versions compare, where the version of the guide has a code for that."""
        ...

    def root_extensions(self, form: Questions) -> list[Element]:
        """Extensions of the Questionnaire that only this version knows."""
        ...

    def library(self, url: str, version: str) -> str:
        """How ``cqf-library`` names the Library."""
        ...

    def support_link(self, url: str) -> Element:
        """The link to the policy's public page."""
        ...

    def contained_identity(self, canonical: str, version: str, new_id: str) -> Element:
        """``url`` and ``derivedFrom`` of the form inside an adaptive response."""
        ...

    def response_extensions(self, coverage: Element, orders: list[Element]) -> list[Element]:
        """The links of a draft response to coverage and orders."""
        ...

    def intended_use(self, code: str) -> Element:
        """What the answers are for, as a CodeableConcept."""
        ...

    def coverage_information(self, info: CoverageInfo) -> Element:
        """The extension of the CRD version that goes with this one."""
        ...

    def closing(self, text: str) -> Resource | None:
        """The display item that ends an adaptive form; ``None`` where the last answer may add nothing."""
        ...
