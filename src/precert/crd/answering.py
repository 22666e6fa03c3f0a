"""One hook call from the parsed body to the stored and rendered answer. The order of the steps is the design:

scope → data → coverage → one decision per order and coverage → assertions and cards → one commit → bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import structlog

from precert.authorization.deciding.orders import Order
from precert.authorization.usecases.ask import Consulted, ConsultService
from precert.authorization.usecases.unit_of_work import again
from precert.authorization.usecases.unsolicited import Unsolicited
from precert.crd import cards as making
from precert.crd import coverage as insurance
from precert.crd import render, system_actions
from precert.crd.answer import Action, Card
from precert.crd.context import HookContext, read_context
from precert.crd.coverage import Insured
from precert.crd.deciding import Decider
from precert.crd.envelope import HookCall
from precert.crd.fetch import Deadline, Ehr
from precert.crd.gather import Gathered, gather
from precert.crd.ledger import AnsweredOrder, CallRecord, ShownCard, documents, patient_key
from precert.crd.options import COVERAGE_UPDATE, FORMS
from precert.crd.render import Shape
from precert.crd.scope import ordered, orders_in_scope, relevant_drafts
from precert.eligibility.directory import npis
from precert.fhir import json
from precert.fhir.coverage_information import CoverageInfo
from precert.fhir.types import Element, Resource
from precert.store.port import Audit, Param, Put
from precert.web.metrics import Metrics

log = structlog.get_logger(__name__)

_WARM = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers calls of all hooks. ``http`` is how the clients' servers are read; without it only prefetch counts.

    A client that names no CRD version and has no Coverage gets cards instead of an error; ``demo_plan`` is then taken as
    the patient's plan. ``apps`` are offered with the policies that they name. ``unsolicited`` authorizes
    orders whose criteria are met; without it they are told that their request will be approved.
    """

    consult: ConsultService
    metrics: Metrics
    http: httpx.AsyncClient | None = None
    demo_plan: str | None = None
    apps: Sequence[making.SmartApp] = ()
    unsolicited: Unsolicited | None = None

    async def answer(self, call: HookCall, shape: Shape, root: str, client: str) -> bytes:
        """The response body. Raises FhirError (see faults) and the store's errors; when it returns, all is durable."""
        # another call may use up an authorization that this one was to say satisfies an order: then it is answered again
        return await again(lambda: _Answering(self, call, shape, root, client).run())


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
    uses: list[Put] = field(default_factory=list)

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
            crosswalk, on_order = self.consult.directory().crosswalk, self.shape.ANNOTATE_BASED_ON
            orders = orders_in_scope(self.call, self.context, self.gathered, crosswalk, on_order=on_order)
        if not orders:
            return await self._finish([], [], [])
        decider = Decider(
            self.consult,
            self.call,
            self.context,
            self.gathered,
            self.shape,
            self.root,
            self.client,
            self.owner.unsolicited,
        )
        directory = self.consult.directory()
        insured = insurance.ours(self.gathered.pool, self.context.patient, directory, self.call.version)
        if not insured:
            return await self._without_coverage(orders, decider)
        answered = await decider.decide(orders, insured)
        self.uses = decider.uses()
        shown = self._cards([(one.order, one.consulted) for one in answered])
        actions = self._system_actions(answered, insured, decider)
        return await self._finish(answered, shown, actions)

    async def _deadline(self, ehr: Ehr | None) -> Deadline:
        """A patient not seen for a day gets the longer limit (docs/crd.md); looked up only if anything may be fetched."""
        hook, version = self.call.hook, self.call.version
        quick, slow = hook.seconds(version, warm=True), hook.seconds(version, warm=False)
        if ehr is None or quick == slow:
            return Deadline.after(quick)
        key = patient_key(self.call, self.context)
        page = await self.consult.store.search(self.consult.tenant, "CrdCall", [Param("patient", [key])], limit=1)
        warm = any(self.received - document.updated < _WARM for document in page.documents)
        return Deadline.after(quick if warm else slow)

    async def _without_coverage(self, orders: list[Order], decider: Decider) -> bytes:
        """No Coverage that is ours; before that: an order that names its Coverage can be told that we could not look (resp-43)."""
        problem = self.gathered.problem("Coverage")
        if problem is not None:
            unseen = decider.unseen(orders, f"The patient's Coverage could not be read: {problem}.")
            if unseen:
                return await self._finish(unseen, [], [])
        state = self.gathered.pool.states.get("coverage")
        asked_in_vain = problem is None and any(query.startswith("Coverage") for query in self.gathered.asked)
        if self.call.version_asked or not (state == "nothing" or asked_in_vain):
            raise insurance.no_coverage(self.call.version, "nothing" if asked_in_vain else state, problem)
        directory = self.consult.directory()
        plan = directory.plans.get(self.owner.demo_plan or "")
        assumed = f" As an example, the rules of {plan.name} are shown." if plan else ""
        note = Card(
            topic="insurance",
            summary="No coverage was sent, so coverage could not be checked",
            detail=f"{directory.payer.name} found no Coverage for the patient in this system.{assumed}",
        )
        configuration = self.call.configuration
        notes = [] if COVERAGE_UPDATE in configuration.refused else [note]
        shown = [*notes, *self._cards(decider.uninsured(orders, self.owner.demo_plan))]
        return await self._finish([], shown[: configuration.max_cards], [])

    # Saying it

    def _cards(self, asked: list[tuple[Order, Consulted]]) -> list[Card]:
        setting = making.CardSetting(
            root=self.root,
            replaceable=self.call.hook.content == "orders",
            out_of_network=self._out_of_network(asked),
            apps=tuple(self.owner.apps),
            ordered=ordered(self.gathered, self.context.patient),
            companion={
                "subject": {"reference": f"Patient/{self.context.patient}"},
                "authoredOn": self.consult.today().isoformat(),
                **({"requester": {"reference": self.context.user}} if self.context.user else {}),
            },
        )
        return making.cards(asked, self.consult.catalogue(), setting, self.call.configuration)

    def _out_of_network(self, asked: list[tuple[Order, Consulted]]) -> tuple[tuple[str, Order], ...]:
        directory = self.consult.directory()
        named = [(directory.provider(o.asked.performer_npis), o) for o, _ in asked if o.asked.performer_known]
        return tuple((p.name, order) for p, order in named if p is not None and p.network == "out")

    def _system_actions(self, answered: list[AnsweredOrder], insured: list[Insured], decider: Decider) -> list[Action]:
        configuration = self.call.configuration
        found: list[Action] = []
        if configuration.wants(COVERAGE_UPDATE):
            for one in insured:
                who = self.consult.identify(decider.inquiry(one)).who
                certain = who.member if who is not None and not who.doubts else None
                record = certain.coverage_on(self.consult.today()) if certain is not None else None
                update = system_actions.coverage_update(one, record) if record else None
                found += [update] if update else []
        if configuration.wants(FORMS) and configuration.coverage_info:
            asked = [(one.order, one.consulted) for one in answered]
            payer = self.consult.directory().payer.name
            day = self.consult.today().isoformat()
            found += system_actions.form_tasks(asked, self.context.patient, day, payer, self.call.version, self.root)
        return found

    async def _finish(self, answered: list[AnsweredOrder], shown: list[Card], actions: list[Action]) -> bytes:
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
            kept = documents(by_coverage, answered, self._record(cards, actions), self.consult.runtime)
            return body, [*kept, *self.uses]

        return await self.consult.keep(prepare, len(coverages), audit)

    def _rendered(
        self, ids: dict[str, str], news: list[AnsweredOrder], shown: list[Card], actions: list[Action]
    ) -> tuple[bytes, list[ShownCard]]:
        new_id, payer = self.consult.runtime.new_id, self.consult.directory().payer.name
        by_target: dict[int, tuple[Resource, list[CoverageInfo]]] = {}
        for one in news:
            target = one.order.target.resource
            info = replace(one.info, assertion=ids[one.info.coverage])
            said = by_target.setdefault(id(target), (target, []))[1]
            if info not in said:  # an encounter may name one need twice (covinfo-1)
                said.append(info)
        updates = [
            render.system_action(render.annotated(target, infos, self.shape)) for target, infos in by_target.values()
        ]
        cards = [render.card(card, payer, self.root, self.shape, new_id) for card in shown]
        body = json.dumps(render.response(cards, [*updates, *(render.action(a) for a in actions)]))
        return body, [_shown(made, card) for made, card in zip(cards, shown, strict=True)]

    def _record(self, cards: list[ShownCard], actions: list[Action]) -> CallRecord:
        pool, ehr = self.gathered.pool, self.gathered.ehr
        user = pool.index.resolve(self.context.user) if self.context.user else None
        numbers = npis(user.resource) if user else []
        organization = pool.index.resolve(user.resource.get("organization"), user) if user else None
        groups = npis(organization.resource) if organization else []
        return CallRecord(
            call=self.call,
            context=self.context,
            shape=self.shape,
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
            actions=actions,
        )


def _shown(made: Element, card: Card) -> ShownCard:
    return ShownCard(
        uuid=made["uuid"],
        topic=card.topic,
        policies=card.policies,
        resources=card.resources,
        suggestions=tuple(s["uuid"] for s in made.get("suggestions", ())),
        said={key: made[key] for key in ("summary", "detail", "indicator", "links") if key in made},
    )
