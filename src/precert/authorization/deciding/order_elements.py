"""The elements of an order, read once for every edge: the service, its days and place, reasons, parties, and what keeps a
machine from acting on it. Whatever is malformed counts as not said, or as a doubt where silence would be a yes.

Source: CRD 2.2.1 order profiles (conf-4, conf-8); FHIR R4 request pattern (status, intent, doNotPerform), Timing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from precert.authorization.deciding.evidence import holds
from precert.authorization.deciding.parties import provider_npis
from precert.authorization.deciding.person import Patient, names_nobody
from precert.eligibility.directory import npis
from precert.fhir.bundle import BundleIndex, Entry, reference_of, type_and_id
from precert.fhir.coding import PLACE_OF_SERVICE, codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.hidden import first_hidden
from precert.fhir.types import Element, JsonValue, Resource, as_list, elements
from precert.policy.item import places_doubt

REQUESTERS = ("requester", "orderer", "prescriber")
PERFORMERS = ("performer", "recipient")

_CODE_ELEMENTS = {
    "ServiceRequest": ("code",),
    "DeviceRequest": ("codeCodeableConcept",),
    "MedicationRequest": ("medicationCodeableConcept",),
    "SupplyRequest": ("itemCodeableConcept",),
    "CommunicationRequest": ("category",),
    "Appointment": ("serviceType",),
    "Encounter": ("type", "serviceType"),
}
_CODE_REFERENCES = {
    "DeviceRequest": ("codeReference", "Device", "type"),
    "MedicationRequest": ("medicationReference", "Medication", "code"),
}
"""Where another resource says what is ordered: the element, the type of that resource, and its own element."""
_INTENDED = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
_OPEN = {
    "Appointment": ("proposed", "pending", "booked", "arrived", "checked-in", "waitlist"),
    "Encounter": ("planned", "arrived", "triaged", "in-progress", "onleave"),
}
_OPEN_ORDER = ("draft", "active")
_UNDOUBTED = {**_OPEN, "Encounter": (*_OPEN["Encounter"], "finished")}
"""What was done in an encounter stays done when the encounter is over."""
_WITHOUT_INTENT = frozenset({"Appointment", "Encounter", "SupplyRequest", "VisionPrescription", "CommunicationRequest"})
PROVIDERS = frozenset({"Practitioner", "PractitionerRole", "Organization"})
_TEAMS = frozenset({"CareTeam", "HealthcareService"})
_DATED = ("occurrencePeriod", "requestedPeriod", "period", "occurrenceDateTime", "start", "occurrenceTiming")
_WRITTEN = ("authoredOn", "dateWritten", "dateTime")  # dateTime: of a NutritionOrder
_NO_DAY = "Its {element} says no day that can be read."


def is_open(entry: Entry) -> bool:
    """Whether an order, appointment or encounter is open by its status, and everything in it is understood."""
    resource = entry.resource
    return resource.get("status") in _OPEN.get(entry.type, _OPEN_ORDER) and first_hidden(resource) is None


def intended(entry: Entry) -> bool:
    """Whether it is an order by its intent, and no plan or proposal."""
    return entry.type in _WITHOUT_INTENT or entry.resource.get("intent") in _INTENDED


def authored(entry: Entry) -> tuple[JsonValue, ...]:
    """When it was written, as it says it; empty when it does not say so."""
    return tuple(entry.resource[key] for key in _WRITTEN if entry.resource.get(key) is not None)


def unsaid(entry: Entry) -> Iterator[str]:
    """What an order has to say of itself and does not, in sentences."""
    if entry.resource.get("status") is None:
        yield "It says no status."
    if entry.type not in _WITHOUT_INTENT and entry.resource.get("intent") is None:
        yield "It says no intent."


def doubts(entry: Entry) -> Iterator[str]:
    """Why a machine cannot rest a final answer on an order, in sentences that begin with "It" or "Its"."""
    resource = entry.resource
    if resource.get("status") not in (None, *_UNDOUBTED.get(entry.type, _OPEN_ORDER)):
        yield f"Its status is {str(resource.get('status'))[:40]!r}."
    if not intended(entry) and resource.get("intent") is not None:
        yield f"Its intent is {str(resource.get('intent'))[:40]!r}, which is no order."
    if resource.get("doNotPerform", False) is not False:
        yield "It says that the service shall not be performed."
    yield from not_understood(entry)
    *_, unread = service_days(resource)
    if unread is not None:
        yield _NO_DAY.format(element=unread)
    if entry.type == "Appointment" and _outside(resource):
        yield "Its start is not in its requestedPeriod."


def not_understood(entry: Entry) -> Iterator[str]:
    """The sentence about something in an order or appointment that is not understood, or contradicts itself."""
    if (found := first_hidden(entry.resource)) is not None:
        yield f"It has {found.phrase}."


def _outside(appointment: Resource) -> bool:
    """Whether an appointment begins on a day that is in none of the periods it was requested for."""
    day, periods = parse_date(appointment.get("start")), elements(appointment.get("requestedPeriod"))
    if appointment.get("start") is None or not periods:
        return False
    spans = [(parse_date(period.get("start")), parse_last_day(period.get("end"))) for period in periods]
    return day is None or not any((a is None or a <= day) and (b is None or day <= b) for a, b in spans)


def concepts(entry: Entry, index: BundleIndex, whose: Patient | None = None) -> list[Element]:
    """The CodeableConcepts that say what is ordered, also of the medication or device that is referred to, unless it is said to be
    another patient's than ``whose`` (by default the order's own)."""
    resource = entry.resource
    named = [c for key in _CODE_ELEMENTS.get(entry.type, ()) for c in elements(resource.get(key))]
    if entry.type == "NutritionOrder":
        named = list(_nutrition(resource))
    elif entry.type == "VisionPrescription":
        named = [c for lens in elements(resource.get("lensSpecification")) for c in elements(lens.get("product"))]
    if not named and entry.type in _CODE_REFERENCES:
        element, type_, code = _CODE_REFERENCES[entry.type]
        found = index.resolve(resource.get(element), entry)
        if found is not None and found.type == type_ and first_hidden(found.resource) is None:
            mine = names_nobody(found) or (whose or patient_of(entry, index)).has(found, index) is True
            named = elements(found.resource.get(code)) if mine else []
    return named


def patient_of(entry: Entry, index: BundleIndex) -> Patient:
    """The patient of an order by its own word; one whom nothing is about when it names none."""
    for key in ("subject", "patient"):
        for reference in elements(entry.resource.get(key)):
            found, named = index.resolve(reference, entry), type_and_id(reference_of(reference) or "")
            if found is not None and found.type == "Patient":
                return Patient(found.resource, found.full_url, one_server=True)
            if named is not None and named[0] == "Patient":
                return Patient({"resourceType": "Patient", "id": named[1]}, one_server=True)
    return Patient({"resourceType": "Patient"})


def service_concept(entry: Entry, index: BundleIndex, whose: Patient | None = None) -> Element:
    """What is ordered, as one CodeableConcept; empty when the order does not say."""
    named = concepts(entry, index, whose)
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


def service_days(resource: Resource) -> tuple[date | None, date | None, str | None]:
    """The first and the last day of service, as far as the order says, and the element that is there and says none.

    A Timing says days by its bounds or its events; one that says only how often names no day, and nothing is wrong with it.
    """
    unread = None
    if sum(resource.get(key) is not None for key in _DATED if key.startswith("occurrence")) > 1:
        return None, None, "occurrence[x], which is there twice,"
    for key in _DATED:
        found = resource.get(key)
        if found is None:
            continue
        start, end, dated = _days_of(key, found, resource)
        if start is not None:
            return start, end, None
        unread = unread or (key if dated else None)
    return None, None, unread


def _days_of(key: str, found: object, resource: Resource) -> tuple[date | None, date | None, bool]:
    """The days that one element names, and whether it is meant to name any."""
    if key == "occurrenceTiming":
        return _timed(found)
    if key in ("occurrenceDateTime", "start"):
        return parse_date(found), parse_date(resource.get("end")) if key == "start" else None, True
    period = next(iter(elements(found)), {})
    return parse_date(period.get("start")), parse_last_day(period.get("end")), True


def _timed(timing: object) -> tuple[date | None, date | None, bool]:
    for each in elements(timing):
        for repeat in elements(each.get("repeat")):
            for bounds in elements(repeat.get("boundsPeriod")):
                return parse_date(bounds.get("start")), parse_last_day(bounds.get("end")), True
        events = as_list(each.get("event"))
        read = [day for event in events if (day := parse_date(event)) is not None]
        if events:
            whole = len(read) == len(events)
            return (min(read), max(read) if len(read) > 1 else None, True) if whole else (None, None, True)
        return None, None, False
    return None, None, True


def place(entry: Entry, index: BundleIndex) -> Element | None:
    """Where: the order's own code, or the type of the location that it names; one of CMS's place of service set first."""
    own, located = elements(entry.resource.get("locationCode")), _located(entry, index)
    return next((each for each in (*own, *located) if _is_place(each)), next(iter(own), None))


def place_doubt(entry: Entry, index: BundleIndex) -> str | None:
    """Why the codes of CMS's place of service set on an order and its locations name no one place, in a sentence, or ``None``."""
    return places_doubt([*elements(entry.resource.get("locationCode")), *_located(entry, index)])


