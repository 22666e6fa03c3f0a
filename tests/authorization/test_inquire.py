"""To whom an inquiry shows a member's requests: never to somebody who knows only a number and a name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from authorization.test_person import PRESENTED, STRANGER, STRICT, Json, coverage, number, patient, subject
from precert.authorization.usecases.inquire import refused
from precert.eligibility.directory import Directory


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (patient(), None),
        (patient(name=None), None),  # number and birth date
        (patient(birthDate=None), "birth_date_missing"),
        (patient(birthDate=""), "birth_date_missing"),
        (patient(birthDate="1951"), "birth_date_missing"),
        (patient(birthDate="1951-03"), "birth_date_missing"),
        (patient(birthDate=19510314), "birth_date_missing"),
        (patient(birthDate="1951-03-15"), "birth_date"),
        (patient(birthDate=None, name=None), "birth_date_missing"),
        (patient(name=[{"family": "Falk", "given": ["Ines"]}]), "member_name"),
    ],
)
@pytest.mark.parametrize("directory", [PRESENTED, STRICT], ids=["presented", "directory"])
def test_a_birth_date_has_to_be_known(sent: Json, key: str | None, directory: Directory) -> None:
    submission = SimpleNamespace(subject=subject(sent), patient=sent)
    found = refused(cast(Any, submission), directory)
    assert (found.key if found is not None else None) == key
    assert found is None or found.path == "Claim.patient"


@pytest.mark.parametrize(("directory", "key"), [(PRESENTED, None), (STRICT, "member_not_found")])
def test_somebody_whom_the_directory_does_not_know(directory: Directory, key: str | None) -> None:
    sent = {"resourceType": "Patient", "identifier": [number("ZZ-9")], **STRANGER}
    submission = SimpleNamespace(subject=subject(sent, coverage("ZZ-9")), patient=sent)
    found = refused(cast(Any, submission), directory)
    assert (found.key if found is not None else None) == key
