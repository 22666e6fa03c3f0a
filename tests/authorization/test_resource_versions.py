"""One resource that comes twice: the newest version counts, whatever it says; without an order a person looks."""

from __future__ import annotations

from typing import Any

import pytest

from precert.authorization.deciding.evidence import clinical_evidence
from precert.fhir.bundle import BundleIndex

Json = dict[str, Any]
LOINC = "http://loinc.org"


def result(value: int = 22, *, code: str = "69990-0", **more: Any) -> Json:
    made: Json = {
        "resourceType": "Observation",
        "id": "ahi",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "valueQuantity": {"value": value},
    }
    return {key: value for key, value in (made | more).items() if value is not None}


def found(*resources: Json, urls: tuple[str, ...] = ()) -> list[tuple[str, Any, bool]]:
    """(status, value, contested) of what counts."""
    entries = [
        {"fullUrl": urls[n] if urls else f"urn:uuid:00000000-0000-4000-8000-00000000000{n}", "resource": each}
        for n, each in enumerate(resources)
    ]
    index = BundleIndex({"resourceType": "Bundle", "entry": entries})
    kept = [(item.resource, item.contested) for item in clinical_evidence(index.entries)]
    return [(each["status"], each["valueQuantity"]["value"], contested) for each, contested in kept]


def meta(**said: str) -> Json:
    return {"meta": said}


ERROR = {"status": "entered-in-error"}
EARLY, LATE = {"lastUpdated": "2026-11-02T10:00:00Z"}, {"lastUpdated": "2026-11-02T11:00:00Z"}
NAMED = {"identifier": [{"system": "urn:lab", "value": "7"}]}
ORDERED: dict[str, tuple[Json, Json]] = {  # older, newer
    "lastUpdated": (result(meta=EARLY), result(**ERROR, meta=LATE)),
    "lastUpdated in another zone": (
        result(meta=EARLY),
        result(**ERROR, meta={"lastUpdated": "2026-11-02T06:00:00-05:00"}),
    ),
    "versionId": (result(meta={"versionId": "9"}), result(**ERROR, meta={"versionId": "10"})),
    "both": (result(meta={**EARLY, "versionId": "1"}), result(5, meta={**LATE, "versionId": "2"})),
    "corrected": (result(meta=EARLY), result(4, status="corrected", meta=LATE)),
    "by identifier": (result(id="a", meta=EARLY, **NAMED), result(id="b", meta=LATE, **ERROR, **NAMED)),
    "without ids": (result(id=None, meta=EARLY, **NAMED), result(id=None, meta=LATE, **ERROR, **NAMED)),
}


@pytest.mark.parametrize(("older", "newer"), ORDERED.values(), ids=ORDERED)
@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_version_counts_alone(older: Json, newer: Json, turned: bool) -> None:
    expected = [(newer["status"], newer["valueQuantity"]["value"], False)]
    assert found(*((newer, older) if turned else (older, newer))) == expected


UNORDERED: dict[str, tuple[Json, Json]] = {
    "nothing said": (result(), result(**ERROR)),
    "another value": (result(), result(3)),
    "one says": (result(meta=EARLY), result(**ERROR)),
    "the same time": (result(meta=EARLY), result(**ERROR, meta=EARLY)),
    "two signs disagree": (result(meta={**EARLY, "versionId": "2"}), result(**ERROR, meta={**LATE, "versionId": "1"})),
    "versions without an order": (result(meta={"versionId": "a"}), result(**ERROR, meta={"versionId": "b"})),
    "by identifier": (result(id="a", **NAMED), result(id="b", **ERROR, **NAMED)),
}


@pytest.mark.parametrize(("one", "other"), UNORDERED.values(), ids=UNORDERED)
def test_without_an_order_all_are_contested(one: Json, other: Json) -> None:
    assert [contested for _, _, contested in found(one, other)] == [True, True]


SEPARATE: dict[str, tuple[Json, Json]] = {
    "two results": (result(), result(3, id="b")),
    "two results of one panel": (result(id="a", **NAMED), result(3, id="b", code="1-8", **NAMED)),
    "identifiers without system": (
        result(id="a", identifier=[{"value": "7"}]),
        result(3, id="b", identifier=[{"value": "7"}]),
    ),
    "another type": (result(), result(3) | {"resourceType": "DiagnosticReport"}),
}


@pytest.mark.parametrize(("one", "other"), SEPARATE.values(), ids=SEPARATE)
def test_different_things_stay_two(one: Json, other: Json) -> None:
    assert [contested for _, _, contested in found(one, other)] == [False, False]


def test_a_copy_comes_once_and_two_servers_call_two_things_alike() -> None:
    assert found(result(), result(meta=LATE, text={"status": "generated"})) == [("final", 22, False)]
    urls = ("https://a.example/Observation/ahi", "https://b.example/Observation/ahi")
    assert [contested for *_, contested in found(result(), result(3), urls=urls)] == [False, False]
    same = ("https://a.example/Observation/ahi",) * 2
    assert [contested for *_, contested in found(result(), result(3), urls=same)] == [True, True]
