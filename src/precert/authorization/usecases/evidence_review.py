"""The use case "review of changed evidence": a person has looked at a yes whose evidence was withdrawn or contradicted since.

It changes nothing of what was granted. Source: docs/workbench.md ("Evidence that changes after a yes").
"""

from __future__ import annotations

from precert.authorization.deciding.determination_rules import PersonReviewsEvidence, Reviewed, check_evidence_review
from precert.authorization.record.case import EVIDENCE_REVIEWED, Case, Event
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.determine import change_line
from precert.authorization.usecases.unit_of_work import loaded
from precert.store.port import Document


async def review_evidence(
    service: AuthorizationService, document: Document, sequence: int, reviews: PersonReviewsEvidence, client: str
) -> tuple[Case, int]:
    """Record that a person has looked at the changed evidence of one line. Returns and raises as
    :func:`precert.authorization.usecases.determine.determine` does; Closed when there is nothing to look at."""
    case, _ = loaded(document)
    changed = case.to_review.get(sequence)

    def step(reviewed: Reviewed) -> tuple[list[Event], list[str]]:
        check_evidence_review(reviews, reviewed, changed is not None)
        event = Event(
            seq=0,
            at=reviewed.now,
            ev=EVIDENCE_REVIEWED,
            actor=reviews.role,
            by=reviews.by,
            line=reviewed.line.sequence,
            detail={"reason": reviews.reason},
        )
        return [event], []

    return await change_line(service, document, sequence, step, ("evidence-review", reviews.by, reviews.role, client))
