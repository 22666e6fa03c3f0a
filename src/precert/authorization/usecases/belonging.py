"""Whether a request that speaks of an earlier one may: the same member, the same requester, the same payer.

A reference, an identifier or a number alone proves nothing: one clearinghouse sends for many practices, and identifiers of
EHRs are not unique. What is missing on either side does not agree. Source: PAS 2.2.1 spec-65 (an update is of the prior
Claim), HRex "verify the requestor's right to each record", 45 CFR 164.514(h) (verification of identity and authority).
"""

from __future__ import annotations

from collections.abc import Iterable

from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import member_numbers
from precert.fhir.types import Element, Resource, elements, text

OTHER_MEMBER, OTHER_REQUESTER, OTHER_PAYER = "chain_other_member", "chain_other_requester", "chain_other_payer"
"""Keys of the reject table (``codes.yaml``)."""


def foreign(case: Case, submission: Submission, who: Standing) -> str | None:
    """The key of the reason why ``submission`` may not touch or be told of ``case``; ``None`` if it may.

    The client that submits is not looked at here: records are searched for among its own only.
    """
    if not same_member(case, submission, who):
        return OTHER_MEMBER
    if not same_requester(case, submission):
        return OTHER_REQUESTER
    return None if _same_payer(case, submission) else OTHER_PAYER


def parties_told(submission: Submission) -> Element:
    """What the record keeps of the parties, beside their names, so that a later request can be held against it."""
    return {
        "npis": sorted(set(submission.requester_npis)),
        "requester": sorted(set(submission.requester_ids)),
        "insurer": sorted(set(submission.insurer_ids)),
    }


def same_member(case: Case, submission: Submission, who: Standing) -> bool:
    """The same member of the directory; or, for people it does not know, number, birth date and name all agree.

    A member number on the Coverage that the record does not have is another coverage, or somebody else's.
    """
    opened = case.opened
    known = _upper([*opened.member_numbers, *([opened.member] if opened.member else [])])
    sent = _upper(member_numbers(submission.patient, submission.coverage, submission.subscriber))
    on_coverage = _upper(member_numbers({}, submission.coverage))
    if not sent & known or not on_coverage <= known:
        return False
    if opened.member is not None and who.member is not None:
        return opened.member == who.member.id
    return _alike(opened.patient, submission.patient)


def _alike(one: Resource, other: Resource) -> bool:
    """Whether both have the same full birth date and share a name. What is missing does not agree."""
    born = text(one.get("birthDate"))
    return born is not None and born == text(other.get("birthDate")) and bool(_names(one) & _names(other))


def same_requester(case: Case, submission: Submission) -> bool:
    """The requester's NPI, or that of the organization it acts for, is on both; without any, another identifier is."""
    npis = {npi for npi in (case.opened.requester.npi, *_told(case, "npis")) if npi}
    if npis or submission.requester_npis:
        return bool(npis & set(submission.requester_npis))
    return bool(set(_told(case, "requester")) & set(submission.requester_ids))


def _same_payer(case: Case, submission: Submission) -> bool:
    """A payer that is certainly another is refused before; two that cannot be told from us must be named alike."""
    if submission.us is True:
        return True
    named = set(_told(case, "insurer"))
    return named == set(submission.insurer_ids) or bool(named & set(submission.insurer_ids))


def _told(case: Case, what: str) -> Iterable[str]:
    return tuple(map(str, case.events[0].detail.get("parties", {}).get(what, ())))


def _upper(numbers: Iterable[str]) -> set[str]:
    return {number.strip().upper() for number in numbers if number.strip()}


def _names(person: Resource) -> set[tuple[str, str]]:
    """(family, first given) of every name, spelled alike."""
    found = set()
    for name in elements(person.get("name")):
        given = name.get("given")
        first = text(given[0]) if isinstance(given, list) and given else None
        family = text(name.get("family"))
        if family and first:
            found.add((_plain(family), _plain(first)))
    return found


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())
