"""Who a request is for: found, not found, or not sure; never a guess."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.eligibility.directory import Directory, Found, NoMember, NotFound, member_numbers, npis
from precert.eligibility.load import load_directory
from precert.eligibility.model import CoverageRecord, HistoryEntry, Member, Payer, Plan
from precert.fhir.coding import NPI
from support.app import EXAMPLES
from support.strategies import JSON_VALUES

PLAN = Plan(id="p", name="Plan", lob="commercial")
PAYER = Payer(name="We", npi="1234567893", identifiers=((NPI, "1234567893"), ("urn:tax", "99")))


def person(number: str = "M-1", born: str | None = "1951-03-14") -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"type": {"coding": [{"code": "MB"}]}, "value": number}],
    } | ({"birthDate": born} if born else {})


def directory(*members: Member) -> Directory:
    return Directory(PAYER, members, (), {"p": PLAN})


def member(number: str, born: str | None = "1951-03-14") -> Member:
    return Member(id=number, system="urn:m", patient=person(number, born), coverages=())


ALMA = member("M-1")


@pytest.mark.parametrize("sent", ["M-1", "m-1", " M-1 "])
def test_found_by_number(sent: str) -> None:
    assert directory(ALMA).find(person(sent), None) == Found(ALMA)


def test_found_by_the_number_on_the_coverage_or_subscriber() -> None:
    nobody = {"resourceType": "Patient", "birthDate": "1951-03-14"}
    known = directory(ALMA)
    assert known.find(nobody, {"subscriberId": "M-1"}) == Found(ALMA)
    assert known.find(nobody, {"identifier": [{"system": "urn:m", "value": "M-1"}]}) == Found(ALMA)
    assert known.find(nobody, {}, person()) == Found(ALMA)


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ({}, NotFound(NoMember.MISSING_ID)),
        ({"identifier": [{"system": NPI, "value": "1992817498"}]}, NotFound(NoMember.MISSING_ID)),
        ({"identifier": [{"value": "  "}, {"value": 7}, 3]}, NotFound(NoMember.MISSING_ID)),
        (person("M-2"), NotFound(NoMember.NOT_FOUND, ("M-2",))),
        (person("M-1", "1951-03-15"), NotFound(NoMember.BIRTH_DATE, ("M-1",))),
    ],
)
def test_not_found_says_why(patient: dict[str, Any], expected: NotFound) -> None:
    assert directory(ALMA).find(patient, None) == expected


@pytest.mark.parametrize("born", ["1951-03-14", "1951-03-14T00:00:00Z"])
def test_number_and_full_birth_date_are_identity(born: str) -> None:
    assert directory(ALMA).find(person("M-1", born), None) == Found(ALMA)


@pytest.mark.parametrize("born", [None, "1951", "1951-03"])
def test_a_number_alone_is_none_nor_with_a_part_of_the_birth_date(born: str | None) -> None:
    assert directory(ALMA).find(person("M-1", born), None) == NotFound(NoMember.BIRTH_DATE_MISSING, ("M-1",))


@pytest.mark.parametrize("born", ["1951-3-14", "14.03.1951", "1951-02-30"])
def test_a_birth_date_that_is_none_is_not_another_one(born: str) -> None:
    assert directory(ALMA).find(person("M-1", born), None) == NotFound(NoMember.BIRTH_DATE_MISSING, ("M-1",))


@pytest.mark.parametrize("born", ["1952", "1951-04", "1951-03-15"])
def test_a_birth_date_that_disagrees_as_far_as_it_goes_is_another(born: str) -> None:
    assert directory(ALMA).find(person("M-1", born), None) == NotFound(NoMember.BIRTH_DATE, ("M-1",))


def test_numbers_of_two_members_are_ambiguous_whatever_the_birth_date_says() -> None:
    twin, other = member("M-2"), member("M-3", "1980-01-01")
    both = {**person("M-1"), "identifier": [*person("M-1")["identifier"], *person("M-2")["identifier"]]}
    assert directory(ALMA, twin).find(both, None) == NotFound(NoMember.SEVERAL, ("M-1", "M-2"))
    mixed = {**both, "identifier": [*person("M-1")["identifier"], *person("M-3")["identifier"]]}
    assert directory(ALMA, other).find(mixed, None) == NotFound(NoMember.SEVERAL, ("M-1", "M-3"))
    on_coverage = directory(ALMA, other).find(person("M-1"), {"subscriberId": "M-3"})
    assert on_coverage == NotFound(NoMember.SEVERAL, ("M-1", "M-3"))


def test_one_member_known_twice_is_several() -> None:
    assert directory(ALMA, member("M-1")).find(person(), None) == NotFound(NoMember.SEVERAL, ("M-1",))
    assert directory(ALMA, member("M-1")).by_number("M-1") is None
    assert directory(ALMA).by_number("m-1 ") is ALMA


def test_member_numbers_come_first_and_once() -> None:
    patient = {"identifier": [{"value": "mrn"}, {"type": {"coding": [{"code": "MB"}]}, "value": "M-1"}]}
    assert member_numbers(patient, {"subscriberId": "M-1", "identifier": [{"value": "mrn"}]}) == ["M-1", "mrn"]


@given(JSON_VALUES, JSON_VALUES)
def test_any_patient_gets_an_answer(patient: Any, coverage: Any) -> None:
    found = directory(ALMA).find({"identifier": patient, "birthDate": coverage}, {"identifier": coverage})
    assert isinstance(found, Found | NotFound)


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([], None),
        ([{"value": ""}], None),
        ([{"system": NPI, "value": "1234567893"}], True),
        ([{"system": "urn:oid:2.16.840.1.113883.4.6", "value": "1234567893"}], True),
        ([{"system": "urn:tax", "value": "99"}], True),
        ([{"system": NPI, "value": "1679576722"}], False),
        ([{"value": "1234567893"}], False),
        ([{"system": NPI, "value": "1679576722"}, {"system": "urn:tax", "value": "99"}], True),
        ([{"system": "https://hl7.org/fhir/sid/us-npi", "value": " 1234567893 "}], True),
        ([{"system": "urn:tax", "value": "1234567893"}], False),
    ],
)
def test_whether_an_insurer_is_us(identifiers: list[dict[str, str]], expected: bool | None) -> None:
    assert directory().is_us({"identifier": identifiers}) is expected
    assert directory().is_us(None, identifiers) is expected


def test_a_logical_identifier_that_contradicts_the_organization_is_somebody_else() -> None:
    us, them = {"system": NPI, "value": "1234567893"}, {"system": NPI, "value": "1679576722"}
    assert directory().is_us({"identifier": [us]}, them) is False
    assert directory().is_us({"identifier": [them]}, us) is False
    assert directory().is_us({"identifier": [us], "name": "x"}, us) is True
    assert directory().is_us({"name": "We"}) is None


def test_npis_in_both_spellings_of_the_system() -> None:
    identifiers = [
        {"system": NPI, "value": "1 "},
        {"system": "urn:oid:2.16.840.1.113883.4.6", "value": "2"},
        {"value": "3"},
    ]
    assert npis({"identifier": identifiers}) == ["1", "2"]
    assert npis(None) == []


def record(start: dt.date | None, end: dt.date | None, id: str = "c") -> CoverageRecord:
    return CoverageRecord(id=id, plan=PLAN, start=start, end=end, resource={})


DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1))


@given(DAYS, st.none() | DAYS, st.none() | DAYS)
def test_active_includes_both_ends(day: dt.date, start: dt.date | None, end: dt.date | None) -> None:
    expected = (start or dt.date.min) <= day <= (end or dt.date.max)
    assert record(start, end).active_on(day) is expected


def test_with_two_active_enrolments_the_later_one_counts() -> None:
    old, new = record(dt.date(2020, 1, 1), None, "old"), record(dt.date(2026, 1, 1), None, "new")
    somebody = Member(id="x", system="", patient={}, coverages=(new, old))
    assert somebody.coverage_on(dt.date(2026, 6, 1)) is new
    assert somebody.coverage_on(dt.date(2025, 6, 1)) is old
    assert somebody.coverage_on(dt.date(2019, 6, 1)) is None
    ended = record(dt.date(2019, 1, 1), dt.date(2020, 1, 1), "ended")
    assert Member(id="x", system="", patient={}, coverages=(ended, old)).last_coverage is old
    assert Member(id="x", system="", patient={}, coverages=()).last_coverage is None


def test_history_is_dated_once() -> None:
    today = dt.date(2026, 11, 20)
    assert HistoryEntry(member="m", id="1", code="cpt|1", days_ago=20).day(today) == dt.date(2026, 10, 31)
    assert HistoryEntry(member="m", id="1", code="cpt|1", date=dt.date(2026, 1, 2)).day(today) == dt.date(2026, 1, 2)
    for wrong in ({}, {"days_ago": 1, "date": "2026-01-01"}, {"days_ago": -1}):
        with pytest.raises(ValueError, match="days_ago"):
            HistoryEntry(member="m", id="1", code="cpt|1", **wrong)  # type: ignore[arg-type]


def test_the_demo_world_is_what_the_contract_says() -> None:
    demo = load_directory(EXAMPLES / "eligibility")
    lobs = {m.id: (m.last_coverage.plan.lob if m.last_coverage else None) for m in demo.members}
    ma, commercial = "medicare-advantage", "commercial"
    assert lobs == {
        "MA-0001": ma,
        "MA-0002": ma,
        "MA-0003": ma,
        "MA-0004": ma,
        "MA-0005": ma,
        "MA-0009": ma,
        "COM-0001": commercial,
        "COM-0001-02": commercial,
        "COM-0002": commercial,
        "MCD-0001": "medicaid-mco",
        "TX-0001": commercial,
    }
    ended = demo.by_number("MA-0009")
    assert ended is not None
    assert ended.coverages[0].end == dt.date(2025, 12, 31)
    assert all(m.coverage_on(dt.date(2027, 1, 1)) for m in demo.members if m is not ended)
    assert (demo.payer.npi, demo.payer.name) == ("1234567893", "Precert Demo Health Plan")
    assert {p.npi: p.network for p in demo.providers.values()} == {
        "1992817498": "in",
        "1245319599": "in",
        "1003000126": "out",
    }
    assert demo.mode == "presented"
    for known in demo.members:
        for part in ("name", "birthDate", "gender", "address"):
            assert known.patient[part]
