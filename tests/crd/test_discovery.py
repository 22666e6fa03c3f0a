"""Discovery, prefetch templates, and CORS."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from crd.building import ROOT, hook, order
from precert.crd.discovery import standard_templates
from precert.crd.facts import clinical_types
from precert.crd.hooks import HOOKS, ORDER_TYPES

SERVICES = [
    "crd-appointment-book",
    "crd-encounter-start",
    "crd-encounter-discharge",
    "crd-order-dispatch",
    "crd-order-select",
    "crd-order-sign",
]
SHARED = Path(__file__).parents[3].joinpath("shared/examples/crd/ig-2.2.1__discovery-services.json")
PUBLISHED = json.loads(SHARED.read_text())["services"] if SHARED.exists() else []
# The "simpler FHIRPath" of CDS Hooks 3.0 as the published templates use it, plus plain tokens of 2.0.
STEP = r"(?:[A-Za-z]+(?:\((?:[A-Za-z]*|'[^']*')\))?)"
TOKEN = re.compile(rf"(?:context|%[A-Za-z]+)(?:\.{STEP})+(?:\|(?:context|%[A-Za-z]+)(?:\.{STEP})+)*")
QUERY = re.compile(r"(?:[A-Z][A-Za-z]+(?:/\{\{[^}]+\}\}|\?[^{}]*(?:\{\{[^}]+\}\}[^{}]*)*)|\{\{context\.performer\}\})")


@pytest.fixture
async def services(world):
    for path in ("/cds-services", "/cds-services/"):
        response = await world.client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
    return {service["id"]: service for service in response.json()["services"]}


async def test_six_services(services):
    assert sorted(services) == sorted(SERVICES)
    for id_, service in services.items():
        assert id_ == f"crd-{service['hook']}"
        assert all(isinstance(service[key], str) and service[key] for key in ("hook", "title", "description", "id"))
        assert service["extension"]["davinci-crd.version"] == ["2.0", "2.2"]


async def test_options_are_whole_and_the_same_for_all_hooks(services):
    for service in services.values():
        options = service["extension"]["davinci-crd.configuration-options"]
        for option in options:
            assert set(option) == {"code", "type", "name", "description", "default"}
            assert isinstance(option["default"], bool if option["type"] == "boolean" else int)
            assert re.fullmatch(r"[A-Za-z0-9-]+", option["code"])
        for key in ("code", "name", "description"):
            assert len({option[key] for option in options}) == len(options), "unique within a service (dev-8)"
        assert options == services["crd-order-sign"]["extension"]["davinci-crd.configuration-options"]


async def test_every_template_follows_the_token_grammar(services):
    for service in services.values():
        keys: list[str] = []
        for key, template in service["prefetch"].items():
            assert QUERY.fullmatch(template), template
            for token in re.findall(r"\{\{([^}]*)\}\}", template):
                assert TOKEN.fullmatch(token), token
                needed = re.findall(r"%([A-Za-z]+)", token)
                assert set(needed) <= set(keys), f"{key} needs {needed}, which must come first"
            keys.append(key)


async def test_the_policies_say_which_clinical_data_are_asked_for(services):
    sign = services["crd-order-sign"]["prefetch"]
    assert sign["conditions"] == "Condition?patient={{context.patientId}}"
    assert sign["observations"] == "Observation?patient={{context.patientId}}"
    assert "payors" in sign
    assert services["crd-order-dispatch"]["prefetch"]["performer"] == "{{context.performer}}"


async def test_clinical_data_can_be_left_to_queries(make):
    """2.0.1 wants what only some calls need to be queried, never prefetched (@42); 2.2.1 leaves the choice (found-28)."""
    listed = (await make(clinical_prefetch=False).client.get("/cds-services")).json()["services"]
    own = {"payors", "performer", "plannedServices", "plannedDevices"}
    for service in listed:
        assert set(service["prefetch"]) <= own | set(standard_templates()[service["hook"]])


def test_the_scopes_that_are_needed_are_told(policies):
    """@36: docs/crd.md names every type that a call may read, so that a client can grant what is needed and no more."""
    told = (ROOT / "docs" / "crd.md").read_text("utf-8")
    people = {"Patient", "Coverage", "Organization", "Practitioner", "PractitionerRole", "Location"}
    things = {"Appointment", "Encounter", "Device", "Medication"} | set(ORDER_TYPES)
    for kind in people | things | set(clinical_types(policies.current)):
        assert f"`{kind}`" in told, kind
    assert "/cds-services" in told
    assert all(hook.id in told for hook in HOOKS)


def test_the_published_templates_are_what_they_were():
    """Their digest, so that nobody changes the copy by accident; the comparison with the guide itself is below."""
    canonical = json.dumps(standard_templates(), sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(canonical).hexdigest() == "644f72146b9647e9cceb922bf8c76a60c316df675741ef1b854a38fa6aeceba6"


@pytest.mark.skipif(not PUBLISHED, reason="the shared examples are not here")
@pytest.mark.shared
async def test_the_published_templates_are_used_word_for_word(services):
    for published in PUBLISHED:
        ours = services[f"crd-{published['hook']}"]["prefetch"]
        assert list(ours.items())[: len(published["prefetch"])] == list(published["prefetch"].items())


# CORS

ORIGIN = {"Origin": "https://sandbox.cds-hooks.org"}
PREFLIGHT = ORIGIN | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.parametrize(
    "path", ["/cds-services", "/cds-services/crd-order-sign", "/cds-services/crd-order-sign/feedback"]
)
async def test_a_preflight_needs_nothing(make, path):
    from precert.fhir.outcome import FhirError, Issue

    async def nobody(request, url):
        raise FhirError(401, Issue("error", "login", "No."))

    response = await make(authenticate=nobody).client.options(path, headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert {"GET", "POST", "OPTIONS"} <= set(response.headers["access-control-allow-methods"].split(", "))
    allowed = response.headers["access-control-allow-headers"]
    assert all(header in allowed for header in ("authorization", "content-type", "accept"))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("crd-order-sign", hook(order("E1390")), 200),
        ("crd-order-sign", {}, 422),
        ("crd-nothing", {}, 404),
    ],
)
async def test_errors_can_be_read_by_browsers_too(world, path, body, status):
    response = await world.client.post(f"/cds-services/{path}", json=body, headers=ORIGIN)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"


async def test_without_an_origin_nothing_is_added(world):
    response = await world.client.get("/cds-services")
    assert "access-control-allow-origin" not in response.headers
    response = await world.client.get("/api/crd/feedback", headers=ORIGIN)
    assert "access-control-allow-origin" not in response.headers


async def test_origins_can_be_named():
    import httpx

    from precert.crd.cors import CdsCors

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    transport = httpx.ASGITransport(app=CdsCors(app, ["https://ehr.example"]))
    async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
        known = await client.get("/cds-services", headers={"Origin": "https://ehr.example"})
        other = await client.get("/cds-services", headers={"Origin": "https://evil.example"})
        private = await client.options(
            "/cds-services",
            headers={
                "Origin": "https://ehr.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Private-Network": "true",
            },
        )
    assert known.headers["access-control-allow-origin"] == "https://ehr.example"
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == "Origin"
    assert private.headers["access-control-allow-private-network"] == "true"
