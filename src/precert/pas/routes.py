"""The PAS endpoints of one FHIR base. HTTP only: reading, calling the core, sending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from precert.authorization.record import Case
from precert.authorization.service import AuthorizationService, Rejection, Rendered
from precert.authorization.submission import Submission
from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue
from precert.pas.intake import read_request
from precert.pas.response import ResponseIds, Shape, response_bundle
from precert.security.identity import Client
from precert.store.port import Busy, Put, StorageFull
from precert.web.http import busy, fhir_response, read_resource
from precert.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class PasContext:
    """What the endpoints need. ``identify`` says who calls; ``public_url`` overrides the address seen in the request."""

    service: AuthorizationService
    identify: Callable[[Request], Client]
    limits: Limits
    metrics: Metrics
    public_url: str | None = None

    def root(self, request: Request) -> str:
        """The server's root URL without a trailing slash."""
        return (self.public_url or str(request.base_url)).rstrip("/")


def pas_router(context: PasContext, prefix: str, shape: Shape) -> APIRouter:
    """``Claim/$submit`` under ``prefix`` in the given IG version's shape."""
    router = APIRouter(prefix=prefix, tags=[f"PAS {shape.VERSION}"])

    @router.post("/Claim/$submit", summary="Submit a prior authorization request (PAS Request Bundle)")
    async def submit(request: Request) -> Response:
        client = context.identify(request)
        raw, bundle = await read_resource(request, context.limits)
        submission = read_request(raw, bundle, client.id, context.service.directory())
        root = context.root(request)
        render = _renderer(context, shape, f"{root}{prefix}", root)
        try:
            answered = await context.service.submit(submission, render, shape.VERSION)
        except Busy as full:
            raise busy(full.retry_after, "The server is working at its limit.") from full
        except StorageFull as full:
            raise _storage_full() from full
        if answered.case is not None:
            for line in answered.case.ordered:
                outcome = line.determination.outcome if line.determination else line.state
                context.metrics.decisions.labels("pas", outcome).inc()
        return fhir_response(request, answered.body)

    return router


def _storage_full() -> FhirError:
    text = "The server's storage is full. Nothing was stored; the operator has been told. Send the request again later."
    return FhirError(507, Issue("error", "no-store", text, rule="storage-full"), {"Retry-After": "60"})


def _renderer(
    context: PasContext, shape: Shape, fhir: str, root: str
) -> Callable[[Case, Submission, Rejection | None], Rendered]:
    """How the core's case becomes the stored and sent answer."""

    def render(case: Case, submission: Submission, rejection: Rejection | None) -> Rendered:
        new_id = context.service.runtime.new_id
        ids = ResponseIds(claim_response=new_id(), bundle=new_id())
        bundle, claim_response = response_bundle(
            case, submission, rejection, shape=shape, ids=ids, fhir=fhir, base=root
        )
        body = json.dumps(bundle)
        scope = {"case": [case.id], "submitter": [submission.submitter]}

        def put(type: str, id: str, content: bytes) -> Put:
            return Put(type, id, content, {**scope, "id": [id]}, expect=0)

        puts = [
            put("Bundle", case.opened.submission, submission.raw),
            put("ClaimResponse", ids.claim_response, json.dumps(claim_response)),
            put("Bundle", ids.bundle, body),
        ]
        return Rendered(body, puts, (ids.claim_response, ids.bundle))

    return render
