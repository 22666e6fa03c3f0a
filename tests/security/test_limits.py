"""The token bucket of a client: how much goes through, and what a clock that is moved does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from precert.security.limits import RateLimiter

START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


def passed(limiter: RateLimiter, tries: int, per_minute: int = 6) -> int:
    return sum(limiter.wait("a", per_minute) == 0 for _ in range(tries))


def test_a_minutes_worth_goes_through_and_then_one_by_one() -> None:
    clock = Clock()
    limiter = RateLimiter(clock)
    assert passed(limiter, 20) == 6
    assert limiter.wait("a", 6) == 10
    clock.at += timedelta(seconds=10)
    assert passed(limiter, 5) == 1
    clock.at += timedelta(hours=5)
    assert passed(limiter, 20) == 6


@pytest.mark.parametrize("back", [1, 60, 86_400, 400 * 86_400])
def test_a_clock_that_is_set_back_takes_nothing_away_and_locks_nobody_out(back: int) -> None:
    clock = Clock()
    limiter = RateLimiter(clock)
    assert passed(limiter, 2) == 2
    clock.at -= timedelta(seconds=back)
    assert passed(limiter, 20) == 4, "what was left before is still there"
    assert limiter.wait("a", 6) == 10
    clock.at += timedelta(seconds=10)
    assert passed(limiter, 5) == 1, "time goes on from where the clock stands now"


@pytest.mark.parametrize("before", [1, 3, 5])
@pytest.mark.parametrize("back", [1, 60, 86_400])
def test_time_goes_on_from_the_clock_as_it_was_at_the_last_request(before: int, back: int) -> None:
    """Also when the requests after the change all went through: none of them may leave the old time behind."""
    clock = Clock()
    limiter = RateLimiter(clock)
    assert passed(limiter, before) == before
    clock.at -= timedelta(seconds=back)
    assert passed(limiter, 6 - before) == 6 - before
    clock.at += timedelta(seconds=20)
    assert passed(limiter, 5) == 2


def test_clients_have_buckets_of_their_own_and_without_a_limit_none() -> None:
    limiter = RateLimiter(Clock())
    assert passed(limiter, 20) == 6
    assert limiter.wait("b", 6) == 0
    assert {limiter.wait("a", None) for _ in range(100)} == {0}
