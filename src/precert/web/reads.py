"""FHIR reads of what the server issued: ``GET {base}/{type}/{id}`` with ETag and Last-Modified, scoped to the caller."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime

from fastapi import APIRouter, HTTPException, Request, Response

from precert.fhir.outcome import FhirError, Issue
from precert.security.identity import Client
from precert.store.port import Document, Param, Store, is_id
from precert.web.http import check_accept, fhir_response


def read_router(
    store: Store, tenant: str, prefix: str, types: frozenset[str], identify: Callable[[Request], Client]
) -> APIRouter:
    """Reads of ``types``. What another client submitted is answered exactly like what does not exist."""
    router = APIRouter(prefix=prefix, tags=["reads"])

    @router.get("/{type}/{id}", summary="Read a resource that this server issued")
    async def read(request: Request, type: str, id: str) -> Response:
        client = identify(request)
        check_accept(request)
        if id.startswith("$"):  # no id: the name of an operation
            raise HTTPException(405, headers={"Allow": "POST"})
        if type not in types:
            raise FhirError(404, Issue("error", "not-found", f"{type[:64]} is not served here.", rule="unknown-type"))
        return await read_document(request, store, tenant, type, id, client)

    return router


async def read_document(request: Request, store: Store, tenant: str, type: str, id: str, client: Client) -> Response:
    """One stored document of the caller's, with ETag and Last-Modified. Raises FhirError(404)."""
    document = await store.get(tenant, type, id) if is_id(id) else None
    if document is None or not await _mine(store, tenant, document, client):
        raise unknown_id(type, id)
    etag = f'W/"{document.version}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    modified = format_datetime(document.updated, usegmt=True)
    return fhir_response(request, document.body, headers={"ETag": etag, "Last-Modified": modified})


def unknown_id(type: str, id: str) -> FhirError:
    """404: what is not there and what is not the caller's are told alike."""
    text = f"There is no {type}/{id[:64]} here, or it is not yours to read."
    return FhirError(404, Issue("error", "not-found", text, rule="unknown-id"))


async def _mine(store: Store, tenant: str, document: Document, client: Client) -> bool:
    params = [Param("id", [document.id]), Param("submitter", [client.id])]
    return bool((await store.search(tenant, document.type, params, limit=1)).documents)
