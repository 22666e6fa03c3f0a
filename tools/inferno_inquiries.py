"""The inquiries in the conformance presets.

An inquiry is a query by example: the member and who asks are compulsory, the rest narrows the search. The numbers that a
server issues cannot be known beforehand, so all but one search without them; that one finds nothing.
"""

from __future__ import annotations

from typing import Any

from tools import inferno_claims as claims
from tools.inferno_parties import Parties, parties
from tools.inferno_parts import DAY, Folder, coded, patient
from tools.requests import Json, concept, ext, item, x12

ANY = coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-applicable")
"""A service code that does not narrow the search (PAS spec-43)."""


def _item(service: Json, **more: Any) -> Json:
    return claims.in_order(item(1, "hcpcs|E0601", start=DAY, end=claims.LATER) | {"productOrService": service} | more)


def inquiry(found: Parties, items: list[Json], *, step: str = "1", **more: Any) -> Json:
    """The inquiry bundle. ``more`` are further elements of the Claim."""
    claim = claims.claim(found.folder, found.references, items, profile="profile-claim-inquiry", **more)
    return claims.bundle(found.folder, claim, profile="inquiry-request", step=step)


def pended(found: Parties) -> Json:
    """Asks for the request that was pended."""
    return inquiry(found, [_item(concept("hcpcs|E0601"))], diagnosis=claims.diagnoses("G47.33"))


def _anything(name: str, member: str, new: bool) -> Json:
    found = parties(Folder(name, new), member)
    return inquiry(found, [_item(ANY)], diagnosis=claims.diagnoses("G47.33"))


def _with_everything(new: bool) -> Json:
    """Every element of the profile but the numbers, as an example of requests that are on file."""
    folder = Folder("ask-everything", new)
    found = parties(folder, "MA-0003", by_role=True)
    stamps = [
        ext("extension-itemCertificationIssueDate", "Date", "2026-11-20"),
        ext("extension-itemCertificationExpirationDate", "Date", "2027-12-31"),
        ext("extension-itemCertificationEffectiveDate", "Date", DAY),
        ext("extension-reviewActionCode", "CodeableConcept", x12("306", "A1")),
        ext("extension-productOrServiceCodeEnd", "CodeableConcept", concept("hcpcs|G0300")),
    ]
    system = "https://www.nubc.org/CodeSystem/RevenueCodes" if new else "https://www.nubc.org/revenue-code"
    wide = item(
        1, "hcpcs|G0299", quantity=12, unit="visits", start=DAY, end="2027-11-04", trace="TRC-ASK-1", place="12"
    )
    wide["extension"] += stamps
    wide |= {
        "careTeamSequence": [1, 2],
        "informationSequence": [1],
        "revenue": coded(system, "0551"),
        "modifier": [concept("hcpcs|GO")],
    }
    single = item(2, "hcpcs|E0601", start=DAY, trace="TRC-ASK-2", place="12") | {"productOrService": ANY}
    return inquiry(
        found,
        [claims.in_order(wide), claims.in_order(single)],
        extension=claims.root_extensions(None, new=new, certification="I"),
        billablePeriod=claims.period(),
        careTeam=claims.care_team((found["role"], True), (found["organization"], False)),
        supportingInfo=claims.supporting_info(new, [], message=False),
        diagnosis=claims.diagnoses("G35"),
        accident=claims.accident(),
    )


def _by_numbers(new: bool) -> Json:
    """By numbers that this server did not issue: nothing is found."""
    found = parties(Folder("ask-numbers", new), "MA-0002")
    sought = claims.numbers("AUTH-2025-0007", "REF-2025-0007")
    days = claims.supporting_info(new, [], dates=claims.ONE_DAY, message=False)
    one = _item(ANY)
    one["extension"] += sought
    return inquiry(
        found, [one], extension=sought if new else [], supportingInfo=days, diagnosis=claims.diagnoses("G47.33")
    )


def _wrong_birth_date(new: bool) -> Json:
    """About a person whose birth date is not the one on file: an error, in the words of X12."""
    folder = Folder("ask-error", new)
    patient(folder, "MA-0001", {"birthDate": "1961-03-14"})
    return inquiry(parties(folder, "MA-0001"), [_item(ANY)], diagnosis=claims.diagnoses("G47.33"))


def must_support(new: bool) -> list[Json]:
    """All of them: what a physician changed, everything, open questions, an error, and nothing."""
    return [
        _anything("ask-approval", "MA-0001", new),
        _with_everything(new),
        _anything("ask-documents", "MA-0004", new),
        _wrong_birth_date(new),
        _by_numbers(new),
    ]
