"""An order as the PAS request that its provider would send: what an unsolicited determination is made on.

Only what the decision needs is taken along: the parties, the order, and the resources that the rules' facts rest on
(CRD sec-6: data of a call are kept for audit only). Source: PAS 2.2.1 profiles Request Bundle and Claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from precert.authorization.deciding.evidence import ADMINISTRATIVE
from precert.authorization.deciding.order_elements import Named, intended
from precert.authorization.deciding.orders import Order
from precert.crd import urls
from precert.crd.coverage import Insured
from precert.crd.gather import pointed_to
from precert.crd.prefetch import Pool
from precert.fhir.billing import billed
from precert.fhir.bundle import Entry, bundle_entry, type_and_id
from precert.fhir.coding import PLACE_OF_SERVICE, codes
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource, elements
from precert.runtime import Runtime

_REQUESTED = ("DeviceRequest", "MedicationRequest", "NutritionOrder", "ServiceRequest")
"""What extension-requestedService may point to."""
_UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}


@dataclass(slots=True)
class _Request:
    """The entries of one request, each resource once."""

    pool: Pool
    runtime: Runtime
    entries: list[Element] = field(default_factory=list)
    placed: dict[int, str] = field(default_factory=dict)

    def place(self, entry: Entry, *, follow: bool = True) -> str:
        """Take a resource in, with those that it points to; returns the URL under which it stands."""
        known = self.placed.get(id(entry.resource))
        if known is not None:
            return known
        url = entry.full_url or f"urn:uuid:{self.runtime.new_id()}"  # a contained resource has none
        self.placed[id(entry.resource)] = url
        self.entries.append(bundle_entry(url, entry.resource))
        for reference in pointed_to(entry) if follow else ():
            target = self.pool.index.resolve(reference, entry)
            if target is not None and target.full_url:
                self.place(target)
        return url

    def new(self, resource: Resource, url: str | None = None) -> str:
        """Take a resource in that is made here; returns its URL."""
        id_ = self.runtime.new_id() if url is None else url.removeprefix("urn:uuid:")
        self.entries.append(bundle_entry(f"urn:uuid:{id_}", {**resource, "id": id_}))
        return f"urn:uuid:{id_}"

    def party(self, named: Named) -> Element:
        """A reference to a provider; one who is not here is named as the order names them."""
        return {"reference": self._provider(named.entry)} if named.entry is not None else named.reference

    def _provider(self, entry: Entry) -> str:
        """Somebody who is named alone gets a role: PAS claims name organizations and roles only."""
        if entry.type != "Practitioner":
            return self.place(entry)
        telecom = elements(entry.resource.get("telecom")) or [{"system": "phone", "_value": {"extension": [_UNKNOWN]}}]
        practitioner = {"reference": self.place(entry)}
        return self.new({"resourceType": "PractitionerRole", "practitioner": practitioner, "telecom": telecom})

    def coverage(self, under: Insured, insurer: str) -> str:
        """The Coverage, paid by us in this request's own words: the client's Organization for us may say too little. Where it
        names somebody else, it goes on saying so."""
        entry, payors = under.entry, [{"reference": insurer}]
        if under.another_payer:
            payors = elements(entry.resource.get("payor"))
            found = (self.pool.index.resolve(payor, entry) for payor in payors)
            for payor in found:
                if payor is not None:
                    self.place(payor, follow=False)
        subscriber = self.pool.index.resolve(entry.resource.get("subscriber"), entry)
        if subscriber is not None:
            self.place(subscriber, follow=False)
        known = self.placed[id(entry.resource)] = entry.full_url or f"urn:uuid:{self.runtime.new_id()}"
        self.entries.append(bundle_entry(known, {**entry.resource, "payor": payors}))
        return known

    def order(self, entry: Entry, *, dated: bool) -> str:
        """The order as it stands in a request: a draft is placed, and its day stands on the item if it is ``dated`` (PAS
        profiles). What keeps it from being an order stays as it is."""
        known = self.place(entry)
        made = {**entry.resource}
        if made.get("status") == "draft":
            made["status"] = "active"
        if intended(entry):
            made["intent"] = "order"
        if dated:
            made.pop("occurrenceDateTime", None)
        placed = next(each for each in self.entries if each["resource"] is entry.resource)
        placed["resource"] = made
        return known


def request_bundle(
    order: Order,
    patient: Entry,
    under: Insured,
    user: Entry | None,
    payer: Resource,
    evidence: Iterable[str],
    pool: Pool,
    runtime: Runtime,
) -> Resource | None:
    """The request for ``order``, or ``None`` when nobody is known who asks for it.

    ``user`` stands in for the requester of an appointment or encounter, which name none; an order says who asks for it.
    ``evidence`` are the references of the facts.
    """
    provider = order.requester
    if provider is None and user is not None and order.entry.type in ("Appointment", "Encounter"):
        provider = Named(user)
    if provider is None or provider.unknown:
        return None
    request = _Request(pool, runtime)
    claim_id, trace = runtime.new_id(), runtime.new_id()
    insurer = f"urn:uuid:{runtime.new_id()}"
    now = instant(runtime.now())
    claim: Resource = {
        "resourceType": "Claim",
        "id": claim_id,
        "meta": {"profile": [urls.PAS_CLAIM]},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{claim_id}"}],
        "status": "active",
        "type": _code("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        "use": "preauthorization",
        "patient": {"reference": request.place(patient, follow=False)},
        "created": now,
        "insurer": {"reference": insurer},
        "provider": request.party(provider),
        "priority": _code("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": request.coverage(under, insurer)}}],
    }
    diagnoses = order.asked.line.diagnoses
    if diagnoses:
        claim["diagnosis"] = [
            {"sequence": n, "diagnosisCodeableConcept": concept} for n, concept in enumerate(diagnoses, start=1)
        ]
    if order.performer is not None:
        claim["careTeam"] = [
            {
                "extension": [{"url": urls.PAS_CARE_TEAM_SCOPE, "valueBoolean": False}],
                "sequence": 1,
                "provider": request.party(order.performer),
            }
        ]
    claim["item"] = [_item(order, request, trace, len(diagnoses))]
    request.new(payer, insurer)
    for entry in _supporting(pool, evidence, patient):
        request.place(entry, follow=False)
    return {
        "resourceType": "Bundle",
        "id": runtime.new_id(),
        "meta": {"profile": [urls.PAS_REQUEST_BUNDLE]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{runtime.new_id()}"},
        "type": "collection",
        "timestamp": now,
        "entry": [bundle_entry(f"urn:uuid:{claim_id}", claim), *request.entries],
    }


def _item(order: Order, request: _Request, trace: str, diagnoses: int) -> Element:
    extensions: list[Element] = [
        {"url": urls.PAS_REQUEST_TYPE, "valueCodeableConcept": _code("https://codesystem.x12.org/005010/1525", "HS")},
        {"url": urls.PAS_CERTIFICATION, "valueCodeableConcept": _code("https://codesystem.x12.org/005010/1322", "I")},
        {
            "url": urls.PAS_TRACE_NUMBER,
            "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{trace}"},
        },
    ]
    if order.entry.type in _REQUESTED:
        reference = {"reference": request.order(order.entry, dated=order.asked.line.service_start is not None)}
        extensions.insert(0, {"url": urls.PAS_REQUESTED_SERVICE, "valueReference": reference})
    asked = order.asked.line.item
    nowhere = {"locationCodeableConcept": {"extension": [_UNKNOWN]}}  # what no code of the set says is not known
    item: Element = {
        "extension": extensions,
        "sequence": order.asked.line.sequence,
        **asked,
        **({} if any(c.system == PLACE_OF_SERVICE for c in codes(asked.get("locationCodeableConcept"))) else nowhere),
        "category": _code("https://codesystem.x12.org/005010/1365", "1"),
        "productOrService": _billed_first(order.concept),
    }
    if order.performer is not None:
        item["careTeamSequence"] = [1]
    if diagnoses:
        item["diagnosisSequence"] = list(range(1, diagnoses + 1))
    return item


def _billed_first(concept: Element) -> Element:
    """The code that is billed leads: some readers look no further than the first coding."""
    sent = elements(concept.get("coding"))
    leading = [c for c in sent if any(billed(code) for code in codes({"coding": [c]}))]
    return {**concept, "coding": [*leading, *(c for c in sent if c not in leading)]}


def _supporting(pool: Pool, evidence: Iterable[str], patient: Entry) -> list[Entry]:
    """The resources behind the facts, and the patient's questionnaire answers, which facts name by question. Other Claims and
    what else is no evidence stays away: a request holds one Claim."""
    named = frozenset(evidence)
    wanted = {found for reference in named if (found := type_and_id(reference)) is not None}
    return [
        entry
        for entry in pool.of_patient(patient.id)
        if entry.type == "QuestionnaireResponse"
        or (entry.type not in ADMINISTRATIVE and ((entry.type, entry.id) in wanted or entry.path in named))
    ]


def _code(system: str, code: str) -> Element:
    return {"coding": [{"system": system, "code": code}]}
