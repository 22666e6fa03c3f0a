"""Who calls a hook: by JWT where clients are registered, else as the rest of the server says (docs/crd.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from precert.fhir.outcome import FhirError, Issue
from precert.security.identity import Client
from precert.security.jwt import JwtVerifier


def authenticator(
    identify: Callable[[Request], Client], verifier: JwtVerifier | None = None
) -> Callable[[Request, str], Awaitable[Client]]:
    """For :class:`precert.crd.routes.CrdContext`. Without ``verifier`` (open mode) a JWT is no error and is not looked at.

    With it every call needs one (``required``), and a token that is sent must be good even if it is not required.
    """

    async def authenticate(request: Request, url: str) -> Client:
        if verifier is None:
            return identify(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            verified = await verifier.verify(token.strip(), url)
            return Client(verified.client)
        if verifier.config.required:
            text = "This service needs a JWT: Authorization: Bearer, signed by a registered CDS client."
            raise FhirError(401, Issue("error", "login", text, rule="jwt"), {"WWW-Authenticate": "Bearer"})
        return identify(request)

    return authenticate
