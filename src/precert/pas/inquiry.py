"""``Claim/$inquire``: a query by example, read; the matching records, rendered as they stand now.

Source: PAS statements spec-43..53. Patient, requester and payer are compulsory; Claim.identifier is the inquiry's own
trace and no search key. Nothing tells "not found" from "not yours".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from precert.authorization.deciding.person import Person, identify
from precert.authorization.deciding.service import service_keys
from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import Rejection
from precert.authorization.usecases.inquire import Inquiry
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import Directory, member_numbers
from precert.fhir.bundle import BundleIndex, bundle_entry
from precert.fhir.coding import codes
from precert.fhir.dates import instant
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, Resource, elements
from precert.pas import urls
from precert.pas.parties import full_reference
from precert.pas.response import Answer, Shape, echoed, error, response_bundle

_ANY_SERVICE = "not-applicable"


def read_inquiry(submission: Submission, directory: Directory) -> Inquiry:
    """The inquiry as search criteria. ``submission`` is the inquiry bundle read like a request."""
    person = identify(submission.subject, directory)
    member = person.member if isinstance(person, Person) else None
    sent = member_numbers(submission.patient, submission.coverage, submission.subscriber)
    claim = submission.claim_resource
    items = elements(claim.get("item"))
    asked = [frozenset(codes(item.get("productOrService"))) for item in items]
    anything = not asked or any(not c or any(code.code == _ANY_SERVICE for code in c) for c in asked)
    kept = {key for line in submission.lines for key in service_keys(line)}  # lines are kept under their billing code
    numbers = [
        number
        for element in (claim, *items)
        for url in (urls.AUTHORIZATION_NUMBER, urls.ADMIN_REFERENCE)
        if isinstance(number := extension_value(element, url), str)
    ]
    return Inquiry(
        member_numbers=tuple(dict.fromkeys([*([member.id] if member else []), *sent])),
        npis=submission.requester_npis,
        identifiers=submission.requester_ids,
        numbers=tuple(dict.fromkeys(numbers)),
        services=None if anything else frozenset(kept) | frozenset(str(code) for c in asked for code in c),
        dates=tuple(filter(None, (_dates(line.service_start, line.service_end) for line in submission.lines))),
        member=member.id if member else None,
        patient=submission.patient,
    )


def _dates(start: date | None, end: date | None) -> tuple[date, date] | None:
    if start is None and end is None:
        return None
    return (start or end or date.min), (end or start or date.max)


def inquiry_answer(
    matches: list[tuple[Case, Submission]],
    asked: Submission,
    shape: Shape,
    root: str,
    at: datetime,
    new_id: Callable[[], str],
    rejection: Rejection | None = None,
) -> Resource:
    """Parameters with a Bundle for each match (2.2), or one Bundle with all of them (2.0).

    ``rejection`` says that the inquiry cannot be answered at all (the person or the payer it names is not the one on
    file): an AAA error, as for a request.
    """
    if rejection is not None:
        bundle = _error(asked, rejection, shape, root, at, new_id)
        return _parameters([bundle]) if shape.INQUIRY_IN_PARAMETERS else bundle
    bundles = [
        response_bundle(Answer(case, request, None, shape, new_id(), new_id(), root, at, inquiry=True))
        for case, request in matches
    ]
    if shape.INQUIRY_IN_PARAMETERS:
        return _parameters(bundles)
    # 2.0.1 has no shape for "no match": its bundle must begin with a ClaimResponse, so the answer is an error
    return _merged(bundles) if bundles else _error(asked, Rejection("no_match", "Claim"), shape, root, at, new_id)


def _parameters(bundles: list[Resource]) -> Resource:
    """One ``return`` for each; no match is an empty Parameters (FHIR allows no empty array)."""
    answer: Resource = {"resourceType": "Parameters"}
    if bundles:
        answer["parameter"] = [{"name": "return", "resource": bundle} for bundle in bundles]
    return answer


def _merged(bundles: list[Resource]) -> Resource:
    """All matches in one Bundle: the ClaimResponses first, each other resource once."""
    entries: dict[str, Element] = {}
    for bundle in bundles:
        entries.setdefault(bundle["entry"][0]["fullUrl"], bundle["entry"][0])
    for bundle in bundles:
        for entry in bundle["entry"][1:]:
            entries.setdefault(entry["fullUrl"], entry)
    return {**bundles[0], "entry": list(entries.values())}


def _error(
    asked: Submission, rejection: Rejection, shape: Shape, root: str, at: datetime, new_id: Callable[[], str]
) -> Resource:
    """A bundle whose ClaimResponse says why there is no result. There is no request to refer to, only the inquiry."""
    request = BundleIndex(asked.bundle)
    claim, id, bundle = asked.claim_resource, new_id(), new_id()
    parties = {name: full_reference(request, claim[name]) for name in ("patient", "insurer", "provider")}
    response: Resource = {
        "resourceType": "ClaimResponse",
        "id": id,
        "meta": {"profile": [urls.CLAIM_INQUIRY_RESPONSE]},
        "status": "active",
        "type": claim.get("type")
        or {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]},
        "use": "preauthorization",
        "patient": parties["patient"],
        "created": instant(at),
        "insurer": parties["insurer"],
        "requestor": parties["provider"],
        "request": {"extension": [{"url": urls.DATA_ABSENT, "valueCode": "not-applicable"}]},
        "outcome": "error",
        "disposition": rejection.entry.text,
        "error": [error(rejection, shape)],
    }
    entries = echoed(request, [response])
    return {
        "resourceType": "Bundle",
        "id": bundle,
        "meta": {"profile": [urls.INQUIRY_RESPONSE_BUNDLE]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{bundle}"},
        "type": "collection",
        "timestamp": instant(at),
        "entry": [
            bundle_entry(f"{root}{shape.PREFIX}/ClaimResponse/{id}", response),
            *(bundle_entry(e.full_url, e.resource) for e in entries),
        ],
    }
