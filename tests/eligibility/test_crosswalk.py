"""The plan's crosswalk: what is read, what is refused, and that the shipped one leads to the demo policies' services."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from precert.eligibility.crosswalk import COLUMNS, Crosswalk, load_crosswalk
from precert.eligibility.table import TableError
from precert.fhir.coding import HCPCS, NDC, RXNORM, Code
from support.app import ROOT

HEADER = ",".join(COLUMNS)
DAY = date(2026, 11, 20)


def crosswalk(tmp_path: Path, *rows: str, header: str = HEADER) -> Crosswalk:
    path = tmp_path / "crosswalk.csv"
    path.write_text("\n".join(["# a comment", header, *rows]) + "\n", "utf-8")
    return load_crosswalk(path)


def test_a_folder_without_one_has_an_empty_crosswalk(tmp_path: Path) -> None:
    found = load_crosswalk(tmp_path / "crosswalk.csv")
    assert (len(found), found.targets(Code(NDC, "57894-030-01"), DAY)) == (0, ())


def test_sources_are_found_in_any_spelling(tmp_path: Path) -> None:
    found = crosswalk(
        tmp_path, "ndc,57894-030-01,hcpcs,j1745,,,", 'urn:ehr,Cpap,hcpcs,E0601,2026-01-01,2026-12-31,"a, b"'
    )
    for written in ("57894-030-01", "57894-0030-01", "57894003001", "5789403001"):
        assert found.targets(Code(NDC, written), DAY) == (Code(HCPCS, "J1745"),)
    for written in ("cpap", "CPAP"):
        assert found.targets(Code("urn:ehr", written), DAY) == (Code(HCPCS, "E0601"),)
    assert found.targets(Code("urn:ehr", "CPAP"), date(2027, 1, 1)) == ()
    assert found.targets(Code("urn:ehr", "CPAP"), None) == (Code(HCPCS, "E0601"),)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("ndc,57894-030-01,hcpcs,J174,,,", "no billing code"),
        ("ndc,57894-030-01,hcpcs,J1745:JZ,,,", "no billing code"),
        ("ndc,57894-030-01,sct,1,,,", "no billing code"),
        ("ndc,5789403001,hcpcs,J1745,,,", "no NDC"),
        ("ndc,,hcpcs,J1745,,,", "from_code is empty"),
        ("ndc,57894-030-01,hcpcs,,,,", "to_code is empty"),
        ("ndx,57894-030-01,hcpcs,J1745,,,", "from_system 'ndx'"),
        ("ndc,57894-030-01,hpcs,J1745,,,", "to_system 'hpcs'"),
        ("ndc,57894-030-01,hcpcs,J1745,2026-13-01,,", "start '2026-13-01' is no day"),
        ("ndc,57894-030-01,hcpcs,J1745,,2026,", "end '2026' is no day"),
        ("ndc,57894-030-01,hcpcs,J1745,2026-02-01,2026-01-01,", "end is before start"),
        ("ndc,57894-030-01,hcpcs,J1745,,,a,b", "8 columns instead of 7"),
        ("ndc,57894-030-01", "2 columns instead of 7"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(TableError) as refused:
        crosswalk(tmp_path, row)
    assert "crosswalk.csv:3: " in str(refused.value)
    assert says in str(refused.value)


def test_other_columns_and_repetitions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="first line has to be"):
        crosswalk(tmp_path, header="from,to")
    with pytest.raises(TableError, match="twice"):
        crosswalk(tmp_path, "ndc,57894-030-01,hcpcs,J1745,,,", "ndc,57894-0030-01,hcpcs,j1745,,,other words")


@pytest.mark.parametrize(
    ("code", "billed"),
    [
        (Code(NDC, "57894-030-01"), {"J1745"}),
        (Code(NDC, "00069-0809-01"), {"Q5103"}),
        (Code(NDC, "00006430502"), {"Q5104"}),
        (Code(NDC, "55513-670-01"), {"Q5121"}),
        (Code(RXNORM, "1927285"), {"Q5104"}),
        (Code(RXNORM, "191831"), {"J1745", "Q5103", "Q5104", "Q5121"}),
    ],
)
def test_the_shipped_one_knows_the_infliximab_products(code: Code, billed: set[str]) -> None:
    found = load_crosswalk(ROOT / "examples" / "eligibility" / "crosswalk.csv").targets(code, DAY)
    assert {target.code for target in found} == billed
