"""The Parameters of ``$questionnaire-package``, read: what the client asks for, or one 400 that names every fault.

Source: profiles dtr-qpackage-input-parameters 2.2.0 and 2.0.1. Unknown parameters are ignored (the slicing is open).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time

import structlog

from precert.authorization.deciding import orders
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.coding import Code, codes
from precert.fhir.dates import parse_date, parse_instant
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource, text

log = structlog.get_logger(__name__)

ORDER_TYPES = (
    "Appointment",
    "CommunicationRequest",
    "DeviceRequest",
    "Encounter",
    "ImmunizationRecommendation",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "SupplyRequest",
    "VisionPrescription",
)
"""The types of orders that DTR names."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the client sent it, and ``read``: as CRD would read it, too."""

    resource: Resource
    path: str
    read: orders.Order

    @property
    def reference(self) -> Element:
        """How the client names it; only the client can read it."""
        kind, id = str(self.resource["resourceType"]), text(self.resource.get("id"))
        return {"reference": f"{kind}/{id}"} if id else {"type": kind, "display": "The order as sent"}

    @property
    def codes(self) -> tuple[Code, ...]:
        """Everything that names what is ordered."""
        return tuple(codes(self.read.concept))


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, taken apart but not resolved. ``index`` holds everything that came with it, to resolve references in; an order
    that cannot be read is among ``unread`` with its path."""

    coverages: tuple[Resource, ...]
    orders: tuple[Order, ...]
    questionnaires: tuple[str, ...]
    context: str | None
    changed_since: datetime | None
    index: BundleIndex
    unread: tuple[str, ...] = ()


def read_package_request(resource: Resource) -> Asked:
    """Take a body apart. Raises FhirError(400)."""
    if resource.get("resourceType") != "Parameters":
        kind = str(resource.get("resourceType"))[:64]
        text_ = f"$questionnaire-package takes a Parameters resource, not a {kind}."
        raise FhirError(400, Issue("error", "invalid", text_, kind, "not-parameters"))
    faults: list[Issue] = []
    coverages = tuple(r for _, r in _resources(resource, "coverage", ("Coverage",), faults))
    sent = list(_resources(resource, "order", ORDER_TYPES, faults))
    questionnaires = tuple(
        v for _, v in _values(resource, "questionnaire", ("Canonical", "Uri", "Url", "String"), faults)
    )
    contexts = list(_values(resource, "context", ("String", "Canonical"), faults))
    since = list(_values(resource, "changedsince", ("Instant", "DateTime", "Date"), faults))
    if len(contexts) > 1:
        faults.append(_fault("structure", "parameter-repeated", contexts[1][0], "context may be sent once."))
    if not (sent or questionnaires or contexts) and not faults:
        text_ = "Send at least one of order, questionnaire and context; without them nobody knows which form is meant."
        faults.append(_fault("required", "dtr-1", "Parameters.parameter", text_))
    changed = _moment(*since[0], faults) if since else None
    if faults:
        raise FhirError(400, faults)
    index = _indexed(resource)
    orders, unread = _orders(sent, index)
    context = contexts[0][1] if contexts else None
    return Asked(coverages, orders, questionnaires, context, changed, index, unread)


def _indexed(resource: Resource) -> BundleIndex:
    """Every resource that came, also those that 2.0.1 and the narrative call ``referenced``: providers, the patient."""
    index = BundleIndex({"resourceType": "Bundle"})
    for path, parameter in parameters(resource, "coverage", "order", "referenced"):
        content = parameter.get("resource")
        if isinstance(content, dict):
            index.add(Entry(len(index.entries), "", content, f"{path}.resource"))
    return index


def _orders(sent: list[tuple[str, Resource]], index: BundleIndex) -> tuple[tuple[Order, ...], tuple[str, ...]]:
    """The orders as they are read, numbered from 1, and the paths of those of a shape that nobody thought of."""
    found: list[Order] = []
    unread: list[str] = []
    entries = {entry.path: entry for entry in index.entries}
    for path, resource in sent:
        try:
            found.append(Order(resource, path, orders.read_order(entries[path], index, len(found) + 1)))
        except Exception:  # one order must not take the others with it; its answer says so
            log.exception("order cannot be read", type=resource.get("resourceType"))
            unread.append(path)
    return tuple(found), tuple(unread)


def _fault(code: str, rule: str, path: str, text: str) -> Issue:
    return Issue("error", code, text, path, rule)


def parameters(resource: Resource, *names: str) -> Iterator[tuple[str, Element]]:
    """The parameters with one of ``names`` (compared without case: the guides spell them differently), with their paths."""
    wanted = {name.lower() for name in names}
    raw = resource.get("parameter")
    for index, parameter in enumerate(raw if isinstance(raw, list) else []):
        if isinstance(parameter, dict) and str(parameter.get("name")).lower() in wanted:
            yield f"Parameters.parameter[{index}]", parameter


def _resources(
    resource: Resource, name: str, types: tuple[str, ...], faults: list[Issue]
) -> Iterator[tuple[str, Resource]]:
    for path, parameter in parameters(resource, name):
        content, where = parameter.get("resource"), f"{path}.resource"
        kind = content.get("resourceType") if isinstance(content, dict) else None
        if isinstance(content, dict) and kind in types:
            yield where, content
        elif kind is None:
            faults.append(_fault("required", "parameter-resource", where, f"{name} holds no resource. Send it inline."))
        else:
            listed = types[0] if len(types) == 1 else ", ".join(types)
            faults.append(
                _fault("invalid", "parameter-type", where, f"{name} is a {str(kind)[:64]}; it may be {listed}.")
            )


def _values(resource: Resource, name: str, types: tuple[str, ...], faults: list[Issue]) -> Iterator[tuple[str, str]]:
    for path, parameter in parameters(resource, name):
        key = next((f"value{kind}" for kind in types if f"value{kind}" in parameter), None)
        value = text(parameter.get(key)) if key else None
        if value is not None:
            yield f"{path}.{key}", value.strip()
        else:
            faults.append(_fault("required", "parameter-value", path, f"{name} needs value{types[0]}."))


def _moment(path: str, written: str, faults: list[Issue]) -> datetime | None:
    moment = parse_instant(written)
    day = parse_date(written)
    if moment is None and day is not None:
        moment = datetime.combine(day, time(), UTC)
    if moment is None:
        faults.append(
            _fault("value", "changed-since", path, f"changedsince {written[:40]!r} is not a date or instant.")
        )
    return moment
