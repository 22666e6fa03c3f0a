"""The small tools: OperationOutcome, dates, extensions, FHIRPath."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.fhir import path
from precert.fhir.dates import instant, parse_date, parse_instant, parse_last_day
from precert.fhir.extension import extension, extension_value, extensions
from precert.fhir.outcome import FhirError, Issue, bad_request, operation_outcome
from precert.fhir.types import as_list, elements, text
from support.strategies import JSON_VALUES


def test_an_issue_rendered_whole() -> None:
    issue = Issue("error", "required", "Send it.", "Claim.item", "no-items", "seen: nothing")
    assert operation_outcome([issue]) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "details": {"coding": [{"system": "urn:precert:rule", "code": "no-items"}], "text": "Send it."},
                "diagnostics": "seen: nothing",
                "expression": ["Claim.item"],
            }
        ],
    }


def test_nothing_wrong_is_said_too() -> None:
    assert operation_outcome([])["issue"] == [
        {"severity": "information", "code": "informational", "details": {"text": "All OK."}}
    ]


def test_an_error_carries_all_its_issues() -> None:
    error = FhirError(422, [Issue("error", "a", "One."), Issue("warning", "b", "Two.")], {"Retry-After": "1"})
    assert (error.status, str(error), error.headers) == (422, "One.; Two.", {"Retry-After": "1"})
    assert [i["details"]["text"] for i in error.resource["issue"]] == ["One.", "Two."]
    assert bad_request("No.", "Claim", rule="r").issues == (Issue("error", "invalid", "No.", "Claim", "r"),)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11", date(2026, 11, 1)),
        ("2026", date(2026, 1, 1)),
        ("2026-11-20T23:59:59-05:00", date(2026, 11, 20)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("0000-01-01", None),
        ("tomorrow", None),
        ("", None),
        (20261120, None),
        (None, None),
    ],
)
def test_dates(written: object, day: date | None) -> None:
    assert parse_date(written) == day


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026", date(2026, 12, 31)),
        ("2026-11", date(2026, 11, 30)),
        ("2024-02", date(2024, 2, 29)),
        ("2026-12", date(2026, 12, 31)),
        ("9999", date(9999, 12, 31)),
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-20T23:59:59-05:00", date(2026, 11, 20)),
        ("2026-13", None),
        ("tomorrow", None),
        (None, None),
    ],
)
def test_a_period_that_ends_in_a_month_or_year_includes_all_of_it(written: object, day: date | None) -> None:
    assert parse_last_day(written) == day


@pytest.mark.parametrize("written", ["2026-11-200", "20261120", "2026-11-20x", "2026-1-1", "2026x", "2026-11-20 10:00"])
def test_what_only_begins_like_a_date_is_none(written: str) -> None:
    assert parse_date(written) is None


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-11-20T15:00:00Z", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("2026-11-20T10:00:00-05:00", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("2026-11-20T15:00:00.250Z", datetime(2026, 11, 20, 15, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20T15:00:00", None),
        ("2026-11-20", None),
        ("2026-11-20T25:00:00Z", None),
        (7, None),
    ],
)
def test_instants(written: object, at: datetime | None) -> None:
    assert parse_instant(written) == at


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14, 14))
def test_an_instant_reads_back_to_the_millisecond(at: datetime, hours: int) -> None:
    zoned = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    again = parse_instant(instant(zoned))
    assert again is not None
    assert timedelta(0) <= zoned - again < timedelta(milliseconds=1)


@given(JSON_VALUES)
def test_dates_take_anything(value: Any) -> None:
    assert parse_date(value) is None or isinstance(value, str)
    assert parse_instant(value) is None or isinstance(value, str)


def test_extensions_and_their_values() -> None:
    element = {
        "extension": [{"url": "a", "valueCode": "x"}, 7, {"url": "a", "valueCode": "y"}, {"url": "b", "extension": []}],
        "modifierExtension": [{"url": "m", "valueBoolean": False}],
    }
    assert [e["valueCode"] for e in extensions(element, "a")] == ["x", "y"]
    assert extension_value(element, "a") == "x"
    assert extension_value(element, "m") is None
    assert extension_value(element, "m", modifier=True) is False
    assert extension_value(element, "b") is None
    assert extension(element, "c") is None


@given(JSON_VALUES)
def test_extensions_take_anything(value: Any) -> None:
    assert extension_value({"extension": value}, "no such url") is None
    assert extension(value, "no such url") is None


@given(JSON_VALUES)
def test_type_helpers_take_anything(value: Any) -> None:
    assert all(isinstance(member, dict) for member in elements(value))
    assert (value is None) == (as_list(value) == [] and value != [])
    assert text(value) in (None, value)


def test_fhirpath_is_compiled_once_and_faults_are_told() -> None:
    assert path.compile_path("name.given") is path.compile_path("name.given")
    assert path.evaluate("name.given", {"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}) == ["A", "B"]
    assert path.evaluate("%x + 1", {}, {"x": 2}) == [3]


@pytest.mark.parametrize(
    "expression",
    ["name..given", "name.given)", "name.where(", "(", "1 +", "%", "", "a b", "'abc", "%x 5", "a and and b"],
)
def test_what_is_not_fhirpath_is_refused(expression: str) -> None:
    with pytest.raises(path.PathSyntaxError, match=r"not FHIRPath.* at column [0-9]+"):
        path.compile_path(expression)


@pytest.mark.parametrize(
    "expression", ["a.b // a note", "a\n  or b", "@2020-01-01 > today()", "1 'mg'", "`a-b`.exists()"]
)
def test_what_is_fhirpath_is_not(expression: str) -> None:
    path.compile_path(expression)
