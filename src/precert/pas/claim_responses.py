"""``GET ClaimResponse``: the current answer of a case, the earlier ones by version, and search.

A ClaimResponse keeps its id while the case lives; each answer is one version, kept byte for byte as it was sent (ETag
``W/"n"``). On the base of an IG version that nobody was answered on, it is rendered from the record as it stood then. Under
the ids of records of an earlier format, in which each answer had one of its own, the current answer is read as well.
What another client submitted is answered like what does not exist. Source: FHIR R4 http.html#read, #vread, #history.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import format_datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.answers import Version, versions
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.outcome import FhirError, Issue, bad_request, operation_outcome
from precert.fhir.types import Element, Resource
from precert.pas.claim_response_search import Wanted, read_search, unknown_ignored
from precert.pas.response import Shape
from precert.pas.routes import PasContext
from precert.security.identity import Client
from precert.store.port import BadPage, Param
from precert.web.http import check_accept, fhir_response, preferences
from precert.web.reads import read_document, unknown_id

_TYPE = "ClaimResponse"


def claim_response_router(context: PasContext, shape: Shape) -> APIRouter:
    """Reads of ClaimResponses on the base of the given IG version."""
    router = APIRouter(prefix=shape.PREFIX, tags=[f"PAS {shape.VERSION}"])
    service = context.service

    @router.get("/ClaimResponse", summary="Search the answers to the caller's requests")
    async def search(request: Request) -> Response:
        client = context.identify(request)
        check_accept(request)
        lenient = preferences(request.headers.getlist("prefer")).get("handling") == "lenient"
        wanted = read_search(request.query_params.multi_items(), lenient=lenient)
        return fhir_response(request, await _found(context, shape, context.root(request), client, wanted))

    @router.get("/ClaimResponse/{id}", summary="The current answer")
    async def read(request: Request, id: str) -> Response:
        client = context.identify(request)
        check_accept(request)
        case = await _case(context, id, client)
        if case is None:  # a refusal, which changed no case
            return await read_document(request, service.store, service.tenant, _TYPE, id, client)
        version = versions(case)[-1]
        headers = _headers(version)
        given = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
        if headers["ETag"] in given or "*" in given:
            return Response(status_code=304, headers=headers)
        body = await _shown(context, shape, context.root(request), case, version, id)
        return fhir_response(request, body, headers=headers)

    @router.get("/ClaimResponse/{id}/_history", summary="All answers, the newest first")
    async def history(request: Request, id: str) -> Response:
        case = await _known(request, id)
        root = context.root(request)
        entries = [
            _history_entry(root + shape.PREFIX, id, each, await _shown(context, shape, root, case, each, id))
            for each in reversed(versions(case))
        ]
        bundle: Resource = {
            "resourceType": "Bundle",
            "id": service.runtime.new_id(),
            "type": "history",
            "total": len(entries),
            "link": [{"relation": "self", "url": f"{root}{shape.PREFIX}/ClaimResponse/{id}/_history"}],
            "entry": entries,
        }
        return fhir_response(request, bundle)

    @router.get("/ClaimResponse/{id}/_history/{version}", summary="One answer as it was sent")
    async def vread(request: Request, id: str, version: str) -> Response:
        case = await _known(request, id)
        wanted = next((each for each in versions(case) if str(each.number) == version), None)
        if wanted is None:
            text = f"ClaimResponse/{id[:64]} has no version {version[:20]!r}; the newest is {len(versions(case))}."
            raise FhirError(404, Issue("error", "not-found", text, rule="unknown-version"))
        body = await _shown(context, shape, context.root(request), case, wanted, id)
        return fhir_response(request, body, headers=_headers(wanted))

    async def _known(request: Request, id: str) -> Case:
        client = context.identify(request)
        check_accept(request)
        case = await _case(context, id, client)
        if case is None:
            raise unknown_id(_TYPE, id)
        return case

    return router


async def _case(context: PasContext, id: str, client: Client) -> Case | None:
    """The caller's case whose ClaimResponse ``id`` is, or was."""
    service = context.service
    params = [Param("number", [id]), Param("submitter", [client.id])]
    page = await service.store.search(service.tenant, "Case", params, limit=1)
    for document in page.documents:
        case = fold(decode(document.body))
        if not versions(case):
            continue
        if id == case.claim_response:
            return case
        if await service.store.get(service.tenant, _TYPE, id) is not None and any(
            id in each.ids for each in versions(case)
        ):
            return case
    return None


