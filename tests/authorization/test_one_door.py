"""One order is decided once: CRD, PAS and DTR make the same Ask of it and get the same decision.

Every example order of ``examples/crd`` is read as the hook reads it, written as the PAS request that its provider would
send, and read again by the PAS edge; DTR reads the order alone. The same is done to orders made up here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pytest

from precert.authorization.deciding.decide import Decided, Rules, decide
from precert.authorization.deciding.orders import Order
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.unsolicited import says
from precert.crd import coverage as insurance
from precert.crd.claim import request_bundle
from precert.crd.context import read_context
from precert.crd.deciding import Decider, _for_order
from precert.crd.envelope import HookCall, read_call
from precert.crd.fetch import Deadline
from precert.crd.gather import gather
from precert.crd.hooks import HOOKS
from precert.crd.scope import orders_in_scope
from precert.dtr.asked import Order as DtrOrder
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.fhir.coding import CPT, HCPCS, NDC, RXNORM, SNOMED, codes
from precert.pas.intake import read_request
from precert.policy.catalogue import Catalogue
from precert.policy.library import PolicyLibrary
from support.app import NOW, ROOT, frozen_runtime

EXAMPLES = [p for p in sorted((ROOT / "examples" / "crd").glob("order-*.json")) if "other-payer" not in p.name]


@cache
def directory() -> Directory:
    return load_directory(ROOT / "examples" / "eligibility")


@cache
def catalogue() -> Catalogue:
    return PolicyLibrary(ROOT / "examples" / "policies", NOW).current


@dataclass(frozen=True)
class Read:
    """One order as two edges read it, and what is decided about it."""

    order: Order
    hook: tuple[Ask, Decided]
    request: tuple[Ask, Decided]


def read(body: dict[str, Any]) -> list[Read]:
    hook = next(hook for hook in HOOKS if hook.name == body["hook"])
    return asyncio.run(_read(read_call(body, hook, "2.2")))


async def _read(call: HookCall) -> list[Read]:
    consult = ConsultService(cast(Any, None), directory, catalogue, frozen_runtime())
    context = read_context(call)
    gathered = await gather(call, context, None, Deadline.after(5))
    orders = orders_in_scope(call, context, gathered, directory().crosswalk, on_order=True)
    insured = insurance.ours(gathered.pool, context.patient, directory(), call.version)
    decider = Decider(consult, call, context, gathered, cast(Any, None), "")
    patient = gathered.pool.index.resolve(f"Patient/{context.patient}")
    user = gathered.pool.index.resolve(context.user) if context.user else None
    chart = [f"{e.type}/{e.id}" if e.id else e.path for e in gathered.pool.of_patient(context.patient)]
    rules, today = Rules(directory(), catalogue()), consult.today()
    found: list[Read] = []
    for order in orders:
        if not insured or patient is None or order.failure:
            continue
        under = insured[0]
        inquiry = decider.inquiry(under)
        who = consult.identify(inquiry).who
        bundle = request_bundle(
            order, patient, under.entry, user, dict(directory().payer.resource), chart, gathered.pool, consult.runtime
        )
        if who is None or bundle is None or not order.concept:
            continue
        mine = decide(order.asked, _for_order(inquiry, order, decider._evidence()), who, rules, today)
        raw = json.dumps(bundle)
        submission = read_request(raw, json.load_resource(raw), "ehr", directory())
        assert (
            read_request(raw, bundle, "ehr", directory()) == submission
        )  # made here, or read again from what is stored
        (line,) = submission.lines
        assert says(submission, order.asked), order.reference
        ask = submission.ask(line)
        asks = consult.identify(submission.subject).who
        assert asks is not None
        found.append(Read(order, (order.asked, mine), (ask, decide(ask, submission.subject, asks, rules, today))))
    return found


def compared(ask: Ask, decided: Decided) -> dict[str, Any]:
    """What must be the same whoever sends the order."""
    line = ask.line
    return {
        "code": line.code,
        "service": (decided.service.known, decided.service.codes, decided.service.modifiers),
        "request": line.request,
        "amount": (line.quantity, line.unit),
        "place": [str(code) for code in codes(line.item.get("locationCodeableConcept"))],
        "requester": set(ask.requester_npis[:1]),
        "performer": (ask.performer_known, set(ask.performer_npis[:1])),
        "days": (line.service_start, line.service_end),
        "diagnoses": line.diagnoses,
        "day": decided.day,
        "inactive": decided.inactive,
        "outcome": decided.decision.outcome if decided.decision else None,
        "policy": (g.policy, g.version) if decided.decision and (g := decided.decision.governing) else None,
        "missing": decided.decision.missing if decided.decision else None,
        "unmet": g.unmet if decided.decision and (g := decided.decision.governing) else None,
    }


def same(found: list[Read]) -> None:
    for one in found:
        assert compared(*one.hook) == compared(*one.request), one.order.reference


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_order_is_asked_and_decided_alike(path: Any) -> None:
    same(read(json.loads(path.read_bytes())))


def test_hardly_any_example_is_left_out() -> None:
    assert sum(bool(read(json.loads(path.read_bytes()))) for path in EXAMPLES) >= 12


def spellings() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For services that the demo policies name: the ways in which senders write them."""
    alias = "https://terminology.hl7.org/CodeSystem/HCPCS/"
    for code in ("E1390", "E0601", "K0823", "E0265", "A4239", "J1745"):
        for name, sent in {
            "as it is": [(HCPCS, code)],
            "lower case": [(HCPCS, code.lower())],
            "blanks": [(HCPCS, f" {code} ")],
            "modifier": [(HCPCS, f"{code}:NU")],
            "modifier with a hyphen": [(HCPCS, f"{code}-NU")],
            "alias": [(alias, code)],
            "under CPT": [(CPT, code)],
            "foreign first": [("urn:ehr", "X"), (HCPCS, code)],
            "foreign last": [(HCPCS, code), (SNOMED, "706172005")],
            "twice": [(HCPCS, code), (alias, code.lower())],
        }.items():
            yield f"{code} {name}", sent
    yield "J1745 by NDC", [(NDC, "57894-030-01")]
    yield "several products", [(RXNORM, "191831")]
    yield "malformed", [(HCPCS, "E06O1")]
    yield "two services", [(HCPCS, "E0601"), (HCPCS, "E0470")]
    yield "local only", [("urn:ehr", "E0601")]


