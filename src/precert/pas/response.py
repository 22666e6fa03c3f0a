"""A case rendered as a PAS Response Bundle. IG versions differ only in the ``shape`` handed in.

Source: PAS response bundle and ClaimResponse profiles; statements spec-30..37, spec-44, spec-46.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from precert.authorization.record.case import Authorization, Case, Line
from precert.authorization.record.codes import OutcomeKind, Reject, code_table
from precert.authorization.usecases.dependencies import Rejection
from precert.authorization.usecases.submission import Submission
from precert.fhir.bundle import BundleIndex, Entry, bundle_entry
from precert.fhir.coding import codes
from precert.fhir.dates import instant
from precert.fhir.outcome import operation_outcome
from precert.fhir.types import Element, Resource, elements
from precert.fhir.versions import VersionName
from precert.pas import urls
from precert.pas.lines import ItemShape, Notes, Setting, add_items, item, period, result
from precert.pas.notes import disposition
from precert.pas.parties import full_reference, parties, roles
from precert.pas.requests import RequestShape, information_requests

_CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"


class Shape(ItemShape, RequestShape, Protocol):
    """The parts of an answer that differ between IG versions; a module per version."""

    VERSION: VersionName
    PREFIX: str
    CONTEXT: str
    INQUIRY_IN_PARAMETERS: bool

    def error_element(self, reject: Reject) -> Element: ...
    def header_extensions(self, lines: list[Line], known: frozenset[str]) -> list[Element]: ...
    def stay_extensions(self, admission: Element | str | None, discharge: str | None) -> list[Element]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rendering is made from. ``claim_response`` and ``bundle`` are the ids it will be readable under."""

    case: Case
    submission: Submission
    rejection: Rejection | None
    shape: Shape
    claim_response: str
    bundle: str
    root: str
    at: datetime
    inquiry: bool = False

    @property
    def fhir(self) -> str:
        """The FHIR base of the answer."""
        return self.root + self.shape.PREFIX


