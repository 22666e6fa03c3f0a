"""The wire shape of CRD STU 2.2 (2.2.1): coverage-information, topic codes, what carries the answer."""

from __future__ import annotations

from precert.crd import urls
from precert.crd.answer import CoverageInfo, Detail, Reason
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_2

VERSION = STU_2_2.name
TOPIC_SYSTEM = urls.CARD_TYPE
ANNOTATE_BASED_ON = True
"""An appointment based on a ServiceRequest is answered on the ServiceRequest (docs/crd.md)."""


def coverage_information(info: CoverageInfo) -> Element:
    """The extension. ``indeterminate`` and every code is as in the answer; not-covered has no pa-needed (crd-ci-q2)."""
    parts: list[Element] = [
        {"url": "coverage", "valueReference": {"reference": info.coverage}},
        {"url": "covered", "valueCode": info.covered},
    ]
    if info.pa_needed is not None and info.covered != "not-covered":
        parts.append({"url": "pa-needed", "valueCode": info.pa_needed})
    parts += [{"url": "doc-needed", "valueCode": code} for code in info.doc_needed]
    parts += [{"url": "doc-purpose", "valueCode": code} for code in info.doc_purpose]
    parts += [{"url": "info-needed", "valueCode": code} for code in info.info_needed]
    parts += [{"url": "billingCode", "valueCoding": coding} for coding in info.billing_codes]
    parts += [{"url": "reason", "valueCodeableConcept": _reason(reason)} for reason in info.reasons]
    parts += [_detail(detail) for detail in info.details]
    parts += [{"url": "dependency", "valueReference": {"reference": target}} for target in info.dependencies]
    parts += [{"url": "questionnaire", "valueCanonical": canonical} for canonical in info.questionnaires]
    parts.append({"url": "date", "valueDate": info.date.isoformat()})
    parts.append({"url": "coverage-assertion-id", "valueString": info.assertion})
    if info.satisfied_pa is not None:
        parts.append({"url": "satisfied-pa-id", "valueString": info.satisfied_pa})
    for contact in info.contacts:
        telecom = [{"system": "phone", "value": contact.phone}]
        parts.append({"url": "contact", "valueContactDetail": {"name": contact.name, "telecom": telecom}})
    if info.expiry is not None:
        parts.append({"url": "expiry-date", "valueDate": info.expiry.isoformat()})
    return {"url": urls.COVERAGE_INFORMATION, "extension": parts}


def _reason(reason: Reason) -> Element:
    # detail-code is an info-needed code in 2.2 and a reason in 2.0.
    coded = reason.code if reason.code != "detail-code" else None
    coding = {"coding": [{"system": urls.TEMP, "code": coded}]} if coded else {}
    return {**coding, "text": reason.text}


def _detail(detail: Detail) -> Element:
    # Both codings: the binding is to THO, and clients of earlier builds know the temporary system (docs/crd.md).
    codings = [{"system": system, "code": detail.code} for system in (urls.COVERAGE_DETAIL, urls.TEMP)]
    parts: list[Element] = [
        {"url": "category", "valueCode": detail.category},
        {"url": "code", "valueCodeableConcept": {"coding": codings}},
        {"url": "value", f"value{detail.type}": detail.value},
    ]
    if detail.qualification:
        parts.append({"url": "qualification", "valueString": detail.qualification})
    return {"url": "detail", "extension": parts}
