"""What is kept of a call: one explanation per assertion, one entry of the call log with the CRD metric data (docs/crd.md).

Kept are ids, codes, decisions and what was said (found-37); no token, no name, no clinical value beyond what the rules'
trace holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from precert.authorization.deciding.orders import Order
from precert.authorization.usecases.ask import Consulted, ConsultService
from precert.crd.answer import Action
from precert.crd.context import HookContext
from precert.crd.envelope import HookCall, what_if
from precert.crd.fetch import TokenUse
from precert.crd.hooks import Hook
from precert.crd.prefetch import Accessed
from precert.crd.render import Shape
from precert.fhir import json
from precert.fhir.coverage_information import CoverageInfo
from precert.fhir.dates import instant
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, JsonValue, text
from precert.policy.explain import explain
from precert.runtime import Runtime
from precert.store.port import Audit, Commit, Put, StoreError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AnsweredOrder:
    """One order under one coverage, answered. ``repeated``: the order carries this assertion already."""

    order: Order
    consulted: Consulted
    info: CoverageInfo
    repeated: bool = False

    @property
    def outcome(self) -> str:
        """What the metrics count."""
        if self.consulted.held is not None:
            return "satisfied"
        decision = self.consulted.decision
        return decision.outcome.value if decision is not None else str(self.consulted.trouble)


@dataclass(frozen=True, slots=True)
class ShownCard:
    """What feedback about a card is linked to."""

    uuid: str
    topic: str
    policies: tuple[str, ...]
    resources: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    said: Mapping[str, JsonValue] = field(default_factory=dict)  # its text and links as they were sent


@dataclass(slots=True)
class CallRecord:
    """The facts about one call that the log keeps."""

    call: HookCall
    context: HookContext
    shape: Shape
    client: str
    payer: str
    received: datetime
    token_use: TokenUse = "not-used"  # noqa: S105
    accessed: Sequence[Accessed] = ()
    provider: str | None = None
    group: str | None = None
    notes: Sequence[str] = ()
    cards: list[ShownCard] = field(default_factory=list)
    actions: Sequence[Action] = ()  # beside coverage information


def documents(
    ids: Mapping[str, str], answered: Sequence[AnsweredOrder], record: CallRecord, runtime: Runtime
) -> list[Put]:
    """Everything to keep of a call. ``ids`` are the new assertions by coverage; repeated ones keep the id they have."""
    named = [
        one if one.repeated else replace(one, info=replace(one.info, assertion=ids.get(one.info.coverage, "")))
        for one in answered
    ]
    news = [one for one in named if not one.repeated]
    puts = [assertion_document(id_, [a for a in news if a.info.assertion == id_], record) for id_ in ids.values()]
    return [*puts, call_document(runtime.new_id(), record, named, runtime.now())]


def assertion_document(assertion: str, answered: Sequence[AnsweredOrder], record: CallRecord) -> Put:
    """The explanation that ``/explain/{assertion}`` serves: the contract's shape, and whose call it was."""
    call = record.call
    body: Element = {
        "id": assertion,
        "case": next((one.consulted.held.case for one in answered if one.consulted.held), None),
        "assertion": assertion,
        "received": instant(record.received),
        "hook": call.hook.name,
        "hookInstance": call.instance,
        "coverage": answered[0].info.coverage,
        "lines": [_line(one, record) for one in answered],
    }
    return Put("Assertion", assertion, json.dumps(body), {"submitter": [record.client]}, expect=0)


def _line(answered: AnsweredOrder, record: CallRecord) -> Element:
    consulted, info = answered.consulted, answered.info
    line: Element = {
        "sequence": answered.order.asked.line.sequence,
        "code": answered.order.asked.line.code,
        "policy": None,
        "version": None,
        "outcome": answered.outcome,
        "decision": info.pa_needed or info.covered,
        "facts": [],
        "criteria": [],
        "missing": [],
        "reasons": [],
    }
    if consulted.decision is not None:
        line |= explain(consulted.decision)
    line["outcome"] = answered.outcome
    line["reasons"] = list(dict.fromkeys([*line["reasons"], *(reason.text for reason in info.reasons)]))
    line |= {
        "covered": info.covered,
        "order": answered.order.reference,
        "coverageInformation": record.shape.coverage_information(info),
        "service_date": consulted.day.isoformat(),
        "events": [
            {"at": instant(record.received), "event": record.call.hook.name, "actor": "system", "by": "precert"}
        ],
    }
    if consulted.held is not None:
        line["authorization"] = {"number": consulted.held.authorization.number, "case": consulted.held.case}
    return line


