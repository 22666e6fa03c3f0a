"""Reading answers: the issues of an OperationOutcome, the decisions of a response bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from precert.fhir import json

Json = dict[str, Any]
SD = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"


class Fault(NamedTuple):
    """One issue of an OperationOutcome."""

    severity: str
    code: str
    rule: str | None
    expression: str | None
    text: str


def outcome(response: httpx.Response) -> Json:
    """The body, which must be one OperationOutcome and nothing else."""
    assert response.headers["content-type"].startswith("application/fhir+json"), response.headers
    body: Json = json.loads(response.content)
    assert set(body) == {"resourceType", "issue"}
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"]
    return body


def faults_of(outcome: Json) -> list[Fault]:
    """The issues of an OperationOutcome resource."""
    found = []
    for issue in outcome["issue"]:
        coding = issue["details"].get("coding", [{}])
        found.append(
            Fault(
                issue["severity"],
                issue["code"],
                coding[0].get("code"),
                issue.get("expression", [None])[0],
                issue["details"]["text"],
            )
        )
    return found


def faults(response: httpx.Response) -> list[Fault]:
    """The issues of a refusal."""
    return faults_of(outcome(response))


def only_fault(response: httpx.Response, status: int = 400) -> Fault:
    """The one issue of a refusal with ``status``."""
    assert response.status_code == status, response.text
    found = faults(response)
    assert len(found) == 1, found
    return found[0]


def bundle(response: httpx.Response) -> Json:
    """The response bundle of a processed request."""
    assert response.status_code == 200, response.text
    body: Json = json.loads(response.content)
    assert body["resourceType"] == "Bundle"
    return body


def claim_response(answer: Json) -> Json:
    """The ClaimResponse that stands first."""
    first: Json = answer["entry"][0]["resource"]
    assert first["resourceType"] == "ClaimResponse"
    return first


def extension(element: Json, name: str) -> Any:
    """The value of the first extension with this PAS name or url; ``None`` if there is none."""
    for found in element.get("extension", []):
        if found["url"] in (name, SD + name):
            return next((v for k, v in found.items() if k.startswith("value")), found)
    return None


class Decided(NamedTuple):
    """What an item was answered."""

    sequence: int
    action: str
    reason: str | None
    number: str | None
    reference: str | None
    notes: tuple[str, ...]


def decisions(answer: Json) -> list[Decided]:
    """The decision about each item, in the order of the answer."""
    response = claim_response(answer)
    texts = {note["number"]: note["text"] for note in response.get("processNote", [])}
    found = []
    for item in response.get("item", []):
        action = extension(item["adjudication"][0], "extension-reviewAction")
        reason = extension(action, "reasonCode")
        found.append(
            Decided(
                item["itemSequence"],
                extension(action, "extension-reviewActionCode")["coding"][0]["code"],
                reason["coding"][0]["code"] if reason else None,
                extension(action, "number"),
                extension(item, "extension-administrationReferenceNumber"),
                tuple(texts[n] for n in item.get("noteNumber", [])),
            )
        )
    return found


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every node below ``value`` with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, f"{path}.{key}")
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from walk(member, f"{path}[{position}]")
