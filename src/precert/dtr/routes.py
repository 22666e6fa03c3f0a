"""The DTR endpoints of one FHIR base. HTTP only: reading, calling, sending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response

from precert.authorization.deciding.answers import canonical_of
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.dtr.artifacts import Issued
from precert.dtr.asked import read_package_request
from precert.dtr.completion import Completion
from precert.dtr.error_log import ErrorLog, read_report
from precert.dtr.expand import by_call, find, from_parameters, read_expand
from precert.dtr.forms import Forms
from precert.dtr.handmade.codes import with_expansion
from precert.dtr.handmade.collection import HandmadeForms
from precert.dtr.handmade.interview import step as next_page
from precert.dtr.handmade.wire import placed
from precert.dtr.next_question import Interviewer, read_response
from precert.dtr.package import Packager
from precert.dtr.questionnaire import Site
from precert.dtr.reading import KINDS, Reader
from precert.dtr.shape import Shape
from precert.dtr.valuesets import expanded
from precert.fhir.json import Limits
from precert.fhir.types import Resource
from precert.security.identity import Client
from precert.web.http import check_accept, fhir_response, read_resource
from precert.web.refusals import store_refusals


@dataclass(frozen=True, slots=True)
class DtrContext:
    """What the endpoints need. ``forms`` is shared with whoever reviews answers; ``public_url`` overrides the address seen."""

    service: AuthorizationService
    consult: ConsultService
    forms: Forms
    identify: Callable[[Request], Client]
    limits: Limits
    public_url: str | None = None
    observe: Callable[[Resource, str], None] = lambda resource, version: None
    """Holds a request of an IG version against its profiles (handed in by the composition)."""
    handmade_forms: HandmadeForms = field(default_factory=HandmadeForms)
    """Forms that the plan wrote by hand."""

    async def read(self, request: Request, version: str) -> Resource:
        """The resource in the body. Raises FhirError."""
        _, resource = await read_resource(request, self.limits)
        self.observe(resource, version)
        return resource

    def site(self, request: Request) -> Site:
        """Where this server is, as the client reached it."""
        return Site((self.public_url or str(request.base_url)).rstrip("/"))

    @property
    def issued(self) -> Issued:
        return Issued(self.service.store, self.service.tenant)

    @property
    def errors(self) -> ErrorLog:
        """What clients reported about forms; for the policy owner's page."""
        return ErrorLog(self.service.store, self.service.tenant, self.service.runtime)


def dtr_router(context: DtrContext, shape: Shape) -> APIRouter:
    """All DTR operations and reads on the base of the given version."""
    router = APIRouter(prefix=shape.PREFIX, tags=[f"DTR {shape.VERSION}"])
    service, runtime, forms = context.service, context.service.runtime, context.forms
    packager = Packager(service, context.consult, forms, context.issued, context.handmade_forms)
    interviewer = Interviewer(service, forms, Completion(service.store, service.tenant, runtime))
    reader = Reader(forms, context.issued, runtime, context.handmade_forms)

    async def package(request: Request) -> Response:
        client = context.identify(request)
        resource = await context.read(request, shape.VERSION)
        asked = read_package_request(resource)
        with store_refusals():
            return fhir_response(request, await packager.package(asked, shape, context.site(request), client))

    summary = "The forms for an order, a context or by canonical (DTR)"
    router.post("/Questionnaire/$questionnaire-package", summary=summary)(package)
    router.post("/$questionnaire-package", include_in_schema=False)(package)  # as the narrative once writes it

    async def next_question(request: Request) -> Response:
        context.identify(request)
        resource = await context.read(request, shape.VERSION)
        response, path = read_response(resource)
        held = context.handmade_forms.answered(canonical_of(response))
        if held is not None:
            return fhir_response(request, next_page(held, response, path, shape, context.site(request)))
        with store_refusals():
            return fhir_response(request, await interviewer.step(response, path, shape, context.site(request)))

    summary = "The next questions of an adaptive form (SDC)"
    router.post("/Questionnaire/$next-question", summary=summary)(next_question)
    router.post("/$next-question", include_in_schema=False)(next_question)  # as 2.0.1 has it

    @router.post("/Questionnaire/$log-questionnaire-errors", summary="Report what is wrong with a form (DTR)")
    async def log_errors(request: Request) -> Response:
        client = context.identify(request)
        resource = await context.read(request, shape.VERSION)
        logged = read_report(resource)
        with store_refusals():
            await context.errors.add(logged, client.id)
        return Response(status_code=204)

    async def expand(request: Request, id: str | None = None) -> Response:
        context.identify(request)
        if request.method == "POST":
            resource = await context.read(request, shape.VERSION)
            values = from_parameters(resource)
        else:
            check_accept(request)
            values = dict(request.query_params)
        call, root = read_expand(values), context.site(request).root
        named = f"{call.url}|{call.version}" if call.version else str(call.url)
        held = context.handmade_forms
        own = held.part("ValueSet", id, call.version) if id else held.by_url("ValueSet", named, context.site(request))
        if own is not None:
            made = with_expansion(own, runtime.now(), runtime.new_id(), call.wanted)
            return fhir_response(request, placed(made, context.site(request), shape))
        codes = find(id, call.version, forms) if id is not None else by_call(call, root, forms)
        return fhir_response(request, expanded(codes, root, runtime.now(), runtime.new_id(), call.wanted))

    for path in ("/ValueSet/$expand", "/ValueSet/{id}/$expand"):
        router.add_api_route(path, expand, methods=["GET", "POST"], summary="The codes of a value set")

    for kind in KINDS:
        _reads(router, context, reader, shape, kind)
    return router


def _reads(router: APIRouter, context: DtrContext, reader: Reader, shape: Shape, kind: str) -> None:
    async def read(request: Request, id: str) -> Response:
        context.identify(request)
        check_accept(request)
        return fhir_response(request, await reader.read(kind, id, shape, context.site(request)))

    async def search(request: Request) -> Response:
        context.identify(request)
        check_accept(request)
        query = dict(request.query_params)
        return fhir_response(request, await reader.search(kind, query, shape, context.site(request)))

    router.get(f"/{kind}", summary=f"Find a {kind} by its canonical")(search)
    router.get(f"/{kind}/{{id}}", summary=f"Read a {kind}")(read)
