"""CDS Hooks client identity: a signed JWT per call (CDS Hooks 2.0, docs/crd.md: H@176 to H@206).

Only issuers that the operator has registered are believed, with keys from an address that is registered with them or
from a key set given out of band. Keys are cached, and read again once when a key id is unknown (rotation). ``none`` and
symmetric algorithms are never accepted.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, ConfigDict, Field, model_validator

from precert.fhir.outcome import FhirError, Issue
from precert.security.compact import is_time, unverified
from precert.security.jwks import MOST_KEYS, members, read_jwks
from precert.security.keysets import KeySets

log = structlog.get_logger(__name__)

Key = ECKey | RSAKey
Algorithm = Literal["ES384", "RS384", "ES256", "RS256", "ES512", "RS512"]

TRUSTED_ADDRESS = "precert.trusted-address"
"""Request extension: the operator allows this address although it is private or plain http (``allow_http``)."""
_SEEN_MOST = 100_000


class TrustedIssuer(BaseModel):
    """A CDS Hooks client that may call. Keys come from ``jwks`` (out of band), ``jwks_url``, or a registered ``jku``.

    ``replay``: ``enforce`` refuses a ``jti`` that was seen, ``warn`` only logs it (Inferno sends one token several times).
    ``allow_http``: this issuer's key addresses may be plain http or in a private network, for tests only: whoever sits
    between us and them can pose as the issuer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    iss: str = Field(min_length=1)
    client: str | None = None  # our name for it; the issuer when not given
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    jku: tuple[str, ...] = ()
    algorithms: tuple[Algorithm, ...] = ("ES384", "RS384")
    replay: Literal["enforce", "warn"] = "enforce"
    allow_http: bool = False

    @model_validator(mode="after")
    def _has_keys(self) -> TrustedIssuer:
        if self.jwks is None and self.jwks_url is None and not self.jku:
            raise ValueError("give jwks, jwks_url or jku: without keys no token can be checked")
        if self.jwks is not None:
            members(self.jwks)
        schemes = ("https", "http") if self.allow_http else ("https",)
        for address in (*self.jku, *([self.jwks_url] if self.jwks_url else [])):
            if urlsplit(address).scheme not in schemes:
                raise ValueError(f"{address} must be https; allow_http = true permits plain http, for tests only")
        return self


class JwtConfig(BaseModel):
    """Who is trusted, and how exact clocks have to be (seconds)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuers: tuple[TrustedIssuer, ...] = ()
    required: bool = True
    leeway: int = Field(60, ge=0, le=300)
    max_lifetime: int = Field(3600, ge=60)
    cache_seconds: int = Field(3600, ge=0)


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is good: whose it is."""

    client: str
    issuer: str
    jti: str
    tenant: str | None = None


