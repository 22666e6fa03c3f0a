"""Finding the record that a request speaks of: the newest that belongs to the sender.

Looked for are, in this order, the URL and the identifiers of the Claim in ``Claim.related``; numbers that precert issued
(extension-authorizationNumber, extension-administrationReferenceNumber); and, when the request names nothing else, the items'
own trace numbers. Only records of the same client are searched, so that nobody learns of another client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, Line, traced
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.belonging import foreign
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submission import Submission
from precert.store.port import Document, Param

_PAGE, _MOST = 20, 200  # records that are looked at for one name


@dataclass(frozen=True, slots=True)
class Found:
    """The record that is meant and the stored version it was read at; or only ``refused``, the key of the reason why none
    of those that fit may be touched. Neither: nothing was found."""

    case: Case | None = None
    version: int = 0
    refused: str | None = None


async def find_prior(service: AuthorizationService, submission: Submission, who: Standing) -> Found:
    """The record that ``submission.prior`` means. Raises the store's errors.

    Names that lead to records of others only are refused, and nothing else is looked for.
    """
    prior = submission.prior
    if prior is None:
        return Found()
    by_claim = await _newest(service, submission, who, claim=prior.claims, identifier=prior.identifiers)
    if by_claim != Found():
        return by_claim
    # a number with a cancellation names an authorization, not the item's place in a request: see give_up
    by_number = await _newest(service, submission, who, number=() if prior.cancels else prior.numbers)
    if by_number != Found() or prior.named or prior.numbers:
        return by_number
    newest = Found()
    async for document, case in records(service, submission, "identifier", traces(submission)):
        mine = foreign(case, submission, who) is None and _traced_alike(case, submission)
        if mine and (newest.case is None or received(case) > received(newest.case)):
            newest = Found(case, document.version)
    return newest


async def _newest(
    service: AuthorizationService, submission: Submission, who: Standing, **names: Sequence[str]
) -> Found:
    """The newest record of this member and requester under any of ``names``."""
    newest, refused = Found(), None
    for name, values in names.items():
        async for document, case in records(service, submission, name, values):
            if reason := foreign(case, submission, who):
                refused = refused or reason
            elif newest.case is None or received(case) > received(newest.case):
                newest = Found(case, document.version)
    return newest if newest.case is not None else Found(refused=refused)


def traces(submission: Submission) -> tuple[str, ...]:
    """The tokens of the items' trace numbers, if every item has one."""
    each = [traced(line) for line in submission.lines]
    return tuple(token for tokens in each for token in tokens) if all(each) else ()


async def records(
    service: AuthorizationService,
    submission: Submission,
    name: str,
    values: Sequence[str],
    also: Sequence[Param] = (),
) -> AsyncIterator[tuple[Document, Case]]:
    """The client's records that have one of ``values`` under ``name`` (and ``also``), newest change first. Requests that
    could not be processed are left out: there is nothing to continue."""
    params = [Param(name, list(values)), Param("submitter", [submission.submitter]), *also]
    page: str | None = None
    for _ in range(_MOST // _PAGE if all(param.values for param in params) else 0):  # one of no values: nothing
        read = await service.store.search(service.tenant, "Case", params, limit=_PAGE, page=page)
        for document in read.documents:
            case = fold(decode(document.body))
            if not any("reject" in event.detail for event in case.events):
                yield document, case
        if (page := read.next) is None:
            return


def line_numbered(case: Case, number: str) -> Line | None:
    """The line of ``case`` that was given ``number`` as its authorization or reference, on this very record."""
    for line in case.ordered:
        granted = line.authorization.number if line.authorization is not None and line.rests_on is None else None
        if number in (granted, line.reference):
            return line
    return None


def _traced_alike(case: Case, submission: Submission) -> bool:
    """Trace numbers of simple systems repeat from request to request: each line that comes again must have the number and
    the service that it had."""
    again = [(case.lines[n.sequence].requested, n) for n in submission.lines if n.sequence in case.lines]
    alike = [set(traced(one)) & set(traced(other)) and one.code == other.code for one, other in again]
    return bool(alike) and all(alike)


def received(case: Case) -> tuple[str, int]:
    """By what the newest of several records is told: when the last version of the request arrived, then its length."""
    asked = [event for event in case.events if event.opened is not None or event.updated is not None]
    return asked[-1].at.isoformat(), len(case.events)
