"""Client assertions: the signed JWT by which a client system proves who it is (``private_key_jwt``).

Sources: SMART App Launch 2.2 "Client Authentication: Asymmetric" (claims, RS384 and ES384, five minutes, ``jti`` not
used twice), RFC 7523 section 3, RFC 8725 (algorithm bound to the key, one audience).

CDS Hooks JWTs (jwt.py) look alike but are another thing: sent with every call, for an hour, of issuers that are no
OAuth clients. ``iat`` is no claim of SMART's assertion, so it is checked only where it stands.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from precert.security.client_keys import PublicKey
from precert.security.clients import ClientRegistry, Registered
from precert.security.compact import is_time, unverified
from precert.security.keysets import KeySets

ALGORITHMS = ("RS384", "ES384")
LONGEST = 300
"""Seconds that an assertion may live, SMART's five minutes."""
_MOST_SEEN = 200_000
_TYPES = frozenset({"jwt", "client-authentication+jwt"})


class AssertionRefused(Exception):
    """The client did not prove who it is; the message says why and holds nothing of the assertion."""


class TooManySeen(Exception):
    """More assertions within five minutes than can be remembered; a new one could not be told from a replay."""


@dataclass(slots=True)
class SeenOnce:
    """The ``jti`` of assertions that were used, for as long as they could be used again.

    In memory, bounded. When it is full it refuses new ones and never forgets one that is still good.
    """

    most: int = _MOST_SEEN
    _until: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def first(self, client_id: str, jti: str, until: float, now: float) -> bool:
        """Whether this one is new; it is remembered. Raises TooManySeen."""
        while self._until and next(iter(self._until.values())) < now:
            self._until.popitem(last=False)
        mark = hashlib.sha256(f"{client_id}\0{jti}".encode("utf-8", "surrogatepass")).digest()
        if self._until.get(mark, -math.inf) >= now:
            return False
        if len(self._until) >= self.most:
            raise TooManySeen
        self._until[mark] = until
        self._until.move_to_end(mark)
        return True


@dataclass(slots=True)
class AssertionVerifier:
    """Checks assertions for the token endpoint at ``token_url``. ``leeway`` is what clocks may differ, in seconds."""

    clients: ClientRegistry
    sets: KeySets[PublicKey]
    now: Callable[[], datetime]
    token_url: str
    leeway: int = 60
    seen: SeenOnce = field(default_factory=SeenOnce)
    # Header members that nobody knows are ignored, as RFC 7515 has it; those that must not be (crit) are refused below.
    _signatures: JWSRegistry = field(
        default_factory=lambda: JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    )

    async def verify(self, assertion: str, client_id: str | None = None) -> Registered:
        """Whose assertion this is. ``client_id`` is that of the request, if it has one. Raises AssertionRefused."""
        header, claims = unverified(assertion) or _refuse("it is not a signed JWT, or too long")
        client = self._client(claims, client_id)
        key = await self._key(client, header)
        try:
            verified = jwt.decode(assertion, key.key, algorithms=[key.algorithm], registry=self._signatures)
        except (JoseError, ValueError, TypeError):
            _refuse("its signature does not fit the key")
        self._check(verified.claims, client)
        return client

    def _client(self, claims: dict[str, Any], client_id: str | None) -> Registered:
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or claims.get("sub") != issuer:
            _refuse("iss and sub must both be the client_id")
        if client_id is not None and client_id != issuer:
            _refuse("the client_id of the request is not that of the assertion")
        client = self.clients.get(issuer)
        return client if client is not None else _refuse("the client is not registered here, or suspended")

    async def _key(self, client: Registered, header: dict[str, Any]) -> PublicKey:
        algorithm, kid, address = header.get("alg"), header.get("kid"), header.get("jku")
        if algorithm not in ALGORITHMS:
            _refuse(f"alg must be one of {', '.join(ALGORITHMS)}")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            _refuse("typ must be JWT")
        if "crit" in header:
            _refuse("critical header members (crit) are not understood")
        if address is not None and address != client.entry.jwks_url:
            _refuse("jku is not the key set address that was registered")
        if not isinstance(kid, str) or not kid:
            _refuse("the header has no kid")
        key = await client.key(kid, self.sets)
        if key is None:
            _refuse("its key (kid) is not among the client's keys")
        if key.algorithm != algorithm:
            _refuse(f"the key is for {key.algorithm}")
        return key

    def _check(self, claims: dict[str, Any], client: Registered) -> None:
        now = self.now().timestamp()
        expires, jti, audience = claims.get("exp"), claims.get("jti"), claims.get("aud")
        # One audience: an assertion that is also for somebody else could be used here by that somebody.
        if (audience[0] if isinstance(audience, list) and len(audience) == 1 else audience) != self.token_url:
            _refuse(f"aud must be {self.token_url}")
        if not is_time(expires):
            _refuse("exp must be a number of seconds")
        if expires <= now - self.leeway:
            _refuse("it has expired")
        if expires > now + LONGEST + self.leeway:
            _refuse("exp is more than five minutes ahead")
        for claim in ("iat", "nbf"):
            if claim in claims and not is_time(claims[claim]):
                _refuse(f"{claim} must be a number of seconds")
            if claims.get(claim, now) > now + self.leeway:
                _refuse(f"{claim} is in the future; check the clocks")
        if expires - claims.get("iat", expires) > LONGEST:
            _refuse("it lives longer than five minutes")
        if not isinstance(jti, str) or not jti:
            _refuse("it has no jti")
        if not self.seen.first(client.entry.client_id, jti, float(expires) + self.leeway, now):
            _refuse("it was used before (jti); sign a new one for each request")


def _refuse(why: str) -> NoReturn:
    raise AssertionRefused(f"The client assertion is not accepted: {why}.")
