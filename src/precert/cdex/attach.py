"""The use of ``$submit-attachment``: read, match, file or hold, answer.

The answer depends on what was sent and where it belongs, not on what the rules then say: sent twice it is the same.
The decision reaches the sender through the notification and ``$inquire``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from precert.authorization.deciding.evidence import about_somebody_else
from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.receive import ReceivedEvidence, receive
from precert.authorization.usecases.submission import Submission
from precert.cdex.content import Read, Review, evidence_bundle, read_attachments
from precert.cdex.holding import Arrival, hold
from precert.cdex.matching import find_case, is_party, was_asked
from precert.cdex.parameters import Sent, read_parameters
from precert.fhir import json
from precert.fhir.bundle import BundleIndex
from precert.fhir.outcome import Issue, operation_outcome
from precert.fhir.types import Resource
from precert.store.port import Idempotency, Replayed

_NO_LINE = (0,)
"""Lines count from 1: filing for this one puts the evidence on the record and decides nothing again (Final = false)."""


@dataclass(frozen=True, slots=True)
class _Call:
    sent: Sent
    read: Read
    arrival: Arrival


async def attach(service: AuthorizationService, resource: Resource, submitter: str, review: Review) -> bytes:
    """Process one call; the OperationOutcome to answer with. Raises FhirError and the store's errors."""
    sent = read_parameters(resource)
    read = read_attachments(sent.attachments, review)
    digest = hashlib.sha256(json.dumps(_sorted(resource))).hexdigest()
    key = Idempotency(f"attachment|{submitter}|{digest}", digest)
    earlier = await service.store.replay(service.tenant, key)
    if isinstance(earlier, Replayed) and earlier.result:
        return earlier.result  # it was held; whether it was filed since is on the record
    case = await find_case(service, sent, submitter)
    call = _Call(sent, read, Arrival(sent, submitter, read.entries, key, ()))
    if case is None:
        return await _hold(service, call)
    lines, unknown = _lines(sent, case)
    submission = await service.submission_of(case)
    known = was_asked(case, sent) or is_party(submission, sent.senders, service.directory().payer.npi)
    others = tuple(_of_others(call, submission))
    answer = _filed(call, case, lines, (*_unknown_lines(unknown), *others), known=known)
    if earlier is None:
        await _file(service, call, case, lines, known=known)
    return answer


async def _file(service: AuthorizationService, call: _Call, case: Case, lines: tuple[int, ...], *, known: bool) -> None:
    bundle = service.runtime.new_id()
    sent = call.sent
    received = ReceivedEvidence(
        bundle=bundle,
        raw=json.dumps(evidence_bundle(bundle, call.read.entries)),
        sender=call.arrival.submitter,
        key=call.arrival.key,
        lines=lines if sent.final else _NO_LINE,
        detail={"tracking": sent.tracking.value, "final": sent.final, "attachments": list(call.read.names)},
        known_sender=known,
    )
    await receive(service, case.id, received)


async def _hold(service: AuthorizationService, call: _Call) -> bytes:
    lines = tuple(sorted({int(n) for a in call.sent.attachments for n in a.lines if _is_line(n)}))
    if call.sent.attach_to == "claim":
        what = "kept for people; no claims arrive here, so nothing files it by itself"
    else:
        what = "held and will be filed when a request for this member with that number arrives from the same sender"
    text = (
        f"Received {_listed(call.read.names)}. Nothing is known here yet under tracking id "
        f"{call.sent.tracking.value[:64]!r} for this member; it is {what}."
    )
    issues = [Issue("information", "informational", text, rule="attachment-held"), *call.read.notes]
    answer = json.dumps(operation_outcome(issues))
    await hold(service, replace(call.arrival, lines=lines), answer)
    return answer


def _of_others(call: _Call, submission: Submission) -> Iterator[Issue]:
    """A warning for each type of which something names another patient than the case's: it is kept and not used."""
    index = BundleIndex(evidence_bundle("", call.read.entries))
    foreign = about_somebody_else(index, submission.whose, vouched=True)
    for type_ in dict.fromkeys(entry.type for entry, _ in foreign):
        text = (
            f"The {type_[:64]} does not name the patient of the case as its subject. It is kept and not used; name the "
            "patient as the request did (id or identifier), or leave the subject out."
        )
        yield Issue("warning", "business-rule", text, "Parameters.parameter", "other-subject")


def _unknown_lines(unknown: tuple[str, ...]) -> Iterator[Issue]:
    for line in unknown:
        text = f"LineItem {line[:40]!r} is no line of the case; the attachment was filed for the whole case."
        yield Issue("warning", "not-found", text, "Parameters.parameter", "attachment-line")


_STRANGER = (
    "Neither OrganizationId nor ProviderId is an NPI of a party of the case, and TrackingId is not the attachment control number under which "
    "something was asked for. A reviewer looks at what was sent; no machine decides on it. Who was asked sends that number as TrackingId."
)


def _filed(call: _Call, case: Case, lines: tuple[int, ...], warnings: tuple[Issue, ...], *, known: bool) -> bytes:
    where = f", line {', '.join(map(str, lines))}" if lines else ""
    if not call.sent.final:
        then = "More is to come (Final is false); nothing is decided before the last part."
    elif known:
        then = "Lines that waited for it are decided again."
    else:
        then = "Lines that waited for it go to a reviewer."
    if not known:
        warnings = (
            Issue("warning", "business-rule", _STRANGER, "Parameters.parameter", "attachment-sender"),
            *warnings,
        )
    text = f"Filed {_listed(call.read.names)} under case {case.number}{where}. {then}"
    issues = [Issue("information", "informational", text, rule="attachment-filed"), *call.read.notes, *warnings]
    return json.dumps(operation_outcome(issues))


def _is_line(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) <= 6


def _lines(sent: Sent, case: Case) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(the lines that every attachment names, what is no line of the case). An attachment without lines is for all."""
    named = [n for attachment in sent.attachments for n in attachment.lines]
    unknown = tuple(dict.fromkeys(n for n in named if not (_is_line(n) and int(n) in case.lines)))
    if unknown or any(not attachment.lines for attachment in sent.attachments):
        return (), unknown
    return tuple(sorted({int(n) for n in named})), ()


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _sorted(value: object) -> object:
    """One order of members, so that a re-serialized repetition is still a repetition."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(member) for member in value] if isinstance(value, list) else value
