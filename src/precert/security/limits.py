"""A rate limit per client: a token bucket that holds one minute's requests at most.

Memory is bounded by the registry: only registered clients have a bucket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class RateLimiter:
    """Counts requests by client."""

    now: Callable[[], datetime]
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # client: (left, as of)

    def wait(self, client: str, per_minute: int | None) -> int:
        """Count one request. 0: it may go on; else it may not, and so many seconds later another one may be."""
        if per_minute is None:
            self._buckets.pop(client, None)
            return 0
        at = self.now().timestamp()
        left, since = self._buckets.get(client, (float(per_minute), at))
        # A clock that is set back must not take away what was left.
        left = min(float(per_minute), left + max(0.0, at - since) * per_minute / 60)
        if left < 1:
            self._buckets[client] = (left, at)
            return max(1, math.ceil((1 - left) * 60 / per_minute))
        self._buckets[client] = (left - 1, at)
        return 0
