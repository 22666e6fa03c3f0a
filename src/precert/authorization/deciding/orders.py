"""One order of a client, whoever sent it, as the line it would become: what CRD, PAS and DTR ask about it.

The one builder of an :class:`Ask` out of an order. Source: CRD 2.2.1 order profiles (conf-4, conf-8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

import msgspec

from precert.authorization.deciding import order_elements
from precert.authorization.deciding.billing_codings import bare, billing_codings, modifiers_of
from precert.authorization.deciding.order_amount import asked_for, line_amount
from precert.authorization.deciding.order_elements import PERFORMERS, PROVIDERS, REQUESTERS, Named, is_open, parties
from precert.authorization.deciding.parties import as_party, provider_doubts, provider_npis
from precert.authorization.deciding.person import Patient, names_nobody
from precert.authorization.deciding.request import NOBODY_ASKS, Ask
from precert.authorization.deciding.service import identify, line_code
from precert.authorization.deciding.standing import diagnosis_evidence
from precert.authorization.record.case import LineRequest, Party
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir.bundle import BundleIndex, Entry, reference_of
from precert.fhir.coding import codes
from precert.fhir.extension import extensions, value
from precert.fhir.hidden import first_hidden
from precert.fhir.types import Element, Resource, elements
from precert.policy.types import EvidenceItem

BILLING_OPTIONS = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options"
_NO_ORDERS = ("Appointment", "Encounter")
"""What is asked about and is no order, so that it says otherwise how far it is to be done."""
_DETAILS = ("orderDetail", "parameter")
_WITHOUT_SUBJECT = ("Appointment", "SupplyRequest")
_GIVEN_UP = ("revoked", "cancelled", "entered-in-error", "noshow")
_ANOTHERS = "The order is for another patient than the call; nothing is said about it."
_NOBODYS = "The order does not say whom it is for; nothing is said about it. Name the patient in its subject."


@dataclass(frozen=True, slots=True)
class Order:
    """One service to be decided about. ``insurance`` are the references that it names; empty for one that is no literal reference. ``target`` is the resource that carries the answer: the order itself, or the
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
    requester: Named | None = None  # the first who is named
    performer: Named | None = None
    performer_unknown: bool = False  # a performer is named who is not here and has no NPI in the reference

    @property
    def to_be_done(self) -> bool:
        """Whether this is an order that a machine may act on: it raises no doubts (status, intent, doNotPerform, modifiers), it
        and the appointment or encounter that it belongs to are open, it names who asks for it, and names as performers only who
        is known (FHIR R4 request pattern)."""
        return (
            is_open(self.entry)
            and is_open(self.target)
            and not (self.asked.doubts or self.asked.unsaid)
            and (self.entry.type in _NO_ORDERS or (self.requester is not None and not self.requester.unknown))
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
    performer: Named | None = None,
    whose: Patient | None = None,
) -> Order:
    """One order. ``concept`` overrides the code (several needs of one encounter); ``performer`` that of a dispatch. What the order
    refers to counts if it is about ``whose``, by default the patient whom the order names."""
    resource = entry.resource
    whose = whose or order_elements.patient_of(entry, index)
    service = concept if concept is not None else order_elements.service_concept(entry, index, whose)
    options = [value(found) for found in extensions(resource, BILLING_OPTIONS)]
    offered = [
        coding
        for option in options
        for coding in elements((option or {}).get("coding") if isinstance(option, dict) else None)
    ]
    service = {**service, "coding": [*elements(service.get("coding")), *offered]} if offered else service
    billing, modifiers = billing_codings(service), modifiers_of(codes(service))
    service = bare(service)
    start, end, _ = order_elements.service_days(resource)
    said = asked_for(resource)
    item: Element = {"productOrService": service}
    if modifiers:
        item["modifier"] = modifiers
    if said is not None:
        item["quantity"] = said
    if start is not None:
        item["servicedPeriod"] = {"start": start.isoformat(), **({"end": end.isoformat()} if end else {})}
    if place := order_elements.place(entry, index):
        item["locationCodeableConcept"] = place
    quantity, unit = line_amount(item)
    diagnoses = list(order_elements.reasons(entry, index, whose))
    requester = next(iter(parties(entry, index, REQUESTERS)), None)
    performers = [performer] if performer is not None else parties(entry, index, PERFORMERS)
    first = next(iter(performers), None)
    line = LineRequest(
        sequence=sequence,
        code=line_code(item),
        service_start=start,
        service_end=end,
        quantity=quantity,
        unit=unit,
        item=item,
        diagnoses=tuple(concept for concept, _ in diagnoses),
        provider=provider_of(first, index) if first is not None else None,
    )
    reference = f"{entry.type}/{entry.id}" if entry.id else entry.path
    return Order(
        entry=entry,
        target=target or entry,
        asked=Ask(
            line,
            requester_npis=requester.npis if requester is not None else (),
            performer_npis=first.npis if first is not None else (),
            performer_known=first is not None,
            more_performers=tuple(each.npis for each in performers[1:]),
            communication=entry.type == "CommunicationRequest",
            doubts=tuple(_doubts(entry, index, requester, start)),
            unsaid=tuple(order_elements.unsaid(entry)),
            authored=() if entry.type in _NO_ORDERS else order_elements.authored(entry),
        ),
        evidence=tuple(diagnosis_evidence((concept, f"{reference}#{where}", {}) for concept, where in diagnoses)),
        insurance=tuple(reference_of(member) or "" for member in elements(resource.get("insurance"))),
        billing=billing,
        concept=service,
        unbillable=not billing and entry.type != "CommunicationRequest",
        requester=requester,
        performer=first,
        performer_unknown=any(each.unknown for each in performers),
    )


