"""What a request says about its patient that cannot stand, and what in it is about somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from precert.fhir.bundle import Entry
from precert.fhir.dates import parse_date
from precert.pas.findings import Findings

_DATE = re.compile(r"\d{4}(-\d{2}){0,2}", re.ASCII)


def check_birth_date(patient: Entry, found: Findings) -> None:
    """A birth date that is none confirms nobody, and must not be told to be "another one" (FHIR R4 ``date``)."""
    born = patient.resource.get("birthDate")
    if born is None or (isinstance(born, str) and _DATE.fullmatch(born) and parse_date(born) is not None):
        return
    said = f"{str(born)[:40]!r} is no date. Write YYYY-MM-DD, with two digits for month and day, such as 1951-03-14."
    found.fault("value", "birth-date", f"{patient.path}.birthDate", f"Patient.birthDate {said}")


def left_out(foreign: Iterable[tuple[Entry, bool]], found: Findings) -> tuple[str, ...]:
    """Say once for each type what is not used because it is not about the patient; the paths of all of it."""
    by_kind: dict[tuple[str, bool], list[str]] = {}
    for entry, of_another in foreign:
        by_kind.setdefault((entry.type, of_another), []).append(entry.path)
    for (type_, of_another), paths in by_kind.items():
        many = f"{len(paths)} {type_} resources are" if len(paths) > 1 else f"This {type_} is"
        if of_another:
            said = f"{many} about another patient than the Claim and not used."
        else:
            said = (
                f"{many} about nobody that can be matched with Claim.patient and not used. Reference the Patient of the "
                "Claim in subject (or patient), by the fullUrl, the id or an identifier that it has in the Bundle."
            )
        found.warn("business-rule", "other-subject" if of_another else "no-subject", paths[0], said)
    return tuple(path for paths in by_kind.values() for path in paths)
