"""A case rendered as a PAS Response Bundle. IG versions differ only in the ``shape`` handed in.

Source: PAS response bundle and ClaimResponse profiles; statements spec-30..37, spec-46.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from precert.authorization.codes import IgVersion, OutcomeKind, Reject, code_table
from precert.authorization.record import Authorization, Case, Line, Party
from precert.authorization.service import Rejection
from precert.authorization.submission import Submission
from precert.fhir.bundle import BundleIndex, Entry, bundle_entry
from precert.fhir.dates import instant
from precert.fhir.extension import extension_value, extensions
from precert.fhir.outcome import operation_outcome
from precert.fhir.types import Element, Resource
from precert.pas import urls
from precert.pas.notes import disposition, line_notes


class Shape(Protocol):
    """The parts of a response that differ between IG versions; a module per version."""

    VERSION: IgVersion

    def authorized_provider(self, party: Party) -> Element: ...

    def error_element(self, reject: Reject) -> Element: ...

    def authorized_detail(self, requested: Element, authorization: Authorization | None) -> Element | None: ...


@dataclass(frozen=True, slots=True)
class ResponseIds:
    """The ids under which the response and its bundle are stored and can be read again."""

    claim_response: str
    bundle: str


def response_bundle(
    case: Case,
    submission: Submission,
    rejection: Rejection | None,
    *,
    shape: Shape,
    ids: ResponseIds,
    fhir: str,
    base: str,
) -> tuple[Resource, Resource]:
    """The bundle and the ClaimResponse in it. ``fhir`` is the FHIR base URL of the answer, ``base`` the server's root."""
    request = BundleIndex(submission.bundle)
    claim_response = _claim_response(case, submission, rejection, shape, ids, base)
    entries = [bundle_entry(f"{fhir}/ClaimResponse/{ids.claim_response}", claim_response)]
    entries += [bundle_entry(e.full_url, e.resource) for e in _echoed(request, claim_response)]
    if submission.warnings:
        entries.append(bundle_entry(f"urn:uuid:{_outcome_id(ids)}", operation_outcome(submission.warnings)))
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": ids.bundle,
        "meta": {"profile": [urls.RESPONSE_BUNDLE]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{ids.bundle}"},
        "type": "collection",
        "timestamp": instant(case.opened.received),
        "entry": entries,
    }
    return bundle, claim_response


def _outcome_id(ids: ResponseIds) -> str:
    """A second uuid tied to the bundle's: the last group turned around."""
    head, _, tail = ids.bundle.rpartition("-")
    return f"{head}-{tail[::-1]}"


def _claim_response(
    case: Case, submission: Submission, rejection: Rejection | None, shape: Shape, ids: ResponseIds, base: str
) -> Resource:
    claim, opened, codes = submission.claim_resource, case.opened, code_table()
    notes = _Notes()
    items = [] if rejection else [_item(line, notes, shape, base) for line in case.ordered]
    pended = any(_result(line) == "pended" for line in case.ordered)
    kind: OutcomeKind = "error" if rejection else "pended" if pended else "decided"
    resource: Resource = {
        "resourceType": "ClaimResponse",
        "id": ids.claim_response,
        "meta": {"profile": [urls.CLAIM_RESPONSE]},
    }
    if found := _root_extensions(case, rejection):
        resource["extension"] = found
    resource |= {
        "identifier": [{"system": urls.CASE_NUMBER, "value": case.number}],
        "status": "active",
        "type": claim.get("type") or {"coding": [{"system": _CLAIM_TYPE, "code": "professional"}]},
        "use": "preauthorization",
        "patient": _full_reference(submission, "patient"),
        "created": instant(opened.received),
        "insurer": _full_reference(submission, "insurer"),
        "requestor": _full_reference(submission, "provider"),
        "request": _request(submission),
        "outcome": codes.outcome[shape.VERSION][kind],
        "disposition": rejection.entry.text if rejection else disposition(case),
    }
    granted = [line.authorization for line in case.ordered if line.authorization and _result(line) == "approved"]
    if granted:
        resource["preAuthRef"] = granted[0].number
    if len(granted) == len(case.lines) and granted:
        resource["preAuthPeriod"] = _period(min(a.start for a in granted), max((a.end or a.start) for a in granted))
    if items:
        resource["item"] = items
    if notes.texts:
        resource["processNote"] = [
            {"number": n, "type": "print", "text": t} for n, t in enumerate(notes.texts, start=1)
        ]
    if rejection:
        resource["error"] = [_error(rejection, shape)]
    return resource


_CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"


def _root_extensions(case: Case, rejection: Rejection | None) -> list[Element]:
    found = [case.opened.transmission] if case.opened.transmission else []
    decided = [line.determination for line in case.ordered if line.determination and _result(line) != "pended"]
    if decided and not rejection:
        # "human reviewed" is read from the events: true exactly when a person decided (CMS-0057-F, AI disclosure)
        human = any(determination.human for determination in decided)
        found.append({"extension": [{"url": "wasHumanReviewedFlag", "valueBoolean": human}], "url": urls.REVIEWER})
    return found


