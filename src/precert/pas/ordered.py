"""The orders behind the items of a Claim, and what they and the items say of an authorization on record.

Source: PAS extension-requestedService and extension-authorizationNumber (X12 REF*BB); CRD ext-coverage-information.
"""

from __future__ import annotations

from precert.authorization.deciding.evidence import ours, told_on_order
from precert.authorization.record.numbers import NumberKind
from precert.authorization.usecases.submission import Ordered
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, elements
from precert.pas import urls
from precert.pas.named import provider_npis

_WHO_ORDERED = ("requester", "orderer", "prescriber")


def read_orders(index: BundleIndex, claim: Entry) -> dict[int, Ordered]:
    """By the item's sequence; items that say nothing are left out. Call it when the items were read without a fault."""
    found = {}
    for item in elements(claim.resource.get("item")):
        order = _ordered(index, claim, item)
        if order != Ordered():
            found[int(item["sequence"])] = order
    return found


def _ordered(index: BundleIndex, claim: Entry, item: Element) -> Ordered:
    numbers = [extension_value(element, urls.AUTHORIZATION_NUMBER) for element in (item, claim.resource)]
    named = ours(numbers, NumberKind.AUTHORIZATION)
    order = index.resolve(extension_value(item, urls.REQUESTED_SERVICE), claim)
    if order is None:
        return Ordered(named=named)
    carried, assertions = told_on_order(order.resource)
    asking = [index.resolve(order.resource.get(element), order) for element in _WHO_ORDERED]
    return Ordered(
        reference=f"{order.type}/{order.id}" if order.id else None,
        npis=tuple(npi for who in asking for npi in provider_npis(index, who)),
        named=named,
        carried=carried,
        assertions=assertions,
    )