@dataclass(slots=True)
class JwtVerifier:
    """Checks tokens. ``http`` reads registered key addresses only; it should follow no redirects.

    A hook has no time to read keys at each call: they are kept for ``cache_seconds``, whatever Cache-Control says.
    """

    config: JwtConfig
    now: Callable[[], datetime]
    http: httpx.AsyncClient
    _given: dict[str, dict[str, Key]] = field(default_factory=dict)
    _sets: dict[bool, KeySets[Key]] = field(init=False)
    _seen: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _signatures: JWSRegistry = field(
        default_factory=lambda: JWSRegistry(algorithms=["ES384", "RS384", "ES256", "RS256", "ES512", "RS512"])
    )

    def __post_init__(self) -> None:
        for issuer in self.config.issuers:
            if issuer.jwks is not None:
                self._given.setdefault(issuer.iss, usable_keys(members(issuer.jwks)))
        # Kept apart, so that what was read under an issuer's exemption serves no issuer that has none.
        self._sets = {
            exempt: KeySets(self.now, partial(self._fetch, exempt), published_keys, self.config.cache_seconds)
            for exempt in (False, True)
        }

    async def verify(self, token: str, url: str) -> Verified:
        """Whose token this is, for a call of exactly ``url``. Raises FhirError(401); the reason never holds the token."""
        header, claims = unverified(token) or _refuse("it is not a signed JWT")
        issuer = self._issuer(claims)
        algorithm = header.get("alg")
        if algorithm not in issuer.algorithms:
            _refuse(f"the algorithm must be one of {', '.join(issuer.algorithms)}")
        if header.get("typ", "JWT") != "JWT":
            _refuse("typ must be JWT")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            _refuse("the header has no kid")
        key = await self._key(issuer, header.get("jku"), kid)
        try:
            verified = jwt.decode(token, key, algorithms=[str(algorithm)], registry=self._signatures)
        except (JoseError, ValueError, TypeError):
            _refuse("the signature does not fit")
        return self._checked(verified.claims, issuer, url)

    def _issuer(self, claims: dict[str, Any]) -> TrustedIssuer:
        named = claims.get("iss")
        issuer = next((known for known in self.config.issuers if known.iss == named), None)
        return issuer if issuer is not None else _refuse("the issuer is not registered here")

    def _checked(self, claims: dict[str, Any], issuer: TrustedIssuer, url: str) -> Verified:
        now = self.now().timestamp()
        leeway = self.config.leeway
        expires, issued, jti = claims.get("exp"), claims.get("iat"), claims.get("jti")
        if not is_time(expires) or not is_time(issued):
            _refuse("exp and iat must be numbers")
        if expires <= now - leeway:
            _refuse("the token has expired")
        if issued > now + leeway:
            _refuse("the token was issued in the future; check the clocks")
        if expires - issued > self.config.max_lifetime:
            _refuse(f"the token lives longer than {self.config.max_lifetime} s")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if url.rstrip("/") not in [str(member).rstrip("/") for member in audiences if isinstance(member, str)]:
            _refuse("aud must be the exact URL called")
        if not isinstance(jti, str) or not jti:
            _refuse("the token has no jti")
        self._remember(issuer, jti, float(expires) + leeway, now)
        tenant = claims.get("tenant")
        return Verified(issuer.client or issuer.iss, issuer.iss, jti, tenant if isinstance(tenant, str) else None)

    def _remember(self, issuer: TrustedIssuer, jti: str, until: float, now: float) -> None:
        """Refuse a repeated ``jti`` while its token could still be used; forget it afterwards."""
        while self._seen and (len(self._seen) >= _SEEN_MOST or next(iter(self._seen.values())) < now):
            self._seen.popitem(last=False)
        mark = hashlib.sha256(f"{issuer.iss}\0{jti}".encode()).hexdigest()
        if self._seen.get(mark, 0.0) >= now:
            if issuer.replay == "enforce":
                _refuse("the token was used before (jti); sign a new one for each call")
            log.warning("token used again", issuer=issuer.iss)
        self._seen[mark] = until

    async def _key(self, issuer: TrustedIssuer, jku: object, kid: str) -> Key:
        if jku is not None and jku not in (*issuer.jku, issuer.jwks_url):
            _refuse("the jku is not registered for this issuer")
        if issuer.jwks is not None and jku is None:
            key = self._given[issuer.iss].get(kid)
        else:
            address = jku if isinstance(jku, str) else issuer.jwks_url or next(iter(issuer.jku), None)
            assert address is not None  # TrustedIssuer has one of them
            key = await self._sets[issuer.allow_http].key(address, kid)
        return key if key is not None else _refuse("the key (kid) is not among the issuer's keys")

    async def _fetch(self, exempt: bool, address: str) -> tuple[Any, str] | None:
        read = await read_jwks(self.http, address, {TRUSTED_ADDRESS: True} if exempt else None)
        return (read[0], "") if read is not None else None


def published_keys(jwks: Any) -> dict[str, Key]:
    """The usable keys of a set that an issuer publishes. Raises ValueError if it is no key set."""
    return usable_keys(members(jwks)[:MOST_KEYS])


def usable_keys(listed: list[Any]) -> dict[str, Key]:
    """Those that signatures can be checked with, by id; others are passed over."""
    found: dict[str, Key] = {}
    for member in listed:
        kid = member.get("kid") if isinstance(member, dict) else None
        if not isinstance(kid, str) or member.get("use", "sig") != "sig" or member.get("kty") not in ("EC", "RSA"):
            continue
        public = {
            name: value for name, value in member.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "key_ops")
        }
        try:
            key = JWKRegistry.import_key(public)
        except (JoseError, ValueError, TypeError):
            log.warning("a key cannot be used", kid=kid)
            continue
        if isinstance(key, ECKey | RSAKey):
            found[kid] = key
    return found


def _refuse(why: str) -> NoReturn:
    raise FhirError(
        401,
        Issue("error", "login", f"The JWT is not accepted: {why}.", rule="jwt"),
        {"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
