"""The use case "submit": from a request to a stored, answered, explainable case, in one atomic commit."""

from __future__ import annotations

from precert.authorization.deciding.standing import Standing
from precert.authorization.usecases.answers import current, replayed
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection, Renderer
from precert.authorization.usecases.give_up import named_authorizations
from precert.authorization.usecases.on_record import on_record
from precert.authorization.usecases.opening import Opening, opened, reject
from precert.authorization.usecases.priors import find_prior
from precert.authorization.usecases.same_request import sent_before
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unit_of_work import Reply, Unit, run
from precert.authorization.usecases.update import continued
from precert.store.port import Idempotency


def request_key(submission: Submission) -> Idempotency:
    """Under what a repetition of this request is recognised: who, which base, which bundle, what content."""
    parts = (submission.submitter, submission.version, submission.identity or "", submission.digest)
    return Idempotency("|".join(parts), submission.digest)


async def submit(service: AuthorizationService, submission: Submission, render: Renderer) -> Reply:
    """Process one request and answer it: a first one, an update, a cancellation, or one that was sent before.

    The same request sent again gets the case's current answer and makes no second case: byte for byte the same, or rendered
    anew with the same Claim.identifier (or trace numbers), services and amounts for the same member by the same requester.
    What comes along with it that was not on file is an update of that case. Raises the store's errors; when it returns, the
    case and the answer are durable. Concurrent requests for one case follow one another; none is lost.
    """
    key = request_key(submission)

    async def step() -> Unit | Reply:
        if (again := await replayed(service, key, submission, render)) is not None:
            return again
        if (rejection := reject(submission, service.directory())) is not None:
            return await opened(service, submission, render, key, Opening(rejection=rejection))
        who = service.who(submission, service.runtime.now())
        prior = await find_prior(service, submission, who)
        if prior.case is not None:
            return await continued(service, prior.case, prior.version, submission, render, key)
        if prior.refused is not None:
            refused = Opening(rejection=Rejection(prior.refused, _where(submission)))
            return await opened(service, submission, render, key, refused)
        return await _first(service, submission, who, render, key)

    return await run(service, step)


async def _first(
    service: AuthorizationService, submission: Submission, who: Standing, render: Renderer, key: Idempotency
) -> Unit | Reply:
    """A request that continues nothing that is on record, unless it was sent before."""
    before = await sent_before(service, submission, who)
    if before.same is not None:
        if not await service.early(submission) and not await before.news(service, submission):
            return await current(service, before.same.case, before.same.version, submission, render)
        if not before.denied:
            return await continued(service, before.same.case, before.same.version, submission, render, key)
    gone = await named_authorizations(service, submission, who)
    rejection = Rejection(gone.refused, _where(submission)) if gone.refused is not None else None
    if rejection is None and _only_cancels(submission) and not gone.numbers:
        rejection = Rejection("nothing_to_cancel", _where(submission))
    if rejection is not None:
        return await opened(service, submission, render, key, Opening(rejection=rejection))
    opening = Opening(
        await on_record(service, submission, who=who),
        before,
        gone,
        unknown_prior=submission.prior is not None and submission.prior.related,
        early=await service.early(submission),
        who=who,
    )
    return await opened(service, submission, render, key, opening, "cancel" if gone.numbers else "initial")


def _only_cancels(submission: Submission) -> bool:
    return submission.cancel_all or (
        bool(submission.lines) and all(line.request == "cancel" for line in submission.lines)
    )


def _where(submission: Submission) -> str:
    """The element of the request that speaks of the earlier one."""
    related = submission.prior is not None and submission.prior.related
    return "Claim.related" if related else "Claim.item" if submission.lines else "Claim"
