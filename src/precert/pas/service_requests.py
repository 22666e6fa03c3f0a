"""The orders behind the items of a Claim: what they and the items say of an authorization on record, and whether an order
is one that the item can rest on.

Source: PAS extension-requestedService and extension-authorizationNumber (X12 REF*BB); CRD ext-coverage-information.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from precert.authorization.deciding import order_elements
from precert.authorization.deciding.evidence import ours, told_on_order
from precert.authorization.deciding.order_amount import asked_for
from precert.authorization.deciding.order_elements import REQUESTERS
from precert.authorization.deciding.orders import other_services
from precert.authorization.deciding.parties import provider_npis
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.service import identify
from precert.authorization.record.case import LineRequest
from precert.authorization.record.numbers import NumberKind
from precert.authorization.usecases.submission import ReferencedOrder
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.extension import extension_value, extensions, value
from precert.fhir.systems import ICD10PCS, NDC, REVENUE, X12_SERVICE_TYPE
from precert.fhir.types import Element, elements
from precert.pas import urls
from precert.policy.amounts import read

_NOT_COMPARED = frozenset({ICD10PCS, NDC, REVENUE, X12_SERVICE_TYPE})
"""Codes that may stand for the same service as a procedure code, without saying so."""


def read_orders(
    index: BundleIndex, claim: Entry, whose: Patient, lines: Sequence[LineRequest], crosswalk: Crosswalk
) -> dict[int, ReferencedOrder]:
    """By the item's sequence; items that say nothing are left out, and so are those of an inquiry that could not be read.

    ``whose`` is the patient of the Claim, ``lines`` are its items as they were read.
    """
    found, read_as = {}, {line.sequence: line for line in lines}
    for item in elements(claim.resource.get("item")):
        sequence = item.get("sequence")
        line = read_as.get(sequence) if isinstance(sequence, int) else None
        if line is None:
            continue
        order = _ordered(index, claim, item, whose, line, crosswalk)
        if order != ReferencedOrder():
            found[line.sequence] = order
    return found


def _ordered(
    index: BundleIndex, claim: Entry, item: Element, whose: Patient, line: LineRequest, crosswalk: Crosswalk
) -> ReferencedOrder:
    numbers = [extension_value(element, urls.AUTHORIZATION_NUMBER) for element in (item, claim.resource)]
    named = ours(numbers, NumberKind.AUTHORIZATION)
    orders = requested_services(index, claim, item)
    told = [told_on_order(order.resource) for order in orders]
    asking = [index.resolve(order.resource.get(element), order) for order in orders for element in REQUESTERS]
    first = orders[0] if orders else None
    doubts = (doubt for order in orders for doubt in _doubts(order, index, whose, line, crosswalk))
    unsaid = (each for order in orders for each in order_elements.unsaid(order))
    return ReferencedOrder(
        reference=f"{first.type}/{first.id}" if first is not None and first.id else None,
        npis=tuple(npi for who in asking for npi in provider_npis(index, who)),
        named=named,
        carried=tuple(dict.fromkeys(number for numbers, _ in told for number in numbers)),
        assertions=tuple(dict.fromkeys(id for _, ids in told for id in ids)),
        doubts=tuple(dict.fromkeys(doubts)),
        unsaid=tuple(dict.fromkeys(unsaid)),
        authored=tuple(time for order in orders for time in order_elements.authored(order)),
    )


def requested_services(index: BundleIndex, claim: Entry, item: Element) -> list[Entry]:
    """The orders behind an item that came along, each once: every one that it names (extension-requestedService)."""
    named = (value(each) for each in extensions(item, urls.REQUESTED_SERVICE))
    found = (index.resolve(reference, claim) for reference in named)
    return list({id(order.resource): order for order in found if order is not None}.values())


def _doubts(order: Entry, index: BundleIndex, whose: Patient, line: LineRequest, crosswalk: Crosswalk) -> Iterator[str]:
    """Why the line cannot rest on the order, in sentences."""
    if whose.has(order, index) is not True:
        yield "It is not said to be for the patient of the request."
    yield from order_elements.doubts(order)
    if (where := order_elements.place_doubt(order, index)) is not None:
        yield where
    yield from other_services(order, line, crosswalk)
    if not _same_service(order, index, line, crosswalk):
        yield "It is for another service than the item."
    if not _amount_within(order, line):
        yield "It is for another quantity than the item."
    if not _days_within(order, line):
        yield "It is for other days than the item."


def _same_service(order: Entry, index: BundleIndex, line: LineRequest, crosswalk: Crosswalk) -> bool:
    """Whether the order may be for the line's service: a code of the sender's own system says nothing about it."""
    asked = identify(line.item, crosswalk, line.service_start)
    if asked.trouble and not asked.unnamed:
        return True  # the item itself is understood by nobody, and a person looks at it for that
    for concept in order_elements.concepts(order, index):
        ordered = identify({"productOrService": concept}, crosswalk, line.service_start)
        if ordered.trouble and not ordered.unnamed:
            return False
        if not ordered.codes or not asked.codes or set(ordered.codes) & set(asked.codes):
            continue
        systems = {code.system for code in ordered.codes}, {code.system for code in asked.codes}
        if systems[0] == systems[1] or not any(each & _NOT_COMPARED for each in systems):
            return False
    return True


def _amount_within(order: Entry, line: LineRequest) -> bool:
    """Whether the line asks for no more than was ordered, where both say how much."""
    said = asked_for(order.resource)
    if said is None or line.item.get("quantity") is None or said == line.item["quantity"]:
        return True
    ordered, asked = read(said), read(line.item["quantity"])
    if ordered is None or asked is None:
        return False
    fits = asked.within(ordered)
    return asked.value == ordered.value if fits is None else fits


def _days_within(order: Entry, line: LineRequest) -> bool:
    """Whether the days of the line are among those of the order, where both say any; a day alone must be one of them."""
    start = line.service_start
    if start is None:
        return True
    last = line.service_end or start
    day = parse_date(order.resource.get("occurrenceDateTime"))
    if day is not None:
        return start <= day <= last
    for first, end in _periods(order.resource):
        if (first is not None and start < first) or (end is not None and last > end):
            return False
    return True


def _periods(resource: Element) -> Iterator[tuple[date | None, date | None]]:
    periods = elements(resource.get("occurrencePeriod"))
    for timing in elements(resource.get("occurrenceTiming")):
        periods += [p for repeat in elements(timing.get("repeat")) for p in elements(repeat.get("boundsPeriod"))]
    for period in periods:
        yield parse_date(period.get("start")), parse_last_day(period.get("end"))