async def _shown(context: PasContext, shape: Shape, root: str, case: Case, version: Version, id: str) -> bytes:
    """The answer of one version in one shape, under ``id``."""
    service = context.service
    own = version.bundles.get(shape.VERSION)
    for name in [own] if own is not None else version.ids:
        document = await service.store.get(service.tenant, "Bundle", name)
        bundle = json.loads(document.body) if document is not None else {}
        first: Element = next(iter(bundle.get("entry", ())), {})
        resource = first.get("resource", {})
        place = f"{shape.PREFIX}/{_TYPE}/{resource.get('id')}"
        if resource.get("resourceType") == _TYPE and str(first.get("fullUrl")).endswith(place):
            return json.dumps(resource if resource["id"] == id else {**resource, "id": id})
    then = fold(case.events[: version.events])
    submission = await service.submission_of(then)
    return json.dumps(context.presenter.shown(then, submission, shape, root, id, version.at))


async def _found(context: PasContext, shape: Shape, root: str, client: Client, wanted: Wanted) -> Resource:
    """The searchset: one page of the caller's, the newest change first. A page may hold fewer than ``_count``."""
    service = context.service
    params = [Param("submitter", [client.id]), *wanted.params()]
    try:
        page = await service.store.search(service.tenant, "Case", params, limit=wanted.count, page=wanted.page)
    except BadPage as error:
        raise bad_request(
            "The page is none that this server gave out for this search. Start without it.", code="value", rule="page"
        ) from error
    base = root + shape.PREFIX
    entries: list[Element] = []
    for document in page.documents:
        case = fold(decode(document.body))
        answers = versions(case)
        if not answers or case.claim_response is None or not wanted.in_time(answers[-1].at):
            continue
        resource = json.loads(await _shown(context, shape, root, case, answers[-1], case.claim_response))
        if not wanted.fits(resource, case.opened.patient):
            continue
        url = f"{base}/{_TYPE}/{case.claim_response}"
        entries.append({"fullUrl": url, "resource": resource, "search": {"mode": "match"}})
    if wanted.ignored:
        outcome = operation_outcome(unknown_ignored(wanted.ignored))
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    links = [_link(base, "self", wanted.used, wanted.page)]
    if page.next is not None:
        links.append(_link(base, "next", wanted.used, page.next))
    found: Resource = {"resourceType": "Bundle", "id": service.runtime.new_id(), "type": "searchset", "link": links}
    return found | ({"entry": entries} if entries else {})


def _link(base: str, relation: str, used: Sequence[tuple[str, str]], page: str | None) -> Element:
    query = urlencode([*used, *([("page", page)] if page is not None else [])])
    return {"relation": relation, "url": f"{base}/{_TYPE}?{query}".rstrip("?")}


def _history_entry(base: str, id: str, version: Version, body: bytes) -> Element:
    first = version.number == 1
    return {
        "fullUrl": f"{base}/{_TYPE}/{id}",
        "resource": json.loads(body),
        "request": {"method": "POST" if first else "PUT", "url": _TYPE if first else f"{_TYPE}/{id}"},
        "response": {
            "status": "201" if first else "200",
            "etag": f'W/"{version.number}"',
            "lastModified": instant(version.at),
        },
    }


def _headers(version: Version) -> dict[str, str]:
    return {"ETag": f'W/"{version.number}"', "Last-Modified": format_datetime(version.at, usegmt=True)}