def _doubts(entry: Entry, index: BundleIndex, requester: Named | None, day: date | None) -> Iterator[str]:
    if (where := order_elements.place_doubt(entry, index)) is not None:
        yield where
    yield from order_elements.doubts(entry)
    if entry.type in _NO_ORDERS:
        return
    if requester is not None:
        yield from provider_doubts(index, requester.entry, requester.reference, day)
    who = requester.entry if requester is not None else None
    if (
        requester is not None
        and who is not None
        and not requester.npis
        and not elements(who.resource.get("identifier"))
    ):
        yield NOBODY_ASKS
    if who is not None and (found := first_hidden(who.resource)) is not None:
        yield f"Its requester has {found.phrase}."


def doubted(order: Order, doubts: Iterable[str]) -> Order:
    """The order with further doubts about it, each once."""
    return replace(order, asked=replace(order.asked, doubts=tuple(dict.fromkeys((*order.asked.doubts, *doubts)))))


def around(order: Order, doubts: Iterable[str]) -> Order:
    """The order with the doubts about the appointment or encounter that it belongs to."""
    return doubted(order, (f"Of its appointment or encounter: {doubt}" for doubt in doubts))


def other_services(entry: Entry, line: LineRequest, crosswalk: Crosswalk) -> Iterator[str]:
    """The details of an order (``ServiceRequest.orderDetail``, ``parameter``) that name a service other than that of ``line``, or one that
    nobody understands, as doubts. Codes that nobody bills by are no service."""
    if not any(key in entry.resource for key in _DETAILS):
        return
    own = identify(line.item, crosswalk, line.service_start)
    for where, concept in _details(entry.resource):
        part = identify({"productOrService": concept}, crosswalk, line.service_start)
        if part.unnamed and not (part.vague or part.weak):
            continue
        if part.trouble or not set(part.codes) <= set(own.codes):
            yield f"Its {where} has the code of another service, or one that is not understood."


def _details(resource: Resource) -> Iterator[tuple[str, Element]]:
    for key in _DETAILS:
        for n, detail in enumerate(elements(resource.get(key))):
            own = (
                [detail] if key == "orderDetail" else elements([detail.get("code"), detail.get("valueCodeableConcept")])
            )
            yield from ((f"{key}[{n}]", concept) for concept in own)


def provider_of(named: Named, index: BundleIndex) -> Party:
    """A performer as the one who would be authorized; the reference alone says it of one who is not here."""
    if named.entry is not None:
        return as_party(index, named.entry, named.entry.full_url or None)
    return Party(npi=next(iter(named.npis), None), reference=reference_of(named.reference))


def dispatched_to(performer: Entry | None, reference: str, index: BundleIndex) -> Named:
    """The performer to whom an order is sent, in place of the one whom it names; ``None``: they cannot be looked up."""
    known = performer if performer is not None and performer.type in PROVIDERS else None
    return Named(known, tuple(provider_npis(index, known)), {"reference": reference})


def numbered(order: Order, sequence: int, crosswalk: Crosswalk) -> Order:
    """The order as one line of several, known by the code under which it is billed (by the plan's ``crosswalk``, too)."""
    line = order.asked.line
    code = line_code(line.item, crosswalk, line.service_start)
    line = msgspec.structs.replace(line, sequence=sequence, code=code)
    return doubted(replace(order, asked=replace(order.asked, line=line)), other_services(order.entry, line, crosswalk))


def about_another(entry: Entry, whose: Patient, index: BundleIndex) -> bool:
    """Whether an order names a patient other than ``whose``. One that names nobody is about nobody else."""
    verdict = whose.has(entry, index)
    return verdict is False or (verdict is None and not names_nobody(entry))


def unanswerable(entry: Entry, whose: Patient, index: BundleIndex) -> str | None:
    """Why nothing can be said about an order for ``whose``, in a sentence: it is another patient's, or nobody's."""
    if about_another(entry, whose, index):
        return _ANOTHERS
    return _NOBODYS if is_nobodys(entry) else None


def is_nobodys(entry: Entry) -> bool:
    """Whether an order does not say whom it is for, although its type has an element for that."""
    return entry.type not in _WITHOUT_SUBJECT and names_nobody(entry)
