"""The public CDS Hooks sandbox against the whole server as it starts: every call its screens make.

What the sandbox does is copied here in small: it preflights, signs with a key that everybody knows, fills prefetch
templates only where every token is a plain context value, leaves out what FHIR needs, and has no Coverage.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crd.building import CPT
from crd.checks import check_answer
from support.app import running

ORIGIN = "https://sandbox.cds-hooks.org"
HEADERS = {"Origin": ORIGIN, "Accept": "application/json", "Authorization": "Bearer e30.e30.c2lnbmVk"}
PATIENT = "smart-1288992"
R4, DSTU2 = "https://launch.smarthealthit.org/v/r4/fhir", "https://launch.smarthealthit.org/v/r2/fhir"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture
async def server(tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with running(tmp_path / "data") as (_, client):
        yield client


def readable(response: httpx.Response) -> None:
    assert response.headers["access-control-allow-origin"] in ("*", ORIGIN)


async def preflighted(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> httpx.Response:
    """What a browser does: ask first, then call; nothing is followed that redirects."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    asked["Access-Control-Request-Headers"] = "authorization,content-type" if body is not None else "authorization"
    allowed = await client.options(path, headers=asked)
    assert allowed.status_code == 204
    readable(allowed)
    names = {name.strip() for name in allowed.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type"} <= names
    response = await client.request(method, path, headers=HEADERS, json=body, follow_redirects=False)
    readable(response)
    return response


async def services(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    response = await preflighted(client, "GET", "/cds-services")
    assert response.status_code == 200
    return {service["hook"]: service for service in response.json()["services"]}


def resolved(templates: dict[str, str], context: dict[str, Any]) -> dict[str, Any]:
    """The keys whose every token is a plain value of the context; the sandbox's data: a patient and nothing else."""
    found: dict[str, Any] = {}
    for key, template in templates.items():
        tokens = re.findall(r"\{\{([^}]*)\}\}", template)
        values = [context.get(t.removeprefix("context.")) for t in tokens]
        if all(isinstance(value, str) for value in values):
            patient = {"resourceType": "Patient", "id": PATIENT, "birthDate": "1992-06-16"}
            empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
            found[key] = patient if template.startswith("Patient/") else empty
    return found


async def fire(client: httpx.AsyncClient, hook: str, base: str = R4, **context: Any) -> dict[str, Any]:
    """One call of a screen, with the cards it gets."""
    service = (await services(client))[hook]
    known = {"userId": "Practitioner/COREPRACTITIONER1", "patientId": PATIENT} | context
    body = {
        "hookInstance": "7f1aa4c1-3b0e-4f5e-9fb1-0a6a1a5f1b1e",
        "hook": hook,
        "fhirServer": base,
        "context": known,
        "prefetch": resolved(service["prefetch"], known),
    }
    response = await preflighted(client, "POST", f"/cds-services/{service['id']}", body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    check_answer(answer, "2.0", hook)
    return answer


def drafts(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


MEDICATION = {
    "resourceType": "MedicationRequest",
    "id": "request-123",
    "status": "draft",
    "subject": {"reference": f"Patient/{PATIENT}"},
    "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "1657981"}], "text": "infliximab"},
}
IMAGING = {
    "resourceType": "ServiceRequest",
    "id": "example-request-id",
    "status": "draft",
    "intent": "plan",
    "code": {"coding": [{"system": CPT, "code": "72148"}]},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "performer": [{"reference": "Practitioner/def"}],
    "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "279039007"}]}],
}


async def test_discovery_fills_the_table_of_services(server):
    found = await services(server)
    assert {"order-select", "order-sign"} <= set(found)
    assert len({service["id"] for service in found.values()}) == len(found), "the sandbox keys its table by id"
    assert "patient-view" not in found, "that screen finds no service here and stays empty"
    assert (await preflighted(server, "GET", "/cds-services/")).status_code == 200


async def test_the_prefetch_it_can_fill_is_what_decides(server):
    """Keys with other tokens are skipped by it; patient and coverage must be among those that are not."""
    known = {"patientId": PATIENT, "userId": "Practitioner/1"}
    for hook in ("order-select", "order-sign"):
        assert {"patient", "coverage"} <= set(resolved((await services(server))[hook]["prefetch"], known))


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
async def test_the_prescription_screens(server, hook):
    answer = await fire(server, hook, draftOrders=drafts(MEDICATION), selections=["MedicationRequest/request-123"])
    assert "systemActions" not in answer, "no coverage, no assertion"
    assert answer["cards"][0]["summary"].startswith("No coverage was sent")


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
async def test_the_imaging_screen(server, hook):
    answer = await fire(server, hook, draftOrders=drafts(IMAGING), selections=["ServiceRequest/example-request-id"])
    assert answer["cards"]


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
async def test_its_default_server_is_dstu2(server, hook):
    """A MedicationOrder is no order that FHIR R4 knows: nothing is said, and nothing breaks."""
    old = {"resourceType": "MedicationOrder", "id": "request-123", "status": "draft"}
    answer = await fire(server, hook, DSTU2, draftOrders=drafts(old), selections=["MedicationOrder/request-123"])
    assert answer == {"cards": []}


async def test_with_a_plan_for_the_demonstration_there_is_something_to_click(tmp_path):
    async with running(tmp_path / "data", crd_demo_plan="ma-classic") as (_, client):
        pap = IMAGING | {"code": {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.285", "code": "E0470"}]}}
        answer = await fire(client, "order-sign", draftOrders=drafts(pap))
        suggesting = next(card for card in answer["cards"] if card.get("suggestions"))
        said = {"card": suggesting["uuid"], "outcome": "accepted", "outcomeTimestamp": "2026-11-20T15:00:00Z"}
        said["acceptedSuggestions"] = [{"id": suggesting["suggestions"][0]["uuid"]}]
        dismissed = {"card": answer["cards"][0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-20"}
        path = "/cds-services/crd-order-sign/feedback"
        for given in (said, dismissed):
            assert (await preflighted(client, "POST", path, {"feedback": [given]})).status_code == 200
        rules = (await client.get("/api/crd/feedback")).json()["rules"]
        assert ("pap-osa-initial", 1) in [(rule["policy"], rule["accepted"]) for rule in rules]


@pytest.mark.parametrize(("path", "status"), [("crd-patient-view", 404), ("crd-order-sign", 422)])
async def test_its_developer_panel_can_show_errors(server, path, status):
    response = await preflighted(server, "POST", f"/cds-services/{path}", {"hook": "patient-view"})
    assert response.status_code == status
    assert response.json()["resourceType"] == "OperationOutcome"


async def test_an_error_that_nobody_thought_of_can_be_read_too(tmp_path):
    """The 500 is made outermost in the whole app, and must pass the CORS headers all the same."""
    async with running(tmp_path / "data", raise_app_exceptions=False) as (app, client):
        broken(app)
        body = {
            "hook": "order-sign",
            "hookInstance": "i",
            "context": {"patientId": "p", "draftOrders": drafts(IMAGING)},
        }
        response = await client.post("/cds-services/crd-order-sign", content=json.dumps(body), headers=TYPED)
        assert response.status_code == 500
        readable(response)


TYPED = HEADERS | {"Content-Type": "application/json"}


def broken(app: FastAPI) -> None:
    app.state.server.directory = None


async def test_a_slash_too_many_is_no_redirect(server):
    """Browsers do not follow a redirect after a preflight."""
    for path in ("/cds-services/crd-order-sign/", "/cds-services/crd-order-sign/feedback/"):
        response = await preflighted(server, "POST", path, {})
        assert response.status_code in (400, 422)
