"""What the CRD edge says about one order, before any version's wire shape. The 2.2.1 vocabulary is the truth (docs/crd.md).

:mod:`precert.crd.shape22` and :mod:`precert.crd.shape20` render it; nothing here knows which.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from precert.fhir.types import Element

Covered = Literal["covered", "not-covered", "conditional", "indeterminate"]
PaNeeded = Literal["no-auth", "auth-needed", "satisfied", "performpa", "conditional", "indeterminate"]
DocNeeded = Literal["clinical", "admin", "patient"]
DocPurpose = Literal["withclaim", "withorder", "retain-doc"]
InfoNeeded = Literal["performer", "location", "timeframe", "contract-window", "detail-code", "OTH"]
ReasonCode = Literal[
    "gold-card",
    "no-member-found",
    "no-active-coverage",
    "coverage-not-found",
    "auth-out-network",
    "technical",
    "detail-code",
]
DetailCategory = Literal["cat-limitation", "cat-decisional", "cat-other"]
DetailCode = Literal[
    "allowed-quantity",
    "allowed-period",
    "concurrent-review",
    "auth-out-network-only",  # 2.0 only
    "policy-link",
    "instructions",
]
DetailType = Literal["Boolean", "String", "Url", "Quantity", "Period"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why; ``text`` is always there, so that invariant crd-ci-q7 can never fail."""

    text: str
    code: ReasonCode | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One qualifier of the assertion. ``value`` is of the FHIR type ``type``."""

    category: DetailCategory
    code: DetailCode
    type: DetailType
    value: bool | str | Element
    qualification: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask about this assertion."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class CoverageInfo:
    """One repetition of the coverage-information extension. Only combinations that the invariants of both versions allow are made."""

    coverage: str
    covered: Covered
    assertion: str
    date: dt.date
    pa_needed: PaNeeded | None = None
    doc_needed: tuple[DocNeeded, ...] = ()
    doc_purpose: tuple[DocPurpose, ...] = ()
    info_needed: tuple[InfoNeeded, ...] = ()
    billing_codes: tuple[Element, ...] = ()
    reasons: tuple[Reason, ...] = ()
    details: tuple[Detail, ...] = ()
    dependencies: tuple[str, ...] = ()
    questionnaires: tuple[str, ...] = ()
    satisfied_pa: str | None = None
    contacts: tuple[Contact, ...] = ()
    expiry: dt.date | None = None


Indicator = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a suggestion, or a system action. ``delete`` carries ``resource_id``, the others ``resource``."""

    type: Literal["create", "update", "delete"]
    description: str
    resource: Element | None = None
    resource_id: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    label: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    type: Literal["absolute", "smart"] = "absolute"
    app_context: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One card. ``topic`` is both its CRD response-type topic and the configuration option that switches it off."""

    topic: str
    summary: str
    detail: str = ""
    indicator: Indicator = "info"
    links: tuple[Link, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    resources: tuple[str, ...] = ()  # references of the orders it is about
    policies: tuple[str, ...] = ()  # which rules gave rise to it, for the feedback
    source: str | None = None  # another authority than the payer
    override_reasons: bool = False
