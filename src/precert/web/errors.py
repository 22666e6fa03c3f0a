"""Every fault leaves as one OperationOutcome."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from precert.fhir.outcome import FhirError, Issue
from precert.web.http import error_response

_CODES = {404: "not-found", 405: "not-supported", 401: "login", 403: "forbidden", 413: "too-long"}


def install(app: FastAPI) -> None:
    """Register the handlers on ``app``."""

    @app.exception_handler(FhirError)
    async def fhir_error(request: Request, error: FhirError) -> Response:
        return error_response(request, error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        text = {
            404: f"Nothing is served at {request.url.path}. GET / lists what is.",
            405: f"{request.method} is not possible at {request.url.path}.",
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
