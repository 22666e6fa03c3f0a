"""The answers that a case was given, as versions of one ClaimResponse.

Every answer that shows the record as it stands (to a request, after a decision by a person, after information arrived) is one
version; what was sent stays stored as it was sent. An IG version in which nobody was answered is rendered from the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from precert.authorization.record.case import Case, Event
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection, Renderer
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import Reply, Unit, loaded
from precert.fhir import json
from precert.store.port import Audit, Idempotency, Param, Replayed

_REJECTED = "reject"


@dataclass(frozen=True, slots=True)
class Version:
    """One answer: its number (from 1), when it was given, the ids it was given under, and how many of the record's events it
    shows. ``bundles`` are the stored response Bundles by IG version; records of earlier formats name ``ids`` only."""

    number: int
    at: datetime
    events: int
    ids: tuple[str, ...]
    bundles: Mapping[str, str]


def versions(case: Case) -> list[Version]:
    """Every answer to the case, oldest first."""
    found: list[Version] = []
    before: Event | None = None
    for position, event in enumerate(case.events):
        refusal = before is not None and before.ev == "note" and "refused" in before.detail
        if event.ev == "answered" and not refusal:
            ids, bundles = tuple(map(str, event.detail.get("numbers", ()))), event.detail.get("bundles", {})
            if event.detail.get("same") and found:  # the answer before, in the shape of another IG version
                last = found.pop()
                merged = {**last.bundles, **bundles}
                found.append(Version(last.number, last.at, last.events, (*last.ids, *ids), merged))
            else:
                found.append(Version(len(found) + 1, event.at, position, ids, bundles))
        before = event
    return found


def rejection_of(case: Case) -> Rejection | None:
    """Why the request of the case could not be processed at all; ``None`` if it was."""
    told = (event.detail for event in case.events if _REJECTED in event.detail)
    detail = next(told, None)
    if detail is None or any(line.state != "dismissed" for line in case.ordered):
        return None
    return Rejection(str(detail[_REJECTED]), str(detail.get("path", "Claim")))


async def replayed(
    service: AuthorizationService, key: Idempotency, submission: Submission, render: Renderer
) -> Reply | Unit | None:
    """The current answer of the case that an identical request made or changed before; ``None`` for a new request.

    A request that was refused gets the refusal again.
    """
    earlier = await service.store.replay(service.tenant, key)
    if not isinstance(earlier, Replayed):
        return None
    told = json.loads(earlier.result)
    id = str(told.get("id")) if isinstance(told, dict) else ""
    page = await service.store.search(service.tenant, "Case", [Param("number", [id])], limit=1)
    for document in page.documents:
        case, stored = loaded(document)
        if any(id in each.bundles.values() for each in versions(case)):
            return await current(service, case, stored, submission, render)
    return Reply(earlier.result, replayed=True)


async def current(
    service: AuthorizationService, case: Case, stored: int, submission: Submission, render: Renderer
) -> Reply | Unit:
    """The answer that ``case`` (at version ``stored``) has now, in the shape of the base that ``submission`` came in on:
    as it was stored, or rendered and to be stored."""
    id = versions(case)[-1].bundles.get(submission.version)
    document = await service.store.get(service.tenant, "Bundle", id) if id is not None else None
    if document is not None:
        return Reply(document.body, replayed=True)
    rejection = rejection_of(case)
    rendered = replace(render(case, await service.submission_of(case), rejection), same=True)
    audit = Audit("answer-again", submission.submitter, case.number, service.runtime.now())
    return Unit(case, stored, rendered, [audit], rejection=rejection)
