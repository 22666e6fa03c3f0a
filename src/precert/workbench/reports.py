"""What clients reported about forms, for whoever owns the policy. The DTR room keeps the reports and hands them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from precert.authorization.deciding.answers import ADAPTIVE_SUFFIX, form_named
from precert.fhir.dates import parse_instant
from precert.fhir.types import Element, elements, text
from precert.policy.catalogue import Catalogue

Reports = Callable[[str | None], Awaitable[Sequence[Element]]]
"""The newest reports, of one policy or of all."""


async def none_reported(policy: str | None) -> Sequence[Element]:
    """For a server without forms."""
    return ()


@dataclass(frozen=True, slots=True)
class FormView:
    """One form that a report names. ``known``: its policy has a page here."""

    name: str
    policy: str
    known: bool


@dataclass(frozen=True, slots=True)
class ReportView:
    """One report."""

    at: datetime | None
    client: str
    forms: tuple[FormView, ...]
    issues: tuple[Element, ...]


def report_views(reports: Sequence[Element], catalogue: Catalogue) -> list[ReportView]:
    """The reports as the page shows them."""
    return [
        ReportView(
            at=parse_instant(str(report.get("at"))),
            client=str(report.get("client")),
            forms=tuple(_form(named, catalogue) for named in report.get("questionnaires", ()) if text(named)),
            issues=tuple(elements(report.get("issues"))),
        )
        for report in reports
    ]


def _form(canonical: str, catalogue: Catalogue) -> FormView:
    name, version = form_named(canonical)
    policy = name.removesuffix(ADAPTIVE_SUFFIX)
    return FormView(f"{name}|{version}" if version else name, policy, bool(catalogue.versions(policy)))
