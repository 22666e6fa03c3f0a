"""What is particular to PAS STU 2.2 (2.2.1)."""

from __future__ import annotations

from precert.authorization.record.case import Authorization, Line, Party
from precert.authorization.record.codes import Reject
from precert.fhir.extension import extensions
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_2
from precert.pas import urls

VERSION = STU_2_2.name
"""The key into the decision-code table."""
PREFIX = STU_2_2.prefix
"""The base that speaks this version."""
CONTEXT = STU_2_2.tables("pas")
"""The set of profile tables to check against."""
INQUIRY_IN_PARAMETERS = True
"""``$inquire`` answers Parameters with one Bundle for each match."""

_CARRIED = tuple(
    f"http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-{name}"
    for name in (
        "itemTraceNumber",
        "epsdtIndicator",
        "nursingHomeResidentialStatus",
        "nursingHomeLevelOfCare",
        "productOrServiceCodeEnd",
        "revenueUnitRateLimit",
        "requestedService",
        "serviceItemRequestType",
        "certificationType",
    )
)


def authorized_provider(party: Party, kind: Element) -> Element:
    """``extension-itemAuthorizedProvider`` (2.2.1: the provider's type is an extension of its own)."""
    return {
        "extension": [
            {"url": "provider", "valueReference": {"reference": party.reference}},
            {"url": urls.AUTHORIZED_PROVIDER_TYPE, "valueCodeableConcept": kind},
        ],
        "url": urls.AUTHORIZED_PROVIDER,
    }


def error_element(reject: Reject) -> Element:
    """``extension-errorElement`` (2.2.1: complex, the sentence under ``error``)."""
    return {"extension": [{"url": "error", "valueString": reject.text}], "url": urls.ERROR_ELEMENT}


def authorized_detail(line: Line, modified: bool) -> Element | None:
    """2.2.1: on ``item`` the detail repeats what was *requested*; a modified line needs it beside its ``addItem``."""
    if not modified:
        return None
    item = line.requested.item
    detail: list[Element] = [{"url": "productOrServiceCode", "valueCodeableConcept": item["productOrService"]}]
    detail += [{"url": "modifier", "valueCodeableConcept": m} for m in item.get("modifier", ())]
    if "unitPrice" in item:
        detail.append({"url": "unitPrice", "valueMoney": item["unitPrice"]})
    if line.requested.quantity is not None and line.requested.unit:
        detail.append({"url": "quantity", "valueQuantity": item["quantity"]})
    return {"extension": detail, "url": urls.AUTHORIZED_DETAIL}


def add_item(line: Line, authorization: Authorization, provider: Element | None, stay: list[Element]) -> Element | None:
    """2.2.1: what was really authorized of a modified line, as ``addItem`` with the same sequence and action A1."""
    item = line.requested.item
    carried = [e for url in _CARRIED for e in extensions(item, url)]
    period: Element = {"start": authorization.start.isoformat()}
    if authorization.end:
        period["end"] = authorization.end.isoformat()
    added: Element = {
        "extension": [
            *carried,
            {"url": urls.ISSUE_DATE, "valueDate": authorization.issued.isoformat()},
            {"url": urls.PREAUTH_PERIOD, "valuePeriod": period},
            *_numbers(line),
            *([{"url": urls.REVENUE_CODE, "valueCodeableConcept": item["revenue"]}] if "revenue" in item else []),
            *stay,
        ],
        "itemSequence": [line.sequence],
    }
    if provider:
        added["provider"] = [provider]
    added["productOrService"] = item["productOrService"]
    if "modifier" in item:
        added["modifier"] = item["modifier"]
    added["servicedPeriod"] = period
    for element in ("locationCodeableConcept", "locationAddress", "locationReference"):
        if element in item:
            added[element] = item[element]
    if authorization.quantity is not None and authorization.unit:
        added["quantity"] = {"value": authorization.quantity, "unit": authorization.unit}
    if "unitPrice" in item:
        added["unitPrice"] = item["unitPrice"]
    return added


def _numbers(line: Line) -> list[Element]:
    """The number that the request repeated, and the one the line had while it was pended."""
    found: list[Element] = list(extensions(line.requested.item, urls.AUTHORIZATION_NUMBER))
    if line.reference:
        found.append({"url": urls.ADMIN_REFERENCE, "valueString": line.reference})
    return found


def line_number(sequence: int) -> Element:
    """The line an information request is about."""
    return {"url": urls.SERVICE_LINE_NUMBER, "valuePositiveInt": sequence}


def input_modifiers(modifiers: list[Element]) -> list[Element]:
    """2.2.1 carries content modifiers on ``Task.input`` too."""
    return modifiers


def header_extensions(lines: list[Line], known: frozenset[str]) -> list[Element]:
    """The authorized provider of the whole, when all granted lines have the same (no provider type at the root)."""
    granted = {line.requested.provider.reference for line in lines if line.authorization and line.requested.provider}
    if len(granted) != 1 or not granted <= known:
        return []
    reference = {"url": "provider", "valueReference": {"reference": next(iter(granted))}}
    return [{"extension": [reference], "url": urls.AUTHORIZED_PROVIDER}]


def stay_extensions(admission: Element | str | None, discharge: str | None) -> list[Element]:
    """The admission and discharge dates of the request, repeated on each item."""
    found: list[Element] = []
    if isinstance(admission, dict):
        found.append({"url": urls.ADMISSION_DATES, "valuePeriod": admission})
    elif admission:
        found.append({"url": urls.ADMISSION_DATES, "valueDate": admission})
    if discharge:
        found.append({"url": urls.DISCHARGE_DATE, "valueDate": discharge})
    return found


def questionnaire_input(sequence: int, context: str) -> Element:
    """``Task.input``: the DTR context under which the questionnaire is fetched."""
    return {
        "extension": [line_number(sequence)],
        "type": {"coding": [{"system": urls.TEMP_CODES, "code": "questionnaire-context"}]},
        "valueString": context,
    }


def communication(sequence: int, content: str) -> tuple[list[Element], Element]:
    """Where the line number stands: (extensions of the CommunicationRequest, its payload)."""
    return [line_number(sequence)], {"contentString": content}