def response_bundle(answer: Answer) -> Resource:
    """The PAS Response Bundle (or, for an inquiry, the Inquiry Response Bundle); the ClaimResponse stands first."""
    request = BundleIndex(answer.submission.bundle)
    claim_response = _claim_response(answer, request)
    asking = (
        []
        if answer.rejection
        else information_requests(
            answer.case,
            parties(answer.case, answer.submission.claim_resource, request, answer.fhir),
            answer.shape,
            answer.fhir,
        )
    )
    communications = [e["fullUrl"] for e in asking if e["resource"]["resourceType"] == "CommunicationRequest"]
    if communications:
        claim_response["communicationRequest"] = [{"reference": url} for url in communications]
        if "error" in claim_response:  # keep the published element order
            claim_response["error"] = claim_response.pop("error")
    entries = [bundle_entry(f"{answer.fhir}/ClaimResponse/{answer.claim_response}", claim_response)]
    entries += [bundle_entry(e.full_url, e.resource) for e in echoed(request, [claim_response])]
    entries += asking
    if answer.submission.warnings and not answer.inquiry:
        entries.append(
            bundle_entry(f"urn:uuid:{_sibling(answer.bundle)}", operation_outcome(answer.submission.warnings))
        )
    return {
        "resourceType": "Bundle",
        "id": answer.bundle,
        "meta": {"profile": [urls.INQUIRY_RESPONSE_BUNDLE if answer.inquiry else urls.RESPONSE_BUNDLE]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{answer.bundle}"},
        "type": "collection",
        "timestamp": instant(answer.at),
        "entry": entries,
    }


def _sibling(id: str) -> str:
    """A second uuid tied to the bundle's: the last group turned around."""
    head, _, tail = id.rpartition("-")
    return f"{head}-{tail[::-1]}"


def _claim_response(answer: Answer, request: BundleIndex) -> Resource:
    case, claim, table = answer.case, answer.submission.claim_resource, code_table()
    notes = Notes()
    items, added = [], []
    known = frozenset(entry.full_url for entry in request.entries)
    if not answer.rejection:
        stay = answer.shape.stay_extensions(*_stay(claim))
        setting = Setting(answer.root, known, stay, roles(request))
        items = [item(line, notes, answer.shape, setting) for line in case.ordered]
        added = add_items(case.ordered, answer.shape, setting)
    pended = any(result(line) == "pended" for line in case.ordered)
    kind: OutcomeKind = "error" if answer.rejection else "pended" if pended else "decided"
    resource: Resource = {
        "resourceType": "ClaimResponse",
        "id": answer.claim_response,
        "meta": {"profile": [urls.CLAIM_INQUIRY_RESPONSE if answer.inquiry else urls.CLAIM_RESPONSE]},
    }
    found = _root_extensions(case, answer.rejection)
    if not answer.rejection:
        found += answer.shape.header_extensions(case.ordered, known)
    if found:
        resource["extension"] = found
    resource |= {
        "identifier": [{"system": urls.CASE_NUMBER, "value": case.number}, *_traces(claim)],
        "status": "active",
        "type": claim.get("type") or {"coding": [{"system": _CLAIM_TYPE, "code": "professional"}]},
        "use": "preauthorization",
        "patient": full_reference(request, claim["patient"]),
        "created": instant(answer.at),
        "insurer": full_reference(request, claim["insurer"]),
        "requestor": full_reference(request, claim["provider"]),
        "request": request_reference(case, claim),
        "outcome": table.outcome[answer.shape.VERSION][kind],
        "disposition": answer.rejection.entry.text if answer.rejection else disposition(case),
    }
    resource |= _authorized(case)
    if items:
        resource["item"] = items
    if added:
        resource["addItem"] = added
    if (whole := _adjudication(case)) and not answer.rejection:
        resource["adjudication"] = whole
    if notes.texts:
        resource["processNote"] = [
            {"number": n, "type": "print", "text": t} for n, t in enumerate(notes.texts, start=1)
        ]
    if answer.rejection:
        resource["error"] = [error(answer.rejection, answer.shape)]
    return resource


def _authorized(case: Case) -> Element:
    """``preAuthRef`` and, when everything asked for is granted, ``preAuthPeriod``."""
    granted = [
        line.authorization for line in case.ordered if line.authorization and result(line) in ("approved", "modified")
    ]
    if not granted:
        return {}
    found: Element = {"preAuthRef": granted[0].number}
    if len(granted) == len(case.lines):
        found["preAuthPeriod"] = whole_period(granted)
    return found


def whole_period(granted: Sequence[Authorization]) -> Element:
    """From the first day of any of ``granted`` to the last of any; without an end if one of them has none."""
    ends = [authorization.end for authorization in granted if authorization.end is not None]
    last = max(ends) if len(ends) == len(granted) else None
    return period(min(authorization.start for authorization in granted), last)


def _adjudication(case: Case) -> list[Element]:
    """The header certification number, where every line was granted. No action code here: its context forbids it."""
    numbers = [line.authorization.number for line in case.ordered if line.authorization and result(line) == "approved"]
    if not numbers or len(numbers) != len(case.lines):
        return []
    action = {"extension": [{"url": "number", "valueString": numbers[0]}], "url": urls.REVIEW_ACTION}
    return [{"extension": [action], "category": {"coding": [{"system": urls.ADJUDICATION, "code": "submitted"}]}}]


def _root_extensions(case: Case, rejection: Rejection | None) -> list[Element]:
    found = [case.opened.transmission] if case.opened.transmission else []
    decided = [line.determination for line in case.ordered if line.determination and result(line) != "pended"]
    if not decided or rejection:
        return found
    # "human reviewed" is read from the events: true exactly when a person decided
    people = [determination for determination in decided if determination.human]
    parts: list[Element] = [{"url": "wasHumanReviewedFlag", "valueBoolean": bool(people)}]
    last = max(people, key=lambda d: d.at, default=None)
    if last is not None and last.npi:
        npi = {"system": "http://hl7.org/fhir/sid/us-npi", "value": last.npi}
        parts.append({"url": "reviewerNPI", "valueIdentifier": npi})
    if last is not None and last.specialty:
        parts.append({"url": "reviewerSpecialty", "valueCodeableConcept": {"text": last.specialty}})
    return [*found, {"extension": parts, "url": urls.REVIEWER}]


def request_reference(case: Case, claim: Resource) -> Element:
    """``ClaimResponse.request``: the Claim where the client exposes it.

    A ``urn:uuid`` means nothing outside the bundle it came in, so it is no reference to answer with: the request is then
    named by the client's own identifier, with the reason why there is no reference (spec-44).
    """
    if case.claim.startswith(("http://", "https://")):
        return {"reference": case.claim}
    absent: Element = {"extension": [{"url": urls.DATA_ABSENT, "valueCode": "unknown"}]}
    identifier = next(iter(_traces(claim)), None)
    return absent | ({"identifier": identifier} if identifier else {})


def _traces(claim: Resource) -> list[Element]:
    """The client's own trace numbers, to echo."""
    return [i for i in elements(claim.get("identifier")) if i.get("system") and i.get("value")]


def _stay(claim: Resource) -> tuple[Element | str | None, str | None]:
    """The admission date(s) and the discharge date that the request names."""
    dates: dict[str, Element] = {}
    for info in elements(claim.get("supportingInfo")):
        for code in codes(info.get("category")):
            dates.setdefault(code.code, info)
    admission, discharge = dates.get("admissionDates", {}), dates.get("dischargeDates", {})
    return admission.get("timingPeriod") or admission.get("timingDate"), discharge.get("timingDate")


def error(rejection: Rejection, shape: Shape) -> Element:
    """``ClaimResponse.error``: an AAA-style fault, where it is and how to go on."""
    reject = rejection.entry
    followup = {"coding": [{"system": urls.X12_FOLLOWUP, "code": reject.followup}]}
    return {
        "extension": [
            {"url": urls.ERROR_FOLLOWUP, "valueCodeableConcept": followup},
            shape.error_element(reject),
            {"url": urls.ERROR_PATH, "valueString": rejection.path},
        ],
        "code": {"coding": [{"system": urls.X12_REJECT_REASON, "code": reject.code}]},
    }


def echoed(request: BundleIndex, origins: list[Resource]) -> list[Entry]:
    """The entries of the request that the answer refers to, and theirs, verbatim (spec-13, spec-33). Never the Claim."""
    wanted: dict[int, Entry] = {}
    base = request.entries[0].full_url
    pending = [Entry(-1, base, resource, "") for resource in origins]
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
