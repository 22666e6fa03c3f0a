"""The Subscription endpoints of one FHIR base. HTTP only: reading, asking the service, sending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request, Response

from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue, bad_request
from precert.fhir.versions import VersionName
from precert.runtime import Runtime
from precert.security.identity import Client
from precert.security.outbound import Resolver, system_resolver
from precert.store.port import BadPage, Conflict, Store
from precert.subscriptions.client_service import ClientService, Organizations, Validate
from precert.subscriptions.notifications import past_events, status_bundle, status_parameters
from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.queries import (
    Pairs,
    check_match,
    parameters_of,
    read_range,
    read_search,
    read_status,
)
from precert.subscriptions.record import Record, shown
from precert.subscriptions.records import Records
from precert.web.http import (
    busy,
    check_accept,
    check_content_type,
    fhir_response,
    media_type,
    preferences,
    read_body,
    read_resource,
)
from precert.web.refusals import store_refusals


@dataclass(frozen=True, slots=True)
class SubscriptionContext:
    """What the endpoints need.

    ``identify`` says who calls; ``wake`` is the dispatcher's. ``public_url`` overrides the address seen in the request.
    ``organizations`` names the sender identifiers that a client may filter on (``None``: any, it sees only its own cases
    anyway); ``validate`` checks a Subscription against its profile.
    """

    store: Store
    runtime: Runtime
    identify: Callable[[Request], Client]
    limits: Limits
    wake: Callable[[], None]
    tenant: str = "default"
    public_url: str | None = None
    allow_private: bool = False
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    organizations: Organizations | None = None
    validate: Validate | None = None
    resolve: Resolver = system_resolver

    def root(self, request: Request) -> str:
        """The server's root URL without a trailing slash."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    def service(self, version: VersionName) -> ClientService:
        """The use cases of one base."""
        return ClientService(
            records=Records(self.store, self.tenant),
            runtime=self.runtime,
            version=version,
            policy=self.policy,
            resolve=self.resolve,
            wake=self.wake,
            allow_private=self.allow_private,
            organizations=self.organizations,
            validate=self.validate,
        )


