"""The Parameters of ``$questionnaire-package``, read: what the client asks for, or one 400 that names every fault.

Source: profiles dtr-qpackage-input-parameters 2.2.0 and 2.0.1. Unknown parameters are ignored (the slicing is open).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time

from precert.fhir.coding import Code, codes
from precert.fhir.dates import parse_date, parse_instant
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource, elements, text

_CODES: dict[str, tuple[str, ...]] = {
    "Appointment": ("serviceType",),
    "CommunicationRequest": ("category", "reasonCode"),
    "DeviceRequest": ("codeCodeableConcept",),
    "Encounter": ("type", "serviceType"),
    "ImmunizationRecommendation": (),
    "MedicationRequest": ("medicationCodeableConcept",),
    "NutritionOrder": ("oralDiet", "supplement", "enteralFormula"),
    "ServiceRequest": ("code",),
    "SupplyRequest": ("itemCodeableConcept",),
    "VisionPrescription": ("lensSpecification",),
}
"""The types of orders that DTR names, and where they say what is ordered."""
_INSIDE = ("type", "product", "baseFormulaType")


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the client sent it."""

    resource: Resource
    path: str

    @property
    def reference(self) -> Element:
        """How the client names it; only the client can read it."""
        kind, id = str(self.resource["resourceType"]), text(self.resource.get("id"))
        return {"reference": f"{kind}/{id}"} if id else {"type": kind, "display": "The order as sent"}

    @property
    def concepts(self) -> list[Element]:
        """The concepts that say what is ordered."""
        found: list[Element] = []
        for key in _CODES.get(str(self.resource["resourceType"]), ()):
            for concept in elements(self.resource.get(key)):
                inside = [c for part in _INSIDE for c in elements(concept.get(part))]
                found.extend(inside or [concept])
        return [concept for concept in found if any(codes(concept))]

    @property
    def service(self) -> Element:
        """All that it names as one concept, as CRD reads an order: several services in it are no single one."""
        return {"coding": [coding for concept in self.concepts for coding in elements(concept.get("coding"))]}

    @property
    def codes(self) -> tuple[Code, ...]:
        return tuple(code for concept in self.concepts for code in codes(concept))


@dataclass(frozen=True, slots=True)
class Asked:
    """One call, taken apart but not resolved."""

    coverages: tuple[Resource, ...]
    orders: tuple[Order, ...]
    questionnaires: tuple[str, ...]
    context: str | None
    changed_since: datetime | None


def read_package_request(resource: Resource) -> Asked:
    """Take a body apart. Raises FhirError(400)."""
    if resource.get("resourceType") != "Parameters":
        kind = str(resource.get("resourceType"))[:64]
        text_ = f"$questionnaire-package takes a Parameters resource, not a {kind}."
        raise FhirError(400, Issue("error", "invalid", text_, kind, "not-parameters"))
    faults: list[Issue] = []
    coverages = tuple(r for _, r in _resources(resource, "coverage", ("Coverage",), faults))
    orders = tuple(Order(r, path) for path, r in _resources(resource, "order", tuple(_CODES), faults))
    questionnaires = tuple(
        v for _, v in _values(resource, "questionnaire", ("Canonical", "Uri", "Url", "String"), faults)
    )
    contexts = list(_values(resource, "context", ("String", "Canonical"), faults))
    since = list(_values(resource, "changedsince", ("Instant", "DateTime", "Date"), faults))
    if len(contexts) > 1:
        faults.append(_fault("structure", "parameter-repeated", contexts[1][0], "context may be sent once."))
    if not (orders or questionnaires or contexts) and not faults:
        text_ = "Send at least one of order, questionnaire and context; without them nobody knows which form is meant."
        faults.append(_fault("required", "dtr-1", "Parameters.parameter", text_))
    changed = _moment(*since[0], faults) if since else None
    if faults:
        raise FhirError(400, faults)
    return Asked(coverages, orders, questionnaires, contexts[0][1] if contexts else None, changed)


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
