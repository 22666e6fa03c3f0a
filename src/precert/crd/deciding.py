"""What is said about each order of one call: the core is asked, its answers become assertions. No rule stands here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import structlog

from precert.authorization.deciding.answers import answers
from precert.authorization.deciding.counted import NOTHING_COUNTED, CountedLines, order_key, order_name
from precert.authorization.deciding.counted import asked as counts_as
from precert.authorization.deciding.evidence import clinical_evidence
from precert.authorization.deciding.orders import Order
from precert.authorization.deciding.person import named_as
from precert.authorization.deciding.request import Subject
from precert.authorization.deciding.standing import standing
from precert.authorization.record.chain import BrokenRecord
from precert.authorization.usecases.ask import Consulted, ConsultService, Identified
from precert.authorization.usecases.on_record import MemberRecord
from precert.authorization.usecases.unsolicited import OrderRequest, Unsolicited
from precert.crd import coverage as insurance
from precert.crd import render
from precert.crd.assertion import Setting, assertion
from precert.crd.claim import request_bundle
from precert.crd.context import HookContext
from precert.crd.coverage import Insured
from precert.crd.envelope import HookCall
from precert.crd.facts import queries_for
from precert.crd.gather import Gathered, fetch
from precert.crd.ledger import AnsweredOrder
from precert.crd.render import Shape
from precert.fhir.bundle import type_and_id
from precert.fhir.coverage_information import CoverageInfo
from precert.fhir.types import elements, text
from precert.policy.types import EvidenceItem, Outcome
from precert.store.port import Put, StoreError

log = structlog.get_logger(__name__)

_DEPENDABLE = (
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "Appointment",
)

_TYPES_SHOWN = 5
_NO_RECORD = "The authorizations on record could not be read, so it cannot be said whether this is authorized already."
_NOT_SENT = "The order's insurance names {name}, which was not sent as an active Coverage of the patient. Send it, or correct the order."
_NO_TIME = "There was no time left to decide about this order. Ask again."


@dataclass(slots=True)
class Decider:
    """Asks the core about the orders of one call. ``unsolicited`` authorizes those whose criteria are met, for ``client``."""

    consult: ConsultService
    call: HookCall
    context: HookContext
    gathered: Gathered
    shape: Shape
    root: str
    client: str = ""
    unsolicited: Unsolicited | None = None
    records: dict[str, MemberRecord] = field(default_factory=dict)  # by coverage
    members: dict[str, MemberRecord] = field(default_factory=dict)  # by member
    names: dict[int, str] = field(default_factory=dict)  # of the orders, by their resources

    async def decide(self, orders: list[Order], insured: list[Insured]) -> list[AnsweredOrder]:
        """One answer per order and coverage, and a second look when the client's system could fill what is missing."""
        self._named(orders)
        answered = await self._once(orders, insured)
        if self.gathered.ehr is not None:
            open_ = [a.consulted.decision for a in answered if a.consulted.decision and a.consulted.held is None]
            prefetched = self.gathered.pool.states
            before = len(self.gathered.pool.accessed)
            await fetch(self.gathered, queries_for(open_, self.consult.catalogue(), self.context.patient, prefetched))
            if len(self.gathered.pool.accessed) > before:
                answered = await self._once(orders, insured)
        if self.unsolicited is not None and self.call.authorizes:
            answered = [await self._authorized(one, insured, self.unsolicited) for one in answered]
        if self.call.authorizes:
            self._told_free(answered, insured)
        return _whole([await self._repeated(one) for one in answered])

    def _told_free(self, answered: list[AnsweredOrder], insured: list[Insured]) -> None:
        """Note which orders are said to need no authorization, where a limit counts their service (docs/crd.md)."""
        known = {one.reference: self.consult.identify(self.inquiry(one)) for one in insured}
        limited, today = self.consult.catalogue().limited, self.consult.today()
        said: dict[str, bool] = {}
        for one in answered:
            record = self.records.get(one.info.coverage)
            if one.consulted.trouble is not None or record is None or record.free is None:
                continue
            key = self._key(one.order, known[one.info.coverage])
            if key is None:
                continue
            if limited(one.consulted.service.codes):
                # an order of two coverages, or of two appointments, is free if it is said once
                said[key] = said.get(key, False) or (one.info.pa_needed == "no-auth" and not one.order.given_up)
                record.free.told(key, one.order.asked, today, free=said[key])

    async def _once(self, orders: list[Order], insured: list[Insured]) -> list[AnsweredOrder]:
        people = {one.reference: self.inquiry(one) for one in insured}
        known = {reference: self.consult.identify(inquiry) for reference, inquiry in people.items()}
        evidence, today = self._evidence(), self.consult.today()
        beside = [(order, counts_as(order.asked, today)) for order in orders]
        found: list[AnsweredOrder] = []
        for order in orders:
            await asyncio.sleep(0)  # many orders must not keep other calls waiting
            covered = insurance.for_order(
                insured, order, self.gathered.pool, self.consult.directory(), self.call.version
            )
            found += self._not_seen(order, covered.unseen, insured[0])
            for one in covered.under:
                at = one.reference
                subject = _for_order(people[at], order, evidence)
                record = await self._record(at, known[at], orders)
                key = self._key(order, known[at])
                on_record = record.beside(key) if record is not None else CountedLines(complete=False)
                others = [counted for each, counted in beside if each is not order and counted is not None]
                counted = on_record.without(key).beside(others)
                consulted = self._ask(order, subject, known[at], counted)
                shared = _shared_limit(consulted, record, key)
                if record is None:
                    consulted = consulted.failed(_NO_RECORD) if consulted.needs_authorization else consulted
                elif order.to_be_done:
                    consulted = consulted.under(record.held, record.used, key, today)
                note = " ".join(said for said in (one.note, shared) if said) or None
                info = self._assertion(order, consulted, one.reference, note)
                found.append(AnsweredOrder(order, consulted, info))
        return found

    async def _authorized(self, one: AnsweredOrder, insured: list[Insured], unsolicited: Unsolicited) -> AnsweredOrder:
        """The same, ``satisfied`` by a new authorization if the criteria are met and the plan gives it unasked."""
        decision, held = one.consulted.decision, one.consulted.held
        if decision is None or held is not None or decision.outcome is not Outcome.APPROVE:
            return one
        if not one.order.to_be_done:
            return one
        if one.order.asked.performer_known and not one.order.asked.performer_npis:
            return one  # an authorization is for a certain provider
        if not one.order.asked.one_performer:
            return one  # and for one of them
        if one.order.requester is None or one.order.requester.unknown:
            return one  # and given to a certain one: the user who books an appointment need not be who ordered it
        under = next(i for i in insured if i.reference == one.info.coverage)
        pool = self.gathered.pool
        patient = pool.index.resolve(f"Patient/{self.context.patient}")
        user = pool.index.resolve(self.context.user) if self.context.user else None
        inquiry = self.inquiry(under)
        who = self.consult.identify(inquiry)
        if patient is None or not unsolicited.allowed(who):
            return one
        evidence = {ref for e in decision.applied for fact in e.facts for ref in fact.evidence}
        payer = dict(self.consult.directory().payer.resource)
        bundle = request_bundle(one.order, patient, under, user, payer, evidence, pool, self.consult.runtime)
        if bundle is None:
            return one
        origin = {"origin": "crd", "hook": self.call.hook.name, "hookInstance": self.call.instance[:128]}
        subject = _for_order(inquiry, one.order, self._evidence())
        asked = OrderRequest(
            bundle, subject, self.client, self.root, {**origin, "order": one.order.reference}, self._name(one.order)
        )
        key = self._key(one.order, who)
        found = await unsolicited.authorize(asked, one.order.asked, one.consulted.day, who, key)
        if found is None:
            return one
        used = self.records[one.info.coverage].used
        consulted = one.consulted.under([found], used, key, self.consult.today())
        return replace(
            one, consulted=consulted, info=self._assertion(one.order, consulted, under.reference, under.note)
        )

    async def _record(self, coverage: str, identified: Identified, orders: list[Order]) -> MemberRecord | None:
        """What is on record under one coverage, read once per call; ``None`` if it cannot be read, which is our trouble and
        no answer."""
        if coverage not in self.records:
            member = identified.who.member if identified.who is not None else None
            known = self.members.get(member.id) if member is not None else None
            if known is not None:  # two coverages of one member
                self.records[coverage] = known
                return known
            try:
                found = await self.consult.record(identified.who, [order.asked for order in orders])
            except (StoreError, BrokenRecord):
                log.exception("the record cannot be read")
                return None
            self.records[coverage] = found
            if member is not None:
                self.members[member.id] = found
        return self.records[coverage]

    def uses(self) -> list[Put]:
        """What to store for the units that the orders of this call take, if it places them."""
        if not self.call.authorizes:
            return []
        # under two coverages of one member the record is the same
        records = {id(record): record for record in self.records.values()}.values()
        return [put for record in records for put in record.moved_on(self.consult.today())]

    def _key(self, order: Order, identified: Identified) -> str | None:
        member = identified.who.member.id if identified.who is not None and identified.who.member is not None else None
        return order_key(self.client, member, self._name(order))

    def _name(self, order: Order) -> str:
        return self.names.get(id(order.entry.resource)) or order_name(order.entry, self.gathered.pool.base)

    def _named(self, orders: Iterable[Order]) -> None:
        """Name the orders of the call. What has no id is named by its content, and each copy of it is one more."""
        copies: Counter[str] = Counter()
        for resource, entry in {id(order.entry.resource): order.entry for order in orders}.items():
            name = order_name(entry, self.gathered.pool.base)
            self.names[resource] = order_name(entry, self.gathered.pool.base, copies[name]) if copies[name] else name
            copies[name] += 1

    def unseen(self, orders: Iterable[Order], why: str) -> list[AnsweredOrder]:
        """The Coverage could not be read: orders that name theirs are told so, as a technical matter (resp-43)."""
        found: list[AnsweredOrder] = []
        for order in orders:
            consulted = Consulted(order.asked, self.consult.today(), trouble="technical", text=why)
            for reference in order.insurance:
                key = type_and_id(reference)
                if key is not None and key[0] == "Coverage":
                    info = self._assertion(order, consulted, f"Coverage/{key[1]}", None)
                    found.append(AnsweredOrder(order, consulted, info))
        return found

    def _not_seen(self, order: Order, references: Iterable[str], ours: Insured) -> list[AnsweredOrder]:
        """The Coverages that an order names, and of which nothing can be said: they were not sent, or are not in force. One that is
        named without a reference is told under ``ours``."""
        found: list[AnsweredOrder] = []
        for reference in dict.fromkeys(references):
            key = type_and_id(reference)
            named = f"Coverage/{key[1]}" if key is not None else reference or ours.reference
            why = _NOT_SENT.format(name=named[:80] if reference else "a Coverage without a reference")
            consulted = Consulted(order.asked, self.consult.today(), trouble="technical", text=why)
            found.append(AnsweredOrder(order, consulted, self._assertion(order, consulted, named, None)))
        return found

    def uninsured(self, orders: Iterable[Order], plan: str | None) -> list[tuple[Order, Consulted]]:
        """What the rules of ``plan`` would say for a patient without Coverage; for cards only."""
        directory = self.consult.directory()
        who = Identified(standing(directory, None, directory.plans.get(plan or ""), {}, ()), presented=True)
        evidence, inquiry = self._evidence(), self.inquiry(None)
        return [(order, self._ask(order, _for_order(inquiry, order, evidence), who)) for order in orders]

    def inquiry(self, insured: Insured | None) -> Subject:
        """Who the call is about, under one Coverage."""
        pool = self.gathered.pool
        coverage = insured.resource if insured is not None else {}
        subscriber = pool.index.resolve(coverage.get("subscriber"), insured.entry) if insured is not None else None
        told = answers(pool.of_patient(self.context.patient))
        return Subject(
            patient=pool.patient(self.context.patient).resource,
            coverage=coverage,
            subscriber=named_as(subscriber.resource if subscriber else None, coverage.get("subscriber")),
            answers=told,
            payor_is_us=True if insured is not None and insured.note is None else None,
            is_beneficiary=insured.is_beneficiary if insured is not None else None,
            another_payer=insured is not None and insured.another_payer,
        )

    def _left_out(self) -> str | None:
        """What was not used because it is not about the patient of the call, by type."""
        others = self.gathered.pool.not_of_patient(self.context.patient)
        if not others:
            return None
        counted = Counter(entry.type for entry in others)
        listed = ", ".join(f"{type_} ({many})" for type_, many in sorted(counted.items())[:_TYPES_SHOWN])
        return f"Not used, because it is not said to be about the patient of the call: {listed}."

    def _evidence(self) -> list[EvidenceItem]:
        return clinical_evidence(self.gathered.pool.of_patient(self.context.patient))

    def _ask(
        self, order: Order, subject: Subject, identified: Identified, counted: CountedLines = NOTHING_COUNTED
    ) -> Consulted:
        failure = order.failure or (_NO_TIME if self.gathered.deadline.over else None)
        if failure is not None:
            return Consulted(order.asked, self.consult.today(), trouble="technical", text=failure)
        return self.consult.ask(order.asked, subject, identified, counted)

    def _assertion(self, order: Order, consulted: Consulted, coverage: str, note: str | None) -> CoverageInfo:
        note = " ".join(said for said in (note, self._left_out()) if said) or None
        info = assertion(consulted, order, coverage, note, self.consult.catalogue(), self._setting())
        named = {
            "/".join(found)
            for evaluation in (consulted.decision.applied if consulted.decision else ())
            for fact in evaluation.facts
            for reference in fact.evidence
            if (found := type_and_id(reference)) is not None and found[0] in _DEPENDABLE
        }
        others = named - {order.reference}
        dependencies = tuple(sorted(reference for reference in others if self.gathered.pool.has(reference)))
        return replace(info, dependencies=dependencies) if dependencies else info

    def _setting(self) -> Setting:
        payer = self.consult.directory().payer
        phones = [text(t.get("value")) for t in elements(payer.resource.get("telecom")) if t.get("system") == "phone"]
        return Setting(
            root=self.root,
            today=self.consult.today(),
            documents=self.call.hook.primary,
            payer=payer.name,
            phone=next((phone for phone in phones if phone), None),
        )

    async def _repeated(self, answered: AnsweredOrder) -> AnsweredOrder:
        """Whether the resource carries this very assertion, issued here (resp-35)."""
        carries = render.asserted(answered.order.target.resource, answered.info.coverage)
        fresh = render.content(self.shape.coverage_information(answered.info)) if carries else None
        for carried in carries:
            id_ = render.assertion_id(carried)
            if id_ is not None and render.content(carried) == fresh and await self._issued(id_):
                return replace(answered, info=replace(answered.info, assertion=id_), repeated=True)
        return answered

    async def _issued(self, id_: str) -> bool:
        try:
            return await self.consult.store.get(self.consult.tenant, "Assertion", id_) is not None
        except (ValueError, StoreError):  # not even the form of a key, or not readable: say it anew
            return False