PLAIN = {
    "order-sign": json.loads((ROOT / "examples" / "crd" / "order-sign-auth-needed-documents.json").read_bytes()),
}


def ordered(sent: list[tuple[str, str]]) -> dict[str, Any]:
    """The example order with another service."""
    body = json.loads(json.dumps(PLAIN["order-sign"]))
    coding = [{"system": system, "code": code} for system, code in sent]
    for entry in body["context"]["draftOrders"]["entry"]:
        key = next(k for k in ("code", "codeCodeableConcept", "medicationCodeableConcept") if k in entry["resource"])
        entry["resource"][key] = {"coding": coding}
    return cast(dict[str, Any], body)


@cache
def outcomes(code: str) -> tuple[Any, ...]:
    (one,) = read(ordered([(HCPCS, code)]))
    return _essence(one.hook[1])


def _essence(decided: Decided) -> tuple[Any, ...]:
    decision = decided.decision
    assert decision is not None
    return decision.outcome, decision.missing, decided.service.codes[:1], decision.reason_code


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in spellings()])
def test_a_service_in_any_spelling_is_decided_alike_over_every_edge(sent: list[tuple[str, str]], request: Any) -> None:
    (one,) = read(ordered(sent))
    same([one])
    # DTR reads the order by itself
    dtr = DtrOrder(one.order.entry.resource, "order")
    ask = Ask(one.hook[0].line.__class__(sequence=1, code="", item={"productOrService": dtr.service}))
    who = one.hook[1].who
    by_itself = decide(ask, Subject({}, {}), who, Rules(directory(), catalogue()), NOW.date())
    assert by_itself.service.codes == one.hook[1].service.codes
    name = request.node.callspec.id
    code, _, how = name.partition(" ")
    if how and code in ("E1390", "E0601", "K0823", "E0265", "A4239", "J1745"):
        assert _essence(one.hook[1]) == outcomes(code)
    else:
        assert _essence(one.hook[1])[3] == "service-unknown"
