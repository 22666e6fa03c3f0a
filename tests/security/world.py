"""A small world for security tests: keys, a registry, an app with one route for everything, and a client for it."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.responses import JSONResponse, Response

from precert.runtime import Runtime
from precert.security.setup import SecurityConfig, SmartSecurity, build_security
from precert.security.smart import ASSERTION_TYPE
from precert.web import errors
from support.app import FrozenClock, frozen_runtime

BASE = "https://pa.payer.test"
TOKEN_URL = f"{BASE}/auth/token"
KID = "key-1"
ANY = JWSRegistry(algorithms=["HS256", "RS256", "RS384", "ES256", "ES384", "none"], strict_check_header=False)


@functools.cache
def ec_key(kid: str = KID) -> ECKey:
    """A P-384 pair; the same one for the same name within a test run."""
    return ECKey.generate_key("P-384", {"kid": kid})


@functools.cache
def rsa_key(kid: str = "rsa-1") -> RSAKey:
    """An RSA pair; the same one for the same name within a test run."""
    return RSAKey.generate_key(2048, {"kid": kid})


def public(*keys: ECKey | RSAKey) -> dict[str, Any]:
    """The key set with the public halves."""
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


def entry(**changes: Any) -> dict[str, Any]:
    """A client as in clients.yaml; ``None`` takes a key away."""
    given = {
        "client_id": "ehr-1",
        "name": "Test EHR",
        "jwks": public(ec_key(), rsa_key()),
        "scopes": ["system/Claim.cruds", "system/ClaimResponse.rs"],
        "organizations": ["urn:test:sender|ACME", "ACME"],
    } | changes
    return {key: value for key, value in given.items() if value is not None}


def write_registry(path: Path, *entries: Mapping[str, Any]) -> Path:
    """``entries`` as a clients.yaml."""
    path.write_text(yaml.safe_dump({"format": "precert.clients/1", "clients": [dict(each) for each in entries]}))
    return path


@dataclass(slots=True)
class World:
    """A running server with security, in this process."""

    clock: FrozenClock
    runtime: Runtime
    security: SmartSecurity
    registry: Path
    http: httpx.AsyncClient
    _issued: int = 0

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims of a client assertion; ``None`` takes a claim away."""
        self._issued += 1
        now = int(self.clock().timestamp())
        given = {
            "iss": "ehr-1",
            "sub": "ehr-1",
            "aud": TOKEN_URL,
            "iat": now,
            "exp": now + 300,
            "jti": f"jti-{self._issued}",
        } | changes
        return {key: value for key, value in given.items() if value is not None}

    def assertion(self, key: Any = None, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A signed client assertion; ``header`` and ``changes`` alter the good one."""
        key = key or ec_key()
        algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
        members = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | dict(header or {})
        members = {name: value for name, value in members.items() if value is not None}
        return jwt.encode(members, self.claims(**changes), key, registry=ANY, default_type=None)

    async def ask(self, assertion: str | None = None, **fields: str | None) -> httpx.Response:
        """A token request; ``fields`` alter the good one, ``None`` takes a field away."""
        form = {
            "grant_type": "client_credentials",
            "scope": "system/Claim.cruds",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion if assertion is not None else self.assertion(),
        } | fields
        return await self.http.post(
            "/auth/token", data={key: value for key, value in form.items() if value is not None}
        )

    async def token(self, scope: str = "system/Claim.cruds", **changes: Any) -> str:
        """A good access token."""
        answer = await self.ask(self.assertion(**changes), scope=scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def call(self, token: str, path: str = "/fhir/Claim/$submit", method: str = "POST") -> httpx.Response:
        """A request with ``token``."""
        return await self.http.request(method, path, headers={"Authorization": f"Bearer {token}"})


def make_app(security: Any) -> FastAPI:
    """An app whose every address answers who called."""
    app = FastAPI()
    errors.install(app)
    app.include_router(security.router())

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def who(request: Request, path: str) -> Response:
        client = security.identify(request)
        organizations = None if client.organizations is None else sorted(client.organizations)
        return JSONResponse(
            {
                "id": client.id,
                "scopes": sorted(client.scopes),
                "organizations": organizations,
                "roles": sorted(client.roles),
            }
        )

    return app


def make_world(
    tmp_path: Path, *entries: Mapping[str, Any], keys_at: Callable[[], Any] | None = None, **given: Any
) -> World:
    """A world in ``tmp_path``. ``keys_at`` makes the HTTP client that reads key sets."""
    clock = FrozenClock()
    runtime = frozen_runtime(clock)
    registry = write_registry(tmp_path / "clients.yaml", *(entries or (entry(),)))
    config = SecurityConfig(
        **{"data": tmp_path / "data", "base_url": BASE, "clients": registry, "reload_seconds": 0} | given
    )
    security = build_security("smart", config, runtime, **({"http": keys_at} if keys_at else {}))
    assert isinstance(security, SmartSecurity)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app(security)), base_url=BASE)
    return World(clock, runtime, security, registry, http)


def b64(value: Any) -> str:
    """A part of a JWT."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
