"""The pages for people: start page, explanations, policies, worklist, case. HTTP only; what they show is made beside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element
from precert.fhir.versions import VERSIONS
from precert.security.identity import Client
from precert.store.port import Audit, Commit, StoreError
from precert.workbench.api import find, json_response
from precert.workbench.asking import asked, asked_at_order
from precert.workbench.cases import case_view
from precert.workbench.examples import Examples, shipped_examples
from precert.workbench.explain_view import explanation_view
from precert.workbench.explanations import explanation
from precert.workbench.policy_view import current_policies, policies_json, policy_json, policy_view, standing
from precert.workbench.query import AGE_LABELS, SORT_LABELS, STATE_LABELS, TRACK_LABELS, Query
from precert.workbench.reports import Reports, none_reported, report_views
from precert.workbench.start import api_operations, demo_members, links, operations
from precert.workbench.templating import Pages, static_file, wants_html
from precert.workbench.worklist import worklist

log = structlog.get_logger(__name__)


async def _no_cards() -> Sequence[Element]:
    return ()


@dataclass(frozen=True, slots=True)
class PagesContext:
    """What the pages need. ``examples`` is the folder of shipped requests for the console; ``open_mode``: nobody logs in,
    so reviewers type who they are and the demo members are shown.
    """

    service: AuthorizationService
    identify: Callable[[Request], Client]
    examples: Path = field(default_factory=shipped_examples)
    open_mode: bool = True
    reports: Reports = none_reported
    """What clients reported about forms (the DTR room's, handed in)."""
    cards: Callable[[], Awaitable[Sequence[Element]]] = _no_cards
    """What became of cards, by rule (the CRD room's, handed in)."""


async def _read(service: AuthorizationService, id: str, client: Client) -> None:
    """Who reads in the log is on record (CRD found-38); a full store keeps nobody from reading."""
    audit = Audit("explanation-read", client.id, id[:128], service.runtime.now())
    try:
        await service.store.commit(Commit(tenant=service.tenant, audit=[audit]))
    except StoreError:
        log.warning("a read could not be put on record", client=client.id)


_TITLES = {
    400: "That could not be read",
    401: "Please log in",
    403: "Not allowed",
    404: "Nothing here",
    503: "Busy",
}


def error_page(pages: Pages, request: Request, error: FhirError) -> Response:
    """A fault as a readable page with the error's own status and headers."""
    title = _TITLES.get(error.status, "Something went wrong")
    response = pages.render(request, "error.html", error.status, code=error.status, title=title, issues=error.issues)
    response.headers.update(error.headers)
    return response


def _page_route(pages: Pages) -> type[APIRoute]:
    """A route class whose faults are pages for those who asked for a page; programs get their OperationOutcome."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    return await handle(request)
                except FhirError as error:
                    if not wants_html(request):
                        raise
                    return error_page(pages, request, error)
                except (HTTPException, RequestValidationError) as error:
                    if not wants_html(request):
                        raise
                    status = error.status_code if isinstance(error, HTTPException) else 400
                    return error_page(pages, request, FhirError(status, Issue("error", "invalid", str(error))))

            return handler

    return PageRoute


def pages_router(context: PagesContext) -> APIRouter:
    """Every page and what they load (``/static``, ``/examples``)."""
    pages = Pages()
    router = APIRouter(tags=["pages"], route_class=_page_route(pages))
    _public(router, context, pages)
    _private(router, context, pages)
    return router


def _public(router: APIRouter, context: PagesContext, pages: Pages) -> None:
    """Pages without patients: what the server is, what it covers, and the files that pages load."""
    service = context.service
    examples = Examples(context.examples)

    @router.get("/", summary="The start page with the console", include_in_schema=False)
    async def start(request: Request) -> Response:
        today = service.runtime.now().date()
        catalogue = service.catalogue()
        return pages.render(
            request,
            "start.html",
            links=links(request.app),
            versions=VERSIONS,
            operations=operations(request.app),
            examples=examples.groups,
            policies=[(p, *standing(p, today)) for p in current_policies(catalogue, today)],
            members=demo_members(service.directory(), today) if context.open_mode else (),
            payer=service.directory().payer,
            open_mode=context.open_mode,
        )

    @router.get("/api", summary="Every endpoint, for reading", include_in_schema=False)
    async def api(request: Request) -> Response:
        if not wants_html(request):
            return Response(status_code=307, headers={"Location": "/openapi.json", "Vary": "Accept"})
        return pages.render(request, "api.html", groups=api_operations(request.app))

    @router.get("/policies", summary="The coverage policies in effect")
    async def policies(request: Request) -> Response:
        today = service.runtime.now().date()
        catalogue = service.catalogue()
        if not wants_html(request):
            return json_response(request, policies_json(catalogue, today), headers={"Vary": "Accept"})
        views = [policy_view(p, catalogue.versions(p.id), today) for p in current_policies(catalogue, today)]
        return pages.render(request, "policies.html", policies=views)

    @router.get("/policies/{policy}", summary="One coverage policy with its criteria")
    async def policy(request: Request, policy: str, version: str | None = None) -> Response:
        today = service.runtime.now().date()
        catalogue = service.catalogue()
        found = catalogue.get(policy, version) if version else catalogue.current(policy, today) or catalogue.get(policy)
        if found is None:
            wanted = f"{policy[:80]}@{version[:40]}" if version else policy[:80]
            text = f"There is no coverage policy {wanted!r} here. GET /policies lists them."
            raise FhirError(404, Issue("error", "not-found", text, rule="unknown-policy"))
        if not wants_html(request):
            return json_response(request, policy_json(found, today), headers={"Vary": "Accept"})
        return pages.render(request, "policy.html", view=policy_view(found, catalogue.versions(policy), today))

    @router.get("/examples/{folder}/{name}", summary="One of the shipped example requests")
    async def example(folder: str, name: str) -> Response:
        found = examples.get(folder, name)
        if found is None:
            raise FhirError(404, Issue("error", "not-found", "There is no such example.", rule="unknown-example"))
        return Response(found.content, media_type="application/json")

    @router.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        found = static_file(name)
        if found is None:
            raise FhirError(404, Issue("error", "not-found", "There is no such file.", rule="unknown-file"))
        return found


def _private(router: APIRouter, context: PagesContext, pages: Pages) -> None:
    """Pages that show patients: only for those whom the server knows."""
    service = context.service

    @router.get("/explain/{id}", summary="Why a request was answered as it was")
    async def explain(request: Request, id: str) -> Response:
        client = context.identify(request)
        explained = await explanation(service, id, client)
        await _read(service, id, client)
        if not wants_html(request):
            return json_response(request, explained, headers={"Vary": "Accept", "Cache-Control": "no-store"})
        view = explanation_view(explained, service.catalogue())
        return pages.render(request, "explain.html", private=True, view=view)

    @router.get("/form/order", summary="The questions of a hook's answer, to be answered", include_in_schema=False)
    async def order_form(request: Request, assertion: str, order: str) -> Response:
        explained = await explanation(service, assertion, context.identify(request))
        wanted = asked_at_order(explained, order)
        return pages.render(request, "order_form.html", private=True, assertion=assertion, asked=wanted)

    @router.get("/form/{case}", summary="The questions of a pended line, to be answered", include_in_schema=False)
    async def form(request: Request, case: str, line: int | None = None) -> Response:
        client = context.identify(request)
        record = fold(decode((await find(service, case)).body))
        if record.opened.submitter != client.id:
            raise FhirError(404, Issue("error", "not-found", "There is no such request of yours.", rule="unknown-id"))
        wanted, others = asked(service, record, line)
        return pages.render(request, "form.html", private=True, number=record.number, asked=wanted, others=others)

    @router.get("/workbench", summary="The reviewers' worklist", include_in_schema=False)
    async def work(request: Request) -> Response:
        context.identify(request)
        found = await worklist(service, Query.read(dict(request.query_params)), service.runtime.now())
        choices = {"state": STATE_LABELS, "track": TRACK_LABELS, "age": AGE_LABELS, "sort": SORT_LABELS}
        return pages.render(request, "worklist.html", private=True, list=found, choices=choices)

    @router.get("/workbench/forms", summary="What clients reported about forms", include_in_schema=False)
    async def forms(request: Request, policy: str | None = None) -> Response:
        context.identify(request)
        found = await context.reports(policy)
        if not wants_html(request):
            return json_response(
                request, {"reports": list(found)}, headers={"Vary": "Accept", "Cache-Control": "no-store"}
            )
        views = report_views(found, service.catalogue())
        return pages.render(request, "forms.html", private=True, reports=views, policy=policy)

    @router.get("/workbench/cards", summary="What became of cards", include_in_schema=False)
    async def cards(request: Request) -> Response:
        context.identify(request)
        known = {policy.id for policy in service.catalogue()}
        return pages.render(request, "cards.html", private=True, rules=await context.cards(), known=known)

    @router.get("/workbench/cases/{case}", summary="One case, to be decided", include_in_schema=False)
    async def case_page(request: Request, case: str, decided: int | None = None) -> Response:
        client = context.identify(request)
        view = await case_view(service, await find(service, case), service.runtime.now())
        line = next((line for line in view.lines if line.sequence == decided), None)
        return pages.render(
            request, "case.html", private=True, view=view, decided=line, open_mode=context.open_mode, signed_on=client
        )
