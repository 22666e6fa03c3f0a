"""How patient delivery is, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Seconds unless said otherwise.

    The handshake waits ``handshake_delay`` so that the 201 arrives before it. A failed delivery is tried again after
    ``first_retry``, then twice as long each time up to ``longest_retry``, each ±20 %. After ``error_after`` failures in a
    row the subscription is ``error``; after ``give_up_after`` of failing only, ``off``.

    ``slots`` deliveries run at once, and ``retry_slots`` more for receivers that failed last time: receivers that hang can
    fill only the latter. ``timeout`` limits one attempt, unless the client asks for its own, up to ``longest_timeout``.

    New work is looked for every ``poll`` without being woken; at shutdown deliveries under way have ``grace`` to finish.
    A client that creates a subscription waits at most ``lookup`` for the name of its endpoint to be resolved.
    """

    handshake_delay: float = 1.0
    first_retry: float = 1.0
    longest_retry: float = 300.0
    error_after: int = 3
    give_up_after: float = 72 * 3600.0
    timeout: float = 10.0
    longest_timeout: float = 30.0
    shortest_heartbeat: int = 10
    slots: int = 32
    retry_slots: int = 16
    poll: float = 0.5
    grace: float = 1.0
    lookup: float = 3.0
    log_size: int = 20
    per_client: int = 100

    @property
    def lease(self) -> float:
        """How long a message is held: longer than any attempt may take."""
        return self.longest_timeout + 15

    def limit(self, asked: int | None) -> float:
        """The time limit of one attempt, given the client's ``backport-timeout``."""
        return min(float(asked), self.longest_timeout) if asked else self.timeout

    def retry_in(self, failures: int, random_bits: Callable[[int], int]) -> timedelta:
        """How long to wait after so many failures in a row. The jitter keeps receivers from being hit in step."""
        doublings = min(max(failures - 1, 0), 30)
        delay = min(self.first_retry * 2.0**doublings, self.longest_retry)
        return timedelta(seconds=delay * (0.8 + 0.4 * random_bits(16) / 65535))
