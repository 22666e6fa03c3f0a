"""The CDS Hooks endpoints. HTTP only: who calls, reading, calling the answerer, sending. Source: CDS Hooks 2.0, docs/crd.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from precert.crd import shape20, shape22
from precert.crd.answering import Answerer
from precert.crd.discovery import discovery
from precert.crd.envelope import HookCall, read_call
from precert.crd.feedback import keep_feedback, overridden, read_feedback
from precert.crd.hooks import HOOK_BY_ID, Hook
from precert.crd.ledger import keep_refusal
from precert.crd.order_request import order_request
from precert.crd.render import Shape
from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import JsonValue
from precert.fhir.versions import STU_2_0, VersionName
from precert.security.identity import OPEN_CLIENT, Client
from precert.store.port import Busy, StorageFull
from precert.web.gate import Spaced
from precert.web.http import busy, check_accept, check_content_type, read_body, wants_pretty

T = TypeVar("T")

_SHAPES: dict[VersionName, Shape] = {shape20.VERSION: shape20, shape22.VERSION: shape22}


_UNNAMED = STU_2_0.name
"""The version of clients that name none: those of 2.0.1 have no way to."""


@dataclass(frozen=True, slots=True)
class CrdContext:
    """What the endpoints need. ``authenticate`` says who calls, from the request and the exact URL called (for the JWT's
    ``aud``); ``public_url`` overrides the address seen in the request.
    """

    answerer: Answerer
    authenticate: Callable[[Request, str], Awaitable[Client]]
    limits: Limits = field(default_factory=Limits)
    operator: Callable[[Request], Client] = lambda request: OPEN_CLIENT
    """Who reads the report: the payer's staff, who sign no CDS Hooks JWT. Raises FhirError(401, 403)."""
    public_url: str | None = None
    clinical_prefetch: bool = True  # whether discovery asks for what the policies read
    observe: Callable[[JsonValue, str, VersionName], None] = lambda value, path, version: None
    """Holds a resource of the call's context against its profiles (handed in by the composition)."""
    strict: bool = False
    """Look before the answer, and faults refuse. Otherwise after it and for the log only, so that no clinician waits for it:
    at one call of a client and service in a second, so that the next clinician does not either."""

    def root(self, request: Request) -> str:
        """The server's root URL without a trailing slash."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    async def look(self, call: HookCall) -> None:
        """Hold the resources of the call's context against their profiles. Raises FhirError(422) when faults refuse.

        A coroutine, so that as a background task it stays on the event loop: the validator's FHIRPath engine must not
        run in two threads.
        """
        for name, value in call.context.items():
            self.observe(value, f"context.{name}.", call.version)

    async def client(self, request: Request) -> Client:
        """Who calls. Raises FhirError(401)."""
        return await self.authenticate(request, f"{self.root(request)}{request.url.path}")


def crd_router(context: CrdContext) -> APIRouter:
    """``/cds-services`` and below, and the report on feedback."""
    router = APIRouter(tags=["CRD"])
    consult = context.answerer.consult
    looks = Spaced(consult.runtime.now)

    async def services(request: Request) -> Response:
        await context.client(request)
        check_accept(request)
        return _json(request, discovery(consult.catalogue(), clinical=context.clinical_prefetch))

    router.get("/cds-services", summary="The CDS services that this server offers")(services)
    router.get("/cds-services/", include_in_schema=False)(services)

    @router.post("/cds-services/{id}/", include_in_schema=False)  # a browser follows no redirect after a preflight
    @router.post("/cds-services/{id}", summary="Ask about orders, appointments or an encounter")
    async def call(request: Request, id: str) -> Response:
        hook = _hook(id)
        client = await context.client(request)
        received, body = consult.runtime.now(), None
        try:
            body = await _read(request, context.limits)
            parsed = read_call(body, hook, _UNNAMED)
            if context.strict:
                await context.look(parsed)
            shape = _SHAPES[parsed.version]
            answer = await _durably(context.answerer.answer(parsed, shape, context.root(request), client.id))
        except FhirError as error:
            await keep_refusal(consult, hook, body, client.id, received, error)
            raise
        response = _json(request, answer)
        if not context.strict and looks.due(f"{client.id} {hook.id}"):
            response.background = BackgroundTask(context.look, parsed)
        return response

    @router.post("/cds-services/{id}/feedback/", include_in_schema=False)
    @router.post("/cds-services/{id}/feedback", summary="Tell what became of cards")
    async def feedback(request: Request, id: str) -> Response:
        hook = _hook(id)
        client = await context.client(request)
        given = read_feedback(await _read(request, context.limits))
        await _durably(keep_feedback(consult, hook, given, client.id, consult.runtime.now()))
        return _json(request, {})

    @router.post("/api/crd/request", summary="The PAS request that an order of a hook call would become")
    async def prepared(request: Request, order: str) -> Response:
        await context.client(request)
        body = await _read(request, context.limits)
        named = body.get("hook") if isinstance(body, dict) else None
        call = read_call(body, _hook(f"crd-{named}"), _UNNAMED)
        return Response(await order_request(consult, call, order), media_type="application/fhir+json")

    @router.get("/api/crd/feedback", summary="Which rules' cards are overridden most")
    async def report(request: Request) -> Response:
        context.operator(request)
        return _json(request, {"rules": await overridden(consult)})

    return router


def _hook(id: str) -> Hook:
    hook = HOOK_BY_ID.get(id)
    if hook is None:
        text = f"There is no service {id[:80]!r}. GET /cds-services lists them: {', '.join(HOOK_BY_ID)}."
        raise FhirError(404, Issue("error", "not-found", text, rule="unknown-service"))
    return hook


async def _read(request: Request, limits: Limits) -> JsonValue:
    check_accept(request)
    check_content_type(request)
    return json.loads(await read_body(request, limits), limits)


async def _durably(work: Awaitable[T]) -> T:
    """503 when what must be kept cannot be: the answer is not given, and says so (docs/crd.md: found-37)."""
    try:
        return await work
    except Busy as full:
        raise busy(full.retry_after, "The server is working at its limit.") from full
    except StorageFull as full:
        raise busy(60, "The server's storage is full; the operator has been told.") from full


def _json(request: Request, value: JsonValue | bytes) -> Response:
    if isinstance(value, bytes) and not wants_pretty(request):
        return Response(value, media_type="application/json")
    document = json.loads(value) if isinstance(value, bytes) else value
    return Response(json.dumps(document, pretty=wants_pretty(request)), media_type="application/json")
