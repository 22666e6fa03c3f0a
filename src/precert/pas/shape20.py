"""What is particular to PAS STU 2.0 (2.0.1)."""

from __future__ import annotations

from precert.authorization.codes import IgVersion, Reject
from precert.authorization.record import Authorization, Party
from precert.fhir.types import Element
from precert.pas import urls

VERSION: IgVersion = "2.0"
"""The key into the decision-code table."""


def authorized_provider(party: Party) -> Element:
    """``extension-itemAuthorizedProvider`` (2.0.1: the provider's type is a plain sub-extension)."""
    return {
        "extension": [
            {"url": "provider", "valueReference": {"reference": party.reference}},
            {
                "url": "providerType",
                "valueCodeableConcept": {"coding": [{"system": urls.X12_ENTITY, "code": "1P"}]},
            },
        ],
        "url": urls.AUTHORIZED_PROVIDER,
    }


def error_element(reject: Reject) -> Element:
    """``extension-errorElement`` (2.0.1: a string)."""
    return {"url": urls.ERROR_ELEMENT, "valueString": reject.text}


def authorized_detail(requested: Element, authorization: Authorization | None) -> Element | None:
    """2.0.1: the detail on ``item`` is what was *authorized*."""
    if authorization is None:
        return None
    detail: list[Element] = [{"url": "productOrServiceCode", "valueCodeableConcept": requested["productOrService"]}]
    if authorization.quantity is not None and authorization.unit:
        quantity = {"value": authorization.quantity, "unit": authorization.unit}
        detail.append({"url": "quantity", "valueQuantity": quantity})
    return {"extension": detail, "url": urls.AUTHORIZED_DETAIL}
