"""The wire shape of CRD STU 2.0 (2.0.1), from the same answer (differences: docs/conformance.md)."""

from __future__ import annotations

from precert.crd import urls
from precert.crd.answer import CoverageInfo, Detail, Reason
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_0

VERSION = STU_2_0.name
TOPIC_SYSTEM = urls.TEMP
ANNOTATE_BASED_ON = False
"""The appointment itself carries the answer."""

_KNOWN_REASONS = frozenset({"gold-card", "detail-code"})
_NOBODY = frozenset({"no-member-found", "coverage-not-found"})
"""Who is not known is not told that no authorization is needed."""
_KNOWN_DETAILS = frozenset({"allowed-quantity", "allowed-period", "concurrent-review", "auth-out-network-only"})


def coverage_information(info: CoverageInfo) -> Element:
    """The extension: no ``indeterminate``, one ``doc-needed``, pa-needed also with not-covered (crd-ci-q2 of 2.0.1)."""
    nobody = any(reason.code in _NOBODY for reason in info.reasons)
    pa = _conditional(info.pa_needed or ("conditional" if nobody else "no-auth"))
    covered = _conditional(info.covered)
    needs = [_info(code) for code in info.info_needed]
    if "indeterminate" in (info.covered, info.pa_needed) and "OTH" not in needs:
        needs.append("OTH")
    parts: list[Element] = [
        {"url": "coverage", "valueReference": {"reference": info.coverage}},
        {"url": "covered", "valueCode": covered},
        {"url": "pa-needed", "valueCode": pa},
    ]
    if info.doc_needed:
        parts.append({"url": "doc-needed", "valueCode": _documents(info.doc_needed)})
    parts += [{"url": "doc-purpose", "valueCode": code} for code in info.doc_purpose]
    parts += [{"url": "info-needed", "valueCode": code} for code in dict.fromkeys(needs)]
    parts += [{"url": "billingCode", "valueCoding": coding} for coding in info.billing_codes]
    parts += [{"url": "reason", "valueCodeableConcept": _reason(reason)} for reason in _reasons(info)]
    parts += [_detail(detail) for detail in (*info.details, *_out_of_network(info))]
    parts += [{"url": "dependency", "valueReference": {"reference": target}} for target in info.dependencies]
    parts += [{"url": "questionnaire", "valueCanonical": canonical} for canonical in info.questionnaires]
    parts.append({"url": "date", "valueDate": info.date.isoformat()})
    parts.append({"url": "coverage-assertion-id", "valueString": info.assertion})
    if info.satisfied_pa is not None:
        parts.append({"url": "satisfied-pa-id", "valueString": info.satisfied_pa})
    for contact in info.contacts:
        parts.append({"url": "contact", "valueContactPoint": {"system": "phone", "value": contact.phone}})
    return {"url": urls.COVERAGE_INFORMATION, "extension": parts}


def _conditional(code: str) -> str:
    return "conditional" if code == "indeterminate" else code


def _documents(needed: tuple[str, ...]) -> str:
    """Clinical and administrative together are ``both``; the patient's part has no code and counts as clinical."""
    kinds = {"clinical" if kind == "patient" else kind for kind in needed}
    return "both" if len(kinds) > 1 else kinds.pop()


def _info(code: str) -> str:
    return "OTH" if code == "detail-code" else code


def _reasons(info: CoverageInfo) -> list[Reason]:
    """The same reasons, and in words what 2.0.1 has no element for."""
    said = list(info.reasons)
    if "patient" in info.doc_needed:
        said.append(Reason("Some of the questions are for the patient."))
    if info.expiry is not None:
        said.append(Reason(f"Holds until {info.expiry.isoformat()}."))
    return said


def _out_of_network(info: CoverageInfo) -> list[Detail]:
    """What is a reason in 2.2 is a detail in 2.0."""
    said = any(reason.code == "auth-out-network" for reason in info.reasons)
    return [Detail("cat-decisional", "auth-out-network-only", "Boolean", True)] if said else []


def _reason(reason: Reason) -> Element:
    coding = {"coding": [{"system": urls.TEMP, "code": reason.code}]} if reason.code in _KNOWN_REASONS else {}
    return {**coding, "text": reason.text}


def _detail(detail: Detail) -> Element:
    code: Element = {"coding": [{"system": urls.TEMP, "code": detail.code}]}
    if detail.code not in _KNOWN_DETAILS:
        code = {"text": detail.code}
    kind = "String" if detail.type == "Url" else detail.type
    parts: list[Element] = [
        {"url": "code", "valueCodeableConcept": code},
        {"url": "value", f"value{kind}": detail.value},
    ]
    if detail.qualification:
        parts.append({"url": "qualification", "valueString": detail.qualification})
    return {"url": "detail", "extension": parts}
