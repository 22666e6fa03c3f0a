"""From a tracking id to the record that it belongs to, and whether the sender knows whose it is.

A solicited attachment carries an id of ours (the question list of a pended line, an administration reference, case or
authorization number): every number ever given out leads to its record. An unsolicited one carries the sender's own
claim or bundle identifier, or the trace number of an item, which only counts for the same sender and member, since nobody
guarantees that it is unique.
Source: CDex 2.1.0 "submit-attachment", parameters TrackingId and MemberId.
"""

from __future__ import annotations

from collections.abc import Iterable

from precert.authorization.record.case import Case, LineRequest, traced
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submission import Submission
from precert.cdex.parameters import Sent
from precert.eligibility.directory import npis
from precert.fhir.coding import system_url
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource, elements
from precert.store.port import Param

_MOST = 200
"""So many records of one sender are looked through for a number."""


async def find_case(service: AuthorizationService, sent: Sent, submitter: str) -> Case | None:
    """The record the attachments belong to, checked; ``None`` if there is none (yet). Raises FhirError(422)."""
    by_tracking = await _lookup(service, sent.tracking.value)
    by_reference = await _lookup(service, sent.admin_reference.value) if sent.admin_reference else None
    if by_tracking is not None and by_reference is not None and by_tracking.id != by_reference.id:
        assert sent.admin_reference is not None
        _mismatch("AdminRefNumber and TrackingId lead to different cases.", sent.admin_reference.path, "reference")
    case = by_tracking or by_reference or await _by_identifier(service, sent, submitter)
    if case is not None:
        check(service, case, sent)
    return case


async def _lookup(service: AuthorizationService, number: str) -> Case | None:
    found = await service.case(number)
    return found[0] if found else None


async def _by_identifier(service: AuthorizationService, sent: Sent, submitter: str) -> Case | None:
    """The record of the sender's own number: the newest of the member's that carries it. A claim or bundle identifier that
    leads to another member's record alone is an error of the sender's; a trace number may be anybody's."""
    if not sent.tracking.system:
        return await _by_bare_value(service, sent, submitter)
    token = sent.tracking.token
    found = await _search(service, Param("identifier", [token, f"trace|{token}"]), submitter)
    claimed = [case for case in found if token in case.tokens()["identifier"]]
    own = [case for case in found if member_matches(case, sent.member.value)]
    by_claim = [case for case in own if case in claimed]
    return next(iter(by_claim or own or claimed), None)


async def _by_bare_value(service: AuthorizationService, sent: Sent, submitter: str) -> Case | None:
    """The one record of the member that carries the number under any system. Raises FhirError(422) when there are several."""
    number = sent.member.value.strip()
    members = list(dict.fromkeys([number, number.upper(), number.lower()]))
    cases = await _search(service, Param("member", members), submitter)
    found = [case for case in cases if sent.tracking.value in {value for _, value in own_identifiers(case)}]
    if len(found) > 1:
        text = f"TrackingId {sent.tracking.value[:64]!r} leads to {len(found)} requests for this member. Send it with its system."
        raise FhirError(422, Issue("error", "multiple-matches", text, sent.tracking.path, "attachment-ambiguous"))
    return found[0] if found else None


async def _search(service: AuthorizationService, by: Param, submitter: str) -> list[Case]:
    """The records of the sender that ``by`` finds, the newest first."""
    page = await service.store.search(service.tenant, "Case", [by, Param("submitter", [submitter])], limit=_MOST)
    return [fold(decode(document.body)) for document in page.documents]


def check(service: AuthorizationService, case: Case, sent: Sent) -> None:
    """422 when what was sent contradicts the record."""
    if not member_matches(case, sent.member.value):
        text = "MemberId is not the member of the case that TrackingId leads to, as far as that could be told from its request."
        _mismatch(text, sent.member.path, "member")
    if sent.attach_to != "preauthorization":
        text = "TrackingId leads to a prior authorization, but AttachTo says claim."
        _mismatch(text, "Parameters.parameter", "attach-to")
    payer = sent.payer
    if payer is not None:
        same_system = {s for s, _ in service.directory().payer.identifiers if system_url(s) == system_url(payer.system)}
        ours = {value for system, value in service.directory().payer.identifiers if system in same_system}
        if ours and payer.value not in ours:
            _mismatch("PayerId names another payer.", payer.path, "payer")


def is_party(submission: Submission, senders: Iterable[str], payer: str) -> bool:
    """Whether one of ``senders`` (NPIs) is a party of the request: who asks, orders, renders or is named in it in any way as a
    provider. ``payer`` is our own NPI, which anybody may write."""
    orders = (npi for order in submission.orders.values() for npi in order.npis)
    rendering = (line.provider.npi for line in submission.lines if line.provider is not None and line.provider.npi)
    entries = [each for each in elements(_resources(submission.bundle)) if each.get("resourceType") in _PROVIDERS]
    named = (npi for each in entries for npi in npis(each))
    known = {*submission.requester_npis, *submission.care_team_npis, *orders, *rendering, *named} - {payer}
    return not known.isdisjoint(senders)


def was_asked(case: Case, sent: Sent) -> bool:
    """Whether the sender knows the attachment control number under which something was asked for on the case: only who was
    asked, and who reads the case, is told it."""
    control = {event.questions.id for event in case.events if event.questions is not None}
    return sent.tracking.value in control


_PROVIDERS = ("Organization", "Practitioner", "PractitionerRole", "Location")


def _resources(bundle: Resource) -> list[object]:
    return [entry.get("resource") for entry in elements(bundle.get("entry"))]


def _mismatch(text: str, path: str, what: str) -> None:
    text = f"{text} Nothing was attached; check the ids and send again."
    raise FhirError(422, Issue("error", "business-rule", text, path, f"attachment-{what}"))


def member_matches(case: Case, number: str) -> bool:
    """Whether ``number`` is the member's, in the directory or as the request presented it."""
    return is_number_of([*([case.opened.member] if case.opened.member else []), *case.opened.member_numbers], number)


def is_number_of(known: Iterable[str], number: str) -> bool:
    """Whether ``number`` is one of ``known``, however it is spelled."""
    return number.strip().upper() in {n.strip().upper() for n in known}


def own_identifiers(case: Case) -> set[tuple[str, str]]:
    """(system, value) of everything by which the sender may have named the request beforehand."""
    return named_beforehand(case.claim_identifiers, (line.requested for line in case.ordered))


def named_beforehand(identifiers: Iterable[str], lines: Iterable[LineRequest]) -> set[tuple[str, str]]:
    """(system, value) of a request's ``identifiers`` (``system|value``) and of the trace numbers of its ``lines``."""
    tokens = [*identifiers, *(token.removeprefix("trace|") for line in lines for token in traced(line))]
    return {(system, value) for system, _, value in (token.rpartition("|") for token in tokens)}