def _whole(answered: list[AnsweredOrder]) -> list[AnsweredOrder]:
    """An update replaces all that a resource carries for one coverage. So where any of it is new, or one too many is
    carried, everything about that resource and coverage is said again."""
    groups: dict[tuple[int, str], list[AnsweredOrder]] = {}
    for one in answered:
        groups.setdefault((id(one.order.target.resource), one.info.coverage), []).append(one)
    changed = {
        key
        for key, group in groups.items()
        if not all(one.repeated for one in group)
        or len(render.asserted(group[0].order.target.resource, key[1])) > len(group)
    }
    return [
        replace(one, repeated=False) if (id(one.order.target.resource), one.info.coverage) in changed else one
        for one in answered
    ]


def _shared_limit(consulted: Consulted, record: MemberRecord | None, key: str | None) -> str | None:
    """What is said when a limit asks for authorization and other orders, told free before, have their part in it."""
    decision = consulted.decision
    if decision is None or record is None or record.free is None or not consulted.needs_authorization:
        return None
    limits = any(e.role == "limit" and e.outcome is not Outcome.NO_AUTH for e in decision.applied)
    return record.free.shared_with(key) if limits else None


def _for_order(inquiry: Subject, order: Order, evidence: list[EvidenceItem]) -> Subject:
    """The others' orders are evidence for one order (hook-30, hook-34), the order itself is not."""
    others = [item for item in evidence if item.resource is not order.entry.resource]
    return replace(inquiry, evidence=[*others, *order.evidence])
