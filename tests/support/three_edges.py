"""One order, read and decided by CRD, PAS and DTR: for the tests that hold the edges to one another.

In goes the body of a CDS Hooks call. CRD reads its orders; PAS reads the request that precert writes of an order
(``/api/crd/request``); DTR reads a ``$questionnaire-package`` call with the same order, Coverage and, as ``referenced``, whatever
else the call holds. There is no app and no store: nothing is on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from precert.authorization.deciding.decide import Decided, Rules, decide
from precert.authorization.deciding.order_amount import certain
from precert.authorization.deciding.orders import Order
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.standing import Standing
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import who_asks
from precert.authorization.usecases.on_record import MemberRecord
from precert.authorization.usecases.opening import reject
from precert.authorization.usecases.unsolicited import says
from precert.crd import coverage as insurance
from precert.crd.claim import request_bundle
from precert.crd.context import HookContext, read_context
from precert.crd.coverage import Insured
from precert.crd.deciding import Decider, _for_order
from precert.crd.envelope import HookCall, read_call
from precert.crd.fetch import Deadline
from precert.crd.gather import Gathered, gather
from precert.crd.hooks import HOOKS
from precert.crd.scope import orders_in_scope
from precert.dtr.asked import ORDER_TYPES, read_package_request
from precert.dtr.consulting import Consulting
from precert.dtr.coverages import holding
from precert.dtr.forms import Forms
from precert.dtr.resolve import resolve
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.fhir.coding import codes
from precert.fhir.coverage_information import CoverageInfo
from precert.fhir.outcome import FhirError
from precert.fhir.types import Resource
from precert.pas.intake import read_request
from precert.policy.catalogue import Catalogue
from precert.policy.item import item_view
from precert.policy.library import PolicyLibrary
from precert.policy.types import Outcome
from support.app import NOW, ROOT, frozen_runtime

YES = frozenset({Outcome.APPROVE, Outcome.NO_AUTH, Outcome.NOT_APPLICABLE})
"""What a machine may say without a person or a question."""
TODAY = NOW.date()


@cache
def directory() -> Directory:
    return load_directory(ROOT / "examples" / "eligibility")


@cache
def catalogue() -> Catalogue:
    return PolicyLibrary(ROOT / "examples" / "policies", NOW).current


@cache
def forms() -> Forms:
    return Forms(catalogue)


class Unrecorded(ConsultService):
    """The use case "ask", when nothing is on record."""

    __slots__ = ()

    async def record(self, who: Standing | None, orders: Any) -> MemberRecord:
        return MemberRecord()


@dataclass(frozen=True)
class Said:
    """What an edge makes of an order. ``refused`` says why it asked nothing: the rule that was broken, or whose fault it is."""

    ask: Ask | None = None
    decided: Decided | None = None
    refused: str = ""

    @property
    def yes(self) -> bool:
        decision = self.decided.decision if self.decided is not None else None
        return decision is not None and decision.outcome in YES


@dataclass(frozen=True)
class Read:
    """One order over the three edges. ``info`` is what CRD writes on it; ``dtr_rules`` are the rules of what DTR says about it."""

    order: Order
    crd: Said
    pas: Said
    dtr: Said
    info: CoverageInfo
    without_chart: Decided | None  # CRD's decision, had nothing come along but the order
    dtr_rules: frozenset[str] = frozenset()
    says_the_same: bool = True  # the request that PAS read says what the order says


def read(body: dict[str, Any], *, referenced: bool = True) -> list[Read]:
    """Every order of a call. Without ``referenced`` DTR gets order and Coverage alone."""
    hook = next(hook for hook in HOOKS if hook.name == body["hook"])
    return asyncio.run(_read(read_call(body, hook, "2.2"), referenced))


async def _read(call: HookCall, referenced: bool) -> list[Read]:
    consult = Unrecorded(cast(Any, None), directory, catalogue, frozen_runtime())
    context = read_context(call)
    gathered = await gather(call, context, None, Deadline.after(60))
    orders = orders_in_scope(call, context, gathered, directory().crosswalk, on_order=True)
    try:
        insured = insurance.ours(gathered.pool, context.patient, directory(), call.version)
    except FhirError:
        insured = []
    decider = Decider(consult, call, context, gathered, cast(Any, None), "")
    found: list[Read] = []
    for order in orders if insured else ():
        try:
            covered = insurance.for_order(insured, order, gathered.pool, directory(), call.version).under
        except FhirError:
            continue
        if not covered:  # it names a coverage that is not here, or is another payer's
            continue
        under = covered[0]
        pas, same = _pas(order, under, context, gathered, consult)
        dtr, rules = await _dtr(order, under, context, gathered, consult, referenced=referenced)
        crd = _crd(order, under, decider)
        consulted = decider._ask(order, _subject(order, under, decider), consult.identify(decider.inquiry(under)))
        info = decider._assertion(order, consulted, under.reference, under.note)
        who = consult.identify(decider.inquiry(under)).who
        bare = None
        if crd.decided is not None and who is not None:
            subject = replace(decider.inquiry(under), answers={}, evidence=order.evidence)
            bare = decide(order.asked, subject, who, _rules(), TODAY)
        found.append(Read(order, crd, pas, dtr, info, bare, rules, same))
    return found


def _subject(order: Order, under: Insured, decider: Decider) -> Subject:
    return _for_order(decider.inquiry(under), order, decider._evidence())


def _crd(order: Order, under: Insured, decider: Decider) -> Said:
    who = decider.consult.identify(decider.inquiry(under))
    if order.failure or who.who is None:
        return Said(order.asked, None, order.failure or str(who.trouble))
    decided = decide(order.asked, _subject(order, under, decider), who.who, _rules(), TODAY)
    return Said(order.asked, decided)


def _pas(
    order: Order, under: Insured, context: HookContext, gathered: Gathered, consult: ConsultService
) -> tuple[Said, bool]:
    pool = gathered.pool
    patient = pool.index.resolve(f"Patient/{context.patient}")
    user = pool.index.resolve(context.user) if context.user else None
    chart = [f"{e.type}/{e.id}" if e.id else e.path for e in pool.of_patient(context.patient)]
    payer = dict(directory().payer.resource)
    bundle = None
    if patient is not None and order.failure is None:
        bundle = request_bundle(order, patient, under, user, payer, chart, pool, consult.runtime)
    if bundle is None:
        return Said(refused="request-incomplete"), True
    raw = json.dumps(bundle)
    try:
        submission = read_request(raw, json.load_resource(raw), "ehr", directory())
    except FhirError as error:
        return Said(refused=", ".join(str(issue.rule) for issue in error.issues)), True
    assert read_request(raw, bundle, "ehr", directory()) == submission  # made here, or read from what is stored
    (line,) = submission.lines
    ask, same = submission.ask(line), says(submission, order.asked)
    if (rejection := reject(submission, directory())) is not None:
        return Said(ask, None, rejection.key), same
    return Said(ask, decide(ask, submission.subject, who_asks(directory(), submission, NOW), _rules(), TODAY)), same


async def _dtr(
    order: Order,
    under: Insured,
    context: HookContext,
    gathered: Gathered,
    consult: ConsultService,
    *,
    referenced: bool,
) -> tuple[Said, frozenset[str]]:
    resource = order.entry.resource
    if order.entry.type not in ORDER_TYPES or order.entry.container is not None:
        return Said(refused="parameter-type"), frozenset()
    if context.performer is not None:  # who dispatches an order sends it with the one to whom it goes
        resource = {**resource, "performer": [{"reference": context.performer}]}
    parts: list[Resource] = [
        {"name": "coverage", "resource": under.resource},
        {"name": "order", "resource": resource},
    ]
    others = [
        e.resource for e in gathered.pool.index.entries if e.resource not in (order.entry.resource, under.resource)
    ]
    parts += [{"name": "referenced", "resource": other} for other in others if referenced]
    asked = read_package_request({"resourceType": "Parameters", "parameter": cast(Any, parts)})
    try:
        held, _ = holding(asked, None, consult)
        resolved = await resolve(asked, None, consult, forms(), "http://precert.test", "ehr")
    except FhirError as error:
        return Said(refused=", ".join(str(issue.rule) for issue in error.issues)), frozenset()
    rules = frozenset(str(note.rule) for note in resolved.notes)
    (mine,) = asked.orders
    consulting = Consulting(consult, asked.orders, held, "ehr", asked.index)
    await consulting.look_up()
    ask, subject, _ = consulting.asked(mine, held[0])
    if (anothers := consulting.of_another(mine, held[0])) is not None:
        return Said(ask, None, anothers), rules
    who = consulting.whoever(held[0]).who
    assert who is not None
    return Said(ask, decide(ask, subject, who, _rules(), TODAY)), rules


def _rules() -> Rules:
    return Rules(directory(), catalogue())


def order_calls(case: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A hook call as it is; a PAS Request Bundle as one call per item, with the order that the item is for; nothing else."""
    if "hook" in case:
        drafts = case["context"].get("draftOrders", {}).get("entry", ())
        if all(isinstance(entry.get("fullUrl", ""), str) for entry in drafts):  # else the route refuses it
            yield case
        return
    entries = _as_kept([entry for entry in case.get("entry") or () if isinstance(entry.get("resource"), dict)])
    claim = next((e["resource"] for e in entries if e["resource"].get("resourceType") == "Claim"), None)
    if claim is None or not claim.get("item"):
        return
    others = [entry for entry in entries if entry["resource"] is not claim]
    patient = str(claim["patient"].get("reference", "")).rpartition("/")[2]
    for item in claim["item"]:
        order = _order_of(item, claim)
        yield {
            "hook": "order-sign",
            "hookInstance": "00000000-0000-4000-8000-000000000000",
            "context": {
                "userId": "Practitioner/nobody",
                "patientId": patient,
                "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
            },
            "prefetch": {"chart": {"resourceType": "Bundle", "type": "collection", "entry": others}},
        }


