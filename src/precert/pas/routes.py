"""The PAS endpoints of one FHIR base. HTTP only: reading, calling the core, sending."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from precert.authorization.deciding.evidence import unpacked
from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.inquire import inquire as find_matches
from precert.authorization.usecases.inquire import refused as refuse_inquiry
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.submit import submit as submit_request
from precert.fhir.bundle import BundleIndex
from precert.fhir.hidden import MODIFIER, refusals
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource
from precert.pas import urls
from precert.pas.inquiry import inquiry_answer, read_inquiry
from precert.pas.intake import read_request
from precert.pas.presenter import Presenter
from precert.pas.response import Shape
from precert.security.identity import Client
from precert.web.gate import Gate, combined
from precert.web.http import fhir_response, read_resource
from precert.web.metrics import Metrics
from precert.web.refusals import store_refusals

_HOPELESS = frozenset({"not-a-bundle", "no-entries", "claim-first"})
"""Faults of something that is no request at all: what else is wrong with it is of no interest."""
_READ = frozenset({"full-url-duplicate", "reference-unresolved"})
"""Rules of the validator that ``pas.intake`` checks more precisely: which repetition does harm, how references are spelled."""


@dataclass(frozen=True, slots=True)
class PasContext:
    """What the endpoints need.

    ``identify`` says who calls; ``arrived`` is told of each new record once it is answered (attachments may have come
    before it); ``public_url`` overrides the address seen in the request.
    """

    service: AuthorizationService
    presenter: Presenter
    identify: Callable[[Request], Client]
    limits: Limits
    metrics: Metrics
    gate: Gate
    arrived: Callable[[Case], Awaitable[object]]
    public_url: str | None = None
    review: Callable[[Resource, str], Sequence[Issue]] = lambda response, path: ()
    """What is to be said about the QuestionnaireResponses of a request (the DTR room's, handed in)."""

    def root(self, request: Request) -> str:
        """The server's root URL without a trailing slash."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    def admit(
        self, raw: bytes, bundle: Resource, client: Client, root: str, shape: Shape, *, inquiry: bool = False
    ) -> Submission:
        """The request read and held against its profile. Raises one FhirError(400) with all that refuses it."""
        profile = urls.INQUIRY_BUNDLE if inquiry else urls.REQUEST_BUNDLE
        directory = self.service.directory()
        try:
            submission = read_request(
                raw, bundle, client.id, directory, root=root, version=shape.VERSION, inquiry=inquiry
            )
        except FhirError as error:
            if _HOPELESS & {issue.rule for issue in error.issues}:
                raise
            refused, _ = self._checked(bundle, shape, profile)
            raise combined(error, refused) from error
        refused, warnings = self._checked(bundle, shape, profile)
        if refused:
            raise FhirError(400, refused)
        said = [issue.expression or "" for issue in submission.warnings]
        more = [w for w in warnings if not _told(w.expression or "", said) and not _grandparent(w)]
        return replace(
            submission, warnings=(*submission.warnings, *more, *self._answers(bundle, [*said, *submission.not_counted]))
        )

    def _checked(self, bundle: Resource, shape: Shape, profile: str) -> tuple[list[Issue], Sequence[Issue]]:
        """What refuses a request beside what its reader finds, and what is only odd about it."""
        refused, warnings = self.gate.check(bundle, shape.CONTEXT, [profile])
        refused = [issue for issue in refused if issue.rule not in _READ]
        said = {issue.expression for issue in refused if issue.rule == MODIFIER}
        return [*refused, *(each for each in refusals(bundle, "Bundle") if each.expression not in said)], warnings

    def _answers(self, bundle: Resource, said: Collection[str]) -> Iterator[Issue]:
        """What is odd about the answers in a request, unless they are not used anyway."""
        for entry in unpacked(BundleIndex(bundle)):
            if entry.type == "QuestionnaireResponse" and entry.path not in said:
                yield from self.review(entry.resource, entry.path)


def pas_router(context: PasContext, shape: Shape) -> APIRouter:
    """``Claim/$submit`` and ``Claim/$inquire`` on the base of the given IG version."""
    router = APIRouter(prefix=shape.PREFIX, tags=[f"PAS {shape.VERSION}"])
    service = context.service

    @router.post("/Claim/$submit", summary="Submit or update a prior authorization request (PAS Request Bundle)")
    async def submit(request: Request) -> Response:
        client = context.identify(request)
        raw, bundle = await read_resource(request, context.limits)
        root = context.root(request)
        submission = context.admit(raw, bundle, client, root, shape)
        render = context.presenter.renderer(shape, root)
        with store_refusals():
            answered = await submit_request(service, submission, render)
        if answered.case is not None:
            for line in answered.case.ordered:
                outcome = line.determination.outcome if line.determination else line.state
                context.metrics.decisions.labels("pas", outcome).inc()
        response = fhir_response(request, answered.body)
        if answered.case is not None:
            response.background = BackgroundTask(context.arrived, answered.case)
        return response

    @router.post("/Claim/$inquire", summary="Ask for the state of authorizations (PAS Inquiry Request Bundle)")
    async def inquire(request: Request) -> Response:
        client = context.identify(request)
        raw, bundle = await read_resource(request, context.limits)
        root = context.root(request)
        asked = context.admit(raw, bundle, client, root, shape, inquiry=True)
        directory = service.directory()
        rejection = refuse_inquiry(asked, directory)
        matches = [] if rejection else await find_matches(service, read_inquiry(asked, directory))
        runtime = service.runtime
        answer = inquiry_answer(matches, asked, shape, root, runtime.now(), runtime.new_id, rejection)
        return fhir_response(request, answer)

    return router


def _told(where: str, said: Sequence[str]) -> bool:
    """Whether the reader has spoken of this place, or of one around or inside it, in its own words."""
    return any(where.startswith(place) or place.startswith(where) for place in said)


def _grandparent(issue: Issue) -> bool:
    """A prior Claim's own predecessor is not in the bundle: it must not be (spec-66), and 2.0.1 has room for one Claim."""
    return issue.rule == "reference-unresolved" and ".related[" in (issue.expression or "")
