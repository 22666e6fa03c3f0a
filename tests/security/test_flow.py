"""From discovery to an answer: everything a client system does, over HTTP."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from security.world import BASE, TOKEN_URL, World, entry, make_world, rsa_key, write_registry


@pytest.mark.parametrize("base", ["/fhir", "/fhir/v2.0"])
async def test_discovery(world: World, base: str) -> None:
    answer = await world.http.get(f"{base}/.well-known/smart-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["token_endpoint"] == TOKEN_URL
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert set(found["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}
    assert {"client-confidential-asymmetric", "permission-v1", "permission-v2"} <= set(found["capabilities"])
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "issuer" not in found
    assert "authorization_endpoint" not in found


async def test_discovery_publishes_what_the_operator_adds(tmp_path: Path) -> None:
    world = make_world(tmp_path, discovery={"authorization_endpoint": "https://login.payer.test/authorize"})
    found = (await world.http.get("/fhir/.well-known/smart-configuration")).json()
    assert found["authorization_endpoint"] == "https://login.payer.test/authorize"
    assert found["token_endpoint"] == TOKEN_URL


@pytest.mark.parametrize("kind", ["ES384", "RS384"])
async def test_token_and_request(world: World, kind: str) -> None:
    answer = await world.ask(world.assertion(rsa_key() if kind == "RS384" else None))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    body = answer.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 300
    assert body["scope"] == "system/Claim.cruds"
    called = await world.call(body["access_token"])
    assert called.status_code == 200
    assert called.json() == {
        "id": "ehr-1",
        "scopes": ["system/Claim.cruds"],
        "organizations": ["ACME", "urn:test:sender|ACME"],
        "roles": [],
    }


async def test_token_lives_five_minutes(world: World) -> None:
    token = await world.token()
    world.clock.forward(seconds=299)
    assert (await world.call(token)).status_code == 200
    world.clock.forward(seconds=1)
    refused = await world.call(token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert "expired" in refused.json()["issue"][0]["details"]["text"]


async def test_token_says_nothing_secret(world: World) -> None:
    token = await world.token()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert set(claims) == {"iss", "aud", "sub", "client_id", "scope", "iat", "exp", "jti"}
    assert claims["iss"] == BASE


async def test_no_token_is_logged(world: World) -> None:
    assertion = world.assertion()
    with capture_logs() as logs:
        token = (await world.ask(assertion)).json()["access_token"]
        await world.ask(assertion)
        await world.call(token)
        await world.call(token + "x")
    written = json.dumps(logs, default=str)
    assert {line["event"] for line in logs} == {"token issued", "token request refused", "token refused"}
    for secret in (token, token.split(".")[2], assertion, assertion.split(".")[2]):
        assert secret not in written


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("system/Claim.cruds", "system/Claim.cruds"),
        ("system/*.read", "system/Claim.rs system/ClaimResponse.rs"),
        ("system/Claim.write openid launch/patient patient/Claim.rs", "system/Claim.write"),
        ("system/claimresponse.read", "system/claimresponse.read"),
        ("system/ClaimResponse.*", "system/ClaimResponse.rs"),
        ("system/*.cruds system/*.cruds", "system/Claim.cruds system/ClaimResponse.rs"),
    ],
)
async def test_what_is_granted(world: World, asked: str, got: str) -> None:
    assert (await world.ask(scope=asked)).json()["scope"] == got


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("system/Claim.c", "POST", "/fhir/Claim/$submit", 200),
        ("system/Claim.write", "POST", "/fhir/v2.0/Claim/$submit", 200),
        ("system/Claim.rs", "POST", "/fhir/Claim/$submit", 403),
        ("system/Claim.read", "POST", "/fhir/Claim/$inquire", 200),
        ("system/Claim.s", "POST", "/fhir/Claim/$inquire", 200),
        ("system/Claim.c", "POST", "/fhir/Claim/$inquire", 403),
        ("system/ClaimResponse.r", "GET", "/fhir/ClaimResponse/1", 200),
        ("system/ClaimResponse.r", "GET", "/fhir/ClaimResponse", 403),
        ("system/ClaimResponse.s", "POST", "/fhir/ClaimResponse/_search", 200),
        ("system/ClaimResponse.r", "GET", "/fhir/Claim/1", 403),
        ("system/Claim.cruds", "POST", "/fhir", 403),
        ("system/Claim.cruds", "POST", "/fhir/$submit-attachment", 200),
        ("system/Claim.cruds", "POST", "/fhir/Claim/$forget", 200),
        ("system/Claim.rs", "POST", "/fhir/Claim/$forget", 403),
        ("system/Claim.r", "GET", "/fhir/Claim/1/_history/2", 200),
        ("system/Claim.rs", "PUT", "/fhir/Claim/1", 403),
        ("system/Claim.u", "PUT", "/fhir/Claim/1", 200),
        ("system/Claim.d", "DELETE", "/fhir/Claim/1", 200),
        ("system/Claim.r", "POST", "/cds-services/crd-order-sign", 200),
        ("system/Claim.r", "GET", "/explain/1", 200),
        ("system/Claim.c", "GET", "/explain/1", 403),
        ("system/Claim.cruds", "GET", "/api/cases", 403),
        ("system/Claim.cruds", "GET", "/workbench", 403),
        ("system/Claim.cruds", "GET", "/fhirish/Claim", 403),
        ("system/Claim.cruds", "GET", "/fhir/..;/Claim", 403),
    ],
)
async def test_scope_by_address(world: World, scope: str, method: str, path: str, status: int) -> None:
    called = await world.call(await world.token(scope), path, method)
    assert called.status_code == status


async def test_insufficient_scope_says_which(world: World) -> None:
    called = await world.call(await world.token("system/Claim.rs"))
    assert called.status_code == 403
    assert called.headers["www-authenticate"] == (
        'Bearer realm="precert", error="insufficient_scope", scope="system/Claim.c"'
    )
    issue = called.json()["issue"][0]
    assert issue["code"] == "forbidden"
    assert "system/Claim.c" in issue["details"]["text"]


async def test_staff_systems_have_roles(tmp_path: Path) -> None:
    world = make_world(tmp_path, entry(roles=["nurse"]))
    token = await world.token()
    assert (await world.call(token, "/api/cases", "GET")).json()["roles"] == ["nurse"]
    assert (await world.call(token, "/explain/1", "GET")).status_code == 200


async def test_registration_counts_when_the_token_is_used(world: World) -> None:
    token = await world.token()
    write_registry(world.registry, entry(scopes=["system/Claim.rs"]))
    assert (await world.call(token)).status_code == 403
    write_registry(world.registry, entry(suspended=True))
    assert (await world.call(token)).status_code == 401
    assert (await world.ask()).json()["error"] == "invalid_client"
    write_registry(world.registry, entry())
    assert (await world.call(token)).status_code == 200
    write_registry(world.registry)
    assert (await world.call(token)).status_code == 401


async def test_rate_limit(tmp_path: Path) -> None:
    world = make_world(tmp_path, entry(requests_per_minute=3), entry(client_id="ehr-2"))
    token = await world.token()
    assert [(await world.call(token)).status_code for _ in range(3)] == [200, 200, 429]
    limited = await world.call(token)
    assert limited.headers["retry-after"] == "20"
    assert limited.json()["issue"][0]["code"] == "throttled"
    refused = await world.ask()
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "20"
    assert (await world.ask(world.assertion(iss="ehr-2", sub="ehr-2"))).status_code == 200  # others are not held up
    world.clock.forward(seconds=20)
    assert (await world.call(token)).status_code == 200
    world.clock.forward(seconds=-3600)
    assert (await world.call(token)).status_code == 429


async def test_the_host_header_is_not_believed(world: World) -> None:
    """Else a server that got an assertion for itself could use it here, by calling us with its own name."""
    assertion = world.assertion(aud="https://evil.test/auth/token")
    form = {"grant_type": "client_credentials", "client_assertion": assertion, "scope": "system/Claim.rs"}
    form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = await world.http.post("/auth/token", data=form, headers={"Host": "evil.test"})
    assert answer.status_code == 401