def _full_reference(submission: Submission, element: str) -> Element:
    """The request's reference, made absolute with the fullUrl of the entry it means, so that it resolves in any bundle."""
    sent: Element = submission.claim_resource[element]
    index = BundleIndex(submission.bundle)
    target = index.resolve(sent, index.entries[0])
    return {"reference": target.full_url} if target and target.full_url else sent


def _request(submission: Submission) -> Element:
    if submission.claim:
        return {"reference": submission.claim}
    return {"extension": [{"url": urls.DATA_ABSENT, "valueCode": "unknown"}]}


def _result(line: Line) -> str:
    review = code_table().review.get(line.state)
    return review.result if review else line.state


class _Notes:
    """Numbered process notes; the same sentence for several lines is one note."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def _item(line: Line, notes: _Notes, shape: Shape, base: str) -> Element:
    numbers = [notes.number(text) for text in line_notes(line, base)]
    item: Element = {}
    if found := _item_extensions(line, shape):
        item["extension"] = found
    item["itemSequence"] = line.sequence
    if numbers:
        item["noteNumber"] = numbers
    item["adjudication"] = [
        {
            "extension": [_review_action(line)],
            "category": {"coding": [{"system": urls.ADJUDICATION, "code": "submitted"}]},
        }
    ]
    return item


def _review_action(line: Line) -> Element:
    review = code_table().review[line.state]
    parts: list[Element] = []
    if line.authorization is not None and review.result in ("approved", "modified"):
        parts.append({"url": "number", "valueString": line.authorization.number})
    if review.reason is not None:
        coding = {"system": urls.X12_DECISION_REASON, "code": review.reason}
        parts.append({"url": "reasonCode", "valueCodeableConcept": {"coding": [coding]}})
    action = {"coding": [{"system": urls.X12_REVIEW_ACTION, "code": review.action}]}
    parts.append({"url": urls.REVIEW_ACTION_CODE, "valueCodeableConcept": action})
    return {"extension": parts, "url": urls.REVIEW_ACTION}


def _item_extensions(line: Line, shape: Shape) -> list[Element]:
    asked, authorization, result = line.requested, line.authorization, _result(line)
    found: list[Element] = list(extensions(asked.item, urls.ITEM_TRACE_NUMBER))
    if authorization is not None and result in ("approved", "modified"):
        found.append({"url": urls.ISSUE_DATE, "valueDate": authorization.issued.isoformat()})
        found.append({"url": urls.PREAUTH_PERIOD, "valuePeriod": _period(authorization.start, authorization.end)})
    previous = extension_value(asked.item, urls.AUTHORIZATION_NUMBER)
    if isinstance(previous, str):
        found.append({"url": urls.AUTHORIZATION_NUMBER, "valueString": previous})
    if line.reference and result == "pended":
        found.append({"url": urls.ADMIN_REFERENCE, "valueString": line.reference})
    if asked.service_start is not None:
        found.append({"url": urls.REQUESTED_DATE, "valuePeriod": _period(asked.service_start, asked.service_end)})
    if authorization is not None and result == "approved":
        if asked.provider is not None and asked.provider.reference:
            found.append(shape.authorized_provider(asked.provider))
        if (detail := shape.authorized_detail(asked.item, authorization)) is not None:
            found.append(detail)
    return found


def _period(start: date, end: date | None) -> Element:
    return {"start": start.isoformat()} | ({"end": end.isoformat()} if end else {})


def _error(rejection: Rejection, shape: Shape) -> Element:
    reject = rejection.entry
    return {
        "extension": [
            {
                "url": urls.ERROR_FOLLOWUP,
                "valueCodeableConcept": {"coding": [{"system": urls.X12_FOLLOWUP, "code": reject.followup}]},
            },
            shape.error_element(reject),
            {"url": urls.ERROR_PATH, "valueString": rejection.path},
        ],
        "code": {"coding": [{"system": urls.X12_REJECT_REASON, "code": reject.code}]},
    }


def _echoed(request: BundleIndex, claim_response: Resource) -> list[Entry]:
    """The entries of the request that the response refers to, and theirs, verbatim (spec-13, spec-33). Never the Claim."""
    wanted: dict[int, Entry] = {}
    origin = request.entries[0]
    pending = [Entry(-1, origin.full_url, claim_response, "")]
    while pending:
        entry = pending.pop()
        for _, reference in request.references(entry):
            target = request.resolve(reference, entry)
            if target is None or target.container is not None or target.type in ("Claim", "ClaimResponse"):
                continue
            if target.index not in wanted and target.full_url:
                wanted[target.index] = target
                pending.append(target)
    return [wanted[index] for index in sorted(wanted)]