def subscription_router(context: SubscriptionContext, prefix: str, version: VersionName) -> APIRouter:
    """``Subscription`` under ``prefix``: create, read, update, delete, search, ``$status``, ``$events``."""
    router = APIRouter(prefix=f"{prefix}/Subscription", tags=[f"Subscriptions {version}"])
    service = context.service(version)

    def base(request: Request) -> str:
        return f"{context.root(request)}{prefix}"

    @router.post("", summary="Subscribe to changed responses (PAS Subscription)")
    async def create(request: Request) -> Response:
        client = context.identify(request)
        _, resource = await read_resource(request, context.limits)
        with _store_faults():
            record = await service.create(client, resource, base(request))
        return _written(request, record, 201, {"Location": f"{base(request)}/Subscription/{record.id}"})

    @router.get("", summary="Search your subscriptions by url, status or _id")
    async def search(request: Request) -> Response:
        return await _search(request, request.query_params.multi_items())

    @router.post("/_search", summary="The same search as a form")
    async def search_form(request: Request) -> Response:
        pairs = [*request.query_params.multi_items(), *await _form(request, context.limits)]
        return await _search(request, pairs)

    async def _search(request: Request, pairs: Pairs) -> Response:
        client = context.identify(request)
        check_accept(request)
        strict = preferences(request.headers.getlist("prefer")).get("handling") == "strict"
        wanted = read_search(pairs, strict=strict)
        url = f"{base(request)}/Subscription"
        links = [{"relation": "self", "url": _link(url, wanted.used)}]
        with _store_faults():
            records, following = await service.search(client, wanted.params, wanted.count, wanted.page)
        if following is not None:
            links.append({"relation": "next", "url": _link(url, (*wanted.used, ("_page", following)))})
        entries = [{"fullUrl": f"{url}/{r.id}", "resource": shown(r), "search": {"mode": "match"}} for r in records]
        bundle = {"resourceType": "Bundle", "id": context.runtime.new_id(), "type": "searchset", "link": links}
        # The store does not count; the total is told when the page is all there is.
        whole = {"total": len(records)} if following is None and wanted.page is None and wanted.count else {}
        return fhir_response(request, {**bundle, **whole, **({"entry": entries} if entries else {})})

    @router.api_route("/$status", methods=["GET", "POST"], summary="Status of your subscriptions, by id or status")
    async def status_of_all(request: Request) -> Response:
        client = context.identify(request)
        wanted = read_status(await _operation(request, context.limits))
        with _store_faults():
            records = await service.all(client, wanted)
        return _statuses(request, records)

    @router.api_route("/{id}/$status", methods=["GET", "POST"], summary="Status of one subscription")
    async def status_of_one(request: Request, id: str) -> Response:
        client = context.identify(request)
        await _operation(request, context.limits)  # id and status are ignored here, as the operation says
        with _store_faults():
            record = await service.read(client, id)
        return _statuses(request, [record])

    def _statuses(request: Request, records: list[Record]) -> Response:
        new_id = context.runtime.new_id
        states = [
            status_parameters(r, id=new_id(), kind="query-status", status=r.status, count=r.progress.last)
            for r in records
        ]
        return fhir_response(request, status_bundle(states, id=new_id(), at=context.runtime.now()))

    @router.api_route("/{id}/$events", methods=["GET", "POST"], summary="Past events, by number")
    async def events(request: Request, id: str) -> Response:
        client = context.identify(request)
        pairs = await _operation(request, context.limits)
        with _store_faults():
            record = await service.read(client, id)
            wanted = read_range(pairs, record.channel.content)
            found, bundles = await service.events(record, wanted.since, wanted.until, wanted.content)
        new_id, now = context.runtime.new_id, context.runtime.now()
        body = past_events(record, found, wanted.content, bundles, id=new_id(), parameters=new_id(), at=now)
        return fhir_response(request, body)

    @router.get("/{id}", summary="Read a subscription")
    async def read(request: Request, id: str) -> Response:
        client = context.identify(request)
        check_accept(request)
        with _store_faults():
            record = await service.read(client, id)
        if record.etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=_validators(record))
        return fhir_response(request, shown(record), 200, _validators(record))

    @router.put("/{id}", summary="Change, stop (status off) or restart (status requested) a subscription")
    async def update(request: Request, id: str) -> Response:
        client = context.identify(request)
        _, resource = await read_resource(request, context.limits)
        match = request.headers.get("if-match")
        with _store_faults():
            record = await service.update(
                client, id, resource, base(request), lambda current: check_match(match, current.etag)
            )
        return _written(request, record, 200, {})

    @router.delete("/{id}", summary="Delete a subscription")
    async def delete(request: Request, id: str) -> Response:
        client = context.identify(request)
        match = request.headers.get("if-match")
        with _store_faults():
            await service.delete(client, id, lambda current: check_match(match, current.etag))
        return Response(status_code=204)

    return router


def _written(request: Request, record: Record, status: int, headers: dict[str, str]) -> Response:
    headers = {**_validators(record), **headers}
    if preferences(request.headers.getlist("prefer")).get("return") == "minimal":
        return Response(status_code=status, headers=headers)
    return fhir_response(request, shown(record), status, headers)


def _validators(record: Record) -> dict[str, str]:
    return {"ETag": record.etag, "Last-Modified": format_datetime(record.updated, usegmt=True)}


def _link(url: str, pairs: Pairs) -> str:
    return f"{url}?{urlencode(pairs)}" if pairs else url


async def _operation(request: Request, limits: Limits) -> list[tuple[str, str]]:
    """An operation's parameters, from the URL and, with POST, from a Parameters resource."""
    check_accept(request)
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        body = await read_body(request, limits)
        if body.strip():
            check_content_type(request)
            pairs += parameters_of(json.load_resource(body, limits))
    return pairs


async def _form(request: Request, limits: Limits) -> list[tuple[str, str]]:
    declared = media_type(request.headers.get("content-type", ""))
    if declared not in ("", "application/x-www-form-urlencoded"):
        issue = Issue(
            "error", "not-supported", "Send the search as application/x-www-form-urlencoded.", rule="content-type"
        )
        raise FhirError(415, issue)
    body = await read_body(request, limits)
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


@contextmanager
def _store_faults() -> Iterator[None]:
    """The store's refusals as answers that say whether trying again helps."""
    try:
        with store_refusals():
            yield
    except Conflict as conflict:
        raise busy(1, "The subscription is being changed by others.") from conflict
    except BadPage as error:
        raise bad_request("_page is not from a link of this search. Follow the links as given.", rule="page") from error
