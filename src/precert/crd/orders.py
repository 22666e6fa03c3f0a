"""From an order as it arrived to the line it would become: code, quantity, dates, place, reasons, requester, performer.

Reads what the CRD profiles declare mandatory or mustSupport (conf-4, conf-8); whatever is malformed counts as not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from precert.authorization.deciding.evidence import holds
from precert.authorization.deciding.order_amount import asked_for
from precert.authorization.deciding.request import Ask
from precert.authorization.deciding.service import line_code
from precert.authorization.deciding.standing import diagnosis_evidence
from precert.authorization.record.case import LineRequest, Party
from precert.crd import urls
from precert.crd.billing import bare, billing_codings, modifiers_of
from precert.eligibility.directory import npis
from precert.fhir.bundle import BundleIndex, Entry, reference_of, type_and_id
from precert.fhir.coding import PLACE_OF_SERVICE, codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.extension import extensions, value
from precert.fhir.types import Element, Resource, as_list, elements
from precert.policy.types import EvidenceItem

_CODE_ELEMENTS = {
    "ServiceRequest": ("code",),
    "DeviceRequest": ("codeCodeableConcept",),
    "MedicationRequest": ("medicationCodeableConcept",),
    "CommunicationRequest": ("category",),
    "Appointment": ("serviceType",),
    "Encounter": ("type", "serviceType"),
}
_INTENDED = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
_OPEN = {
    "Appointment": ("proposed", "pending", "booked", "arrived", "checked-in", "waitlist"),
    "Encounter": ("planned", "arrived", "triaged", "in-progress", "onleave"),
}
_OPEN_ORDER = ("draft", "active")
_GIVEN_UP = ("revoked", "cancelled", "entered-in-error", "noshow")
_WITHOUT_INTENT = ("Appointment", "Encounter", "VisionPrescription", "CommunicationRequest")
_CODE_REFERENCES = {
    "DeviceRequest": ("codeReference", "type"),
    "MedicationRequest": ("medicationReference", "code"),
}


@dataclass(frozen=True, slots=True)
class Order:
    """One service to be decided about. ``target`` is the resource that carries the answer: the order itself, or the
    appointment or encounter that it belongs to. ``unbillable`` says that no code could be matched with billing codes."""

    entry: Entry
    target: Entry
    asked: Ask
    evidence: tuple[EvidenceItem, ...]
    insurance: tuple[str, ...]
    billing: tuple[Element, ...]
    concept: Element
    unbillable: bool = False
    failure: str | None = None  # why nothing can be said about it
    requesters: tuple[Entry, ...] = ()
    performers: tuple[Entry, ...] = ()
    performer_unknown: bool = False  # a performer is named who is not here and has no NPI in the reference

    @property
    def to_be_done(self) -> bool:
        """Whether this is an order that a machine may act on: one (by ``intent``) that is open (by ``status``, as is the
        appointment or encounter that it belongs to), does not forbid the service, has no modifier that is not understood,
        names who asks for it, and names as performers only who is known (FHIR R4 request pattern)."""
        resource = self.entry.resource
        return (
            _open(self.entry)
            and _open(self.target)
            and resource.get("doNotPerform", False) is False
            and (self.entry.type in _WITHOUT_INTENT or resource.get("intent") in _INTENDED)
            and (bool(self.requesters) or self.entry.type in ("Appointment", "Encounter"))
            and not self.performer_unknown
        )

    @property
    def given_up(self) -> bool:
        """Whether the order says itself that nothing will be done on it."""
        resource = self.entry.resource
        return resource.get("doNotPerform") is True or resource.get("status") in _GIVEN_UP

    @property
    def reference(self) -> str:
        """``Type/id``, or the place in the request when the order has no id."""
        return f"{self.entry.type}/{self.entry.id}" if self.entry.id else self.entry.path


def read_order(
    entry: Entry,
    index: BundleIndex,
    sequence: int,
    *,
    target: Entry | None = None,
    concept: Element | None = None,
    performer: Entry | None = None,
) -> Order:
    """One order. ``concept`` overrides the code (several needs of one encounter); ``performer`` that of a dispatch."""
    resource = entry.resource
    service = concept if concept is not None else service_concept(entry, index)
    options = [value(found) for found in extensions(resource, urls.BILLING_OPTIONS)]
    offered = [
        coding
        for option in options
        for coding in elements((option or {}).get("coding") if isinstance(option, dict) else None)
    ]
    service = {**service, "coding": [*elements(service.get("coding")), *offered]} if offered else service
    billing, modifiers = billing_codings(service), modifiers_of(codes(service))
    service = bare(service)
    start, end = _dates(resource)
    quantity, unit, said = asked_for(resource)
    item: Element = {"productOrService": service}
    if modifiers:
        item["modifier"] = modifiers
    if said is not None:
        item["quantity"] = said
    if start is not None:
        item["servicedPeriod"] = {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})}
    if place := _place(entry, index):
        item["locationCodeableConcept"] = place
    diagnoses = list(_diagnoses(entry, index))
    requesters, requester_npis, _ = _parties(entry, index, _REQUESTERS)
    performers, performer_npis, unknown = _parties(entry, index, _PERFORMERS)
    if performer is not None:
        performers, performer_npis, unknown = [performer], _all_npis([performer], index), False
    line = LineRequest(
        sequence=sequence,
        code=line_code(item),
        service_start=start,
        service_end=end,
        quantity=quantity,
        unit=unit,
        item=item,
        diagnoses=tuple(concept for concept, _ in diagnoses),
        provider=Party(npi=performer_npis[0]) if performer_npis else None,
    )
    reference = f"{entry.type}/{entry.id}" if entry.id else entry.path
    return Order(
        entry=entry,
        target=target or entry,
        asked=Ask(
            line,
            requester_npis=requester_npis,
            performer_npis=performer_npis,
            performer_known=bool(performers or performer_npis or unknown),
            communication=entry.type == "CommunicationRequest",
        ),
        evidence=tuple(diagnosis_evidence((concept, f"{reference}#{where}", {}) for concept, where in diagnoses)),
        insurance=tuple(r for member in elements(resource.get("insurance")) if (r := reference_of(member))),
        billing=billing,
        concept=service,
        unbillable=not billing and entry.type != "CommunicationRequest",
        requesters=tuple(requesters),
        performers=tuple(performers),
        performer_unknown=unknown,
    )


def _open(entry: Entry) -> bool:
    resource = entry.resource
    return resource.get("status") in _OPEN.get(entry.type, _OPEN_ORDER) and not resource.get("modifierExtension")


def service_concept(entry: Entry, index: BundleIndex) -> Element:
    """What is ordered, as one CodeableConcept; empty when the order does not say."""
    resource = entry.resource
    named = [c for key in _CODE_ELEMENTS.get(entry.type, ()) for c in elements(resource.get(key))]
    if entry.type == "NutritionOrder":
        named = list(_nutrition(resource))
    elif entry.type == "VisionPrescription":
        named = [c for lens in elements(resource.get("lensSpecification")) for c in elements(lens.get("product"))]
    if not named and entry.type in _CODE_REFERENCES:
        element, code = _CODE_REFERENCES[entry.type]
        found = index.resolve(resource.get(element), entry)
        named = elements(found.resource.get(code)) if found else []
    if not named:
        return {}
    merged: Element = dict(named[0])
    if len(named) > 1:
        merged["coding"] = [coding for concept in named for coding in elements(concept.get("coding"))]
    return merged


def _nutrition(resource: Resource) -> Iterator[Element]:
    for diet in elements(resource.get("oralDiet")):
        yield from elements(diet.get("type"))
    for supplement in elements(resource.get("supplement")):
        yield from elements(supplement.get("type"))
    for formula in elements(resource.get("enteralFormula")):
        yield from elements(formula.get("baseFormulaType"))


def _dates(resource: Resource) -> tuple[date | None, date | None]:
    """The first and last day of service, as far as the order says."""
    for key in ("occurrencePeriod", "requestedPeriod", "period"):
        for period in elements(resource.get(key)):
            if start := parse_date(period.get("start")):
                return start, parse_last_day(period.get("end"))
    for key in ("occurrenceDateTime", "start", "occurrenceTiming"):
        found = resource.get(key)
        if isinstance(found, dict):
            repeat = next(iter(elements(found.get("repeat"))), {})
            bounds = next(iter(elements(repeat.get("boundsPeriod"))), {})
            start, end = parse_date(bounds.get("start")), parse_last_day(bounds.get("end"))
        else:
            start, end = parse_date(found), parse_date(resource.get("end")) if key == "start" else None
        if start:
            return start, end
    return None, None


def _place(entry: Entry, index: BundleIndex) -> Element | None:
    """Where: the order's own code, or the type of the location that it names."""
    for concept in elements(entry.resource.get("locationCode")):
        return concept
    named = [*as_list(entry.resource.get("locationReference"))]
    named += [actor.get("actor") for actor in elements(entry.resource.get("participant"))]
    for reference in named:
        found = index.resolve(reference, entry) if isinstance(reference, dict) else None
        if found is not None and found.type == "Location":
            for concept in elements(found.resource.get("type")):
                if any(code.system == PLACE_OF_SERVICE for code in codes(concept)):
                    return concept
    return None


