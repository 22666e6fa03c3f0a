"""One hook call from the parsed body to the stored and rendered answer. The order of the steps is the design:

scope → data → coverage → one decision per order and coverage → assertions and cards → one commit → bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import structlog

from precert.authorization.consult import Consulted, ConsultService, Held, Identified, Inquiry
from precert.authorization.context import standing
from precert.authorization.evidence import answers, clinical_evidence
from precert.crd import cards as making
from precert.crd import coverage as insurance
from precert.crd import extras, render
from precert.crd.answer import Action, Card, CoverageInfo
from precert.crd.assertion import Setting, assertion
from precert.crd.context import HookContext, read_context
from precert.crd.coverage import Insured
from precert.crd.envelope import HookCall
from precert.crd.facts import queries_for
from precert.crd.fetch import Deadline, Ehr
from precert.crd.gather import Gathered, fetch, gather
from precert.crd.ledger import Answered, CallRecord, ShownCard, assertion_document, call_document, patient_key
from precert.crd.options import COVERAGE_UPDATE, FORMS
from precert.crd.orders import Order
from precert.crd.render import Shape
from precert.crd.scope import orders_in_scope, relevant_drafts
from precert.eligibility.directory import npis
from precert.fhir import json
from precert.fhir.bundle import type_and_id
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.types import EvidenceItem
from precert.store.port import Audit, Param, Put
from precert.web.metrics import Metrics

log = structlog.get_logger(__name__)

_WARM = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers calls of all hooks. ``http`` is how the clients' servers are read; without it only prefetch counts.

    ``lenient``: a client that names no CRD version and has no Coverage gets cards instead of an error. ``demo_plan`` is
    then taken as the patient's plan. ``apps`` are offered with the policies that they name.
    """

    consult: ConsultService
    metrics: Metrics
    http: httpx.AsyncClient | None = None
    lenient: bool = True
    demo_plan: str | None = None
    apps: Sequence[making.SmartApp] = ()

    async def answer(self, call: HookCall, shape: Shape, root: str, client: str) -> bytes:
        """The response body. Raises FhirError by crd.md 1.5 and the store's errors; when it returns, all is durable."""
        return await _Answering(self, call, shape, root, client).run()