def _as_kept(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of a bundle with the references that an EHR has: by type and id, not by the bundle's ``urn:uuid``."""
    own = {
        e["fullUrl"]: f"{e['resource'].get('resourceType')}/{e['resource'].get('id')}"
        for e in entries
        if "fullUrl" in e
    }

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: own.get(v, v) if k == "reference" and isinstance(v, str) else told(v) for k, v in value.items()}
        return [told(each) for each in value] if isinstance(value, list) else value

    return [{"resource": told(entry["resource"])} for entry in entries]


def _order_of(item: dict[str, Any], claim: dict[str, Any]) -> dict[str, Any]:
    """The ServiceRequest that a claim item is for: what it says of service, amount, days, place, diagnoses and people."""
    wanted = item.get("diagnosisSequence")
    named = [d for d in claim.get("diagnosis", ()) if not wanted or d.get("sequence") in wanted]
    team = [
        m["provider"] for m in claim.get("careTeam", ()) if m.get("sequence") in (item.get("careTeamSequence") or ())
    ]
    made = {
        "resourceType": "ServiceRequest",
        "id": f"item-{item['sequence']}",
        "status": "draft",
        "intent": "order",
        "subject": claim["patient"],
        "requester": claim["provider"],
        "code": item.get("productOrService"),
        "quantityQuantity": item.get("quantity"),
        "occurrenceDateTime": item.get("servicedDate"),
        "occurrencePeriod": item.get("servicedPeriod"),
        "locationCode": [place] if (place := item.get("locationCodeableConcept")) else None,
        "performer": team or None,
        "reasonCode": [d["diagnosisCodeableConcept"] for d in named if "diagnosisCodeableConcept" in d] or None,
        "reasonReference": [d["diagnosisReference"] for d in named if "diagnosisReference" in d] or None,
    }
    return {key: value for key, value in made.items() if value is not None}


