"""What the tests of attachments share: a driver to send from, and builders of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from tools.make_examples import cpap
from tools.requests import Json, questionnaire_response, request_bundle

from precert.fhir import json
from support.answers import Decided, bundle, decisions

LIMIT = 400_000
ANSWERS = {"eval_before_test": True, "ahi": 22.5, "events": 140, "e0601_failed": False}
CANONICAL = "http://precert.test/fhir/Questionnaire/pap-osa-initial|2026.1"


@dataclass
class Driver:
    """A client of the operation, and of ``$submit``."""

    app: FastAPI
    client: httpx.AsyncClient

    async def submit(self, document: Json) -> Json:
        return bundle(await self.client.post("/fhir/Claim/$submit", content=json.dumps(document)))

    async def attach(self, parameters: Any) -> httpx.Response:
        return await self.client.post("/fhir/$submit-attachment", content=json.dumps(parameters))

    async def inquire(self, case: str) -> list[str]:
        """The states of the case's lines."""
        found = await self.app.state.service.find_case(case)
        return [line.state for line in found.ordered]


@dataclass
class Pended:
    """A request that waits for answers."""

    answer: Json
    tracking: str
    case: str
    reference: str

    @property
    def decided(self) -> list[Decided]:
        return decisions(self.answer)


def asking(name: str, member: str = "MA-0002") -> Json:
    """A request for a PAP device that lacks the sleep test."""
    return request_bundle(name, member, [cpap()], diagnoses=("G47.33",))


def answered(name: str = "answers", answers: Json | None = None, **changed: Any) -> Json:
    made = questionnaire_response(name, CANONICAL, answers or ANSWERS, "2026-11-20T14:30:00Z")
    made.pop("subject")  # MemberId says whom an attachment is about
    return made | changed


def attachment(content: Json, *lines: str, code: str | None = None) -> Json:
    parts: list[Json] = [{"name": "LineItem", "valueString": line} for line in lines]
    if code:
        parts.append(
            {"name": "Code", "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": code}]}}
        )
    return {"name": "Attachment", "part": [*parts, {"name": "Content", "resource": content}]}


def identifier(name: str, value: str, system: str = "urn:test") -> Json:
    return {"name": name, "valueIdentifier": {"system": system, "value": value}}


def parameters(tracking: str, *attachments: Json, member: str = "MA-0002", **changed: Any) -> Json:
    """A complete call; ``changed`` replaces parameters by name (``None`` leaves one out, a list sends several)."""
    parts: dict[str, Any] = {
        "TrackingId": identifier("TrackingId", tracking, "urn:precert:attachment-control"),
        "AttachTo": {"name": "AttachTo", "valueCode": "preauthorization"},
        "PayerId": identifier("PayerId", "1234567893", "http://hl7.org/fhir/sid/us-npi"),
        "ProviderId": identifier("ProviderId", "1992817498", "http://hl7.org/fhir/sid/us-npi"),
        "MemberId": identifier("MemberId", member, "urn:precert:demo:member"),
        "Attachment": list(attachments),
    } | changed
    listed: list[Json] = []
    for part in parts.values():
        listed.extend(part if isinstance(part, list) else [part] if part is not None else [])
    return {"resourceType": "Parameters", "parameter": listed}
