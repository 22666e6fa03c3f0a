"""How a record is written: events that the system causes, and the document that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from precert.authorization.record.case import Case, CaseOpened, Event, LineRequest
from precert.authorization.record.chain import Recorder, encode, fold
from precert.authorization.usecases.dependencies import Early, Rendered
from precert.authorization.usecases.submission import Submission
from precert.fhir.types import Element
from precert.store.port import Put


def record_put(case: Case, rendered: Rendered, at: datetime, expect: int) -> Put:
    """The record as one document, with the event that says under which ids it was answered; findable by every number.

    ``expect`` is the stored version that it was made from (0: the record is new). An answer that shows the record as it
    stands (``rendered.answers``) is one more version of the case's ClaimResponse.
    """
    recorder = Recorder(case.events)
    if rendered.numbers:
        detail: Element = {"numbers": list(rendered.numbers)}
        if rendered.answers:
            detail |= {"claimResponse": rendered.claim_response, "bundles": dict(rendered.answers)}
        if rendered.same:
            detail["same"] = True
        recorder.append(system_event("answered", at, detail=detail))
    whole = fold(recorder.events)
    return Put("Case", case.id, encode(whole.events), whole.tokens(), expect=expect)


def system_event(
    ev: str,
    at: datetime,
    *,
    line: int | None = None,
    opened: CaseOpened | None = None,
    requested: LineRequest | None = None,
    detail: Element | None = None,
) -> Event:
    """An event that the system itself causes."""
    return Event(
        seq=0,
        at=at,
        ev=ev,
        actor="system",
        by="precert",
        line=line,
        opened=opened,
        requested=requested,
        detail=detail or {},
    )


def requested_event(submission: Submission, line: LineRequest, at: datetime) -> Event:
    """The event that a line is asked for. Its detail names the order behind it, as the client calls it."""
    order = submission.orders.get(line.sequence)
    detail: Element | None = {"order": order.reference} if order is not None and order.reference is not None else None
    return system_event("requested", at, line=line.sequence, requested=line, detail=detail)


def filed_early(early: Sequence[Early], at: datetime) -> list[Event]:
    """The events by which attachments that were sent ahead come on file."""
    return [
        provider_event("evidence", at, each.sender, detail={"bundle": each.bundle, **each.detail}) for each in early
    ]


def early_puts(case: Case, early: Sequence[Early]) -> list[Put]:
    """What to store with the record for them."""
    scope = {"case": [case.id], "submitter": [case.opened.submitter]}
    bundles = [Put("Bundle", each.bundle, each.raw, {**scope, "id": [each.bundle]}, expect=0) for each in early]
    return [*bundles, *(each.filed for each in early)]


def provider_event(ev: str, at: datetime, by: str, *, line: int | None = None, detail: Element | None = None) -> Event:
    """An event that the client ``by`` causes for a provider."""
    return Event(seq=0, at=at, ev=ev, actor="provider", by=by, line=line, detail=detail or {})
