"""Who may call: JWT of registered clients, and open mode."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from crd.building import hook, order
from crd.conftest import World
from precert.crd.identity import authenticator
from precert.security.identity import OPEN_CLIENT
from precert.security.jwt import TRUSTED_ADDRESS, JwtConfig, JwtVerifier, TrustedIssuer
from precert.security.outbound_http import Refused, http_client
from support.app import NOW

URL = "http://precert.test/cds-services/crd-order-sign"
JKU = "https://ehr.example/jwks.json"
ALGORITHMS = ["ES384", "RS384", "ES256", "HS256", "none"]
EC = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"}, private=True)
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"}, private=True)
OTHER = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"}, private=True)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(NOW.timestamp())
    found = {"iss": "https://ehr.example", "aud": URL, "iat": now, "exp": now + 300, "jti": "one"} | changes
    return {key: value for key, value in found.items() if value is not ...}


def signed(key: Any = EC, header: dict[str, Any] | None = None, **changes: Any) -> str:
    alg = "RS384" if isinstance(key, RSAKey) else "ES384"
    made = {"alg": alg, "typ": "JWT", "kid": key.kid, "jku": JKU} | (header or {})
    made = {name: value for name, value in made.items() if value is not ...}
    return jwt.encode(made, claims(**changes), key, registry=JWSRegistry(algorithms=ALGORITHMS))


class KeyServer:
    """What ``jwks.json`` says now, and how often it was read."""

    def __init__(self, *keys: Any) -> None:
        self.keys: list[Any] = list(keys)
        self.reads = 0
        self.status = 200
        self.odd: bytes | None = None  # instead of the keys
        self.headers: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.reads += 1
        assert str(request.url) == JKU
        body = json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()
        return httpx.Response(self.status, content=self.odd or body, headers=self.headers)


def guarded(make: Any, keys: KeyServer | None = None, now: Any = lambda: NOW, **issuer: Any) -> tuple[World, KeyServer]:
    keys = keys or KeyServer(EC, RSA)
    given = {"iss": "https://ehr.example", "jku": (JKU,)} | issuer
    required = given.pop("required", True)
    config = JwtConfig(issuers=(TrustedIssuer(**given),), required=required, leeway=60)
    http = httpx.AsyncClient(transport=httpx.MockTransport(keys))
    verifier = JwtVerifier(config, now, http)
    return make(authenticate=authenticator(lambda request: OPEN_CLIENT, verifier)), keys


async def status(world: World, token: str | None, scheme: str = "Bearer") -> int:
    headers = {"Authorization": f"{scheme} {token}"} if token is not None else {}
    response = await world.hook(hook(order("E1390")), headers=headers)
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.json()["resourceType"] == "OperationOutcome"
        assert token is None or token not in response.text
    return response.status_code


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES384", "RS384"])
async def test_a_good_token(make, key):
    world, _ = guarded(make)
    assert await status(world, signed(key)) == 200


async def test_who_called_is_on_record(make):
    world, _ = guarded(make, client="ehr-one")
    await status(world, signed())
    (entry,) = await world.store.audit(world.consult.tenant)
    assert entry.actor == "ehr-one"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://stranger.example"},
        {"iss": ...},
        {"iss": ["https://ehr.example"]},
        {"aud": "http://precert.test/cds-services/crd-order-select"},
        {"aud": "http://precert.test"},
        {"aud": ...},
        {"aud": []},
        {"exp": int(NOW.timestamp()) - 120},
        {"exp": ...},
        {"exp": "soon"},
        {"exp": True},
        {"exp": int(NOW.timestamp()) + 90_000},
        {"iat": int(NOW.timestamp()) + 600},
        {"iat": ...},
        {"jti": ...},
        {"jti": ""},
        {"jti": 7},
    ],
    ids=str,
)
async def test_claims_that_do_not_hold(make, changes):
    world, _ = guarded(make)
    assert await status(world, signed(**changes)) == 401


@pytest.mark.parametrize(
    "changes",
    [{"aud": [URL, "https://other.example"]}, {"aud": f"{URL}/"}, {"exp": int(NOW.timestamp()) - 30}],
    ids=["several audiences", "trailing slash", "within the leeway"],
)
async def test_claims_that_hold_all_the_same(make, changes):
    world, _ = guarded(make)
    assert await status(world, signed(**changes)) == 200


@pytest.mark.parametrize(
    "header",
    [{"kid": ...}, {"kid": "nobody"}, {"typ": "at+jwt"}, {"jku": "https://evil.example/jwks.json"}, {"alg": "ES256"}],
    ids=str,
)
async def test_headers_that_do_not_hold(make, header):
    world, _ = guarded(make)
    if header.get("alg") == "ES256":
        token = signed()
        changed = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "ec-1"}).encode()).rstrip(b"=").decode()
        token = ".".join([changed, *token.split(".")[1:]])
    else:
        token = signed(header=header)
    assert await status(world, token) == 401


async def test_none_and_symmetric_algorithms_are_never_accepted(make):
    world, _ = guarded(make)
    secret = OctKey.import_key("a secret that both sides know, of some length")
    symmetric = jwt.encode(
        {"alg": "HS256", "typ": "JWT", "kid": "ec-1"}, claims(), secret, registry=JWSRegistry(algorithms=ALGORITHMS)
    )
    header, payload, _ = signed().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT","kid":"ec-1"}').rstrip(b"=").decode()
    assert await status(world, symmetric) == 401
    assert await status(world, f"{unsigned}.{payload}.") == 401
    assert await status(world, f"{header}.{payload}.") == 401


@pytest.mark.parametrize(
    "token", ["", "abc", "a.b", "a.b.c", "....", "e30.e30.e30", "é.é.é", "x" * 9000, "W10.W10.W10"]
)
async def test_what_is_no_token(make, token):
    world, _ = guarded(make)
    response = await world.client.post(
        "/cds-services/crd-order-sign", json=hook(order("E1390")), headers={"Authorization": f"Bearer {token}".encode()}
    )
    assert response.status_code == 401


async def test_another_key_with_the_same_id(make):
    world, _ = guarded(make)
    assert await status(world, signed(OTHER)) == 401


async def test_a_changed_payload(make):
    world, _ = guarded(make)
    header, _, signature = signed().split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims(sub="admin")).encode()).rstrip(b"=").decode()
    assert await status(world, f"{header}.{forged}.{signature}") == 401


async def test_without_a_token(make):
    world, _ = guarded(make)
    assert await status(world, None) == 401
    assert await status(world, "abc", scheme="Basic") == 401
    assert (await world.client.get("/cds-services")).status_code == 401
    assert (await world.client.post("/cds-services/crd-order-sign/feedback", json={})).status_code == 401


async def test_discovery_and_feedback_want_their_own_audience(make):
    world, _ = guarded(make)
    listed = signed(aud="http://precert.test/cds-services", jti="a")
    assert (await world.client.get("/cds-services", headers={"Authorization": f"Bearer {listed}"})).status_code == 200
    said = signed(aud=f"{URL}/feedback", jti="b")
    body = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-20T15:00:00Z"}]}
    answer = await world.client.post(
        "/cds-services/crd-order-sign/feedback", json=body, headers={"Authorization": f"Bearer {said}"}
    )
    assert answer.status_code == 200


async def test_a_token_is_good_once(make):
    world, _ = guarded(make)
    token = signed()
    assert [await status(world, token), await status(world, token)] == [200, 401]
    assert await status(world, signed(jti="two")) == 200


@pytest.mark.parametrize("later", [1, 299, 301, 359])
async def test_a_token_is_good_once_as_long_as_it_is_accepted_at_all(make, later):
    """It is accepted until it expires and the leeway (60 s) is over; so long its jti is remembered."""
    at = [NOW]
    world, _ = guarded(make, now=lambda: at[0])
    token = signed()  # expires after 300 s
    assert await status(world, token) == 200
    at[0] = NOW + timedelta(seconds=later)
    assert await status(world, signed(jti="two", iat=int(at[0].timestamp()))) == 200, "others may have come meanwhile"
    assert await status(world, token) == 401
    fresh, _ = guarded(make, now=lambda: at[0])
    assert await status(fresh, token) == 200, "a server that has not seen it takes it"


async def test_a_client_that_repeats_its_token_may_be_let(make):
    """Inferno sends one JWT for all bodies of a group (T2)."""
    world, _ = guarded(make, replay="warn")
    token = signed()
    assert [await status(world, token), await status(world, token)] == [200, 200]


async def test_keys_are_read_once_and_again_after_rotation(make):
    clock = [NOW]
    keys = KeyServer(EC)
    world, _ = guarded(make, keys, now=lambda: clock[0])
    assert await status(world, signed(jti="1")) == 200
    assert await status(world, signed(jti="2")) == 200
    assert keys.reads == 1
    assert await status(world, signed(RSA, jti="3")) == 401, "not published yet; not asked again at once"
    keys.keys.append(RSA)
    clock[0] = NOW + timedelta(seconds=31)
    assert await status(world, signed(RSA, jti="4")) == 200
    assert keys.reads == 2
    clock[0] = NOW + timedelta(seconds=100)
    keys.status = 500
    assert await status(world, signed(jti="5")) == 200, "cached keys outlive a key server that is down"


async def test_keys_do_not_outlive_their_server_for_ever(make):
    """Whoever withdraws a key must not have to keep a server running for that."""
    clock = [NOW]
    keys = KeyServer(EC)
    world, _ = guarded(make, keys, now=lambda: clock[0])
    assert await status(world, signed(jti="1")) == 200
    keys.status = 500
    for hours, expected in ((23, 200), (25, 401)):
        clock[0] = NOW + timedelta(hours=hours)
        now = int(clock[0].timestamp())
        assert await status(world, signed(jti=f"after {hours}", iat=now, exp=now + 300)) == expected
    assert keys.reads == 3


@pytest.mark.parametrize("said", [b"[]", b"{}", b'{"keys": null}'])
async def test_an_answer_that_is_no_key_set_withdraws_no_key(make, said):
    clock = [NOW]
    keys = KeyServer(EC)
    world, _ = guarded(make, keys, now=lambda: clock[0])
    assert await status(world, signed(jti="1")) == 200
    keys.odd = said
    clock[0] = NOW + timedelta(hours=2)
    now = int(clock[0].timestamp())
    assert await status(world, signed(jti="2", iat=now, exp=now + 300)) == 200
    assert keys.reads == 2


async def test_hooks_do_not_wait_for_keys_that_may_not_be_cached(make):
    keys = KeyServer(EC)
    keys.headers = {"Cache-Control": "no-store, max-age=0"}
    world, _ = guarded(make, keys)
    assert [await status(world, signed(jti=jti)) for jti in ("1", "2")] == [200, 200]
    assert keys.reads == 1


async def test_keys_given_out_of_band(make):
    inline = {"keys": [EC.as_dict(private=False), {"kty": "oct", "k": "AA", "kid": "x"}, {"kid": "y"}, 5]}
    world, keys = guarded(make, jku=(), jwks=inline)
    assert await status(world, signed(header={"jku": ...})) == 200
    assert await status(world, signed(jti="b")) == 401, "its jku is not registered"
    assert keys.reads == 0


async def test_an_encryption_key_signs_nothing(make):
    key = ECKey.generate_key("P-384", {"kid": "enc", "use": "enc"}, private=True)
    world, _ = guarded(make, KeyServer(key))
    usable = ECKey.import_key(key.as_dict(private=True) | {"use": "sig"})
    assert await status(world, signed(usable)) == 401


async def test_a_token_may_be_optional_but_not_bad(make):
    world, _ = guarded(make, required=False)
    assert await status(world, None) == 200
    assert await status(world, signed(OTHER)) == 401


async def test_open_mode_does_not_look_at_tokens(make):
    world = make(authenticate=authenticator(lambda request: OPEN_CLIENT))
    assert await status(world, "anything at all") == 200
    assert await status(world, None) == 200


def test_an_issuer_needs_keys():
    with pytest.raises(ValueError, match="without keys"):
        TrustedIssuer(iss="x")
    with pytest.raises(ValueError, match="a key set is an object with a list of keys"):
        TrustedIssuer(iss="x", jwks={"kid": "not in a list"})


@pytest.mark.parametrize("keys", [{"jku": ("http://localhost:4567/jwks.json",)}, {"jwks_url": "http://localhost/j"}])
def test_keys_come_by_https_unless_the_operator_says_otherwise(keys):
    with pytest.raises(ValueError, match="must be https; allow_http"):
        TrustedIssuer(iss="x", **keys)
    assert TrustedIssuer(iss="x", allow_http=True, **keys).allow_http


@pytest.mark.parametrize("scheme", ["file", "ftp", ""])
def test_keys_come_by_http_at_most(scheme):
    with pytest.raises(ValueError, match="must be https"):
        TrustedIssuer(iss="x", jwks_url=f"{scheme}://localhost/jwks.json", allow_http=True)


@pytest.fixture
async def local_keys() -> AsyncIterator[str]:
    """A key server on this machine, over plain http."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"keys": [EC.as_dict(private=False)]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"


