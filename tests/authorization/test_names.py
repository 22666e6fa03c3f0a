"""Names and licence numbers as people write them."""

from __future__ import annotations

import pytest

from precert.authorization.deciding.names import is_license, plain_name

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