def call_document(id: str, record: CallRecord, answered: Sequence[AnsweredOrder], responded: datetime) -> Put:
    """The log entry: CRDMetricData's elements under their names, and the cards for the feedback to find."""
    call = record.call
    counted = Counter((accessed.type, accessed.prefetched) for accessed in record.accessed)
    body: Element = {
        "source": "payer-src",
        "clientId": record.client,
        "hookInstance": call.instance,
        "hookType": call.hook.name,
        "version": call.version,
        "providerId": record.provider,
        "groupId": record.group,
        "payerId": record.payer,
        "requestTime": instant(record.received),
        "responseTime": instant(responded),
        "httpResponse": 200,
        "tokenUse": record.token_use,
        "resources": [{"type": kind, "count": n, "prefetch": pre} for (kind, pre), n in sorted(counted.items())],
        "request": [_request(one) for one in answered],
        "cards": [
            {
                "uuid": card.uuid,
                "topic": card.topic,
                "policies": list(card.policies),
                "resources": list(card.resources),
                "suggestions": list(card.suggestions),
                **card.said,
            }
            for card in record.cards
        ],
        "actions": [{"type": action.type, "description": action.description} for action in record.actions],
        "notes": list(record.notes),
    }
    params = {
        "instance": [call.instance],
        "patient": [patient_key(call, record.context)],
        "card": [card.uuid for card in record.cards],
    }
    return Put("CrdCall", id, json.dumps(body), params, expect=0)


async def keep_refusal(
    consult: ConsultService, hook: Hook, body: JsonValue, client: str, received: datetime, error: FhirError
) -> None:
    """Put a call that gets an error into the log, with its OperationOutcome (found-37; the metric data's ``issue``).

    Not a what-if question, which leaves no trace. That the log cannot be written does not change the answer.
    """
    if error.status >= 500 or what_if(body):
        return
    instance = text(body.get("hookInstance")) if isinstance(body, dict) else None
    entry: Element = {
        "source": "payer-src",
        "clientId": client,
        "hookInstance": instance,
        "hookType": hook.name,
        "payerId": consult.directory().payer.npi,
        "requestTime": instant(received),
        "responseTime": instant(consult.runtime.now()),
        "httpResponse": error.status,
        "issue": error.resource["issue"],
        "tokenUse": "not-used",
        "request": [],
        "cards": [],
    }
    params = {"instance": [instance] if instance else []}
    put = Put("CrdCall", consult.runtime.new_id(), json.dumps(entry), params, expect=0)
    detail = {"hook": hook.name, "status": str(error.status)}
    audit = Audit("hook", client, (instance or hook.id)[:128], received, detail)
    try:
        await consult.store.commit(Commit(tenant=consult.tenant, puts=[put], audit=[audit]))
    except StoreError:
        log.warning("a refused call could not be logged", hook=hook.name, status=error.status)


def patient_key(call: HookCall, context: HookContext) -> str:
    """The patient as the client names them; ids are the client's, so its server belongs to the key."""
    return f"{call.access.server if call.access else ''}|{context.patient}"


def _request(answered: AnsweredOrder) -> Element:
    info = answered.info
    shown: Element = {
        "covered": info.covered,
        "paNeeded": info.pa_needed,
        "docNeeded": list(info.doc_needed),
        "infoNeeded": list(info.info_needed),
        "questionnaire": [{"reference": canonical} for canonical in info.questionnaires],
        "assertionId": info.assertion or None,
        "satisfiedId": info.satisfied_pa,
        "businessLine": answered.consulted.plan,
    }
    order = answered.order
    return {
        "type": order.entry.type,
        "orderDetail": order.asked.line.code,
        "response": [
            {
                "type": "coverage-info",
                "focus": order.reference,
                "engagement": "ignore" if answered.repeated else None,
                "coverageInfo": {key: value for key, value in shown.items() if value not in (None, [])},
            }
        ],
    }
