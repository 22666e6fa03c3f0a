"""The token endpoint and the discovery document of SMART Backend Services.

Sources: SMART App Launch 2.2 "Backend Services" and "Conformance", RFC 6749 sections 3.2, 4.4 and 5, RFC 7521 section 4.2.
Errors are OAuth's JSON here, not OperationOutcomes: that is what OAuth clients read. The status is 400, or 401 when
the client did not prove who it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from precert.security.assertions import ALGORITHMS, AssertionRefused, AssertionVerifier, TooManySeen
from precert.security.authenticator import REALM
from precert.security.limits import RateLimiter
from precert.security.scopes import MOST_SCOPES, grant
from precert.security.tokens import AccessTokens

log = structlog.get_logger(__name__)

TOKEN_PATH = "/auth/token"  # noqa: S105 (a path)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES_SUPPORTED = (
    "system/*.cruds",
    "system/*.rs",
    "system/*.read",
    "system/Claim.cruds",
    "system/ClaimResponse.rs",
    "system/Subscription.cruds",
    "system/Questionnaire.rs",
    "system/ValueSet.rs",
    "system/Library.rs",
)
_MOST_BYTES = 32 * 1024
_MOST_FIELDS = 20
# RFC 6749 section 5.1: neither tokens nor refusals may stay in a cache.
_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A token request that is refused: RFC 6749's ``error``, a sentence for people, and the status."""

    def __init__(self, error: str, why: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.error, self.why, self.status, self.headers = error, why, status, dict(headers or {})

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.why}
        return JSONResponse(body, self.status, _UNCACHED | self.headers)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """``POST /auth/token``: a client assertion in, an access token out."""

    verifier: AssertionVerifier
    tokens: AccessTokens
    limiter: RateLimiter

    async def answer(self, request: Request) -> Response:
        """The token or the refusal."""
        try:
            return JSONResponse(await self._token(await _form(request)), 200, _UNCACHED)
        except OAuthError as refused:
            log.warning("token request refused", error=refused.error, why=refused.why)
            return refused.response()

    async def _token(self, form: Mapping[str, str]) -> dict[str, Any]:
        grant_type = form.get("grant_type")
        if not grant_type:
            raise OAuthError("invalid_request", "grant_type is missing; it must be client_credentials.")
        if grant_type != "client_credentials":
            raise OAuthError("unsupported_grant_type", "The only grant_type here is client_credentials.")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}.")
        assertion = form.get("client_assertion")
        if not assertion:
            raise OAuthError("invalid_request", "client_assertion is missing: a JWT signed with the client's key.")
        try:
            client = await self.verifier.verify(assertion, form.get("client_id"))
        except AssertionRefused as refused:
            challenge = {"WWW-Authenticate": f'Bearer realm="{REALM}"'}  # RFC 9110: no 401 without one
            raise OAuthError("invalid_client", str(refused), 401, challenge) from refused
        except TooManySeen as full:
            why = "Too many token requests at once; try again in a minute."
            raise OAuthError("temporarily_unavailable", why, 503, {"Retry-After": "60"}) from full
        seconds = self.limiter.wait(client.entry.client_id, client.entry.requests_per_minute)
        if seconds:
            why = f"Too many requests; try again in {seconds} s."
            raise OAuthError("temporarily_unavailable", why, 429, {"Retry-After": str(seconds)})
        requested = form.get("scope", "").split()
        if not requested:
            raise OAuthError("invalid_scope", "scope is missing, for example system/Claim.cruds.")
        if len(requested) > MOST_SCOPES:
            raise OAuthError("invalid_scope", f"More than {MOST_SCOPES} scopes.")
        granted = grant(requested, client.allowed)
        if not granted:
            raise OAuthError("invalid_scope", f"The client may have {' '.join(client.entry.scopes)}.")
        token = self.tokens.issue(client.entry.client_id, granted)
        log.info("token issued", client=client.entry.client_id, scopes=granted)
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.tokens.seconds,
            "scope": " ".join(granted),
        }


async def _form(request: Request) -> dict[str, str]:
    """The form fields of the body; RFC 6749 forbids a field that stands twice. Raises OAuthError."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send the request as application/x-www-form-urlencoded.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise OAuthError("invalid_request", "The request is too large.", headers={"Connection": "close"})
    except ClientDisconnect as gone:
        raise OAuthError("invalid_request", "The connection closed before the body was complete.") from gone
    try:
        # Empty fields count as left out (RFC 6749 section 3.2).
        fields = parse_qsl(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise OAuthError("invalid_request", "The body is not a form, or has too many fields.") from error
    form = dict(fields)
    if len(form) != len(fields):
        raise OAuthError("invalid_request", "A field stands twice.")
    return form


@dataclass(frozen=True, slots=True)
class Discovery:
    """``.well-known/smart-configuration``. ``extra`` is published as it is, over our own values."""

    token_url: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """What this server can do, and no more: no app launch, hence no authorization endpoint and no ``issuer``."""
        return {
            "token_endpoint": self.token_url,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": list(SCOPES_SUPPORTED),
            "code_challenge_methods_supported": ["S256"],  # required of every server, also where no code is issued
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
            **self.extra,
        }


def smart_router(endpoint: TokenEndpoint, discovery: Discovery, bases: Sequence[str]) -> APIRouter:
    """The token endpoint, and discovery under each FHIR base. Include it before routers with ``{base}/{type}/{id}``."""
    router = APIRouter(tags=["security"])

    @router.post(TOKEN_PATH, summary="Fetch an access token (SMART Backend Services)", response_model=None)
    async def token(request: Request) -> Response:
        return await endpoint.answer(request)

    async def configuration(request: Request) -> Response:
        return JSONResponse(discovery.document())

    for base in bases:
        router.add_api_route(
            f"{base}/.well-known/smart-configuration",
            configuration,
            methods=["GET"],
            summary="Where and how to fetch access tokens",
            response_model=None,
            name=f"smart configuration of {base}",
        )
    return router