async def test_an_exempted_issuer_opens_no_other_address(make, local_keys):
    """allow_http reaches that issuer's keys through the guard; everything else stays behind it."""
    test_client = TrustedIssuer(iss="https://ehr.example", jku=(local_keys,), allow_http=True)
    same_place = TrustedIssuer(iss="https://other.example", jku=(local_keys.replace("http:", "https:"),))
    async with http_client() as http:
        verifier = JwtVerifier(JwtConfig(issuers=(test_client, same_place)), lambda: NOW, http)
        world = make(authenticate=authenticator(lambda request: OPEN_CLIENT, verifier), http=http)
        assert await status(world, signed(header={"jku": local_keys})) == 200
        token = signed(iss="https://other.example", header={"jku": same_place.jku[0]})
        assert await status(world, token) == 401
        with pytest.raises(Refused):
            await http.get(local_keys)


async def test_keys_read_under_an_exemption_serve_no_issuer_without_one(make):
    """Two issuers name one private address; only for the first has the operator allowed it."""

    def private(request: httpx.Request) -> httpx.Response:
        if TRUSTED_ADDRESS not in request.extensions:
            raise Refused("a private address", request=request)
        return httpx.Response(200, json={"keys": [EC.as_dict(private=False)]})

    exempt = TrustedIssuer(iss="https://ehr.example", jku=(JKU,), allow_http=True)
    other = TrustedIssuer(iss="https://other.example", jku=(JKU,))
    http = httpx.AsyncClient(transport=httpx.MockTransport(private))
    verifier = JwtVerifier(JwtConfig(issuers=(exempt, other)), lambda: NOW, http)
    world = make(authenticate=authenticator(lambda request: OPEN_CLIENT, verifier))
    assert await status(world, signed()) == 200
    assert await status(world, signed(iss="https://other.example", jti="two")) == 401