def asked(ask: Ask) -> dict[str, Any]:
    """What must be the same whoever sends the order: all of the Ask, but for what only a claim item has.

    * ``sequence``, ``careTeamSequence``, ``diagnosisSequence`` and extensions number and link the parts of a Claim;
    * ``category`` is mandatory in a PAS item and no element of an order: X12 service type 1;
    * ``certification`` I (initial) is how a Claim says what an order is by itself: a first request;
    * ``locationCodeableConcept`` of the item holds a data-absent-reason when the order names no place;
    * ``provider.reference`` is the fullUrl in the bundle of the one who sent it.
    """
    line = ask.line
    claims_own = ("extension", "sequence", "careTeamSequence", "diagnosisSequence")
    view = item_view(line.item, tuple(codes(line.item.get("productOrService"))))
    provider = (line.provider.npi, line.provider.name) if line.provider is not None else None
    return {
        "code": line.code,
        "codes": frozenset(codes(line.item.get("productOrService"))),
        "modifiers": [code.code for code in codes(line.item.get("modifier"))],
        "item": {
            key: value
            for key, value in view.items()
            if key not in (*claims_own, "productOrService", "code", "system", "modifiers")
        },
        "request": line.request,
        "amount": (line.quantity, line.unit, certain(line.item.get("quantity"))),
        "days": (line.service_start, line.service_end),
        "diagnoses": line.diagnoses,
        "provider": provider,
        "requester": ask.requester_npis,
        "performer": (ask.performer_known, ask.performer_npis),
        "communication": ask.communication,
        "doubts": (ask.doubts, ask.unsaid),
    }


