"""What the server says of itself: CapabilityStatement and OperationDefinitions of each base, and the payer as an Organization.

The resources are files under ``profiles/precert`` (facts, no code); the base URL and the software version are filled in
when they are served. Source: PAS 1.7 (CapabilityStatement), backport, CDex and DTR capability statements.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Request, Response

from precert import __version__
from precert.eligibility.model import Payer
from precert.fhir import json
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource
from precert.web.http import check_accept, fhir_response


class Conformance:
    """The conformance resources in ``folder``, by type and id."""

    def __init__(self, folder: Path) -> None:
        self._files = {tuple(path.stem.split("-", 1)): path.read_bytes() for path in sorted(folder.glob("*-*.json"))}

    def resource(self, type: str, id: str, base: str) -> Resource | None:
        """The resource, with ``{base}`` and ``{version}`` filled in; ``None`` if there is none."""
        body = self._files.get((type, id))
        if body is None:
            return None
        filled = body.replace(b"{base}", base.encode()).replace(b"{version}", __version__.encode())
        return json.load_resource(filled)


def conformance_router(
    conformance: Conformance, payer: Callable[[], Payer], prefix: str, statement: str, public_url: str | None
) -> APIRouter:
    """``metadata`` and the definitions behind it, under ``prefix``. ``statement`` is the CapabilityStatement's id."""
    router = APIRouter(prefix=prefix, tags=["conformance"])

    def base(request: Request) -> str:
        return (public_url or str(request.base_url)).rstrip("/") + prefix

    @router.get("/metadata", summary="CapabilityStatement")
    async def metadata(request: Request) -> Response:
        check_accept(request)
        found = conformance.resource("CapabilityStatement", statement, base(request))
        assert found is not None
        return fhir_response(request, found)

    @router.get("/OperationDefinition/{id}", summary="An operation that this server offers")
    async def operation(request: Request, id: str) -> Response:
        return _serve(request, "OperationDefinition", id)

    @router.get("/Organization/{id}", summary="The payer")
    async def organization(request: Request, id: str) -> Response:
        check_accept(request)
        resource = payer().resource
        if resource.get("id") != id:
            raise FhirError(
                404, Issue("error", "not-found", f"There is no Organization/{id[:64]} here.", rule="unknown-id")
            )
        return fhir_response(request, dict(resource))

    def _serve(request: Request, type: str, id: str) -> Response:
        check_accept(request)
        found = conformance.resource(type, id, base(request))
        if found is None:
            raise FhirError(404, Issue("error", "not-found", f"There is no {type}/{id[:64]} here.", rule="unknown-id"))
        return fhir_response(request, found)

    return router
