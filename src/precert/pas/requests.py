"""Asking the provider for more: CommunicationRequest and Task for each line that waits for information.

Source: PAS "additional information", CDex Task based attachments; pas profiles task and communicationrequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from precert.authorization.record.case import Case, Line, OpenQuestions
from precert.fhir.bundle import bundle_entry
from precert.fhir.coding import LOINC
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource
from precert.pas import urls
from precert.policy.periods import Window


class RequestShape(Protocol):
    """The parts of an information request that differ between IG versions."""

    def line_number(self, sequence: int) -> Element: ...
    def input_modifiers(self, modifiers: list[Element]) -> list[Element]: ...
    def questionnaire_input(self, sequence: int, context: str) -> Element: ...
    def communication(self, sequence: int, content: str) -> tuple[list[Element], Element]: ...


@dataclass(frozen=True, slots=True)
class Parties:
    """References and identifiers for the two sides, as they stand in the response bundle.

    ``recipient`` and ``sender`` are the practitioner or organization behind a requester's role: a CommunicationRequest
    may name no role. ``None`` when there is none to name.
    """

    patient: Element
    insurer: Element
    insurer_identifier: Element
    requestor: Element
    requestor_identifier: Element
    claim: Element
    recipient: Element | None
    sender: Element | None


def information_requests(case: Case, parties: Parties, shape: RequestShape, fhir: str) -> list[Element]:
    """Bundle entries for each line in ``pended_info``: CommunicationRequests and Tasks.

    The questions are one questionnaire; documents that would answer a question as well are asked for by their LOINC code
    in a Task of their own. The first Task's id is the list's id (tracking number and DTR context).
    """
    entries: list[Element] = []
    for line in case.ordered:
        if line.state != "pended_info" or line.questions is None:
            continue
        resources = _Asked(case, line, line.questions, parties, shape, fhir).resources()
        entries += [bundle_entry(f"{fhir}/{r['resourceType']}/{r['id']}", r) for r in resources]
    return entries


def closed_requests(before: Case, case: Case, parties: Parties, shape: RequestShape, fhir: str) -> list[Resource]:
    """What was asked at the time of ``before`` (an earlier state of ``case``) and is no longer open, as it ended: answered,
    so ``completed``; else ``cancelled`` (a CommunicationRequest: ``revoked``). ``statusReason`` says why.

    The PAS profiles allow a CommunicationRequest no status but ``active`` and a Task none for what was called off (HRex
    Task Status): these no longer claim to conform to them.
    """
    closed: list[Resource] = []
    for line in before.ordered:
        if line.questions is None or (now := case.lines[line.sequence]).questions == line.questions:
            continue
        later = (e.ev for e in case.events[len(before.events) :] if e.line == line.sequence)
        answered = "info_received" in later
        reason = _why_closed(now, answered=answered)
        for resource in _Asked(before, line, line.questions, parties, shape, fhir).resources():
            called_off = "cancelled" if resource["resourceType"] == "Task" else "revoked"
            resource |= {"status": "completed" if answered else called_off, "statusReason": {"text": reason}}
            if resource["resourceType"] != "Task" or not answered:
                del resource["meta"]
            closed.append(resource)
    return closed


def _why_closed(line: Line, *, answered: bool) -> str:
    """Why a list of questions about ``line`` is no longer open, in a sentence for the requester."""
    if answered:
        more = " What is still missing is asked for in a newer request." if line.questions is not None else ""
        return f"Information was received.{more}"
    if line.questions is not None:
        return "Replaced by a newer request for information."
    if line.state == "cancelled":
        return "The service is no longer asked for."
    if line.state in _UNDECIDED:
        return "Nothing more is needed now: a reviewer looks at the request as it is."
    return "The request was decided on what is on file. Nothing more is needed."


_UNDECIDED = frozenset({"screening", "auto_review", "nurse_review", "md_review"})


_WINDOW_MODIFIERS = {30: "18803-7", 92: "18804-5", 184: "18805-2", 275: "18806-0", 366: "18807-8"}
"""LOINC attachment modifiers by the longest window, in days before the service, that each stands for."""


@dataclass(frozen=True, slots=True)
class _Document:
    code: str
    text: str
    window: str | None

    @property
    def modifiers(self) -> list[Element]:
        """``extension-contentModifier``: how fresh the document has to be."""
        if self.window is None:
            return []
        coding = {"system": LOINC, "code": self.window}
        return [{"url": urls.CONTENT_MODIFIER, "valueCodeableConcept": {"coding": [coding]}}]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The open list of one line."""

    case: Case
    line: Line
    questions: OpenQuestions
    parties: Parties
    shape: RequestShape
    fhir: str

    @property
    def list_id(self) -> str:
        return self.questions.id

    def resources(self) -> list[Resource]:
        """The CommunicationRequests and Tasks of the list, the questionnaire's first."""
        documents = self.documents()
        found = [self.communication(self.list_id, urls.QUESTIONNAIRE_REQUEST, None), self.questionnaire_task()]
        found += [self.communication(f"{self.list_id}-{d.code}", d.code, d) for d in documents]
        return [*found, self.attachment_task(documents)] if documents else found

    def documents(self) -> list[_Document]:
        """The documents that would answer questions of the list, each once."""
        found: dict[str, _Document] = {}
        for question in self.questions.questions:
            if code := question.get("document"):
                found.setdefault(code, _Document(code, str(question["text"]), _window(question.get("within"))))
        return list(found.values())

    def communication(self, id: str, content: str, document: _Document | None) -> Resource:
        extensions, payload = self.shape.communication(self.line.sequence, content)
        about = [{"url": urls.COMMUNICATED_DIAGNOSIS, "valueCodeableConcept": d} for d in self.line.requested.diagnoses]
        more = [*payload.get("extension", ()), *about, *(document.modifiers if document else ())]
        resource: Resource = {
            "resourceType": "CommunicationRequest",
            "id": id,
            "meta": {"profile": [urls.COMMUNICATION_REQUEST]},
        }
        if extensions:
            resource["extension"] = extensions
        resource |= {
            "identifier": [{"system": urls.ATTACHMENT_CONTROL, "value": self.list_id}],
            "status": "active",
            "category": [{"coding": [{"system": urls.X12_REPORT_TYPE, "code": "PY"}]}],
            "medium": [{"coding": [{"system": urls.TEMP_CODES, "code": "CDEX"}]}],
            "payload": [({"extension": more} if more else {}) | {"contentString": payload["contentString"]}],
            "requester": self.parties.insurer,
        }
        if self.parties.recipient:
            resource["recipient"] = [self.parties.recipient]
        if self.parties.sender:
            resource["sender"] = self.parties.sender
        return resource

    def questionnaire_task(self) -> Resource:
        asked = "; ".join(str(question["text"]) for question in self.questions.questions)
        answer = self.shape.questionnaire_input(self.line.sequence, self.list_id)
        return self._task(self.list_id, "attachment-request-questionnaire", f"Waiting for answers: {asked}", [answer])

    def attachment_task(self, documents: list[_Document]) -> Resource:
        inputs = [
            {
                "extension": [
                    self.shape.line_number(self.line.sequence),
                    *self.shape.input_modifiers(document.modifiers),
                ],
                "type": {"coding": [{"system": urls.TEMP_CODES, "code": "attachments-needed"}]},
                "valueCodeableConcept": {"coding": [{"system": LOINC, "code": document.code}]},
            }
            for document in documents
        ]
        named = "; ".join(document.text for document in documents)
        reason = f"Waiting for a document, or the answers in its place: {named}"
        return self._task(f"{self.list_id}-attachments", "attachment-request-code", reason, inputs)

    def _task(self, id: str, code: str, reason: str, inputs: list[Element]) -> Resource:
        parties = self.parties
        due: Element = {"period": {"end": instant(self.questions.due)}} if self.questions.due else {"repetitions": 1}
        payer_url = {
            "type": {"coding": [{"system": urls.TEMP_CODES, "code": "payer-url"}]},
            "valueUrl": f"{self.fhir}/$submit-attachment",
        }
        return {
            "resourceType": "Task",
            "id": id,
            "meta": {"profile": [urls.TASK]},
            "identifier": [
                {"system": urls.CASE_NUMBER, "value": self.case.number},
                {"system": urls.ATTACHMENT_CONTROL, "value": self.list_id},
            ],
            "status": "requested",
            "statusReason": {"text": reason},
            "intent": "order",
            "code": {"coding": [{"system": urls.TEMP_CODES, "code": code}]},
            "for": parties.patient,
            "authoredOn": instant(self.questions.asked),
            "requester": {**parties.insurer, "identifier": parties.insurer_identifier},
            "owner": {**parties.requestor, "identifier": parties.requestor_identifier},
            "reasonCode": {"coding": [{"system": urls.TEMP_CODES, "code": "priorAuthorization"}]},
            "reasonReference": parties.claim,
            "restriction": due,
            "input": [payer_url, *inputs],
        }


def _window(within: object) -> str | None:
    """The LOINC modifier for a look-back window, or ``None`` where no modifier is that wide."""
    if not isinstance(within, str):
        return None
    day = date(2001, 1, 1)
    days = (day - Window.parse(within).first_day(day)).days
    return next((code for longest, code in _WINDOW_MODIFIERS.items() if days <= longest), None)