def _located(entry: Entry, index: BundleIndex) -> list[Element]:
    """The types of the locations that an order or appointment names."""
    named = [*as_list(entry.resource.get("locationReference"))]
    named += [actor.get("actor") for actor in elements(entry.resource.get("participant"))]
    found = (index.resolve(reference, entry) for reference in named if isinstance(reference, dict))
    located = (each for each in found if each is not None and each.type == "Location")
    return [concept for each in located for concept in elements(each.resource.get("type"))]


def _is_place(concept: Element) -> bool:
    return any(code.system == PLACE_OF_SERVICE for code in codes(concept))


def reasons(entry: Entry, index: BundleIndex, whose: Patient) -> Iterator[tuple[Element, str]]:
    """(concept, where it stands) for each reason given. A Condition that is suspected, refuted or over is none, nor is one that is not
    said to be about ``whose``."""
    resource = entry.resource
    for position, concept in enumerate(elements(resource.get("reasonCode"))):
        if next(codes(concept), None) is not None:
            yield concept, f"reasonCode[{position}]"
    for position, reference in enumerate(elements(resource.get("reasonReference"))):
        found = index.resolve(reference, entry)
        if found is None or found.type != "Condition" or whose.has(found, index) is not True:
            continue
        if holds(found.resource):
            for concept in elements(found.resource.get("code")):
                yield concept, f"reasonReference[{position}]"


