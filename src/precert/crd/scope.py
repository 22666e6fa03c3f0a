"""Which services a call is about, by hook (docs/crd.md): drafts, selections, dispatched orders, appointments, encounters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec
import structlog

from precert.authorization.deciding import order_elements
from precert.authorization.deciding.order_elements import Named, service_concept
from precert.authorization.deciding.orders import (
    Order,
    about_another,
    around,
    dispatched_to,
    doubted,
    numbered,
    read_order,
    unanswerable,
)
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.request import Ask
from precert.authorization.record.case import LineRequest
from precert.crd.context import HookContext, is_order
from precert.crd.encounters import encounter_needs
from precert.crd.envelope import HookCall
from precert.crd.faults import unobtainable
from precert.crd.gather import Gathered, based_on
from precert.crd.hooks import ORDER_TYPES
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir.bundle import BundleIndex, Entry, reference_of, type_and_id
from precert.fhir.coding import Code, codes
from precert.fhir.types import Element

log = structlog.get_logger(__name__)

_PLANNED = ("draft", "active", "on-hold")
_CONTESTED = (
    "The call holds several resources {name} that say different things; nothing is said about them. Send each under an id of "
    "its own."
)


def relevant_drafts(call: HookCall, context: HookContext) -> bool:
    """Whether a call that brings its orders along brings any that we know (a DSTU2 MedicationOrder is not one)."""
    if call.hook.content not in ("orders", "appointments"):
        return True
    kinds = ORDER_TYPES if call.hook.content == "orders" else ("Appointment",)
    return any(entry["resource"].get("resourceType") in kinds for entry in context.drafts)


def orders_in_scope(
    call: HookCall, context: HookContext, gathered: Gathered, crosswalk: Crosswalk, *, on_order: bool
) -> list[Order]:
    """The services to be answered, numbered from 1. ``on_order``: appointments answer on the order they are based on.
    ``crosswalk`` is the plan's: a line is known by the code under which it is billed.

    Raises FhirError (faults.unobtainable) when what the hook is about cannot be had at all.
    """
    index, whose = gathered.pool.index, gathered.pool.patient(context.patient)
    found: Iterable[Order]
    match call.hook.content:
        case "orders":
            found = _drafts(context, whose, index)
        case "dispatch":
            found = _dispatched(context, gathered)
        case "appointments":
            found = _appointments(context, whose, index, on_order=on_order)
        case "encounter":
            found = _encounter(context, gathered)
    told_apart = (_contested(order, gathered) for order in found)
    return [numbered(order, sequence, crosswalk) for sequence, order in enumerate(told_apart, start=1)]


def _contested(order: Order, gathered: Gathered) -> Order:
    """The same, of which nothing is said if the call holds something else under the same id."""
    for entry in (order.entry, order.target):
        if (entry.type, entry.id) in gathered.pool.contested and entry.container is None:
            return replace(order, failure=_CONTESTED.format(name=f"{entry.type}/{entry.id}"))
    return order


def _read(
    entry: Entry,
    index: BundleIndex,
    whose: Patient,
    *,
    target: Entry | None = None,
    concept: Element | None = None,
    performer: Named | None = None,
) -> Order:
    """An order; whatever is wrong with it stays in it and is said in its answer."""
    try:
        order = read_order(entry, index, 0, target=target, concept=concept, performer=performer, whose=whose)
    except Exception:  # an order of a shape nobody thought of must not take the others with it
        log.exception("order cannot be read", type=entry.type)
        asked = Ask(LineRequest(sequence=0, code=""))
        text = "The order cannot be read. Check it against the FHIR specification."
        return Order(entry, target or entry, asked, (), (), (), {}, failure=text)
    failure = unanswerable(entry, whose, index)
    return replace(order, failure=failure) if failure else order


def _drafts(context: HookContext, whose: Patient, index: BundleIndex) -> Iterator[Order]:
    drafts = {id(entry["resource"]) for entry in context.drafts}
    selected = {type_and_id(reference) for reference in context.selected} if context.selected else None
    for entry in index.entries:
        if id(entry.resource) not in drafts or not is_order(entry.resource):
            continue
        if selected is None or (entry.type, entry.id) in selected:
            yield _read(entry, index, whose)


def _dispatched(context: HookContext, gathered: Gathered) -> list[Order]:
    index = gathered.pool.index
    to = context.performer
    performer = dispatched_to(index.resolve(to), to, index) if to else None
    found: list[Order] = []
    for reference in context.dispatched:
        entry = index.resolve(reference)
        if entry is not None and is_order(entry.resource):
            found.append(_read(entry, index, gathered.pool.patient(context.patient), performer=performer))
    if not found:
        why = next((p for r in context.dispatched if (p := gathered.problem(r))), None)
        raise unobtainable(
            "orders-unobtainable",
            f"None of the dispatched orders is in the prefetch or could be fetched{f' ({why})' if why else ''}. "
            "Send the order prefetch of this service, or fhirServer with fhirAuthorization.",
            "context.dispatchedOrders",
        )
    return found


def _appointments(context: HookContext, whose: Patient, index: BundleIndex, *, on_order: bool) -> list[Order]:
    drafts = {id(entry["resource"]) for entry in context.drafts}
    found: dict[str, Order] = {}
    for entry in index.entries:
        if id(entry.resource) not in drafts or entry.type != "Appointment":
            continue
        bases = [index.resolve(reference, entry) for reference in based_on(entry.resource)]
        orders = [base for base in bases if base is not None and is_order(base.resource)]
        if about_another(entry, whose, index):
            orders = []  # the appointment itself is told why nothing is said
        doubts = tuple(_doubts(entry, whose, index))
        if not orders:
            order = doubted(_read(entry, index, whose), doubts)
            found.setdefault(order.reference, order)
        for base in orders:
            own = on_order and base.container is None  # what is contained can only be updated with its appointment
            order = _booked(_read(base, index, whose, target=base if own else entry), entry, index)
            key = order.reference if own else f"{entry.path} {order.reference}"
            found[key] = around(found.get(key, order), doubts)  # one of several that is not to be is enough to look
    return list(found.values())


def _doubts(appointment: Entry, whose: Patient, index: BundleIndex) -> Iterator[str]:
    yield from order_elements.unsaid(appointment)
    yield from order_elements.doubts(appointment)
    if whose.has(appointment, index) is not True:
        yield "Its participants do not include the patient of the call."


def _booked(order: Order, appointment: Entry, index: BundleIndex) -> Order:
    """The order with the day of the appointment, which is more exact than the order's own."""
    booked = read_order(appointment, index, 0).asked.line
    if booked.service_start is None:
        return order
    line = msgspec.structs.replace(
        order.asked.line,
        service_start=booked.service_start,
        service_end=booked.service_end,
        item={**order.asked.line.item, "servicedPeriod": booked.item.get("servicedPeriod", {})},
    )
    return replace(order, asked=replace(order.asked, line=line))


