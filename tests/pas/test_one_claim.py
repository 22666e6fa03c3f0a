"""One request in a Bundle: a further Claim is an earlier version of it, however it is named, or a fault."""

from __future__ import annotations

from typing import Any

import pytest

from precert.fhir.bundle import BundleIndex
from precert.pas.findings import Findings
from precert.pas.request_bundle import check_one_claim

Json = dict[str, Any]
URL, NUMBER = "https://ehr.example/Claim/", {"system": "urn:s", "value": "first"}


@pytest.mark.parametrize(
    ("related", "faults"),
    [
        ([], 2),
        ([{"claim": {"reference": f"{URL}second"}}], 0),
        ([{"claim": {"reference": "Claim/second"}}], 0),
        ([{"claim": {"identifier": NUMBER}}], 0),
        ([{"reference": NUMBER}], 0),
        ([{"claim": {"reference": f"{URL}elsewhere"}}], 2),
        ([{"claim": {"reference": f"{URL}first"}}], 1),
    ],
)
def test_a_second_claim_is_an_earlier_version_or_a_fault(related: list[Json], faults: int) -> None:
    """Three Claims: the third updates the second, and the second the first."""
    versions: list[Json] = [
        {"id": "third", "related": related},
        {"id": "second", "identifier": [NUMBER], "related": [{"claim": {"reference": f"{URL}first"}}]},
        {"id": "first"},
    ]
    entries = [{"fullUrl": URL + v["id"], "resource": {"resourceType": "Claim", **v}} for v in versions]
    index, found = BundleIndex({"resourceType": "Bundle", "entry": entries}), Findings()
    check_one_claim(index, index.entries[0], found)
    assert len(found.faults) == faults
