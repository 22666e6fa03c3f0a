"""Access tokens: short-lived, signed with a key of our own, checked without looking anything up.

Sources: SMART App Launch 2.2 "Backend Services" (``expires_in`` SHOULD NOT exceed 300), RFC 9068 (claims, ``at+jwt``),
RFC 8725. HS256, because we are both the issuer and the only reader; nobody else needs a key to check them with.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from precert.runtime import Runtime
from precert.security.identity import SecuritySetupError

log = structlog.get_logger(__name__)

_ALGORITHM = "HS256"
_TYPE = "at+jwt"
_BITS = 256
_MOST_CHARACTERS = 8 * 1024
_KEPT = 2
"""Keys on file: the one that signs and the one before, for the tokens that are still out."""


class _StoredKey(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kid: str = Field(min_length=1)
    k: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: float


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[_StoredKey, ...] = Field(min_length=1)


class TokenKeys:
    """Our signing keys in ``path`` (mode 0600), newest first. Made at the first start, renewed every ``rotate_days``.

    Raises SecuritySetupError when the file is broken or others may read it.
    """

    def __init__(self, path: Path, runtime: Runtime, rotate_days: float = 30.0) -> None:
        self.path = path
        self.runtime = runtime
        self.rotate_seconds = rotate_days * 86400
        stored = _read(path)
        if stored is None:
            self.rotate()
        else:
            self._use(stored)

    @property
    def signing(self) -> OctKey:
        """The key for new tokens; a new one if it is time for that."""
        age = self.runtime.now().timestamp() - self._stored[0].created
        if age >= self.rotate_seconds:
            try:
                self.rotate()
            except (
                SecuritySetupError
            ) as error:  # a full disk is no reason to turn clients away: the old key still signs
                log.error("token key cannot be renewed", problem=str(error))
        return self._keys[0]

    @property
    def checking(self) -> KeySet:
        """The keys of all tokens that can still be good."""
        return self._set

    def rotate(self, *, forget: bool = False) -> None:
        """Sign with a new key from now on. ``forget`` drops the others: every token that is out becomes invalid."""
        new = _StoredKey(
            kid=self.runtime.new_id(),
            k=f"{self.runtime.random_bits(_BITS):064x}",
            created=self.runtime.now().timestamp(),
        )
        before = () if forget else getattr(self, "_stored", ())
        stored = (new, *before)[:_KEPT]
        _write(self.path, _KeyFile(keys=stored))
        self._use(stored)
        log.info("token key made", kid=new.kid)

    def _use(self, stored: Sequence[_StoredKey]) -> None:
        self._stored = tuple(stored)
        self._keys = [OctKey.import_key(bytes.fromhex(key.k), {"kid": key.kid}) for key in stored]
        self._set = KeySet(list(self._keys))


def _read(path: Path) -> tuple[_StoredKey, ...] | None:
    mend = "Mend it, or delete it: the next start makes a new one, and clients fetch new tokens"
    try:
        status = path.stat()
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SecuritySetupError(f"{path}: cannot be read: {error.strerror}. {mend}.") from error
    if os.name == "posix" and status.st_mode & 0o077:
        raise SecuritySetupError(f"{path}: others than its owner may read it (chmod 600). {mend}.")
    try:
        return _KeyFile.model_validate(json.loads(content)).keys
    except (ValidationError, ValueError, RecursionError) as error:
        # Without the cause: pydantic's message would quote the key.
        raise SecuritySetupError(f"{path}: is not a file of token keys ({type(error).__name__}). {mend}.") from None


def _write(path: Path, file: _KeyFile) -> None:
    """All or nothing, and never readable by others. A rename lost with the power costs clients one new token."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()  # of a start that was cut short
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.model_dump_json().encode())
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError as error:
        raise SecuritySetupError(f"{path}: cannot be written: {error.strerror}") from error


class TokenInvalid(Exception):
    """The token is none of ours or no longer good; the message says which and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a good token says."""

    client_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Issues and checks tokens of ``issuer`` that live ``seconds``."""

    keys: TokenKeys
    runtime: Runtime
    issuer: str
    seconds: int = 300

    def issue(self, client_id: str, scopes: Sequence[str]) -> str:
        """A new token for ``client_id``."""
        now = int(self.runtime.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": client_id,
            "client_id": client_id,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + self.seconds,
            "jti": self.runtime.new_id(),
        }
        key = self.keys.signing
        return jwt.encode({"alg": _ALGORITHM, "typ": _TYPE, "kid": key.kid}, claims, key, algorithms=[_ALGORITHM])

    def verify(self, token: str) -> Held:
        """What ``token`` says. Raises TokenInvalid."""
        if len(token) > _MOST_CHARACTERS:
            raise TokenInvalid("it is none of ours")
        try:
            decoded = jwt.decode(token, self.keys.checking, algorithms=[_ALGORITHM])
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise TokenInvalid("it is none of ours, or its key was withdrawn; fetch a new one") from error
        claims = decoded.claims
        if decoded.header.get("typ") != _TYPE or claims.get("iss") != self.issuer or claims.get("aud") != self.issuer:
            raise TokenInvalid("it was issued for another address of this server; fetch a new one")
        if claims["exp"] <= self.runtime.now().timestamp():
            raise TokenInvalid("it has expired; fetch a new one")
        return Held(claims["client_id"], frozenset(claims["scope"].split()))
