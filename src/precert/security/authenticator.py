"""Who calls, by access token: the check before every request in ``smart`` mode.

Sources: RFC 6750 (Bearer; 401 ``invalid_token``, 403 ``insufficient_scope``), SMART App Launch 2.2. Tokens are taken
from the Authorization header only; they are never logged and never repeated in an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import structlog
from starlette.datastructures import Headers

from precert.fhir.outcome import FhirError, Issue
from precert.security.access import Need, needed
from precert.security.clients import ClientRegistry, Registered
from precert.security.identity import Client
from precert.security.limits import RateLimiter
from precert.security.scopes import Scope, parse_scope, permits
from precert.security.tokens import AccessTokens, Held, TokenInvalid

log = structlog.get_logger(__name__)

REALM = "precert"
_CHALLENGE = f'Bearer realm="{REALM}"'


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Checks requests. ``bases`` are the FHIR bases, under which scopes apply."""

    tokens: AccessTokens
    clients: ClientRegistry
    limiter: RateLimiter
    bases: Sequence[str]

    def identify(self, headers: Headers, path: str, method: str) -> Client:
        """Who sends this request, if it may.

        Raises FhirError: 401 without a good token, 403 without the scope, 429 when it asks too often.
        """
        held = self._held(headers)
        registered = self.clients.get(held.client_id)
        if registered is None:
            _unauthorized("the client is no longer registered here, or suspended")
        seconds = self.limiter.wait(held.client_id, registered.entry.requests_per_minute)
        if seconds:
            raise too_many(seconds)
        self._check(needed(method.upper(), path, self.bases), held.scopes, registered)
        return Client(held.client_id, held.scopes, registered.organizations, registered.roles)

    def _held(self, headers: Headers) -> Held:
        sent = headers.getlist("authorization")
        if not sent:
            text = (
                "This server needs an access token (Authorization: Bearer …). GET {base}/.well-known/smart-configuration "
                "says where to fetch one."
            )
            raise FhirError(401, Issue("error", "login", text, rule="no-token"), {"WWW-Authenticate": _CHALLENGE})
        scheme, _, token = sent[0].strip().partition(" ")
        token = token.strip()
        if len(sent) > 1 or scheme.lower() != "bearer" or not token:
            _unauthorized("send exactly one header of the form Authorization: Bearer <token>")
        try:
            return self.tokens.verify(token)
        except TokenInvalid as error:
            _unauthorized(str(error))

    def _check(self, need: Need, scopes: frozenset[str], registered: Registered) -> None:
        """The token must carry the scope, and the registration must still allow it: it may have been narrowed since."""
        if (not need.scopes and not need.staff) or (need.staff and registered.roles):
            return
        held = [parse_scope(scope) for scope in scopes]
        if any(permits(held, wanted) and permits(registered.allowed, wanted) for wanted in need.scopes):
            return
        log.info("request refused", client=registered.entry.client_id, needs=[str(wanted) for wanted in need.scopes])
        raise _forbidden(need)


def _unauthorized(why: str) -> NoReturn:
    # ``why`` is one of our own sentences, so it needs no escaping in the header.
    log.info("token refused", why=why)
    raise FhirError(
        401,
        Issue("error", "login", f"The access token is not accepted: {why}.", rule="token"),
        {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token", error_description="{why}"'},
    )


def _forbidden(need: Need) -> FhirError:
    challenge = f'{_CHALLENGE}, error="insufficient_scope"'
    if not need.scopes:
        text = "This is for the payer's staff; the client has no role here. Roles are given in the client registry."
        return FhirError(403, Issue("error", "forbidden", text, rule="role"), {"WWW-Authenticate": challenge})
    names = " or ".join(map(str, need.scopes))
    text = f"The access token lacks the scope {names}. Ask for it when fetching a token; the operator must allow it."
    return FhirError(
        403,
        Issue("error", "forbidden", text, rule="scope"),
        {"WWW-Authenticate": f'{challenge}, scope="{_first(need)}"'},
    )


def _first(need: Need) -> Scope:
    """RFC 6750's ``scope`` is what to ask for: any one will do, so the one that fits best."""
    return need.scopes[0]


def too_many(seconds: int) -> FhirError:
    """429 with Retry-After."""
    text = f"The client sends more requests per minute than it was granted. Send this one again in {seconds} s."
    return FhirError(429, Issue("error", "throttled", text, rule="rate"), {"Retry-After": str(seconds)})
