"""The CRD extension coverage-information: what can be asserted about an order's coverage, and its form on the wire.

CRD writes it on orders, DTR on finished adaptive forms; both say their values here and this module alone spells them.
The vocabulary of 2.2.1 is the truth (docs/crd.md), 2.0.1 is made from it (docs/conformance.md).
Source: StructureDefinition ext-coverage-information of the packages hl7.fhir.us.davinci-crd 2.2.1 and 2.0.1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from precert.fhir.systems import CRD_COVERAGE_DETAIL, CRD_TEMP
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_2, VersionName

COVERAGE_INFORMATION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"

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


def rendered(info: CoverageInfo, version: VersionName) -> Element:
    """``info`` as the whole extension of CRD 2.2.1 (``2.2``) or 2.0.1 (``2.0``); its parts in the order of the guide."""
    said = _stu22(info) if version == STU_2_2.name else _stu20(info)
    parts: list[Element] = [
        {"url": "coverage", "valueReference": {"reference": info.coverage}},
        {"url": "covered", "valueCode": said.covered},
    ]
    if said.pa_needed is not None:
        parts.append({"url": "pa-needed", "valueCode": said.pa_needed})
    parts += [{"url": "doc-needed", "valueCode": code} for code in said.doc_needed]
    parts += [{"url": "doc-purpose", "valueCode": code} for code in info.doc_purpose]
    parts += [{"url": "info-needed", "valueCode": code} for code in said.info_needed]
    parts += [{"url": "billingCode", "valueCoding": coding} for coding in info.billing_codes]
    parts += [{"url": "reason", "valueCodeableConcept": reason} for reason in said.reasons]
    parts += [{"url": "detail", "extension": detail} for detail in said.details]
    parts += [{"url": "dependency", "valueReference": {"reference": target}} for target in info.dependencies]
    parts += [{"url": "questionnaire", "valueCanonical": canonical} for canonical in info.questionnaires]
    parts.append({"url": "date", "valueDate": info.date.isoformat()})
    parts.append({"url": "coverage-assertion-id", "valueString": info.assertion})
    if info.satisfied_pa is not None:
        parts.append({"url": "satisfied-pa-id", "valueString": info.satisfied_pa})
    parts += [{"url": "contact", **contact} for contact in said.contacts]
    if said.expiry is not None:
        parts.append({"url": "expiry-date", "valueDate": said.expiry.isoformat()})
    return {"url": COVERAGE_INFORMATION, "extension": parts}


@dataclass(frozen=True, slots=True)
class _Spelled:
    """The parts that the versions spell differently, in the words of one of them; the details as their parts."""

    covered: str
    pa_needed: str | None
    doc_needed: Sequence[str]
    info_needed: Sequence[str]
    reasons: Sequence[Element]
    details: Sequence[list[Element]]
    contacts: Sequence[Element]
    expiry: dt.date | None


# 2.2.1: every code is as in the values.


def _stu22(info: CoverageInfo) -> _Spelled:
    return _Spelled(
        covered=info.covered,
        pa_needed=info.pa_needed if info.covered != "not-covered" else None,  # crd-ci-q2
        doc_needed=info.doc_needed,
        info_needed=info.info_needed,
        reasons=[_reason22(reason) for reason in info.reasons],
        details=[_detail22(detail) for detail in info.details],
        contacts=[_contact22(contact) for contact in info.contacts],
        expiry=info.expiry,
    )


def _reason22(reason: Reason) -> Element:
    # detail-code is an info-needed code in 2.2 and a reason in 2.0.
    return _concept(reason.text, reason.code if reason.code != "detail-code" else None)


def _detail22(detail: Detail) -> list[Element]:
    # Both codings: the binding is to THO, and clients of earlier builds know the temporary system (docs/crd.md).
    codings = [{"system": system, "code": detail.code} for system in (CRD_COVERAGE_DETAIL, CRD_TEMP)]
    return [{"url": "category", "valueCode": detail.category}, *_detail(detail, {"coding": codings}, detail.type)]


def _contact22(contact: Contact) -> Element:
    return {"valueContactDetail": {"name": contact.name, "telecom": [{"system": "phone", "value": contact.phone}]}}


# 2.0.1: no ``indeterminate``, one ``doc-needed``, fewer codes; what it has no element for is said in words.

_NOBODY = frozenset({"no-member-found", "coverage-not-found"})
_REASONS20 = frozenset({"gold-card", "detail-code"})
_DETAILS20 = frozenset({"allowed-quantity", "allowed-period", "concurrent-review", "auth-out-network-only"})


def _stu20(info: CoverageInfo) -> _Spelled:
    needs = ["OTH" if code == "detail-code" else code for code in info.info_needed]
    if "indeterminate" in (info.covered, info.pa_needed):
        needs.append("OTH")
    reasons = list(info.reasons)
    if info.expiry is not None:
        reasons.append(Reason(f"Holds until {info.expiry.isoformat()}."))
    details = list(info.details)
    if any(reason.code == "auth-out-network" for reason in info.reasons):  # a reason in 2.2, a detail in 2.0
        details.append(Detail("cat-decisional", "auth-out-network-only", "Boolean", True))
    return _Spelled(
        covered=_conditional(info.covered),
        pa_needed=_conditional(info.pa_needed or _unsaid20(info)),
        doc_needed=_documents20(info.doc_needed),
        info_needed=tuple(dict.fromkeys(needs)),
        reasons=[_concept(reason.text, reason.code if reason.code in _REASONS20 else None) for reason in reasons],
        details=[_detail20(detail) for detail in details],
        contacts=[{"valueContactPoint": {"system": "phone", "value": contact.phone}} for contact in info.contacts],
        expiry=None,
    )


def _conditional(code: str) -> str:
    return "conditional" if code == "indeterminate" else code


def _unsaid20(info: CoverageInfo) -> PaNeeded:
    """What 2.0.1 says where no pa-needed is asserted: its crd-ci-q2 counts an extension without one as broken.

    What is not covered needs none. Who is not known is not told so, and of what may be covered it is not known either.
    """
    nobody = any(reason.code in _NOBODY for reason in info.reasons)
    return "no-auth" if info.covered == "not-covered" and not nobody else "conditional"


def _documents20(needed: tuple[DocNeeded, ...]) -> tuple[str, ...]:
    """Clinical and administrative together are ``both``; the patient's part has no code and counts as clinical."""
    kinds = {"clinical" if kind == "patient" else kind for kind in needed}
    return ("both",) if len(kinds) > 1 else tuple(kinds)


def _detail20(detail: Detail) -> list[Element]:
    coded: Element = {"coding": [{"system": CRD_TEMP, "code": detail.code}]}
    code = coded if detail.code in _DETAILS20 else {"text": detail.code}
    return _detail(detail, code, "String" if detail.type == "Url" else detail.type)


# Of both.


def _concept(text: str, code: str | None) -> Element:
    coding = {"coding": [{"system": CRD_TEMP, "code": code}]} if code else {}
    return {**coding, "text": text}


def _detail(detail: Detail, code: Element, kind: str) -> list[Element]:
    parts: list[Element] = [
        {"url": "code", "valueCodeableConcept": code},
        {"url": "value", f"value{kind}": detail.value},
    ]
    if detail.qualification:
        parts.append({"url": "qualification", "valueString": detail.qualification})
    return parts
