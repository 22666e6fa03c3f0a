"""Asking the provider for more: CommunicationRequest and Task for each line that waits for information.

Source: PAS "additional information", CDex Task based attachments; pas profiles task and communicationrequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from precert.authorization.record import Case, Line, OpenQuestions
from precert.fhir.bundle import bundle_entry
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource
from precert.pas import urls


class RequestShape(Protocol):
    """The parts of an information request that differ between IG versions."""

    def questionnaire_input(self, sequence: int, context: str) -> Element: ...
    def communication(self, sequence: int, content: str) -> tuple[list[Element], Element]: ...


@dataclass(frozen=True, slots=True)
class Parties:
    """References and identifiers for the two sides, as they stand in the response bundle."""

    patient: Element
    insurer: Element
    insurer_identifier: Element
    requestor: Element
    requestor_identifier: Element
    claim: Element


def information_requests(case: Case, parties: Parties, shape: RequestShape, fhir: str) -> list[Element]:
    """Bundle entries: for each line in ``pended_info`` one CommunicationRequest and one Task, in this order."""
    entries: list[Element] = []
    for line in case.ordered:
        if line.state == "pended_info" and line.questions is not None:
            communication = _communication(line, line.questions, parties, shape)
            task = _task(case, line, line.questions, parties, shape, fhir)
            for resource in (communication, task):
                entries.append(bundle_entry(f"{fhir}/{resource['resourceType']}/{resource['id']}", resource))
    return entries


def _communication(line: Line, questions: OpenQuestions, parties: Parties, shape: RequestShape) -> Resource:
    extensions, payload = shape.communication(line.sequence, urls.QUESTIONNAIRE_REQUEST)
    resource: Resource = {
        "resourceType": "CommunicationRequest",
        "id": questions.id,
        "meta": {"profile": [urls.COMMUNICATION_REQUEST]},
    }
    if extensions:
        resource["extension"] = extensions
    return resource | {
        "identifier": [{"system": urls.ATTACHMENT_CONTROL, "value": questions.id}],
        "status": "active",
        "category": [{"coding": [{"system": urls.X12_REPORT_TYPE, "code": "PY"}]}],
        "medium": [{"coding": [{"system": urls.TEMP_CODES, "code": "CDEX"}]}],
        "payload": [payload],
        "requester": parties.insurer,
        "recipient": [parties.requestor],
        "sender": parties.requestor,
    }


def _task(
    case: Case, line: Line, questions: OpenQuestions, parties: Parties, shape: RequestShape, fhir: str
) -> Resource:
    asked = "; ".join(str(question["text"]) for question in questions.questions)
    due: Element = {"end": instant(questions.due)} if questions.due else {}
    return {
        "resourceType": "Task",
        "id": questions.id,
        "meta": {"profile": [urls.TASK]},
        "identifier": [
            {"system": urls.CASE_NUMBER, "value": case.number},
            {"system": urls.ATTACHMENT_CONTROL, "value": questions.id},
        ],
        "status": "requested",
        "statusReason": {"text": f"Waiting for answers: {asked}"},
        "intent": "order",
        "code": {"coding": [{"system": urls.TEMP_CODES, "code": "attachment-request-questionnaire"}]},
        "for": parties.patient,
        "authoredOn": instant(questions.asked),
        "requester": {**parties.insurer, "identifier": parties.insurer_identifier},
        "owner": {**parties.requestor, "identifier": parties.requestor_identifier},
        "reasonCode": {"coding": [{"system": urls.TEMP_CODES, "code": "priorAuthorization"}]},
        "reasonReference": parties.claim,
        "restriction": {"period": due} if due else {"repetitions": 1},
        "input": [
            {
                "type": {"coding": [{"system": urls.TEMP_CODES, "code": "payer-url"}]},
                "valueUrl": f"{fhir}/$submit-attachment",
            },
            shape.questionnaire_input(line.sequence, questions.id),
        ],
    }