@dataclass(frozen=True, slots=True)
class Named:
    """A provider whom an order names: ``entry`` is ``None`` for one who is not here. ``npis`` are their own, or those that
    the ``reference`` itself says, then those of the practitioner and organization behind a role."""

    entry: Entry | None = None
    npis: tuple[str, ...] = ()
    reference: Element = field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """Whether nobody can say who is meant."""
        return self.entry is None and not self.npis


def parties(entry: Entry, index: BundleIndex, keys: Iterable[str]) -> list[Named]:
    """The providers whom the order names under ``keys``, as they stand there.

    The patient, a place or a device is no provider. A team or a service of several people counts when nobody else is named:
    then nobody can say who it is.
    """
    named = [reference for key in keys for reference in elements(entry.resource.get(key))]
    dispense = next(iter(elements(entry.resource.get("dispenseRequest"))), {})
    if "performer" in keys:
        named += elements(dispense.get("performer"))
    if entry.type == "Encounter" and "requester" in keys:
        named += [r for p in elements(entry.resource.get("participant")) for r in elements(p.get("individual"))]
    if entry.type == "Appointment" and "performer" in keys:
        named += [r for p in elements(entry.resource.get("participant")) for r in elements(p.get("actor"))]
    found: list[Named] = []
    teams: list[Named] = []
    for reference in named:
        party = index.resolve(reference, entry)
        target = type_and_id(reference_of(reference) or "")
        kind = party.type if party is not None else target[0] if target is not None else None
        if party is not None and kind in PROVIDERS:
            found.append(Named(party, tuple(provider_npis(index, party)), reference))
        elif party is None and (kind is None or kind in PROVIDERS or npis(reference)):
            found.append(Named(None, tuple(npis(reference)), reference))
        elif kind in _TEAMS:
            teams.append(Named(None, (), reference))
    return found or teams
