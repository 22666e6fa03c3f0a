"""Client assertions: every way in which a client fails to prove who it is."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey
from joserfc.jws import serialize_compact

from precert.security.assertions import SeenOnce, TooManySeen
from security.world import ANY, BASE, KID, TOKEN_URL, World, b64, ec_key, entry, make_world, public, rsa_key


async def refused(world: World, assertion: str, why: str) -> None:
    """The assertion is refused as invalid_client, for this reason, without repeating any of it."""
    answer = await world.ask(assertion)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    assert why in answer.json()["error_description"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["cache-control"] == "no-store"


class TestAssertion:
    async def test_alg_none(self, world: World) -> None:
        claims = world.claims()
        await refused(world, f"{b64({'alg': 'none', 'kid': KID})}.{b64(claims)}.", "alg must be")

    async def test_hs256_with_the_public_key_as_secret(self, world: World) -> None:
        """The classic confusion: what is public must not do as a shared secret."""
        for secret in (json.dumps(public(ec_key())).encode(), ec_key().as_pem(private=False)):
            signed = f"{b64({'alg': 'HS256', 'kid': KID})}.{b64(world.claims())}"
            mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            await refused(world, f"{signed}.{b64(mac)}", "alg must be")

    @pytest.mark.parametrize(
        "algorithm", ["RS256", "PS384", "ES256", "ES512", "HS384", "es384", "", 384, None, ["ES384"]]
    )
    async def test_other_algorithms(self, world: World, algorithm: Any) -> None:
        header, claims = {"alg": algorithm, "kid": KID}, world.claims()
        await refused(world, f"{b64(header)}.{b64(claims)}.{b64(b'signature')}", "alg must be")

    async def test_rs256_signature(self, world: World) -> None:
        await refused(world, world.assertion(rsa_key(), {"alg": "RS256"}), "alg must be")

    async def test_algorithm_of_another_key(self, world: World) -> None:
        await refused(world, world.assertion(rsa_key(), {"kid": KID}), "the key is for ES384")

    async def test_another_key_with_the_same_id(self, world: World) -> None:
        other = ECKey.generate_key("P-384", {"kid": KID})
        await refused(world, world.assertion(other), "signature does not fit")

    async def test_a_key_of_another_client(self, tmp_path: Path) -> None:
        world = make_world(tmp_path, entry(), entry(client_id="ehr-2", jwks=public(ec_key("two"))))
        await refused(world, world.assertion(ec_key("two")), "not among the client's keys")
        await refused(world, world.assertion(ec_key("two"), {"kid": KID}), "signature does not fit")

    async def test_changed_claims(self, world: World) -> None:
        header, _, signature = world.assertion().split(".")
        await refused(world, f"{header}.{b64(world.claims(jti='other'))}.{signature}", "signature does not fit")

    async def test_no_signature(self, world: World) -> None:
        header, claims, _ = world.assertion().split(".")
        await refused(world, f"{header}.{claims}.", "signature does not fit")
        await refused(world, f"{header}.{claims}", "not a signed JWT")

    async def test_unknown_kid(self, world: World) -> None:
        await refused(world, world.assertion(header={"kid": "nobody"}), "(kid) is not among")
        await refused(world, world.assertion(header={"kid": None}), "no kid")
        await refused(world, world.assertion(header={"kid": ""}), "no kid")

    async def test_unregistered_jku(self, world: World) -> None:
        await refused(world, world.assertion(header={"jku": "https://evil.test/jwks.json"}), "jku")

    async def test_an_embedded_key_is_not_used(self, world: World) -> None:
        other = ECKey.generate_key("P-384", {"kid": KID})
        header = {"jwk": other.as_dict(private=False)}
        await refused(world, world.assertion(other, header), "signature does not fit")

    async def test_critical_header_members(self, world: World) -> None:
        assertion = world.assertion()
        _, claims, signature = assertion.split(".")
        for extra in ({"crit": ["exp"]}, {"crit": ["b64"], "b64": False}):
            header = {"alg": "ES384", "kid": KID, "typ": "JWT"} | extra
            await refused(world, f"{b64(header)}.{claims}.{signature}", "crit")

    async def test_another_kind_of_token(self, world: World) -> None:
        await refused(world, world.assertion(header={"typ": "at+jwt"}), "typ must be JWT")

    async def test_typ_and_iat_may_be_left_out(self, world: World) -> None:
        assert (await world.ask(world.assertion(header={"typ": None}, iat=None))).status_code == 200

    async def test_unknown_header_members_are_ignored(self, world: World) -> None:
        assert (await world.ask(world.assertion(header={"vendor": "x" * 100}))).status_code == 200

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"iss": "stranger", "sub": "stranger"}, "not registered"),
            ({"sub": "other"}, "iss and sub"),
            ({"iss": None}, "iss and sub"),
            ({"sub": None}, "iss and sub"),
            ({"iss": 1, "sub": 1}, "iss and sub"),
            ({"iss": ["ehr-1"], "sub": ["ehr-1"]}, "iss and sub"),
            ({"aud": None}, "aud must be"),
            ({"aud": BASE}, "aud must be"),
            ({"aud": TOKEN_URL + "/"}, "aud must be"),
            ({"aud": TOKEN_URL.replace("https", "http")}, "aud must be"),
            ({"aud": [TOKEN_URL, "https://other.test/token"]}, "aud must be"),
            ({"aud": []}, "aud must be"),
            ({"aud": {"a": 1}}, "aud must be"),
            ({"exp": None}, "exp must be a number"),
            ({"exp": "soon"}, "exp must be a number"),
            ({"exp": True}, "exp must be a number"),
            ({"exp": 1e300}, "exp must be a number"),
            ({"exp": float("inf")}, "exp must be a number"),
            ({"exp": float("nan")}, "exp must be a number"),
            ({"iat": "now"}, "iat must be a number"),
            ({"nbf": []}, "nbf must be a number"),
            ({"jti": None}, "no jti"),
            ({"jti": ""}, "no jti"),
            ({"jti": 7}, "no jti"),
        ],
    )
    async def test_claims(self, world: World, change: dict[str, Any], why: str) -> None:
        await refused(world, world.assertion(**change), why)

    @pytest.mark.parametrize(
        ("claim", "seconds", "why"),
        [
            ("exp", -60, "expired"),
            ("exp", -3600, "expired"),
            ("exp", 361, "more than five minutes"),
            ("iat", 61, "in the future"),
            ("nbf", 61, "in the future"),
            ("iat", -1, "lives longer"),
        ],
    )
    async def test_times(self, world: World, claim: str, seconds: int, why: str) -> None:
        at = int(world.clock().timestamp()) + seconds
        change: dict[str, Any] = {"iat": None, claim: at} if claim == "exp" else {claim: at}
        await refused(world, world.assertion(**change), why)

    @pytest.mark.parametrize(("claim", "seconds"), [("exp", -59), ("exp", 360), ("iat", 60), ("nbf", 60)])
    async def test_clocks_may_differ_by_a_minute(self, world: World, claim: str, seconds: int) -> None:
        at = int(world.clock().timestamp()) + seconds
        change: dict[str, Any] = {"iat": None, claim: at}
        assert (await world.ask(world.assertion(**change))).status_code == 200

    async def test_one_audience_in_a_list(self, world: World) -> None:
        assert (await world.ask(world.assertion(aud=[TOKEN_URL]))).status_code == 200

    async def test_replay(self, world: World) -> None:
        assertion = world.assertion()
        assert (await world.ask(assertion)).status_code == 200
        await refused(world, assertion, "used before")
        world.clock.forward(seconds=359)
        await refused(world, assertion, "used before")
        world.clock.forward(seconds=1)
        await refused(world, assertion, "expired")

    async def test_the_same_jti_of_two_clients_is_no_replay(self, tmp_path: Path) -> None:
        world = make_world(tmp_path, entry(), entry(client_id="ehr-2"))
        for client in ("ehr-1", "ehr-2"):
            assert (await world.ask(world.assertion(iss=client, sub=client, jti="one"))).status_code == 200

    async def test_a_forged_assertion_uses_up_no_jti(self, world: World) -> None:
        other = ECKey.generate_key("P-384", {"kid": KID})
        await refused(world, world.assertion(other, jti="mine"), "signature does not fit")
        assert (await world.ask(world.assertion(jti="mine"))).status_code == 200

    async def test_when_no_more_can_be_remembered(self, world: World) -> None:
        world.security.endpoint.verifier.seen = SeenOnce(most=2)
        first = world.assertion()
        assert (await world.ask(first)).status_code == 200
        assert (await world.ask()).status_code == 200
        full = await world.ask()
        assert (full.status_code, full.headers["retry-after"]) == (503, "60")
        await refused(world, first, "used before")
        world.clock.forward(seconds=361)
        assert (await world.ask()).status_code == 200

    @pytest.mark.parametrize(
        "assertion",
        [
            "x",
            "a.b.c",
            "..",
            "a.b.c.d.e",
            f"{b64([])}.{b64({})}.x",
            f"{b64({})}.{b64('text')}.x",
            f"{b64(b'[' * 3000)}.{b64({})}.x",
            f"{b64(b'{' + b'0xff')}.{b64({})}.x",
            f"{b64(bytes(range(128, 255)))}.{b64({})}.x",
            "ä.ö.ü",
            "a" * 9000,
            f"{b64({'alg': 'ES384'})}.{b64({'iss': 'x' * 9000})}.x",
        ],
    )
    async def test_no_jwt_at_all(self, world: World, assertion: str) -> None:
        await refused(world, assertion, "not a signed JWT")

    async def test_deep_claims(self, world: World) -> None:
        await refused(world, f"{b64({'alg': 'ES384'})}.{b64(b'[' * 5000)}.x", "not a signed JWT")

    async def test_surrogates_in_jti(self, world: World) -> None:
        claims = json.dumps(world.claims()).replace('"jti-1"', '"\\ud800"').encode()
        assertion = serialize_compact({"alg": "ES384", "kid": KID}, claims, ec_key(), registry=ANY)
        assert (await world.ask(assertion)).status_code == 200
        await refused(world, assertion, "used before")


def test_seen_once_forgets_what_is_over() -> None:
    seen = SeenOnce(most=3)
    assert seen.first("a", "1", until=10, now=0)
    assert not seen.first("a", "1", until=10, now=10)
    assert seen.first("b", "1", until=20, now=0)
    assert seen.first("a", "2", until=30, now=0)
    with pytest.raises(TooManySeen):
        seen.first("a", "3", until=30, now=10)
    assert seen.first("a", "3", until=30, now=11)