def ordered(gathered: Gathered, patient: str) -> frozenset[Code]:
    """The codes of everything that is drafted, active or on hold for the patient: in the call, in the prefetch, fetched."""
    index = gathered.pool.index
    return frozenset(
        code
        for entry in gathered.pool.of_patient(patient)
        if is_order(entry.resource) and entry.resource.get("status") in _PLANNED
        for code in codes(service_concept(entry, index))
    )


def _encounter(context: HookContext, gathered: Gathered) -> list[Order]:
    """The encounter's own services, its disposition, and the orders planned in it: all answered on the encounter."""
    index, whose = gathered.pool.index, gathered.pool.patient(context.patient)
    reference = f"Encounter/{context.encounter}"
    encounter = index.resolve(reference)
    if encounter is None:
        why = gathered.problem(reference)
        raise unobtainable(
            "encounter-unobtainable",
            f"{reference} is not in the prefetch and could not be fetched{f' ({why})' if why else ''}.",
            "prefetch.encounter",
        )
    doubts = [*order_elements.unsaid(encounter), *order_elements.doubts(encounter)]
    if about_another(encounter, whose, index):
        doubts.append("It is of another patient than the call.")
    found = [
        _read(encounter, index, whose, target=encounter, concept=concept)
        for concept in encounter_needs(encounter.resource)
    ]
    for entry in gathered.pool.of_patient(context.patient):
        named = entry.resource.get("encounter")
        of = type_and_id(reference_of(named) or "") if isinstance(named, dict) else None
        planned = entry.type in ORDER_TYPES and entry.resource.get("status") in _PLANNED
        if planned and of == ("Encounter", context.encounter):
            found.append(around(_read(entry, index, whose, target=encounter), doubts))
    return [order for order in found if order.failure or not order.unbillable]