def candidates(decided: Decided) -> dict[str, Any]:
    """Which service it is, on which day, under which plan, and which policies may speak of it."""
    decision = decided.decision
    return {
        "service": (decided.service.known, decided.service.codes, decided.service.modifiers),
        "day": decided.day,
        "plan": decided.who.plan.id if decided.who.plan else None,
        "inactive": decided.inactive,
        "policies": sorted((e.policy, e.version) for e in decision.considered) if decision else None,
    }


def decision(decided: Decided) -> dict[str, Any]:
    """All that the decision says, but for the words about who is meant."""
    found = decided.decision
    return {
        **candidates(decided),
        "outcome": found.outcome if found else None,
        "reason_code": found.reason_code if found else None,
        "governing": (g.policy, g.version, g.unmet) if found and (g := found.governing) else None,
        "missing": found.missing if found else None,
        "remarks": found.remarks if found else None,
    }


def faults(one: Read) -> Iterator[str]:
    """Where the edges differ about one order, in sentences; none may."""
    crd, pas, dtr = one.crd, one.pas, one.dtr
    if not one.says_the_same:
        yield "the request on record does not say what the order says"
    for name, other in (("PAS", pas), ("DTR", dtr)):
        if crd.ask is not None and other.ask is not None and not one.order.failure:
            yield from _differences(f"{name} asks", asked(crd.ask), asked(other.ask))
    if crd.decided is not None and pas.decided is not None:
        yield from _differences("PAS decides", decision(crd.decided), decision(pas.decided))
    if crd.decided is not None and dtr.decided is not None and one.without_chart is not None:
        yield from _differences("DTR decides", candidates(crd.decided), candidates(dtr.decided))
        yield from _differences("DTR decides", decision(one.without_chart), decision(dtr.decided))
    if crd.yes and not (pas.yes or pas.refused == "request-incomplete"):
        yield f"CRD says a yes; PAS does not ({pas.refused})"
    if pas.yes and not crd.yes:
        yield f"PAS says a yes; CRD does not ({crd.refused})"
    if "nothing-needed" in one.dtr_rules:
        if crd.decided is None or not crd.decided.service.known:
            yield f"DTR says that nothing is needed; CRD decides nothing ({crd.refused})"
        elif one.info.doc_needed or one.info.questionnaires:
            yield "DTR says that nothing is needed; CRD wants documents"


def _differences(who: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for key, value in one.items():
        if value != other[key]:
            yield f"{who} otherwise: {key} is {other[key]!r}, over CRD {value!r}"
