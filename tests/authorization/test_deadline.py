"""By when a request is to be decided: the day of the plan's zone, elapsed hours, and what is used of the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from precert.authorization.deciding.deadline import Deadline, deadline

NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"


@pytest.mark.parametrize(
    ("track", "zone", "received", "expected"),
    [
        # Thanksgiving inside does not help
        ("standard", NEW_YORK, "2026-11-20T21:45:00+00:00", "2026-11-28T04:59:59+00:00"),
        # a whole weekend is inside
        ("expedited", NEW_YORK, "2026-11-20T21:45:00+00:00", "2026-11-23T21:45:00+00:00"),
        # elapsed hours over the change of the clock; and the end of a local day after it
        ("expedited", NEW_YORK, "2027-03-12T21:00:00+00:00", "2027-03-15T21:00:00+00:00"),
        ("standard", NEW_YORK, "2027-03-12T21:00:00+00:00", "2027-03-20T03:59:59+00:00"),
        # the evening of the 20th at the plan, whatever the day is elsewhere
        ("standard", NEW_YORK, "2026-11-21T03:00:00+00:00", "2026-11-28T04:59:59+00:00"),
        ("standard", LOS_ANGELES, "2026-11-21T07:59:00+00:00", "2026-11-28T07:59:59+00:00"),
        ("standard", LOS_ANGELES, "2026-11-21T08:00:00+00:00", "2026-11-29T07:59:59+00:00"),
        # a zone that nobody knows is UTC
        ("standard", "Middle/Earth", "2026-11-20T15:00:00+00:00", "2026-11-27T23:59:59+00:00"),
        ("standard", "../etc/passwd", "2026-11-20T15:00:00+00:00", "2026-11-27T23:59:59+00:00"),
    ],
)
def test_deadlines(track: str, zone: str, received: str, expected: str) -> None:
    found = deadline(datetime.fromisoformat(received), track, zone)
    assert found.at == datetime.fromisoformat(expected)


@pytest.mark.parametrize(("hours", "used"), [(0, 0.0), (36, 0.5), (72, 1.0), (144, 2.0)])
def test_what_is_used_of_the_time(hours: int, used: float) -> None:
    received = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert deadline(received, "expedited", NEW_YORK).used(received + timedelta(hours=hours)) == used


def test_no_time_at_all_is_used_up() -> None:
    at = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert Deadline(at, at).used(at) == 1
