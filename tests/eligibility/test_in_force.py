"""Which identifiers are in force: by use and period, on a day or without one."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from precert.eligibility.in_force import in_force
from precert.eligibility.member_number import lapsed_numbers, numbers_of

DAY = dt.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("said", "on_day", "without"),
    [
        ({}, True, True),
        ({"use": "official"}, True, True),
        ({"use": "old"}, False, False),
        ({"period": {"end": "2020-12-31"}}, False, True),
        ({"period": {"end": "2026-11-19"}}, False, True),
        ({"period": {"end": "2026-11-20"}}, True, True),
        ({"period": {"end": "2026-11"}}, True, True),
        ({"period": {"end": "2026"}}, True, True),
        ({"period": {"start": "2026-11-21"}}, False, True),
        ({"period": {"start": "2026-01-01", "end": "2027-01-01"}}, True, True),
        ({"period": {"end": "soon"}}, False, True),
        ({"period": "2020"}, False, True),
        ({"period": {}}, True, True),
        ({"use": "old", "period": {"end": "2030"}}, False, False),
    ],
)
def test_in_force(said: dict[str, Any], on_day: bool, without: bool) -> None:
    identifier = {"value": "M-1", **said}
    assert in_force(identifier, DAY) is on_day
    assert in_force(identifier, None) is without
    patient = {"identifier": [identifier]}
    assert bool(list(lapsed_numbers(DAY, patient, None))) is not on_day
    assert bool(list(numbers_of(patient))) is without
