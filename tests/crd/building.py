"""Hook requests for tests, made from the demo members. Everything can be overridden; nothing is read from elsewhere."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import httpx
from tools.requests import CPT, HCPCS, NPI, concept, questionnaire_response

from precert.fhir import json
from support.app import EXAMPLES, ROOT

EHR = "https://ehr.example/fhir"
EXTENSION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"


@cache
def _members() -> dict[tuple[str, str], dict[str, Any]]:
    bundle = json.load_resource((ROOT / "examples" / "eligibility" / "members.json").read_bytes())
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        number = resource["id"].removeprefix("cov-")
        found[resource["resourceType"], number] = resource
    return found


def patient(member: str, id_: str | None = None) -> dict[str, Any]:
    """The member's Patient as an EHR would hold it."""
    resource = copy.deepcopy(_members()["Patient", member])
    resource["id"] = id_ or f"pat-{member}"
    return resource


def coverage(member: str, id_: str | None = None, **changes: Any) -> dict[str, Any]:
    """The member's Coverage as an EHR would hold it; ``None`` removes an element."""
    resource = copy.deepcopy(_members()["Coverage", member])
    resource |= {
        "id": id_ or f"cov-{member}",
        "status": "active",
        "beneficiary": {"reference": f"Patient/pat-{member}"},
    }
    resource["payor"] = [{"reference": "Organization/payer"}]
    resource |= changes
    return {key: value for key, value in resource.items() if value is not None}


def payer(**changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "Organization",
        "id": "payer",
        "identifier": [{"system": NPI, "value": "1234567893"}],
        "name": "Precert Demo Health Plan",
    }
    return resource | changes


def practitioner(npi: str = "1992817498", id_: str = "doc") -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": id_,
        "identifier": [{"system": NPI, "value": npi}],
        "name": [{"family": "Fuentes", "given": ["Nadia"]}],
    }


def order(
    code: str, member: str = "MA-0001", *, system: str = HCPCS, id_: str = "o1", **changes: Any
) -> dict[str, Any]:
    """A draft ServiceRequest."""
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "draft",
        "intent": "original-order",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": f"Patient/pat-{member}"},
        "authoredOn": "2026-11-20",
        "requester": {"reference": "Practitioner/doc"},
    }
    return {key: value for key, value in (resource | changes).items() if value is not None}


def mri(member: str = "COM-0001", **changes: Any) -> dict[str, Any]:
    """An order that meets its criteria by itself: an MRI of the lumbar spine after breast cancer."""
    changes = {"reasonCode": [concept("icd10|C50.911")], "occurrenceDateTime": "2026-12-01"} | changes
    return order("72148", member, system=CPT, **changes)


def saturation(percent: int, member: str = "MA-0001", **changes: Any) -> dict[str, Any]:
    """The oxygen saturation at rest that a chart holds."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "spo2",
        "status": "final",
        "code": concept("loinc|59408-5"),
        "subject": {"reference": f"Patient/pat-{member}"},
        "effectiveDateTime": "2026-11-18",
        "valueQuantity": {"value": percent, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    }
    return resource | changes


def told(
    member: str = "MA-0001", form: str = "pap-osa-initial", id_: str = "qr", **answers: bool | float | str
) -> dict[str, Any]:
    """Answers by fact name in a response to the form of a policy; ``form=""`` names none."""
    named = f"urn:precert:questionnaire:{form}" if form else ""
    response = questionnaire_response(id_, named, answers, "2026-11-19T09:00:00Z")
    response["subject"] = {"reference": f"Patient/pat-{member}"}
    return {key: value for key, value in response.items() if value}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"{EHR}/{r['resourceType']}/{r.get('id', '')}", "resource": r} for r in resources],
    }


def searchset(*resources: dict[str, Any]) -> dict[str, Any]:
    return bundle(*resources) | {"type": "searchset"}


def prefetch(member: str = "MA-0001", **more: Any) -> dict[str, Any]:
    """Complete prefetch for one member; ``more`` adds or replaces keys (``...`` removes one)."""
    found: dict[str, Any] = {
        "patient": patient(member),
        "coverage": searchset(coverage(member)),
        "payors": searchset(payer()),
        "practitioners": searchset(practitioner()),
    }
    found |= more
    return {key: value for key, value in found.items() if value is not ...}


def hook(
    *orders: dict[str, Any],
    member: str = "MA-0001",
    name: str = "order-sign",
    version: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A whole request of an order hook."""
    body: dict[str, Any] = {
        "hook": name,
        "hookInstance": "4f6ff2c4-33bb-4f4e-8a5e-3d5b6f9a1c11",
        "context": {
            "userId": "Practitioner/doc",
            "patientId": f"pat-{member}",
            "draftOrders": bundle(*orders),
        },
        "prefetch": prefetch(member),
    }
    if name == "order-select":
        body["context"]["selections"] = [f"{o['resourceType']}/{o['id']}" for o in orders]
    if version:
        body["extension"] = {"davinci-crd.requestedVersion": version}
    body |= changes
    return {key: value for key, value in body.items() if value is not ...}


def configured(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The request with configuration options (underscores for hyphens)."""
    extension = dict(body.get("extension", {}))
    extension["davinci-crd.configuration"] = {key.replace("_", "-"): value for key, value in options.items()}
    return body | {"extension": extension}


async def sent_example(client: httpx.AsyncClient, name: str, version: str | None = None) -> dict[str, Any]:
    """The answer of a whole server to ``examples/crd/<name>.json``."""
    body = json.loads((EXAMPLES / "crd" / f"{name}.json").read_bytes())
    if version:
        body["extension"]["davinci-crd.requestedVersion"] = version
    headers = {"Content-Type": "application/json"}
    response = await client.post(f"/cds-services/crd-{body['hook']}", content=json.dumps(body), headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def infos(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Every coverage-information of an answer, as a dict of name to value (or list of values)."""
    return [info for action in answer.get("systemActions", []) for info in said_of(action["resource"])]


def said_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Every coverage-information that a resource carries, likewise."""
    return [parts(extension) for extension in resource.get("extension", []) if extension["url"] == EXTENSION]


MANY = (
    "doc-needed",
    "info-needed",
    "billingCode",
    "reason",
    "detail",
    "dependency",
    "questionnaire",
    "contact",
    "doc-purpose",
)


def parts(extension: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in extension["extension"]:
        value = next((v for k, v in part.items() if k.startswith("value")), part.get("extension"))
        if part["url"] in MANY:
            found.setdefault(part["url"], []).append(value)
        else:
            found[part["url"]] = value
    return found
