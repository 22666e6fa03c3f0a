"""Every fault leaves as one OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Router

from precert.fhir.outcome import FhirError, Issue
from precert.web.http import error_response

_CODES = {404: "not-found", 405: "not-supported", 401: "login", 403: "forbidden", 413: "too-long"}


_SHOWN = 200


def _served(routes: Iterable[BaseRoute]) -> dict[str, frozenset[str]]:
    """Path to methods, of everything at a fixed address. FastAPI keeps an included router whole, as ``original_router``."""
    found: dict[str, frozenset[str]] = {}
    for route in routes:
        inside = getattr(route, "original_router", None)
        if isinstance(inside, Router):
            more = _served(inside.routes)
        else:
            path, methods = getattr(route, "path", "{"), getattr(route, "methods", None)
            more = {path: frozenset(methods)} if methods and "{" not in path else {}
        for path, methods in more.items():
            found[path] = found.get(path, frozenset()) | methods
    return found


def _meant(served: Mapping[str, frozenset[str]], method: str, path: str) -> str | None:
    """What the caller probably meant: the same address with another method, an operation of the resource, a like spelling."""
    if methods := served.get(path):
        return f"Send it with {' or '.join(sorted(methods - {method}))}." if methods - {method} else None
    able = [each for each, methods in served.items() if method in methods]
    if operations := sorted(each for each in able if each.startswith(f"{path}/$")):
        return f"Did you mean {' or '.join(operations)}?"
    like = get_close_matches(path[:_SHOWN], able, n=1, cutoff=0.85)
    return f"Did you mean {like[0]}?" if like else None


def install(app: FastAPI) -> None:
    """Register the handlers on ``app``."""

    @app.exception_handler(FhirError)
    async def fhir_error(request: Request, error: FhirError) -> Response:
        return error_response(request, error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        path = request.url.path[:_SHOWN]
        hint = _meant(_served(app.routes), request.method, request.url.path)
        text = {
            404: f"Nothing is served at {path}. {hint or 'GET / lists what is.'}",
            405: f"{request.method} is not possible at {path}.{' ' + hint if hint else ''}",
        }.get(error.status_code, str(error.detail))
        issue = Issue("error", _CODES.get(error.status_code, "processing"), text, rule="http")
        return error_response(request, FhirError(error.status_code, issue, error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> Response:
        issues = [
            Issue(
                "error", "invalid", f"{fault['msg']}.", ".".join(str(part) for part in fault["loc"]), rule="parameter"
            )
            for fault in error.errors()
        ]
        return error_response(request, FhirError(400, issues))
