"""Giving up an authorization through a request that only repeated it.

Who cancels a request takes that request back. The authorization that it repeated was given on another record, so it stands,
unless the cancellation gives its number (X12 REF*BB, which says what is cancelled): a number once told is never void by
inference. The answer says which of the two happened. Source: PAS spec-69, spec-70, extension-authorizationNumber.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from precert.authorization.record.case import Case, Determination, Event, Line, Recorder, decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.submit import record_put
from precert.store.port import Audit, Document, Outgoing, Param, Put

CANCELLABLE = frozenset(
    {"screening", "modified", "pended_info", "nurse_review", "md_review", "approved", "active", "exempt", "repeated"}
)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The authorizations (``numbers``) that end with an update of another record, and what to store and send for it."""

    numbers: frozenset[str] = frozenset()
    puts: Sequence[Put] = ()
    outgoing: Sequence[Outgoing] = ()
    audit: Sequence[Audit] = ()


async def given_up(service: AuthorizationService, case: Case, submission: Submission) -> GivenUp:
    """What ``submission``, an update of ``case``, gives up by number. Only what the sender submitted; it may be none."""
    named = frozenset(submission.prior.numbers if submission.prior is not None else ())
    cancelled = {line.sequence for line in submission.lines if line.request == "cancel"}
    wanted = {
        line.authorization.number
        for line in case.ordered
        if line.rests_on is not None and line.authorization is not None
        if submission.cancel_all or line.sequence in cancelled
    } & named
    if not wanted:
        return GivenUp()
    params = [Param("number", sorted(wanted)), Param("submitter", [submission.submitter])]
    page = await service.store.search(service.tenant, "Case", params, limit=len(wanted))
    ended = [await _ended(service, document, wanted, submission) for document in page.documents]
    return GivenUp(
        numbers=frozenset[str]().union(*(one.numbers for one in ended)),
        puts=[put for one in ended for put in one.puts],
        outgoing=[message for one in ended for message in one.outgoing],
        audit=[entry for one in ended for entry in one.audit],
    )


async def _ended(
    service: AuthorizationService, document: Document, wanted: set[str], submission: Submission
) -> GivenUp:
    case, now = fold(decode(document.body)), service.runtime.now()
    lines = [
        line
        for line in case.ordered
        if line.authorization is not None and line.authorization.number in wanted and line.state in CANCELLABLE
    ]
    if not lines:
        return GivenUp()
    recorder = Recorder(case.events)
    for line in lines:
        recorder.append(
            Event(seq=0, at=now, ev="cancel", actor="provider", by=submission.submitter, line=line.sequence)
        )
    case = fold(recorder.events)
    rendered = service.changed(case, await service.submission_of(case))
    return GivenUp(
        frozenset(line.authorization.number for line in lines if line.authorization is not None),
        [record_put(case, rendered, now, document.version), *rendered.puts],
        rendered.outgoing,
        [Audit("cancel", submission.submitter, case.number, now)],
    )


def last_word(line: Line, gone: frozenset[str], at: datetime, id: str) -> Determination | None:
    """What is said about a cancelled line that repeated an authorization; ``None`` for any other line."""
    if line.rests_on is None or line.authorization is None or line.determination is None:
        return None
    number = line.authorization.number
    reason = (
        f"The request is cancelled. Authorization {number} itself stands: it was given on case {line.rests_on}, not on "
        "this request. To give it up, send the cancellation with its number (extension-authorizationNumber)."
    )
    if number in gone:
        reason = f"The request is cancelled. Authorization {number} is cancelled with it, as its number was given."
    return msgspec.structs.replace(line.determination, id=id, at=at, reason=reason)
