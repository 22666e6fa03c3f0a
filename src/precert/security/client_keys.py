"""Public keys of clients: JSON Web Key sets given in the registry, or read from the client's address.

Sources: SMART App Launch 2.2 "Client Authentication: Asymmetric" (RS384 or ES384; a key set by URL is preferred; it
SHALL NOT be cached for longer than the client's Cache-Control says: ``keysets``), RFC 7517.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from precert.security.jwks import FETCH_SECONDS, MOST_KEYS, members, read_jwks
from precert.security.keysets import KeySets

log = structlog.get_logger(__name__)

_SMALLEST_RSA = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures of ``algorithm``, and no other, can be checked with."""

    kid: str
    algorithm: str
    key: ECKey | RSAKey


Keys = Mapping[str, PublicKey]
"""By key id (``kid``)."""


def public_key(jwk: Any) -> PublicKey:
    """Read one JSON Web Key. Raises ValueError that says why it cannot be used; it never quotes key material."""
    if not isinstance(jwk, dict):
        raise ValueError("a key must be a JSON object")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid or len(kid) > 200:
        raise ValueError("the key has no kid")
    if _PRIVATE & jwk.keys():
        raise ValueError(f"key {kid!r} is a private or secret key; whoever has it is the client. Replace the pair")
    if jwk.get("use", "sig") != "sig":
        raise ValueError(f"key {kid!r} is not for signatures (use)")
    algorithm = _algorithm(jwk, kid)
    try:
        key = ECKey.import_key(jwk) if algorithm == "ES384" else RSAKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"key {kid!r} cannot be read") from error
    if jwk.get("alg", algorithm) != algorithm:
        raise ValueError(f"key {kid!r} says it is for another algorithm than {algorithm}")
    return PublicKey(kid, algorithm, key)


def _algorithm(jwk: dict[str, Any], kid: str) -> str:
    """What the key is for: its kind decides, so that no token can choose."""
    if jwk.get("kty") == "EC" and jwk.get("crv") == "P-384":
        return "ES384"
    if jwk.get("kty") != "RSA":
        raise ValueError(f"key {kid!r} must be RSA, or EC on the curve P-384")
    try:
        modulus = base64.urlsafe_b64decode(jwk["n"] + "===")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"key {kid!r} cannot be read") from error
    if int.from_bytes(modulus, "big").bit_length() < _SMALLEST_RSA:
        raise ValueError(f"key {kid!r} has fewer than {_SMALLEST_RSA} bits")
    return "RS384"


def given_keys(jwks: Any) -> dict[str, PublicKey]:
    """The keys of a set that an operator wrote down. Raises ValueError if any of them is unusable."""
    found: dict[str, PublicKey] = {}
    for member in members(jwks):
        key = public_key(member)
        if found.setdefault(key.kid, key) is not key:
            raise ValueError(f"two keys have the kid {key.kid!r}")
    if not found:
        raise ValueError("a key set is an object with a list of keys")
    return found


def published_keys(jwks: Any) -> dict[str, PublicKey]:
    """The usable keys of a set that a client publishes; others (for encryption, say) are passed over."""
    found: dict[str, PublicKey] = {}
    for member in members(jwks)[:MOST_KEYS]:
        try:
            key = public_key(member)
        except ValueError as error:
            log.info("a published key is passed over", why=str(error))
            continue
        found[key.kid] = key
    return found


def new_http() -> httpx.AsyncClient:
    """The HTTP client that reads key sets. It follows no redirects: only the registered address is trusted."""
    return httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)


def client_key_sets(
    now: Callable[[], datetime], cache_seconds: float = 3600.0, http: Callable[[], httpx.AsyncClient] = new_http
) -> KeySets[PublicKey]:
    """The key sets that clients publish. ``http`` makes the client that reads one, closed after each use."""

    async def fetch(address: str) -> tuple[Any, str] | None:
        async with http() as client:
            return await read_jwks(client, address)

    return KeySets(now, fetch, published_keys, cache_seconds)
