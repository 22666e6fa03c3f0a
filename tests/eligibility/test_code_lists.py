"""The plan's lists of codes: what is read, what is refused, and what a code that is not on one means."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from precert.authorization.deciding.service import Service
from precert.eligibility.code_lists import CodeLists, load_code_lists
from precert.eligibility.load import EligibilityError, load_directory
from precert.eligibility.table import TableError
from precert.fhir.coding import CPT, HCPCS, Code
from support.app import EXAMPLES

DAY = date(2026, 11, 20)


def code_lists(tmp_path: Path, *rows: str, header: str = "system,code,start,end") -> CodeLists:
    path = tmp_path / "codes.csv"
    path.write_text("\n".join(["# a comment", header, *rows]) + "\n", "utf-8")
    return load_code_lists(path)


@pytest.mark.parametrize(
    ("code", "day", "lacks"),
    [
        (Code(HCPCS, "E0601"), DAY, False),
        (Code(HCPCS, "Q9999"), DAY, True),
        (Code(HCPCS, "K1001"), date(2026, 3, 31), False),
        (Code(HCPCS, "K1001"), date(2026, 4, 1), True),
        (Code(HCPCS, "K1001"), date(2025, 12, 31), True),
        (Code(HCPCS, "K1001"), date(2028, 1, 1), False),
        (Code(HCPCS, "D0120"), DAY, False),
        (Code(CPT, "97597"), DAY, False),
    ],
)
def test_a_code_is_on_the_list_of_its_system_on_its_days(tmp_path: Path, code: Code, day: date, lacks: bool) -> None:
    rows = ["hcpcs,e0601,,", "hcpcs,K1001,2026-01-01,2026-03-31", "hcpcs,K1001,2028-01-01,", "cdt,D0120,,"]
    found = code_lists(tmp_path, *rows)
    assert found.lacks(code, day) is lacks
    service = Service((code,), modifiers=("RR",)).on_lists(found, day)
    assert service.known is not lacks
    assert service.modifiers == ("RR",)
    assert (code.code in service.trouble) is lacks


def test_a_folder_without_lists_knows_every_well_formed_code(tmp_path: Path) -> None:
    found = load_code_lists(tmp_path / "codes.csv")
    assert (len(found), found.lacks(Code(HCPCS, "Q9999"), DAY)) == (0, False)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("hcpcs,E601,,", "no code of HCPCS"),
        ("hcpcs,E0601:NU,,", "no code of HCPCS"),
        ("cpt,00000,,", "no code of CPT"),
        ("sct,1,,", "no code of"),
        ("hcpc,E0601,,", "neither a URL"),
        ("hcpcs,,,", "code is empty"),
        ("hcpcs,E0601,2026,", "is no day"),
        ("hcpcs,E0601,2026-02-01,2026-01-01", "end is before start"),
        ("hcpcs,E0601", "2 columns instead of 4"),
        ("hcpcs,E0602,,", "stands there twice"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(TableError) as refused:
        code_lists(tmp_path, "hcpcs,E0602,,", row)
    assert says in str(refused.value)
    assert "codes.csv:4" in str(refused.value)


def test_a_file_without_codes_or_with_another_heading_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no code stands there"):
        code_lists(tmp_path)
    with pytest.raises(TableError, match="the first line has to be"):
        code_lists(tmp_path, "E0601", header="code")


def test_the_directory_brings_them(tmp_path: Path) -> None:
    folder = tmp_path / "eligibility"
    shutil.copytree(EXAMPLES / "eligibility", folder)
    assert len(load_directory(folder).code_lists) == 0  # none is shipped
    code_lists(folder, "hcpcs,E0601,,")
    assert load_directory(folder).code_lists.lacks(Code(HCPCS, "Q9999"), DAY)
    (folder / "codes.csv").write_text("system,code,start,end\n\nhcpcs,E06,,\n", "utf-8")
    with pytest.raises(EligibilityError, match=r"codes\.csv:3"):
        load_directory(folder)
