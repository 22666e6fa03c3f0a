"""Attachments that came before their request: held, read with it, filed.

A held attachment is one document, found by the tracking id's value and the member number. When a request arrives from
the same sender with that identifier, :func:`held_for` hands in what was held, so that it counts for the decision and is filed
in the same commit. What is held while that commit is under way is filed afterwards by :func:`early_arrivals`. Nothing is
dropped by time here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import AuthorizationService, Early
from precert.authorization.usecases.receive import ReceivedEvidence, receive
from precert.authorization.usecases.submission import Submission
from precert.cdex.content import evidence_bundle
from precert.cdex.matching import is_number_of, is_party, member_matches, named_beforehand, own_identifiers
from precert.cdex.parameters import Sent
from precert.eligibility.directory import member_numbers
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.types import Element
from precert.store.port import Audit, Commit, Conflict, Document, Idempotency, Param, Put

log = structlog.get_logger(__name__)
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
            "senders": list(sent.senders),
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


async def held_for(service: AuthorizationService, submission: Submission) -> list[Early]:
    """What is held for a request that is about to be decided. Raises the store's errors."""
    who = service.who(submission, service.runtime.now())
    numbers = member_numbers(submission.patient, submission.coverage, submission.subscriber)
    known = [*numbers, *([who.member.id] if who.member is not None else [])]
    names = named_beforehand(submission.identifiers, submission.lines)
    early = []
    async for document, held in _held(service, names, submission.submitter):
        # what a stranger sent ahead is filed afterwards, for a person
        if is_number_of(known, held["member"]) and _known_sender(service, submission, held):
            bundle = service.runtime.new_id()
            raw = json.dumps(evidence_bundle(bundle, held["entry"]))
            early.append(Early(bundle, raw, held["submitter"], _origin(document, held), _no_longer(document, held)))
    return early


async def early_arrivals(service: AuthorizationService, case: Case) -> Case:
    """File whatever was held for a request that has just been stored; the record as it then is.

    Call it after the commit of ``$submit``. Calling it again does nothing. Raises the store's errors.
    """
    async for document, held in _held(service, own_identifiers(case), case.opened.submitter):
        if member_matches(case, held["member"]):
            case = await _file(service, case, document, held)
    return case


async def _held(
    service: AuthorizationService, names: set[tuple[str, str]], submitter: str
) -> AsyncIterator[tuple[Document, Element]]:
    """What the sender attached ahead under one of ``names`` (system, value)."""
    values = sorted({value for _, value in names})
    if not values:
        return
    params = [Param("tracking", values), Param("submitter", [submitter]), Param("state", ["held"])]
    page = await service.store.search(service.tenant, HELD, params, newest_first=False, limit=_MOST)
    for document in page.documents:
        held = json.loads(document.body)
        tracking = (held["tracking"]["system"], held["tracking"]["value"])
        fits = tracking in names or (not tracking[0] and any(tracking[1] == value for _, value in names))
        if fits and held["attachTo"] == "preauthorization":
            yield document, held


def _known_sender(service: AuthorizationService, submission: Submission, held: Element) -> bool:
    return is_party(submission, held.get("senders", ()), service.directory().payer.npi)


def _origin(document: Document, held: Element) -> Element:
    return {"held": document.id, "tracking": held["tracking"]["value"]}


def _no_longer(document: Document, held: Element) -> Put:
    """The held document once it is filed; it is written once, whoever files it."""
    params = {"tracking": [held["tracking"]["value"]], "submitter": [held["submitter"]], "state": ["filed"]}
    return Put(HELD, document.id, document.body, params, expect=document.version)


async def _file(service: AuthorizationService, case: Case, document: Document, held: Element) -> Case:
    bundle = service.runtime.new_id()
    key = Idempotency(f"held|{document.id}", case.id)
    received = ReceivedEvidence(
        bundle=bundle,
        raw=json.dumps(evidence_bundle(bundle, held["entry"])),
        sender=held["submitter"],
        key=key,
        lines=held["lines"],
        detail=_origin(document, held),
        known_sender=_known_sender(service, await service.submission_of(case), held),
    )
    case = await receive(service, case.id, received)
    try:
        await service.store.commit(Commit(tenant=service.tenant, puts=[_no_longer(document, held)]))
    except Conflict:
        log.info("held attachment was filed meanwhile", held=document.id)
    return case
