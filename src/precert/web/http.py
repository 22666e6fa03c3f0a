"""Requests in, FHIR answers out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource
from precert.fhir.versions import STU_2_0, at

FHIR_JSON = "application/fhir+json"
_JSON_TYPES = frozenset({FHIR_JSON, "application/json", "application/json+fhir", "text/json"})
_ACCEPTABLE = _JSON_TYPES | {"*/*", "application/*", "text/html", "application/xhtml+xml", "text/plain", "text/*"}
_FORMATS = frozenset({"json", *_JSON_TYPES})


def media_type(header: str) -> str:
    """``application/fhir+json; charset=utf-8`` → ``application/fhir+json``."""
    return header.partition(";")[0].strip().lower()


def check_content_type(request: Request) -> None:
    """415 unless the body is declared as JSON (no declaration is taken as JSON), and as not compressed."""
    encoded = request.headers.get("content-encoding", "identity").strip().lower()
    if encoded not in ("", "identity"):
        text = f"Content-Encoding {encoded[:40]!r} is not supported. Send the body uncompressed."
        raise FhirError(
            415, Issue("error", "not-supported", text, rule="content-type"), {"Accept-Encoding": "identity"}
        )
    declared = media_type(request.headers.get("content-type", ""))
    if declared and declared not in _JSON_TYPES:
        hint = " XML is not supported." if "xml" in declared else ""
        raise FhirError(
            415,
            Issue(
                "error",
                "not-supported",
                f"Content-Type {declared[:80]!r} is not supported.{hint} Send {FHIR_JSON}.",
                rule="content-type",
            ),
            {"Accept": FHIR_JSON},
        )


def check_accept(request: Request) -> None:
    """406 if the client only takes formats that this server does not speak. ``_format`` outranks Accept."""
    wanted = request.query_params.get("_format")
    if wanted is not None:
        offered = {media_type(wanted.replace(" ", "+"))}
        known = _FORMATS
    else:
        offered = {media_type(part) for part in request.headers.get("accept", "*/*").split(",") if part.strip()}
        known = _ACCEPTABLE
    if offered and not offered & known:
        raise FhirError(
            406,
            Issue(
                "error",
                "not-supported",
                f"This server answers {FHIR_JSON} only, not {', '.join(sorted(offered))[:120]}. "
                f"Ask with Accept: {FHIR_JSON}.",
                rule="accept",
            ),
        )


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body, at most ``limits.bytes``: a longer one is refused (413) before it is read to the end."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.bytes:
        raise _too_large(limits)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.bytes:
                raise _too_large(limits)
            chunks.append(chunk)
    except ClientDisconnect as gone:
        raise FhirError(
            400, Issue("error", "incomplete", "The connection closed before the body was complete.")
        ) from gone
    return b"".join(chunks)


def _too_large(limits: Limits) -> FhirError:
    return FhirError(
        413,
        Issue(
            "fatal",
            "too-long",
            f"The body is larger than {limits.bytes} bytes, the most this server takes. "
            "Send large documents with $submit-attachment, or split the request.",
            rule="body-size",
        ),
        {"Connection": "close"},
    )


async def read_resource(request: Request, limits: Limits) -> tuple[bytes, Resource]:
    """The body and the FHIR resource in it. Raises FhirError: 400, 406, 413 or 415."""
    check_accept(request)
    check_content_type(request)
    body = await read_body(request, limits)
    return body, json.load_resource(body, limits)


def wants_pretty(request: Request) -> bool:
    return request.query_params.get("_pretty", "").lower() == "true"


def fhir_response(
    request: Request,
    resource: Resource | bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """``resource`` as application/fhir+json; bytes are sent as they are unless ``_pretty`` is asked for."""
    if isinstance(resource, bytes):
        body = json.dumps(json.loads(resource), pretty=True) if wants_pretty(request) else resource
    else:
        body = json.dumps(resource, pretty=wants_pretty(request))
    return Response(body, status, dict(headers or {}), FHIR_JSON)


def preferences(header: Iterable[str]) -> dict[str, str]:
    """``Prefer: return=minimal, handling=strict`` as a dict (RFC 7240, without parameters)."""
    parts = (part.partition(";")[0] for line in header for part in line.split(","))
    return {
        name.strip().lower(): value.strip().strip('"').lower() for name, _, value in (p.partition("=") for p in parts)
    }


_WITHOUT_OUTCOME = STU_2_0
"""PAS 2.0.1 says that a 5xx, a temporary failure, carries no OperationOutcome."""


def error_response(request: Request, error: FhirError) -> Response:
    """One OperationOutcome with the error's status and headers; on the 2.0.1 base a 5xx is a plain sentence."""
    if error.status >= 500 and at(request.scope["path"]) is _WITHOUT_OUTCOME:
        return Response(str(error), error.status, dict(error.headers), "text/plain")
    return fhir_response(request, error.resource, error.status, error.headers)


def busy(retry_after: int, why: str) -> FhirError:
    """503 with Retry-After: nothing was stored, the same request may be sent again."""
    return FhirError(
        503,
        Issue(
            "error",
            "transient",
            f"{why} Nothing was stored; send the same request again in {retry_after} s.",
            rule="busy",
        ),
        {"Retry-After": str(retry_after)},
    )
