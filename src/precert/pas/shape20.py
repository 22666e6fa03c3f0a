"""What is particular to PAS STU 2.0 (2.0.1)."""

from __future__ import annotations

from precert.authorization.record.case import Authorization, Line, Party
from precert.authorization.record.codes import Reject
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_0
from precert.pas import urls

VERSION = STU_2_0.name
"""The key into the decision-code table."""
PREFIX = STU_2_0.prefix
"""The base that speaks this version."""
CONTEXT = STU_2_0.tables("pas")
"""The set of profile tables to check against."""
INQUIRY_IN_PARAMETERS = False
"""``$inquire`` answers one Bundle that holds all matches."""


def authorized_provider(party: Party, kind: Element) -> Element:
    """``extension-itemAuthorizedProvider`` (2.0.1: the provider's type is a plain sub-extension)."""
    return {
        "extension": [
            {"url": "provider", "valueReference": {"reference": party.reference}},
            {"url": "providerType", "valueCodeableConcept": kind},
        ],
        "url": urls.AUTHORIZED_PROVIDER,
    }


def error_element(reject: Reject) -> Element:
    """``extension-errorElement`` (2.0.1: a string)."""
    return {"url": urls.ERROR_ELEMENT, "valueString": reject.text}


def authorized_detail(line: Line, modified: bool) -> Element | None:
    """2.0.1: the detail on ``item`` is what was *authorized*."""
    authorization = line.authorization
    if authorization is None:
        return None
    item = line.requested.item
    detail: list[Element] = [{"url": "productOrServiceCode", "valueCodeableConcept": item["productOrService"]}]
    detail += [{"url": "modifier", "valueCodeableConcept": m} for m in item.get("modifier", ())]
    if authorization.quantity is not None and authorization.unit:
        quantity = {"value": authorization.quantity, "unit": authorization.unit}
        detail.append({"url": "quantity", "valueQuantity": quantity})
    return {"extension": detail, "url": urls.AUTHORIZED_DETAIL}


def add_item(line: Line, authorization: Authorization, provider: Element | None, stay: list[Element]) -> Element | None:
    """2.0.1 says what was authorized on the item itself."""
    return None


def line_number(sequence: int) -> Element:
    """The line an information request is about."""
    return {"url": urls.PA_LINE_NUMBER, "valueInteger": sequence}


def input_modifiers(modifiers: list[Element]) -> list[Element]:
    """2.0.1 knows content modifiers on the CommunicationRequest only."""
    return []


def header_extensions(lines: list[Line], known: frozenset[str]) -> list[Element]:
    """2.0.1 names the authorized provider on the items only."""
    return []


def stay_extensions(admission: Element | str | None, discharge: str | None) -> list[Element]:
    """2.0.1 has no place for the dates of a stay in the response."""
    return []


def questionnaire_input(sequence: int, context: str) -> Element:
    """``Task.input``: which questionnaire is needed, by identifier."""
    return {
        "extension": [line_number(sequence)],
        "type": {"coding": [{"system": urls.TEMP_CODES, "code": "questionnaires-needed"}]},
        "valueIdentifier": {"system": urls.QUESTION_LIST, "value": context},
    }


def communication(sequence: int, content: str) -> tuple[list[Element], Element]:
    """Where the line number stands: (extensions of the CommunicationRequest, its payload)."""
    number = {"url": urls.SERVICE_LINE_NUMBER, "valuePositiveInt": sequence}
    return [], {"extension": [number], "contentString": content}
