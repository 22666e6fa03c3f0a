"""Token requests and requests that must fail, whatever they look like."""

from __future__ import annotations

import base64
import json
import string
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.datastructures import Headers

from precert.fhir.outcome import FhirError
from precert.security.tokens import AccessTokens
from security.world import ANY, BASE, World, b64, make_world


class TestTokenRequest:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"grant_type": None}, "invalid_request"),
            ({"grant_type": ""}, "invalid_request"),
            ({"grant_type": "not_a_grant_type"}, "unsupported_grant_type"),
            ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
            ({"client_assertion_type": None}, "invalid_request"),
            ({"client_assertion_type": "not_an_assertion_type"}, "invalid_request"),
            ({"client_assertion": None}, "invalid_request"),
            ({"scope": None}, "invalid_scope"),
            ({"scope": "   "}, "invalid_scope"),
            ({"scope": "system/Patient.rs"}, "invalid_scope"),
            ({"scope": "openid fhirUser"}, "invalid_scope"),
            ({"scope": "system/Claim.rs?status=active"}, "invalid_scope"),
            ({"scope": "system/Claim.sr"}, "invalid_scope"),
            ({"scope": "system/Claim."}, "invalid_scope"),
            ({"scope": "user/Claim.rs"}, "invalid_scope"),
            ({"scope": " ".join(["system/Claim.rs"] * 65)}, "invalid_scope"),
        ],
    )
    async def test_fields(self, world: World, change: dict[str, Any], error: str) -> None:
        answer = await world.ask(**change)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"

    async def test_client_id_must_fit(self, world: World) -> None:
        assert (await world.ask(client_id="ehr-1")).status_code == 200
        assert (await world.ask(client_id="ehr-2")).json()["error"] == "invalid_client"

    async def test_secrets_are_no_proof(self, world: World) -> None:
        form = {"grant_type": "client_credentials", "client_id": "ehr-1", "client_secret": "x", "scope": "system/*.rs"}
        answer = await world.http.post("/auth/token", data=form, headers={"Authorization": "Basic eDp5"})
        assert answer.json()["error"] == "invalid_request"

    @pytest.mark.parametrize(
        ("body", "type"),
        [
            (b"{}", "application/json"),
            (b"grant_type=client_credentials", "text/plain"),
            (b"grant_type=client_credentials", ""),
            (b"grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded"),
            (b"grant_type=\xff", "application/x-www-form-urlencoded"),
            (b"grant_type=%ff", "application/x-www-form-urlencoded"),
            (b"", "application/x-www-form-urlencoded"),
            (b"&".join(b"f%d=1" % number for number in range(30)), "application/x-www-form-urlencoded"),
            (b"grant_type=" + b"x" * 40_000, "application/x-www-form-urlencoded"),
        ],
    )
    async def test_bodies(self, world: World, body: bytes, type: str) -> None:
        answer = await world.http.post("/auth/token", content=body, headers={"Content-Type": type})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    async def test_credentials_in_the_address_do_not_count(self, world: World) -> None:
        fields = {"grant_type": "client_credentials", "client_assertion": world.assertion()}
        answer = await world.http.post(
            "/auth/token", params=fields, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 400

    @given(body=st.binary(max_size=400))
    @hypothesis_settings(max_examples=60)
    async def test_any_body(self, body: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        world = make_world(tmp_path_factory.mktemp("any"))
        answer = await world.http.post(
            "/auth/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 400
        assert answer.json()["error"] in ("invalid_request", "unsupported_grant_type")


class TestAuthorizationHeader:
    async def status(self, world: World, *headers: str) -> httpx.Response:
        return await world.http.get("/fhir/Claim/1", headers=[("Authorization", header) for header in headers])

    async def test_none_gets_a_challenge_without_an_error(self, world: World) -> None:
        answer = await self.status(world)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="precert"'
        assert answer.json()["issue"][0]["code"] == "login"

    @pytest.mark.parametrize(
        "header",
        ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer a b", "Bearer a.b.c", "bearer ...", "BearerX", "Bearer " + "x" * 9000,
         "Bearer " + "." * 8000, f"Bearer {b64(b'[' * 3000)}.{b64({})}.x", "Bearer e30.e30.", "Token abc"],
    )  # fmt: skip
    async def test_malformed(self, world: World, header: str) -> None:
        answer = await self.status(world, header)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert header[7:] not in answer.text or len(header) < 10

    async def test_two_headers(self, world: World) -> None:
        token = await world.token("system/Claim.rs")
        assert (await self.status(world, f"Bearer {token}", "Bearer x")).status_code == 401
        assert (await self.status(world, f"bearer   {token}")).status_code == 200

    async def test_a_token_in_the_address_does_not_count(self, world: World) -> None:
        token = await world.token("system/Claim.rs")
        assert (await world.http.get("/fhir/Claim/1", params={"access_token": token})).status_code == 401

    async def test_forged(self, world: World) -> None:
        token = await world.token("system/Claim.rs")
        header, claims, signature = token.split(".")
        more = json.loads(b64_decode(claims)) | {"scope": "system/*.cruds"}
        secret = OctKey.generate_key(256)
        kid = json.loads(b64_decode(header))["kid"]
        mine = jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": kid}, more, secret, registry=ANY)
        none = f"{b64({'alg': 'none', 'typ': 'at+jwt', 'kid': kid})}.{b64(more)}."
        keyless = jwt.encode({"alg": "HS256", "typ": "at+jwt"}, more, secret, registry=ANY)
        for forged in (
            f"{header}.{b64(more)}.{signature}",
            f"{header}.{claims}.",
            mine,
            none,
            keyless,
            world.assertion(),
        ):
            assert (await self.status(world, f"Bearer {forged}")).status_code == 401

    async def test_of_another_server(self, tmp_path: Path, world: World) -> None:
        """With the same key, under another name: a test system that was copied from the real one."""
        keys = world.security.authenticator.tokens.keys
        other = AccessTokens(keys, world.runtime, "https://test.payer.test").issue("ehr-1", ["system/Claim.rs"])
        assert (await self.status(world, f"Bearer {other}")).status_code == 401
        key = keys.signing
        claims = {"iss": BASE, "aud": BASE, "exp": 9e9, "client_id": "ehr-1", "scope": "system/*.cruds"}
        untyped = jwt.encode({"alg": "HS256", "kid": key.kid}, claims, key, registry=ANY)
        assert (await self.status(world, f"Bearer {untyped}")).status_code == 401

    @given(value=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=300))
    def test_any_value(self, value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        authenticator = _shared(tmp_path_factory)
        for header in (value, f"Bearer {value}"):
            with pytest.raises(FhirError) as raised:
                authenticator.identify(Headers({"authorization": header}), "/fhir/Claim/1", "GET")
            assert raised.value.status == 401

    @given(
        header=st.dictionaries(
            st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "x5c", "enc", "zip"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.sampled_from(["HS256", "none", "at+jwt", "ES384"])
            | st.lists(st.just("b64")),
        ),
        claims=st.recursive(st.none() | st.integers() | st.text(string.printable), st.lists, max_leaves=5),
        signature=st.binary(max_size=64),
    )
    def test_any_jwt(
        self, header: dict[str, Any], claims: Any, signature: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        authenticator = _shared(tmp_path_factory)
        token = f"Bearer {b64(header)}.{b64(claims)}.{b64(signature)}"
        with pytest.raises(FhirError) as raised:
            authenticator.identify(Headers({"authorization": token}), "/fhir/Claim/1", "GET")
        assert raised.value.status == 401


def _shared(factory: pytest.TempPathFactory) -> Any:
    folder = factory.getbasetemp() / "shared"
    folder.mkdir(exist_ok=True)
    return make_world(folder).security.authenticator


def b64_decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
