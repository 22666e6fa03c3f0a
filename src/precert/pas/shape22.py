"""What is particular to PAS STU 2.2 (2.2.1)."""

from __future__ import annotations

from precert.authorization.codes import IgVersion, Reject
from precert.authorization.record import Authorization, Party
from precert.fhir.types import Element
from precert.pas import urls

VERSION: IgVersion = "2.2"
"""The key into the decision-code table."""


def authorized_provider(party: Party) -> Element:
    """``extension-itemAuthorizedProvider`` (2.2.1: the provider's type is an extension of its own)."""
    return {
        "extension": [
            {"url": "provider", "valueReference": {"reference": party.reference}},
            {
                "url": urls.AUTHORIZED_PROVIDER_TYPE,
                "valueCodeableConcept": {"coding": [{"system": urls.X12_ENTITY, "code": "1P"}]},
            },
        ],
        "url": urls.AUTHORIZED_PROVIDER,
    }


def error_element(reject: Reject) -> Element:
    """``extension-errorElement`` (2.2.1: complex, the sentence under ``error``)."""
    return {"extension": [{"url": "error", "valueString": reject.text}], "url": urls.ERROR_ELEMENT}


def authorized_detail(requested: Element, authorization: Authorization | None) -> Element | None:
    """2.2.1: the detail on ``item`` repeats what was *requested*, and only a modified item needs it."""
    return None
