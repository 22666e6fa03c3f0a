"""Who takes part in a request of the conformance presets, together."""

from __future__ import annotations

from dataclasses import dataclass

from tools.inferno_parts import Folder, coverage, patient, payer, practitioner, requester, role
from tools.requests import PAYER_NPI, SUPPLIER_NPI, Json


@dataclass(frozen=True)
class Parties:
    """References to who takes part, as ``claims.claim`` wants them."""

    folder: Folder
    references: Json

    def __getitem__(self, name: str) -> Json:
        found: Json = self.references[name]
        return found


def parties(folder: Folder, member: str, *, npi: str = SUPPLIER_NPI, by_role: bool = False) -> Parties:
    """The payer, the member with the card, and who asks: an organization, or a clinician in one."""
    insurer, organization = payer(folder, PAYER_NPI), requester(folder, npi)
    person = patient(folder, member)
    clinician = role(folder, organization)
    return Parties(
        folder,
        {
            "payer": insurer,
            "patient": person,
            "coverage": coverage(folder, member, person, insurer),
            "organization": organization,
            "role": clinician,
            "practitioner": practitioner(folder),
            "provider": clinician if by_role else organization,
        },
    )
