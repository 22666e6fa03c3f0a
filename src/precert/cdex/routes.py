"""``$submit-attachment`` on one FHIR base. HTTP only: reading, calling, sending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from precert.authorization.usecases.dependencies import AuthorizationService
from precert.cdex import urls
from precert.cdex.attach import attach
from precert.cdex.content import Review
from precert.fhir.json import Limits
from precert.fhir.outcome import Issue
from precert.fhir.types import Element, Resource
from precert.security.identity import Client
from precert.store.port import Conflict
from precert.web.http import busy, fhir_response, read_resource
from precert.web.refusals import store_refusals


def accept_any(response: Resource, path: str) -> Sequence[Issue]:
    """The review that finds nothing wrong: for a server that has no forms of its own."""
    return ()


@dataclass(frozen=True, slots=True)
class CdexContext:
    """What the endpoint needs. ``review`` judges QuestionnaireResponses (the DTR room's, handed in)."""

    service: AuthorizationService
    identify: Callable[[Request], Client]
    limits: Limits
    review: Review = accept_any
    observe: Callable[[Resource], None] = lambda resource: None
    """Holds the request against its profiles (handed in by the composition)."""


def cdex_router(context: CdexContext, prefix: str) -> APIRouter:
    """The attachment operation of the base ``prefix``."""
    router = APIRouter(prefix=prefix, tags=["CDex"])

    @router.post("/$submit-attachment", summary="Send documents or answers for a request (CDex)")
    async def submit_attachment(request: Request) -> Response:
        client = context.identify(request)
        _, resource = await read_resource(request, context.limits)
        context.observe(resource)
        try:
            with store_refusals():
                answer = await attach(context.service, resource, client.id, context.review)
        except Conflict as moved:
            raise busy(1, "The case is being changed by others right now.") from moved
        return fhir_response(request, answer)

    return router


def rest_operations(limits: Limits) -> list[Element]:
    """``CapabilityStatement.rest.operation`` for attachments; size limit and Final are stated, as CDex demands."""
    documentation = (
        f"Takes up to {limits.bytes} bytes in one call. Larger sets of documents: several calls with the same "
        "TrackingId, Final = false on all but the last. DocumentReference, QuestionnaireResponse, Bundle and clinical "
        "resources are accepted; documents must be inline. Attachments that come before their request are held."
    )
    return [{"name": "submit-attachment", "definition": urls.OPERATION, "documentation": documentation}]
