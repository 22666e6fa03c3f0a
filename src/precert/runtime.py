"""Time and identity, injected. Nothing in precert calls ``datetime.now`` or makes an id except through these."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _random_uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Runtime:
    """The clock and the sources of ids and randomness of one running server.

    ``now`` returns an aware UTC datetime; ``new_id`` a lower-case UUID; ``random_bits(n)`` an unguessable integer of
    ``n`` bits. Tests hand in frozen ones.
    """

    now: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _random_uuid
    random_bits: Callable[[int], int] = secrets.randbits