def _diagnoses(entry: Entry, index: BundleIndex) -> Iterator[tuple[Element, str]]:
    """(concept, where it stands) for each reason given; a Condition that is suspected, refuted or over is none."""
    resource = entry.resource
    for position, concept in enumerate(elements(resource.get("reasonCode"))):
        if next(codes(concept), None) is not None:
            yield concept, f"reasonCode[{position}]"
    for position, reference in enumerate(elements(resource.get("reasonReference"))):
        found = index.resolve(reference, entry)
        if found is not None and found.type == "Condition" and holds(found.resource):
            for concept in elements(found.resource.get("code")):
                yield concept, f"reasonReference[{position}]"


_REQUESTERS = ("requester", "orderer", "prescriber")
_PERFORMERS = ("performer", "recipient")


def _parties(entry: Entry, index: BundleIndex, keys: Iterable[str]) -> tuple[list[Entry], tuple[str, ...], bool]:
    """Who the order names under ``keys``, as far as they are here, the NPIs of all of them (a reference may say one itself,
    ``identifier``, instead of leading to somebody), and whether a provider is named of whom neither is known."""
    named = [reference for key in keys for reference in elements(entry.resource.get(key))]
    dispense = next(iter(elements(entry.resource.get("dispenseRequest"))), {})
    if "performer" in keys:
        named += elements(dispense.get("performer"))
    if entry.type == "Encounter" and "requester" in keys:
        named += [r for p in elements(entry.resource.get("participant")) for r in elements(p.get("individual"))]
    if entry.type == "Appointment" and "performer" in keys:
        named += [r for p in elements(entry.resource.get("participant")) for r in elements(p.get("actor"))]
    kinds = ("Practitioner", "PractitionerRole", "Organization")
    parties, numbers, unknown = [], [], False
    for reference in named:
        party = index.resolve(reference, entry)
        if party is None:
            own, target = npis(reference), type_and_id(reference_of(reference) or "")
            numbers += own
            unknown = unknown or not (own or (target is not None and target[0] not in kinds))
        elif party.type in kinds:
            parties.append(party)
            numbers += _all_npis([party], index)
    return parties, tuple(dict.fromkeys(numbers)), unknown


def _all_npis(parties: Iterable[Entry], index: BundleIndex) -> tuple[str, ...]:
    """The NPIs of practitioners and organizations, and of those behind their roles."""
    found: list[str] = []
    for party in parties:
        found += npis(party.resource)
        if party.type == "PractitionerRole":
            for key in ("practitioner", "organization"):
                behind = index.resolve(party.resource.get(key), party)
                found += npis(behind.resource) if behind else []
    return tuple(dict.fromkeys(found))
