"""Names and licence numbers as people write them."""

from __future__ import annotations

import pytest

from precert.authorization.deciding.names import is_license, may_be_same, names_somebody, plain_name

NO_LICENCES = ["x", "MD", "none", "....", "----1", "0000", "n/a", "MD-12345;", "é1234", "1" * 60, "-MD1"]


@pytest.mark.parametrize("written", ["MD-12345", "MD-1", "MD D00123", "A.12345", "036-12345", "12345"])
def test_licences(written: str) -> None:
    assert is_license(written)


@pytest.mark.parametrize("written", NO_LICENCES)
def test_what_is_no_licence(written: str) -> None:
    assert not is_license(written)


@pytest.mark.parametrize(
    "written",
    [
        "Nadia Fuentes, MD",
        "nadia fuentes",
        "Dr. Nadia Fuentes",
        "FUENTES, Nadia",
        "Nadia J. Fuentes, M.D.",
        "Nádia Fuentes",
    ],
)
def test_one_name_in_its_spellings(written: str) -> None:
    assert plain_name(written) == plain_name("Nadia Fuentes")


@pytest.mark.parametrize("written", ["Nadia Fuente", "Nora Fuentes", "Fuentes", "MD", "1992817498"])
def test_another_name(written: str) -> None:
    assert plain_name(written) != plain_name("Nadia Fuentes")
    assert plain_name(written)


@pytest.mark.parametrize(
    ("one", "other", "maybe"),
    [
        *[(written, "Nadia Fuentes, MD", True) for written in ("Fuentes", "N. Fuentes", "Dr. N. Fuentes", "Fuentes, N.")],
        *[(written, "Nadia Fuentes, MD", True) for written in ("n.fuentes", "Nurse Fuentes", "FUENTES, M.D.", "N.J. Fuentes")],
        *[(written, "Nadia Fuentes, MD", False) for written in ("Nora Fuentes", "R. Fuentes", "Nadia", "Nadia Ruiz", "MD")],
        ("Garcia", "Maria Garcia Lopez", True),
        ("M. Lopez", "Maria Garcia Lopez", True),
        ("Garcia Lopez, Maria", "Maria Lopez", True),
        ("R. Cho", "Raymond Cho", True),
        ("Núñez", "Ana Nunez", True),
        ("O'Neil", "Pat ONeil", True),
        ("nurse.hale", "John Hale", True),
        ("Lakeside Sleep Clinic", "Ann Clinic", False),
        (".", "Raymond Cho", False),
        ("", "Raymond Cho", False),
    ],
)  # fmt: skip
def test_who_may_be_the_same(one: str, other: str, maybe: bool) -> None:
    assert may_be_same(one, other) is maybe
    assert may_be_same(other, one) is maybe


@pytest.mark.parametrize("written", ["Ruiz", "N. Ruiz, RN", "dr.lind", "nurse-nell", "Li", "李明"])
def test_names(written: str) -> None:
    assert names_somebody(written)


@pytest.mark.parametrize("written", ["", ".", "x", "N. R.", "Dr. MD", "1992817498", "--", "M.D."])
def test_no_names(written: str) -> None:
    assert not names_somebody(written)
