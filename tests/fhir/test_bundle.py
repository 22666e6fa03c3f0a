"""A reference finds its entry in every spelling, and never the wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.fhir.bundle import BundleIndex, Entry, bundle_entry, reference_of, type_and_id
from support.strategies import JSON_VALUES

UUID = "urn:uuid:11111111-2222-4333-8444-aaaaaaaaaaaa"
BASE = "https://ehr.example/fhir/"


def index(*entries: tuple[str, dict[str, Any]]) -> BundleIndex:
    return BundleIndex({"resourceType": "Bundle", "entry": [bundle_entry(url, resource) for url, resource in entries]})


def patient(id: str = "1") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id}


def claim(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Claim", "id": "c", **more}


@pytest.mark.parametrize(
    ("full_url", "reference"),
    [
        (BASE + "Patient/1", BASE + "Patient/1"),
        (BASE + "Patient/1", BASE + "Patient/1/_history/3"),
        (BASE + "Patient/1/_history/2", BASE + "Patient/1"),
        (BASE + "Patient/1", "Patient/1"),
        (BASE + "Patient/1", "Patient/1/_history/3"),
        (BASE + "Patient/1", "https://gateway.example:8443/other/Patient/1"),
        (BASE + "Patient/1", "http://ehr.example/fhir/Patient/1"),
        (UUID, UUID),
        (UUID, UUID.replace("aaaaaaaaaaaa", "AAAAAAAAAAAA")),
        (UUID.replace("aaaaaaaaaaaa", "AAAAAAAAAAAA"), UUID),
        (UUID, UUID.replace("urn:uuid", "URN:UUID")),
        (UUID, "Patient/1"),
        ("", "Patient/1"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3"),
    ],
)
def test_spellings(full_url: str, reference: str) -> None:
    bundle = index((BASE + "Claim/c", claim()), (full_url, patient()))
    found = bundle.resolve({"reference": reference}, bundle.entries[0])
    assert found is bundle.entries[1]
    assert bundle.resolve(reference, bundle.entries[0]) is found


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "  ",
        "Patient/2",
        "Practitioner/1",
        "patient",
        BASE + "Patient/10",
        "urn:uuid:99999999-2222-4333-8444-aaaaaaaaaaaa",
        "#p",
        "#",
        "Patient/1#p",
        "Patient?identifier=1",
        "/",
    ],
)
def test_references_that_mean_nothing_here(reference: str) -> None:
    bundle = index((BASE + "Claim/c", claim()), (BASE + "Patient/1", patient()))
    if reference == "Patient/1#p":  # a fragment of another resource: its container is meant
        assert bundle.resolve(reference, bundle.entries[0]) is bundle.entries[1]
    else:
        assert bundle.resolve(reference, bundle.entries[0]) is None


def test_a_relative_reference_is_read_against_the_referring_base_first() -> None:
    here, there = patient(), patient()
    bundle = index(
        ("https://a.example/Claim/c", claim()),
        ("https://b.example/Patient/1", there),
        ("https://a.example/Patient/1", here),
        ("https://b.example/Claim/d", {"resourceType": "Claim", "id": "d"}),
    )
    assert bundle.resolve("Patient/1", bundle.entries[0]) is bundle.entries[2]
    assert bundle.resolve("Patient/1", bundle.entries[3]) is bundle.entries[1]


def test_ambiguity_is_no_answer() -> None:
    bundle = index(
        (UUID, claim()), ("https://a.example/Patient/1", patient()), ("https://b.example/Patient/1", patient())
    )
    assert bundle.resolve("Patient/1", bundle.entries[0]) is None
    assert bundle.resolve("https://c.example/Patient/1", bundle.entries[0]) is None
    assert bundle.resolve("https://b.example/Patient/1", bundle.entries[0]) is bundle.entries[2]


def test_the_first_of_two_entries_with_one_url_is_meant() -> None:
    bundle = index((UUID, patient("1")), (UUID, patient("2")))
    assert bundle.resolve(UUID) is bundle.entries[0]


def test_the_type_in_the_url_outranks_a_resource_of_another_type() -> None:
    bundle = index((BASE + "Claim/c", claim()), (BASE + "Patient/1", {"resourceType": "Group", "id": "g"}))
    assert bundle.resolve("Patient/1", bundle.entries[0]) is bundle.entries[1]
    assert bundle.resolve("Group/g", bundle.entries[0]) is bundle.entries[1]


def test_contained() -> None:
    inner, other = {"resourceType": "Organization", "id": "o"}, {"resourceType": "Endpoint", "id": "e"}
    bundle = index((UUID, claim(contained=[inner, other])), (BASE + "Patient/1", patient()))
    found = bundle.resolve({"reference": "#e"}, bundle.entries[0])
    assert found == Entry(0, "", other, "Bundle.entry[0].resource.contained[1]", bundle.entries[0].resource)
    back = bundle.resolve("#o", found)  # from one contained resource to its sibling
    assert back is not None
    assert (back.resource, back.path) == (inner, "Bundle.entry[0].resource.contained[0]")
    assert bundle.resolve("#e", bundle.entries[1]) is None
    assert bundle.resolve("#e") is None


def test_malformed_entries_are_kept_out_and_positions_stay_true() -> None:
    bundle = BundleIndex(
        {"entry": [7, {"fullUrl": UUID}, {"resource": []}, {"fullUrl": 3, "resource": patient()}, None]}
    )
    (only,) = bundle.entries
    assert (only.index, only.full_url, only.path) == (3, "", "Bundle.entry[3].resource")
    assert bundle.resolve("Patient/1") is only


def test_references_are_listed_with_their_paths() -> None:
    resource = claim(
        patient={"reference": "Patient/1"},
        item=[{"detail": [{"extension": [{"valueReference": {"reference": "#x"}}]}]}],
        note={"reference": 3},
        contained=[{"resourceType": "Basic", "reference": "not a Reference"}],
    )
    bundle = index((UUID, resource))
    assert set(bundle.references(bundle.entries[0])) == {
        ("Bundle.entry[0].resource.patient.reference", "Patient/1"),
        ("Bundle.entry[0].resource.item[0].detail[0].extension[0].valueReference.reference", "#x"),
    }


def test_of_type_keeps_the_order() -> None:
    bundle = index((UUID, patient("b")), ("", claim()), ("", patient("a")))
    assert [e.id for e in bundle.of_type("Patient", "Group")] == ["b", "a"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("Patient/1", ("Patient", "1")),
        (BASE + "Patient/a.b-c/_history/7", ("Patient", "a.b-c")),
        ("Patient/1#frag", ("Patient", "1")),
        ("Patient/" + "x" * 65, None),
        ("patient/1", None),
        ("urn:uuid:Patient/1x ", None),
        ("", None),
    ],
)
def test_type_and_id(url: str, expected: tuple[str, str] | None) -> None:
    assert type_and_id(url) == expected


@given(JSON_VALUES)
def test_reference_of_takes_anything(value: Any) -> None:
    found = reference_of({"reference": value})
    assert found == (value if isinstance(value, str) and value.strip() else None)


@given(st.lists(JSON_VALUES, max_size=5), JSON_VALUES)
def test_any_bundle_can_be_indexed_and_asked(entries: list[Any], reference: Any) -> None:
    bundle = BundleIndex({"entry": entries})
    for origin in (None, *bundle.entries):
        assert bundle.resolve(reference, origin) in (None, *bundle.entries)
