"""Whether two Patients can be the same person: names in every spelling, birth dates, genders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.eligibility.demographics import (
    Likeness,
    birth_dates,
    contradict,
    genders,
    given_names_differ,
    names,
    same_person,
)
from support.strategies import JSON_VALUES

SAME, PARTLY, DIFFERENT, UNKNOWN = Likeness.SAME, Likeness.PARTLY, Likeness.DIFFERENT, Likeness.UNKNOWN


def named(*written: Any) -> dict[str, Any]:
    """A Patient with names: "family|given given" or a text."""
    found: list[dict[str, Any]] = []
    for each in written:
        family, bar, given_ = each.partition("|")
        parts = {"family": family, "given": given_.split("+")} if bar else {"text": each}
        found.append({key: value for key, value in parts.items() if value and value != [""]})
    return {"name": found}


@pytest.mark.parametrize(
    ("known", "sent", "likeness"),
    [
        ("Reyes|Alma", "Reyes|Alma", SAME),
        ("Reyes|Alma", "REYES|ALMA", SAME),
        ("Peña-Núñez|José", "pena nunez|jose", SAME),
        ("O'Brien|Søren", "obrien|soren", SAME),
        ("Reyes|Alma", "Reyes|Alma+Maria", SAME),
        ("Reyes|Alma Maria", "Reyes|Alma+Maria", SAME),
        ("Reyes|Alma", "Alma|Reyes", SAME),
        ("Reyes|Alma", "Reyes, Alma", SAME),
        ("Reyes|Alma", "Alma Reyes", SAME),
        ("Reyes|Alma", "Reyes|Dolores", PARTLY),
        ("Reyes|Alma", "Marin|Alma", PARTLY),
        ("Reyes|Alma", "Reyes|", PARTLY),
        ("Reyes|Alma", "Reyes|A", PARTLY),
        ("Reyes|William", "Reyes|Bill", PARTLY),  # nicknames are other names
        ("Reyes|Alma", "Smith|Bob", DIFFERENT),
        ("Reyes|Alma+M", "Smith|Bob+M", DIFFERENT),  # a middle initial is no name
        ("Reyes|Alma", "Smith|", DIFFERENT),
        ("Reyes|Alma", "Bob Smith", DIFFERENT),
        ("Reyes|", "|Alma", UNKNOWN),
        ("Reyes|Alma", "  |", UNKNOWN),
    ],
)
def test_names(known: str, sent: str, likeness: Likeness) -> None:
    assert names(named(known), named(sent)) is likeness
    assert names(named(sent), named(known)) is likeness


@pytest.mark.parametrize(
    ("known", "sent", "differ"),
    [
        ("Reyes|Alma", "Reyes|Dolores", True),
        ("Reyes|William", "Reyes|Bill", True),  # nicknames are other names: a person looks
        ("Reyes|Alma", "Reyes, Dolores", True),
        ("Reyes|Alma", "Reyes|Alma+Maria", False),
        ("Reyes|Alma Maria", "Reyes|Maria+Alma", False),
        ("Reyes|Alma", "Reyes|A", False),
        ("Reyes|Alma", "Reyes|", False),
        ("Reyes|Alma", "Alma|Reyes", False),
        ("Reyes|Alma", "Marin|Alma", False),
        ("Reyes|Alma", "Alma Reyes", False),
        ("Reyes|Alma", "Reyes", False),
    ],
)
def test_a_given_name_that_contradicts(known: str, sent: str, differ: bool) -> None:
    assert given_names_differ(named(known), named(sent)) is differ
    assert given_names_differ(named(sent), named(known)) is differ


def test_any_name_of_somebody_counts() -> None:
    assert names(named("Reyes|Alma"), named("Marin|Alma", "Reyes|Alma")) is SAME
    assert names(named("Reyes|Alma"), {}) is UNKNOWN


@pytest.mark.parametrize(
    ("known", "sent", "likeness"),
    [
        ("1951-03-14", "1951-03-14", SAME),
        ("1951-03-14", "1951-03-15", DIFFERENT),
        ("1951-03-14", "1951-03", UNKNOWN),
        ("1951-03-14", "1951", UNKNOWN),
        ("1951-03-14", "1952", DIFFERENT),
        ("1951-03-14", "1951-3-14", DIFFERENT),
        ("1951", "1951-03-14", UNKNOWN),
        ("1951-03-14", None, UNKNOWN),
        (None, "1951-03-14", UNKNOWN),
        ("1951-03-14", 19510314, UNKNOWN),
    ],
)
def test_birth_dates(known: Any, sent: Any, likeness: Likeness) -> None:
    assert birth_dates({"birthDate": known}, {"birthDate": sent}) is likeness


@pytest.mark.parametrize(
    ("sent", "likeness"),
    [("female", SAME), ("male", DIFFERENT), ("other", UNKNOWN), ("unknown", UNKNOWN), (None, UNKNOWN), (7, UNKNOWN)],
)
def test_genders(sent: Any, likeness: Likeness) -> None:
    assert genders({"gender": "female"}, {"gender": sent}) is likeness


def test_the_same_person_needs_birth_date_or_whole_name_and_nothing_against() -> None:
    alma = {**named("Reyes|Alma"), "birthDate": "1951-03-14", "gender": "female"}
    assert same_person(alma, {"birthDate": "1951-03-14"})
    assert same_person(alma, named("Reyes|Alma"))
    assert not same_person(alma, named("Reyes|"))
    assert not same_person(alma, {})
    assert not same_person(alma, {**alma, "birthDate": "1951-03-15"})
    assert not same_person(alma, {**alma, "gender": "male"})
    assert contradict(alma, named("Smith|Bob"))


@given(JSON_VALUES, JSON_VALUES, st.sampled_from(["name", "birthDate", "gender"]))
def test_any_shape_is_compared(one: Any, other: Any, key: str) -> None:
    for known, sent in (({key: one}, {key: other}), ({"name": [{"given": one, "family": other}]}, {"name": other})):
        assert isinstance(same_person(known, sent), bool)
        assert names(known, sent) in Likeness