@dataclass(slots=True)
class _Answering:
    """One call being answered."""

    owner: Answerer
    call: HookCall
    shape: Shape
    root: str
    client: str
    received: datetime = field(init=False)
    context: HookContext = field(init=False)
    gathered: Gathered = field(init=False)
    notes: list[str] = field(default_factory=list)

    @property
    def consult(self) -> ConsultService:
        return self.owner.consult

    async def run(self) -> bytes:
        self.received = self.consult.runtime.now()
        self.context = read_context(self.call)
        self.notes += self.call.configuration.notes
        ehr = Ehr(self.owner.http, self.call.access) if self.owner.http and self.call.access else None
        self.gathered = await gather(self.call, self.context, ehr, await self._deadline(ehr))
        orders: list[Order] = []
        if relevant_drafts(self.call, self.context):
            orders = orders_in_scope(self.call, self.context, self.gathered, on_order=self.shape.ANNOTATE_BASED_ON)
        if not orders:
            return await self._finish([], [], [])
        directory = self.consult.directory()
        insured = insurance.ours(self.gathered.pool, self.context.patient, directory, self.call.version)
        if not insured:
            return await self._without_coverage(orders)
        answered = await self._consult(orders, insured)
        answered = [await self._repeated(one) for one in answered]
        shown = self._cards(answered)
        actions = self._extras(answered, insured)
        return await self._finish(answered, shown, actions)

    async def _deadline(self, ehr: Ehr | None) -> Deadline:
        """A patient not seen for a day gets the longer limit (crd.md 1.13); looked up only if anything may be fetched."""
        hook = self.call.hook
        if ehr is None or hook.cold_budget == hook.budget:
            return Deadline.after(hook.budget)
        key = patient_key(self.call, self.context)
        page = await self.consult.store.search(self.consult.tenant, "CrdCall", [Param("patient", [key])], limit=1)
        warm = any(self.received - document.updated < _WARM for document in page.documents)
        return Deadline.after(hook.budget if warm else hook.cold_budget)

    # Deciding

    async def _consult(self, orders: list[Order], insured: list[Insured]) -> list[Answered]:
        """One answer per order and coverage, and a second look when the client's system could fill what is missing."""
        first = await self._decided(orders, insured)
        if self.gathered.ehr is None:
            return first
        open_ = [a.consulted.decision for a in first if a.consulted.decision is not None and a.consulted.held is None]
        queries = queries_for(open_, self.consult.catalogue(), self.context.patient)
        before = len(self.gathered.pool.accessed)
        await fetch(self.gathered, queries)
        return await self._decided(orders, insured) if len(self.gathered.pool.accessed) > before else first

    async def _decided(self, orders: list[Order], insured: list[Insured]) -> list[Answered]:
        people = {one.reference: self._inquiry(one.resource) for one in insured}
        known = {reference: self.consult.identify(inquiry) for reference, inquiry in people.items()}
        held = {reference: await self.consult.held(one.who) for reference, one in known.items()}
        evidence = self._evidence()
        found: list[Answered] = []
        for order in orders:
            for one in insurance.for_order(insured, order.insurance, self.call.version):
                at = one.reference
                inquiry = self._for_order(people[at], order, evidence)
                consulted = self._ask(order, inquiry, known[at], held[at])
                found.append(Answered(order, consulted, self._assertion(order, consulted, one)))
        return found

    def _inquiry(self, coverage: Resource) -> Inquiry:
        pool = self.gathered.pool
        patient = pool.index.resolve(f"Patient/{self.context.patient}")
        subscriber = pool.index.resolve(coverage.get("subscriber")) if coverage else None
        told = answers(pool.of_patient(self.context.patient))
        return Inquiry(
            patient=patient.resource if patient else {"resourceType": "Patient", "id": self.context.patient},
            coverage=coverage,
            subscriber=subscriber.resource if subscriber else None,
            answers=told,
        )

    def _evidence(self) -> list[EvidenceItem]:
        return clinical_evidence(self.gathered.pool.of_patient(self.context.patient))

    def _for_order(self, inquiry: Inquiry, order: Order, evidence: list[EvidenceItem]) -> Inquiry:
        """The others' orders are evidence for one order (hook-30, hook-34), the order itself is not."""
        others = [item for item in evidence if item.resource is not order.entry.resource]
        return replace(inquiry, evidence=[*others, *order.evidence])

    def _ask(self, order: Order, inquiry: Inquiry, identified: Identified, held: Sequence[Held]) -> Consulted:
        if order.failure is not None:
            return Consulted(order.asked, self.consult.today(), trouble="technical", text=order.failure)
        return self.consult.ask(order.asked, inquiry, identified, held)

    def _assertion(self, order: Order, consulted: Consulted, insured: Insured) -> CoverageInfo:
        info = assertion(consulted, order, insured.reference, insured.note, self.consult.catalogue(), self._setting())
        drafts = {f"{kind}/{entry.id}" for entry in self.gathered.pool.index.entries if (kind := entry.type)}
        rested_on = {
            reference
            for evaluation in (consulted.decision.applied if consulted.decision else ())
            for fact in evaluation.facts
            for reference in fact.evidence
            if (found := type_and_id(reference)) and found[0] in _DEPENDABLE and reference in drafts
        }
        return replace(info, dependencies=tuple(sorted(rested_on - {order.reference}))) if rested_on else info

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

    async def _repeated(self, answered: Answered) -> Answered:
        """Whether the resource carries this very assertion, issued here (resp-35)."""
        fresh = render.content(self.shape.coverage_information(answered.info))
        for carried in render.asserted(answered.order.target.resource, answered.info.coverage):
            id_ = render.assertion_id(carried)
            if id_ is not None and render.content(carried) == fresh and await self._issued(id_):
                return replace(answered, info=replace(answered.info, assertion=id_), repeated=True)
        return answered

    async def _issued(self, id_: str) -> bool:
        try:
            return await self.consult.store.get(self.consult.tenant, "Assertion", id_) is not None
        except ValueError:  # not even the form of a key: not ours
            return False

    async def _without_coverage(self, orders: list[Order]) -> bytes:
        """Rows 5 and 6; before that: an order that names its Coverage can be told that we could not look (resp-43)."""
        problem = self.gathered.problem("Coverage")
        named = {
            order.reference: [
                f"Coverage/{key[1]}" for r in order.insurance if (key := type_and_id(r)) and key[0] == "Coverage"
            ]
            for order in orders
        }
        if problem is not None and any(named.values()):
            why = f"The patient's Coverage could not be read: {problem}."
            answered = []
            for order in orders:
                consulted = Consulted(order.asked, self.consult.today(), trouble="technical", text=why)
                for reference in named[order.reference]:
                    setting = self._setting()
                    info = assertion(consulted, order, reference, None, self.consult.catalogue(), setting)
                    answered.append(Answered(order, consulted, info))
            return await self._finish(answered, [], [])
        state = self.gathered.pool.states.get("coverage")
        if (
            not self.owner.lenient
            or self.call.version_asked
            or (state not in ("nothing",) and not self._asked_in_vain())
        ):
            raise insurance.no_coverage(self.call.version, state, problem)
        return await self._finish([], self._cards_without_coverage(orders), [])

    def _asked_in_vain(self) -> bool:
        """The client's server was asked for the Coverage and has none."""
        return any(query.startswith("Coverage") for query in self.gathered.asked) and not self.gathered.problem(
            "Coverage"
        )

    def _cards_without_coverage(self, orders: list[Order]) -> list[Card]:
        """What the policies would offer, for clients from before CRD (the public sandbox): no assertion is made."""
        directory = self.consult.directory()
        plan = directory.plans.get(self.owner.demo_plan or "")
        who = Identified(standing(directory, None, plan, {}, ()), presented=True)
        evidence = self._evidence()
        inquiry = self._inquiry({})
        asked = [(order, self._ask(order, self._for_order(inquiry, order, evidence), who, ())) for order in orders]
        assumed = f" As an example, the rules of {plan.name} are shown." if plan else ""
        note = Card(
            topic="insurance",
            summary="No coverage was sent, so coverage could not be checked",
            detail=f"{directory.payer.name} found no Coverage for the patient in this system.{assumed}",
        )
        return [note, *self._made(asked)][: self.call.configuration.max_cards]

    # Saying it

    def _cards(self, answered: list[Answered]) -> list[Card]:
        return self._made([(one.order, one.consulted) for one in answered])

    def _made(self, asked: list[tuple[Order, Consulted]]) -> list[Card]:
        setting = making.CardSetting(
            root=self.root,
            replaceable=self.call.hook.content == "orders",
            out_of_network=self._out_of_network(asked),
            apps=tuple(self.owner.apps),
        )
        return making.cards(asked, self.consult.catalogue(), setting, self.call.configuration)

    def _out_of_network(self, asked: list[tuple[Order, Consulted]]) -> tuple[str, ...]:
        directory = self.consult.directory()
        named = [directory.provider(order.asked.performer_npis) for order, _ in asked if order.asked.performer_known]
        return tuple(dict.fromkeys(p.name for p in named if p is not None and p.network == "out"))

    def _extras(self, answered: list[Answered], insured: list[Insured]) -> list[Action]:
        configuration = self.call.configuration
        found: list[Action] = []
        if configuration.wants(COVERAGE_UPDATE):
            for one in insured:
                who = self.consult.identify(self._inquiry(one.resource)).who
                record = who.member.coverage_on(self.consult.today()) if who and who.member else None
                update = extras.coverage_update(one, record) if record else None
                found += [update] if update else []
        if configuration.wants(FORMS):
            asked = [(one.order, one.info) for one in answered]
            payer = self.consult.directory().payer.name
            day = self.consult.today().isoformat()
            found += extras.form_tasks(asked, self.context.patient, day, payer, self.call.version)
        return found

    async def _finish(self, answered: list[Answered], shown: list[Card], actions: list[Action]) -> bytes:
        """Draw ids, render, and keep what must be kept; a what-if question leaves nothing behind."""
        configuration = self.call.configuration
        news = [one for one in answered if not one.repeated] if configuration.coverage_info else []
        coverages = list(dict.fromkeys(one.info.coverage for one in news))
        for one in answered:
            self.owner.metrics.decisions.labels("crd", one.outcome).inc()
        log.info("crd call", hook=self.call.hook.name, orders=len(answered), cards=len(shown), notes=len(self.notes))
        if configuration.what_if:
            ids = [self.consult.draw() for _ in coverages]
            return self._rendered(dict(zip(coverages, ids, strict=True)), news, shown, actions)[0]
        audit = Audit(
            "hook",
            self.client,
            self.call.instance[:128],
            self.received,
            {"hook": self.call.hook.name, "orders": str(len(answered))},
        )

        def prepare(ids: Sequence[str]) -> tuple[bytes, list[Put]]:
            by_coverage = dict(zip(coverages, ids, strict=True))
            body, cards = self._rendered(by_coverage, news, shown, actions)
            return body, self._documents(by_coverage, answered, news, cards)

        return await self.consult.keep(prepare, len(coverages), audit)

    def _rendered(
        self, ids: dict[str, str], news: list[Answered], shown: list[Card], actions: list[Action]
    ) -> tuple[bytes, list[ShownCard]]:
        new_id, payer = self.consult.runtime.new_id, self.consult.directory().payer.name
        by_target: dict[int, tuple[Resource, list[CoverageInfo]]] = {}
        for one in news:
            target = one.order.target.resource
            info = replace(one.info, assertion=ids[one.info.coverage])
            by_target.setdefault(id(target), (target, []))[1].append(info)
        updates = [
            render.system_action(render.annotated(target, infos, self.shape)) for target, infos in by_target.values()
        ]
        cards = [render.card(card, payer, self.root, self.shape, new_id) for card in shown]
        body = json.dumps(render.response(cards, [*updates, *(render.action(a) for a in actions)]))
        return body, [_shown(made, card) for made, card in zip(cards, shown, strict=True)]

    def _documents(
        self, ids: dict[str, str], answered: list[Answered], news: list[Answered], cards: list[ShownCard]
    ) -> list[Put]:
        record = self._record(cards)
        with_ids = [
            replace(one, info=replace(one.info, assertion=one.info.assertion or ids.get(one.info.coverage, "")))
            for one in answered
        ]
        puts = [
            assertion_document(id_, [one for one in with_ids if one.info.assertion == id_ and not one.repeated], record)
            for id_ in ids.values()
        ]
        puts.append(call_document(self.consult.runtime.new_id(), record, with_ids, self.consult.runtime.now()))
        return puts

    def _record(self, cards: list[ShownCard]) -> CallRecord:
        pool, ehr = self.gathered.pool, self.gathered.ehr
        user = pool.index.resolve(self.context.user) if self.context.user else None
        numbers = npis(user.resource) if user else []
        organization = pool.index.resolve(user.resource.get("organization"), user) if user else None
        groups = npis(organization.resource) if organization else []
        return CallRecord(
            call=self.call,
            context=self.context,
            client=self.client,
            payer=self.consult.directory().payer.npi,
            received=self.received,
            token_use=ehr.token_use if ehr else "not-used",
            accessed=pool.accessed,
            provider=numbers[0] if numbers else None,
            group=groups[0] if groups else None,
            notes=[
                *self.notes,
                *(
                    f"{query.partition('?')[0].partition('/')[0]}: {why}"
                    for query, why in self.gathered.problems.items()
                ),
            ],
            cards=cards,
        )


_DEPENDABLE = (
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "Appointment",
)


def _shown(made: Element, card: Card) -> ShownCard:
    return ShownCard(
        uuid=made["uuid"],
        topic=card.topic,
        policies=card.policies,
        resources=card.resources,
        suggestions=tuple(s["uuid"] for s in made.get("suggestions", ())),
    )
