"""Discovery and access as the 2.2.0 payer suite checks them, and what is refused."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tools.inferno_dtr import ROOT, context_of
from tools.inferno_dtr_parts import call, device

from inferno.dtr_running import BASES, server
from precert.fhir import json
from precert.settings import Settings
from security.world import entry, public, write_registry
from support.app import EXAMPLES, NOW

TOKEN_URL = f"{ROOT}/auth/token"
SCOPES = "system/Questionnaire.rs system/ValueSet.rs system/Library.rs"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OPERATIONS = [
    ("Questionnaire", "questionnaire-package"),
    ("Questionnaire", "next-question"),
    ("Questionnaire", "log-questionnaire-errors"),
    ("ValueSet", "expand"),
]
KEY = ECKey.generate_key("P-384", {"kid": "inferno-1"})


@dataclass
class Suite:
    """The suite's own client against a server in smart mode."""

    http: httpx.AsyncClient
    used: int = 0

    def assertion(self, **changes: Any) -> str:
        self.used += 1
        at = int(NOW.timestamp())
        claims = {"iss": "inferno", "sub": "inferno", "aud": TOKEN_URL, "iat": at, "exp": at + 300} | changes
        return jwt.encode({"alg": "ES384", "kid": KEY.kid}, claims | {"jti": str(self.used)}, KEY, algorithms=["ES384"])

    async def token(self, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPES,
            "client_assertion_type": ASSERTION,
            "client_assertion": self.assertion(),
        }
        return await self.http.post("/auth/token", data=form | changes)

    async def package(self, base: str, token: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = json.dumps(call(order=device("hcpcs|E1390", "oxygen")))
        return await self.http.post(f"{base}/Questionnaire/$questionnaire-package", content=body, headers=headers)


@pytest.fixture
async def suite(tmp_path: Path) -> AsyncIterator[Suite]:
    """A server that knows the suite as a client, with the settings that the README names."""
    named = entry(client_id="inferno", jwks=public(KEY), scopes=SCOPES.split(), organizations=None)
    registry = write_registry(tmp_path / "clients.yaml", named)
    given = tomllib.loads((EXAMPLES / "inferno" / "dtr-payer-2.2.0.toml").read_text("utf-8"))
    settings = {**given, "clients": registry, "public_url": ROOT}
    async with server(tmp_path / "data", **settings) as http:
        yield Suite(http)


def test_the_settings_of_the_readme_are_settings() -> None:
    given = tomllib.loads((EXAMPLES / "inferno" / "dtr-payer-2.2.0.toml").read_text("utf-8"))
    assert set(given) <= set(Settings.model_fields)
    assert given["security"] == "smart"


@pytest.mark.parametrize("base", BASES.values())
async def test_the_capability_statement_needs_no_token(suite: Suite, base: str) -> None:
    answered = await suite.http.get(f"{base}/metadata")
    assert answered.status_code == 200
    (rest,) = json.loads(answered.content)["rest"]
    assert rest["mode"] == "server"
    offered = {(r["type"], o["name"]) for r in rest["resource"] for o in r.get("operation", [])}
    assert set(OPERATIONS) <= offered
    if base == "/fhir/v2.0":  # 2.0.1 lists them for the whole server
        assert {"questionnaire-package", "next-question", "expand"} <= {o["name"] for o in rest["operation"]}
    assert "json" in json.loads(answered.content)["format"]


@pytest.mark.parametrize("base", BASES.values())
async def test_smart_discovery(suite: Suite, base: str) -> None:
    """What the suite wants to find, odd as ``authorization_code`` is for a server without users."""
    answered = await suite.http.get(f"{base}/.well-known/smart-configuration")
    assert answered.status_code == 200
    assert answered.headers["content-type"].startswith("application/json")
    found = answered.json()
    assert {"authorization_endpoint", "token_endpoint", "capabilities"} <= set(found)
    assert {"client_credentials", "authorization_code"} <= set(found["grant_types_supported"])
    assert "S256" in found["code_challenge_methods_supported"]
    assert "plain" not in found["code_challenge_methods_supported"]
    assert "issuer" not in found
    assert found["token_endpoint"] == TOKEN_URL


async def test_without_those_settings_nothing_is_claimed_that_is_not_there(tmp_path: Path) -> None:
    registry = write_registry(tmp_path / "clients.yaml", entry(client_id="inferno", jwks=public(KEY)))
    async with server(tmp_path / "data", security="smart", clients=registry, public_url=ROOT) as http:
        found = (await http.get("/fhir/.well-known/smart-configuration")).json()
    assert "authorization_endpoint" not in found
    assert found["grant_types_supported"] == ["client_credentials"]


async def test_a_token(suite: Suite) -> None:
    answered = await suite.token()
    assert answered.status_code == 200
    body = answered.json()
    assert body["token_type"] == "bearer"
    assert isinstance(body["expires_in"], int)
    assert set(body["scope"].split()) == set(SCOPES.split())
    assert body["access_token"]


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"grant_type": "not_a_grant_type"}, {400}),
        ({"client_assertion_type": "not_an_assertion_type"}, {400, 401}),
        ({"client_assertion": "not.a.jwt"}, {400, 401}),
    ],
)
async def test_a_bad_token_request(suite: Suite, changes: dict[str, str], allowed: set[int]) -> None:
    assert (await suite.token(**changes)).status_code in allowed


@pytest.mark.parametrize("base", BASES.values())
async def test_operations_want_a_token_and_read_scopes_are_enough(suite: Suite, base: str) -> None:
    token = (await suite.token()).json()["access_token"]
    assert (await suite.package(base, token)).status_code == 200
    for wrong in (None, "open", token[:-4] + "AAAA"):
        refused = await suite.package(base, wrong)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert json.loads(refused.content)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(("kind", "operation"), OPERATIONS)
async def test_every_operation_is_closed(suite: Suite, kind: str, operation: str) -> None:
    refused = await suite.http.post(f"/fhir/{kind}/${operation}", content=b"{}")
    assert refused.status_code == 401


async def test_a_scope_that_was_not_given(suite: Suite) -> None:
    token = (await suite.token(scope="system/ValueSet.rs")).json()["access_token"]
    refused = await suite.package("/fhir", token)
    assert refused.status_code == 403
    assert json.loads(refused.content)["resourceType"] == "OperationOutcome"


async def test_a_context_can_be_fetched_with_the_suites_own_token(suite: Suite) -> None:
    """The way in which the README fills in the preset."""
    token = (await suite.token()).json()["access_token"]
    suite.http.headers["Authorization"] = f"Bearer {token}"
    context = await context_of(suite.http)
    answered = await suite.http.post(
        "/fhir/Questionnaire/$questionnaire-package", content=json.dumps(call(context=context))
    )
    assert [p["name"] for p in json.loads(answered.content)["parameter"]] == ["packagebundle"]


async def test_open_mode_takes_any_token(tmp_path: Path) -> None:
    """The 2.0.1 suite sends what the preset says, whether or not the server asks for it."""
    async with server(tmp_path / "data") as http:
        assert (await Suite(http).package("/fhir/v2.0", "open")).status_code == 200
