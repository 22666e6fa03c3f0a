"""Security from settings: one factory for both modes (``--security open|smart``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from fastapi import APIRouter, Request

from precert.fhir.outcome import FhirError, Issue
from precert.fhir.versions import PREFIXES
from precert.runtime import Runtime
from precert.security.assertions import AssertionVerifier
from precert.security.authenticator import Authenticator
from precert.security.client_keys import client_key_sets, new_http
from precert.security.clients import ClientRegistry
from precert.security.identity import OPEN_CLIENT, Client, SecurityMode, SecuritySetupError, is_loopback
from precert.security.limits import RateLimiter
from precert.security.smart import TOKEN_PATH, Discovery, TokenEndpoint, smart_router
from precert.security.tokens import AccessTokens, TokenKeys


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """What an operator decides.

    ``data`` is the data folder (our token keys live in ``security/token-keys.json`` below it). ``base_url`` is the
    address by which clients reach this server, without a path behind the host unless a proxy adds one: tokens and
    assertions are bound to it, so it comes from the settings and never from a request's Host header. Times in seconds.
    """

    data: Path
    base_url: str = ""
    clients: Path | None = None
    open_anywhere: bool = False
    bases: tuple[str, ...] = PREFIXES
    token_seconds: int = 300
    leeway: int = 60
    rotate_days: float = 30.0
    jwks_cache_seconds: float = 3600.0
    reload_seconds: float = 2.0
    discovery: Mapping[str, Any] = field(default_factory=dict)


class Security(Protocol):
    """What the app needs: who calls, and the routes that security itself serves."""

    def identify(self, request: Request) -> Client:
        """Who sends ``request``. Raises FhirError: 401, 403 or 429."""
        ...

    def router(self) -> APIRouter:
        """Discovery and the token endpoint. Include it before routers with ``{base}/{type}/{id}``."""
        ...


@dataclass(frozen=True, slots=True)
class OpenSecurity:
    """Nobody is known. Serves this machine only, unless ``anywhere``."""

    anywhere: bool
    bases: tuple[str, ...]

    def identify(self, request: Request) -> Client:
        host = request.client.host if request.client else None
        if not self.anywhere and not is_loopback(host):
            text = "Open security mode serves this machine only. Run with --security smart to serve others."
            raise FhirError(403, Issue("error", "forbidden", text, rule="open-mode-loopback"))
        return OPEN_CLIENT

    def router(self) -> APIRouter:
        """Discovery says plainly that there is nothing to discover; clients take a 404 as "no SMART here"."""
        router = APIRouter(tags=["security"])

        async def configuration(request: Request) -> None:
            text = "This server runs in open security mode: it knows no clients, and no access token is needed."
            raise FhirError(404, Issue("error", "not-supported", text, rule="open-mode"))

        for base in self.bases:
            router.add_api_route(
                f"{base}/.well-known/smart-configuration",
                configuration,
                methods=["GET"],
                include_in_schema=False,
                name=f"smart configuration of {base}",
            )
        return router


@dataclass(frozen=True, slots=True)
class SmartSecurity:
    """Registered clients only, by access token."""

    authenticator: Authenticator
    endpoint: TokenEndpoint
    discovery: Discovery

    def identify(self, request: Request) -> Client:
        return self.authenticator.identify(request.headers, request.scope["path"], request.method)

    def router(self) -> APIRouter:
        return smart_router(self.endpoint, self.discovery, self.authenticator.bases)

    @property
    def clients(self) -> ClientRegistry:
        """The registry, for readiness (``problem``) and for rooms that know clients by other proofs."""
        return self.authenticator.clients


def build_security(
    mode: SecurityMode,
    config: SecurityConfig,
    runtime: Runtime,
    http: Callable[[], httpx.AsyncClient] = new_http,
) -> OpenSecurity | SmartSecurity:
    """Security for ``mode``. ``http`` makes the client that reads clients' key sets, closed after each use.

    Raises SecuritySetupError with a sentence for the operator.
    """
    if mode == "open":
        return OpenSecurity(config.open_anywhere, config.bases)
    if config.clients is None:
        raise SecuritySetupError(
            "Security mode smart needs to know its clients: set PRECERT_CLIENTS to a clients.yaml (docs/security.md)."
        )
    base_url = _checked(config.base_url)
    clients = ClientRegistry(config.clients, runtime.now, config.reload_seconds)
    keys = TokenKeys(config.data / "security" / "token-keys.json", runtime, config.rotate_days)
    tokens = AccessTokens(keys, runtime, base_url, config.token_seconds)
    limiter = RateLimiter(runtime.now)
    sets = client_key_sets(runtime.now, config.jwks_cache_seconds, http)
    verifier = AssertionVerifier(clients, sets, runtime.now, base_url + TOKEN_PATH, config.leeway)
    return SmartSecurity(
        Authenticator(tokens, clients, limiter, config.bases),
        TokenEndpoint(verifier, tokens, limiter),
        Discovery(base_url + TOKEN_PATH, config.discovery),
    )


def _checked(base_url: str) -> str:
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        raise SecuritySetupError(f"{base_url!r} is not a URL; set PRECERT_PUBLIC_URL") from error
    wildcard = url.hostname in ("0.0.0.0", "::") or port == 0  # noqa: S104 (it is refused)
    if url.scheme not in ("http", "https") or not url.hostname or wildcard or url.query or url.fragment:
        raise SecuritySetupError(
            f"Security mode smart needs the address that clients use, not {base_url!r}: set PRECERT_PUBLIC_URL, "
            "for example https://pa.payer.example."
        )
    return base_url.rstrip("/")
