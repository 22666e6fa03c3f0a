"""Public keys of clients: JSON Web Key sets given in the registry, or read from the client's address and cached.

Sources: SMART App Launch 2.2 "Client Authentication: Asymmetric" (RS384 or ES384; a key set by URL is preferred; it
SHALL NOT be cached for longer than the client's Cache-Control says), RFC 7517.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from precert.security.jwks import FETCH_SECONDS, read_jwks

log = structlog.get_logger(__name__)

_MOST_KEYS = 100
_AGAIN_AFTER = 30.0
"""Seconds before an address is asked again for a key that it did not have, or after it failed."""
_STALE_SECONDS = 24 * 3600.0
"""How long known keys stay good while the client's address, which stated nothing about caching, does not answer."""
_SMALLEST_RSA = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:store|cache)\b", re.IGNORECASE)


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
    members = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(members, list) or not members:
        raise ValueError("a key set is an object with a list of keys")
    for member in members:
        key = public_key(member)
        if found.setdefault(key.kid, key) is not key:
            raise ValueError(f"two keys have the kid {key.kid!r}")
    return found


def published_keys(jwks: Any) -> dict[str, PublicKey]:
    """The usable keys of a set that a client publishes; others (for encryption, say) are passed over."""
    found: dict[str, PublicKey] = {}
    members = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(members, list):
        raise ValueError("a key set is an object with a list of keys")
    for member in members[:_MOST_KEYS]:
        try:
            key = public_key(member)
        except ValueError as error:
            log.info("a published key is passed over", why=str(error))
            continue
        found[key.kid] = key
    return found


@dataclass(frozen=True, slots=True)
class _Cached:
    keys: Keys
    read_at: float  # when these keys were read
    tried_at: float  # when the address was last asked, with or without an answer
    fresh_for: float
    usable_for: float  # longer than fresh_for, for as long as the address does not answer

    @property
    def answered(self) -> bool:
        return self.tried_at == self.read_at

    def fresh(self, now: float) -> bool:
        return now - self.read_at < self.fresh_for

    def usable(self, now: float) -> bool:
        return now - self.read_at < self.usable_for


def new_http() -> httpx.AsyncClient:
    """The HTTP client that reads key sets. It follows no redirects: only the registered address is trusted."""
    return httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)


@dataclass(slots=True)
class KeySets:
    """Key sets by address. Only addresses of the registry are ever asked, so the number of entries is bounded by it."""

    now: Callable[[], datetime]
    cache_seconds: float = 3600.0
    http: Callable[[], httpx.AsyncClient] = new_http
    _cache: dict[str, _Cached] = field(default_factory=dict)
    _reading: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def key(self, address: str, kid: str) -> PublicKey | None:
        """The key ``kid`` of the set at ``address``.

        The set is read when it is not cached, too old, or (not more often than every 30 s) lacks the key: this is how
        a client rotates. While the address does not answer, what was read within the last day still counts, unless the
        client's Cache-Control said otherwise.
        """
        cached = self._cache.get(address)
        if not self._enough(cached, kid):
            async with self._reading.setdefault(address, asyncio.Lock()):
                cached = self._cache.get(address)
                if not self._enough(cached, kid):
                    cached = self._cache[address] = await self._renewed(address, cached)
                    if cached.answered:  # good for this once, even where nothing may be cached
                        return cached.keys.get(kid)
        if cached is None or not cached.usable(self.now().timestamp()):
            return None
        return cached.keys.get(kid)

    def _enough(self, cached: _Cached | None, kid: str) -> bool:
        """Whether the address need not, or may not yet, be asked."""
        if cached is None:
            return False
        now = self.now().timestamp()
        if cached.fresh(now) and kid in cached.keys:
            return True
        # Neither a failure nor a key that is not there is asked about again and again.
        return (not cached.answered or kid not in cached.keys) and now - cached.tried_at < _AGAIN_AFTER

    async def _renewed(self, address: str, before: _Cached | None) -> _Cached:
        read = await self._read(address)
        now = self.now().timestamp()
        if read is not None:
            keys, cache_control = read
            fresh_for, usable_for = self._times(cache_control)
            return _Cached(keys, now, now, fresh_for, usable_for)
        return replace(before, tried_at=now) if before is not None else _Cached({}, 0.0, now, 0.0, 0.0)

    async def _read(self, address: str) -> tuple[Keys, str] | None:
        async with self.http() as http:
            read = await read_jwks(http, address)
        if read is None:
            return None
        try:
            return published_keys(read[0]), read[1]
        except ValueError as error:
            log.warning("keys cannot be read", address=address, why=str(error))
            return None

    def _times(self, cache_control: str) -> tuple[float, float]:
        """For how long keys are fresh, and for how long they may be used at all."""
        if _NO_CACHE.search(cache_control):
            return 0.0, 0.0
        stated = _MAX_AGE.search(cache_control)
        if stated is None:
            return self.cache_seconds, max(self.cache_seconds, _STALE_SECONDS)
        return min(self.cache_seconds, float(stated[1])), float(stated[1])
