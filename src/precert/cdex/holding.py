"""Attachments that came before their request: held, found again, filed.

A held attachment is one document, found by the tracking id's value and the member number. When a request arrives from
the same sender with that identifier, :func:`early_arrivals` files what was held; nothing is dropped by time here.
"""

from __future__ import annotations

from dataclasses import dataclass

from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.receive import Received, receive
from precert.cdex.content import evidence_bundle
from precert.cdex.matching import member_matches, own_identifiers
from precert.cdex.parameters import Sent
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.types import Element
from precert.store.port import Audit, Commit, Document, Idempotency, Param, Put

HELD = "HeldAttachment"
_MOST = 50


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is kept of a call: from whom, as what, and the entries to file."""

    sent: Sent
    submitter: str
    entries: tuple[Element, ...]
    key: Idempotency
    lines: tuple[int, ...]


async def hold(service: AuthorizationService, arrival: Arrival, answer: bytes) -> None:
    """Keep an attachment until its request arrives. ``answer`` is what a repetition gets."""
    id, now, sent = service.runtime.new_id(), service.runtime.now(), arrival.sent
    body = json.dumps(
        {
            "id": id,
            "received": instant(now),
            "tracking": {"system": sent.tracking.system, "value": sent.tracking.value},
            "member": sent.member.value,
            "attachTo": sent.attach_to,
            "submitter": arrival.submitter,
            "lines": list(arrival.lines),
            "entry": list(arrival.entries),
        }
    )
    params = {"tracking": [sent.tracking.value], "submitter": [arrival.submitter], "state": ["held"]}
    commit = Commit(
        tenant=service.tenant,
        puts=[Put(HELD, id, body, params, expect=0)],
        audit=[Audit("attachment-held", arrival.submitter, id, now)],
        idempotency=arrival.key,
        result=answer,
    )
    await service.store.commit(commit)


async def early_arrivals(service: AuthorizationService, case: Case) -> Case:
    """File whatever was held for a request that has just been stored; the record as it then is.

    Call it after the commit of ``$submit``. Calling it again does nothing. Raises the store's errors.
    """
    identifiers = own_identifiers(case)
    values = sorted({value for _, value in identifiers})
    if not values:
        return case
    params = [Param("tracking", values), Param("submitter", [case.opened.submitter]), Param("state", ["held"])]
    page = await service.store.search(service.tenant, HELD, params, newest_first=False, limit=_MOST)
    for document in page.documents:
        held = json.loads(document.body)
        tracking = (held["tracking"]["system"], held["tracking"]["value"])
        fits = tracking in identifiers or (not tracking[0] and any(tracking[1] == v for _, v in identifiers))
        if fits and held["attachTo"] == "preauthorization" and member_matches(case, held["member"]):
            case = await _file(service, case, document, held)
    return case


async def _file(service: AuthorizationService, case: Case, document: Document, held: Element) -> Case:
    bundle = service.runtime.new_id()
    key = Idempotency(f"held|{document.id}", case.id)
    received = Received(
        bundle=bundle,
        raw=json.dumps(evidence_bundle(bundle, held["entry"])),
        sender=held["submitter"],
        key=key,
        lines=held["lines"],
        detail={"held": document.id, "tracking": held["tracking"]["value"]},
    )
    case = await receive(service, case.id, received)
    filed = Put(
        HELD,
        document.id,
        document.body,
        {"tracking": [held["tracking"]["value"]], "submitter": [held["submitter"]], "state": ["filed"]},
    )
    await service.store.commit(Commit(tenant=service.tenant, puts=[filed]))
    return case
