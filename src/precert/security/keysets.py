"""Key sets by address, cached: read again for rotation, kept while the address is down, never asked for too often.

For clients of the token endpoint (``client_keys``) and for CDS Hooks issuers (``jwt``); who they are and which keys are
usable is theirs to say.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

K = TypeVar("K")
_AGAIN_AFTER = 30.0
"""Seconds before an address is asked again for a key that it did not have, or after it failed."""
_STALE_SECONDS = 24 * 3600.0
"""How long known keys stay good while an address that stated nothing about caching does not answer."""
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:store|cache)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Cached(Generic[K]):
    keys: Mapping[str, K]
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


@dataclass(slots=True)
class KeySets(Generic[K]):
    """The keys at registered addresses. Only those are ever asked for, so the number of entries is bounded by them.

    ``fetch`` reads an address: its JSON and its Cache-Control, or ``None`` when it cannot be had (``jwks.read_jwks``).
    ``keys_of`` takes the usable keys out of that JSON, by id, and raises ValueError if it is no key set.
    """

    now: Callable[[], datetime]
    fetch: Callable[[str], Awaitable[tuple[Any, str] | None]]
    keys_of: Callable[[Any], Mapping[str, K]]
    cache_seconds: float = 3600.0
    _cache: dict[str, _Cached[K]] = field(default_factory=dict)
    _reading: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def key(self, address: str, kid: str) -> K | None:
        """The key ``kid`` of the set at ``address``.

        The set is read when it is not cached, too old, or (not more often than every 30 s) lacks the key: this is how
        keys rotate. While the address does not answer, what was read within the last day still counts, unless its
        Cache-Control said otherwise; nobody waits for an address that somebody else is asking, who can do without.
        """
        cached = self._cache.get(address)
        reading = self._reading.setdefault(address, asyncio.Lock())
        if not self._enough(cached, kid) and not (reading.locked() and self._good(cached, kid)):
            async with reading:
                cached = self._cache.get(address)
                if not self._enough(cached, kid):
                    cached = self._cache[address] = await self._renewed(address, cached)
                    if cached.answered:  # good for this once, even where nothing may be cached
                        return cached.keys.get(kid)
        return cached.keys[kid] if cached is not None and self._good(cached, kid) else None

    def _good(self, cached: _Cached[K] | None, kid: str) -> bool:
        """Whether a token may be checked with what is known."""
        return cached is not None and kid in cached.keys and cached.usable(self.now().timestamp())

    def _enough(self, cached: _Cached[K] | None, kid: str) -> bool:
        """Whether the address need not, or may not yet, be asked."""
        if cached is None:
            return False
        now = self.now().timestamp()
        if cached.fresh(now) and kid in cached.keys:
            return True
        # Neither a failure nor a key that is not there is asked about again and again.
        return (not cached.answered or kid not in cached.keys) and now - cached.tried_at < _AGAIN_AFTER

    async def _renewed(self, address: str, before: _Cached[K] | None) -> _Cached[K]:
        read = await self._read(address)
        now = self.now().timestamp()
        if read is not None:
            keys, cache_control = read
            fresh_for, usable_for = self._times(cache_control)
            return _Cached(keys, now, now, fresh_for, usable_for)
        return replace(before, tried_at=now) if before is not None else _Cached({}, 0.0, now, 0.0, 0.0)

    async def _read(self, address: str) -> tuple[Mapping[str, K], str] | None:
        read = await self.fetch(address)
        if read is None:
            return None
        try:
            return self.keys_of(read[0]), read[1]
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
