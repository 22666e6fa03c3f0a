"""Giving up what is authorized: by a request that only repeated it, or by its number alone.

Who cancels a request takes that request back. The authorization that it repeated was given on another record, so it stands,
unless the cancellation gives its number (X12 REF*BB, which says what is cancelled): a number once told is never void by
inference. A cancellation that continues no record on file gives up the authorizations that it names by number, whoever asked
for them: a request or a hook; never those of another member or requester. The answer says what happened.
Source: PAS spec-69, spec-70, extension-authorizationNumber, extension-administrationReferenceNumber.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, Determination, Event, Line
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.usecases.belonging import foreign
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.priors import line_numbered, records
from precert.authorization.usecases.recording import provider_event, record_put
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import loaded
from precert.store.port import Audit, Document, Outgoing, Param, Put

CANCELLABLE = frozenset(
    {"screening", "modified", "pended_info", "nurse_review", "md_review", "approved", "active", "exempt", "repeated"}
)
NOTHING_TO_CANCEL = (
    "Nothing was found to cancel: no earlier request of this member and requester on file has this line, and no number "
    "that was given leads to one."
)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The authorizations (``numbers``) that end with another record, and what to store and send for it. ``said`` is what is
    told of the lines of that record, by their sequence; ``refused`` the key of the reason why nothing may be given up."""

    numbers: frozenset[str] = frozenset()
    puts: Sequence[Put] = ()
    outgoing: Sequence[Outgoing] = ()
    audit: Sequence[Audit] = ()
    said: Mapping[int, str] = field(default_factory=dict)
    refused: str | None = None


async def given_up(service: AuthorizationService, case: Case, submission: Submission, who: Standing) -> GivenUp:
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
    mine = [each for each in page.documents if foreign(loaded(each)[0], submission, who) is None]
    return _together([await _ended(service, document, wanted, submission) for document in mine])


async def named_authorizations(service: AuthorizationService, submission: Submission, who: Standing) -> GivenUp:
    """What a cancellation that continues no record on file gives up by the numbers it gives. Raises the store's errors."""
    prior = submission.prior
    if prior is None or not prior.cancels:
        return GivenUp()
    said: dict[int, str] = {}
    wanted: dict[str, set[str]] = {}
    documents: dict[str, Document] = {}
    for number in prior.numbers:
        lines = [line.sequence for line in submission.lines if number in submission.numbers_of(line)]
        async for document, case in records(service, submission, "number", [number]):
            if reason := foreign(case, submission, who):
                return GivenUp(refused=reason)
            line = line_numbered(case, number)
            if line is None:
                continue
            if line.state in CANCELLABLE:
                documents[document.id] = document
                wanted.setdefault(document.id, set()).add(number)
                text = f"{number} is cancelled, as its number was given (case {case.number})."
            else:
                text = f"Nothing was found to cancel: {number} (case {case.number}) is not in force."
            said |= dict.fromkeys(lines, text)
    ended = [await _ended(service, documents[id], numbers, submission) for id, numbers in wanted.items()]
    return replace(_together(ended), said=said)


def _together(ended: Iterable[GivenUp]) -> GivenUp:
    each = list(ended)
    return GivenUp(
        numbers=frozenset[str]().union(*(one.numbers for one in each)),
        puts=[put for one in each for put in one.puts],
        outgoing=[message for one in each for message in one.outgoing],
        audit=[entry for one in each for entry in one.audit],
    )


async def _ended(
    service: AuthorizationService, document: Document, wanted: set[str], submission: Submission
) -> GivenUp:
    case, version = loaded(document)
    now = service.runtime.now()
    numbered = {number: line for number in sorted(wanted) if (line := line_numbered(case, number)) is not None}
    numbered = {number: line for number, line in numbered.items() if line.state in CANCELLABLE}
    if not numbered:
        return GivenUp()
    recorder = Recorder(case.events)
    for sequence in sorted({line.sequence for line in numbered.values()}):
        recorder.append(provider_event("cancel", now, submission.submitter, line=sequence))
    case = fold(recorder.events)
    rendered = service.changed(case, await service.submission_of(case))
    return GivenUp(
        frozenset(numbered),
        [record_put(case, rendered, now, version), *rendered.puts],
        rendered.outgoing,
        [Audit("cancel", submission.submitter, case.number, now)],
    )


def taken_back(service: AuthorizationService, submission: Submission, sequence: int, at: datetime, said: str) -> Event:
    """A line that is cancelled without having been asked for on this record; ``said`` is what came of it."""
    word = Determination(id=service.runtime.new_id(), at=at, outcome="cancelled", reason=said)
    event = provider_event("cancel", at, submission.submitter, line=sequence)
    return msgspec.structs.replace(event, determination=word)


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
