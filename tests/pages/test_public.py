"""Pages without patients: start, policies, endpoints, files, faults."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from pages.markup import Markup
from support import shared
from support.app import EXAMPLES

pytestmark = shared.in_one_loop
precert, app, client = shared.precert, shared.app, shared.client  # one server for all tests here
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POLICIES = sorted(path.stem[3:] for path in (EXAMPLES / "policies").glob("*.yaml"))


@contextlib.contextmanager
def frozen_attribute(thing: object, name: str, value: object) -> Iterator[None]:
    """Change what may not change, for as long as the block lasts: the server is everybody's here."""
    before = getattr(thing, name)
    object.__setattr__(thing, name, value)
    try:
        yield
    finally:
        object.__setattr__(thing, name, before)


async def page(client: httpx.AsyncClient, path: str, status: int = 200) -> Markup:
    """A page that is HTML, well formed and usable by everybody."""
    response = await client.get(path, headers=HTML)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    markup = Markup(response.text)
    assert markup.faults == []
    return markup


async def test_start_page_leads_everywhere(client: httpx.AsyncClient) -> None:
    start = await page(client, "/")
    for wanted in (
        "/workbench",
        "/policies",
        "/fhir/metadata",
        "/cds-services",
        "/healthz",
        "/metrics",
        "/openapi.json",
    ):
        assert wanted in start.links
    for link in {link for link in start.links if link.startswith("/")}:
        assert (await client.get(link, headers=HTML)).status_code == 200, link
    assert "Home oxygen therapy" in start.words
    assert "MA-0001" in start.words
    assert "Alma Reyes" in start.words


async def test_console_offers_every_example_and_only_what_is_served(client: httpx.AsyncClient) -> None:
    source = (await client.get("/", headers=HTML)).text
    for folder in ("pas", "crd", "dtr"):
        for path in (EXAMPLES / folder).glob("*.json"):
            assert f'value="{folder}/{path.stem}"' in source
    assert 'data-operation=""' not in source, "each example is sent where it belongs"
    assert 'value="dtr/expand" data-operation="expand"' in source
    assert 'value="dtr/log-questionnaire-errors" data-operation="form-errors"' in source
    assert set(re.findall('data-operation="([^"]+)"', source)) <= set(
        re.findall('<option value="([^"]+)" data-path', source)
    )
    assert 'value="pas/approve" data-operation="submit"' in source
    assert 'data-path="/Claim/$submit"' in source
    assert 'value="hook-order-sign"' in source


@pytest.mark.parametrize(
    "path", sorted(path for folder in ("pas", "crd", "dtr") for path in (EXAMPLES / folder).glob("*.json"))
)
async def test_examples_come_as_they_are(client: httpx.AsyncClient, path: Path) -> None:
    response = await client.get(f"/examples/{path.parent.name}/{path.name}")
    assert response.content == path.read_bytes()  # noqa: ASYNC240  # a test may wait for a file
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/examples/pas/..%2f..%2fpyproject", "/examples/policies/01-oxygen-home", "/examples/pas/none"]
)
async def test_other_files_are_not_examples(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_policy_list(client: httpx.AsyncClient) -> None:
    listed = await page(client, "/policies")
    assert "PAP device for obstructive sleep apnea" in listed.words
    assert "/policies/oxygen-home" in listed.links
    programs = (await client.get("/policies")).json()["policies"]
    assert len(programs) == len(POLICIES)
    assert {"policy", "version", "title", "status", "effective", "applies", "in_effect", "url"} <= set(programs[0])


async def test_policy_page_shows_criteria_sources_and_documentation(client: httpx.AsyncClient) -> None:
    shown = await page(client, "/policies/oxygen-home")
    assert "At least one of these:" in shown.words
    assert "NCD 240.2 B, Group I(a)" in shown.words
    assert "If not: Your oxygen level at rest is higher than 88%." in shown.words
    assert "What is the hematocrit (%)?" in shown.words
    assert "LOINC 59408-5" in shown.words
    assert "Observation in the record, of the last 30 days, lowest value" in shown.words
    assert "HCPCS E1390" in shown.words
    assert "Medicare Advantage" in shown.words
    assert "12 months" in shown.words
    assert {"O2-TEST", "O2-I-REST", "O2-II-COMORBID"} <= set(shown.ids)
    assert "https://www.cms.gov/medicare-coverage-database/view/ncd.aspx?ncdid=169&ncdver=2" in shown.links


async def test_every_policy_has_a_page_and_json(client: httpx.AsyncClient) -> None:
    for listed in (await client.get("/policies")).json()["policies"]:
        shown = await page(client, listed["url"])
        assert listed["title"] in shown.words
        content = (await client.get(listed["url"])).json()
        assert content["policy"] == listed["policy"]
        assert content["basis"]
        assert "tests" not in content


async def test_exemption_says_what_it_spares(client: httpx.AsyncClient) -> None:
    shown = await page(client, "/policies/tx-goldcard")
    assert "No authorization is needed when" in shown.words
    assert "any service" in shown.words


@pytest.mark.parametrize(
    "path", ["/policies/none", "/policies/oxygen-home?version=1900", "/explain/none", "/workbench/cases/none"]
)
async def test_what_does_not_exist(client: httpx.AsyncClient, path: str) -> None:
    missing = await page(client, path, status=404)
    assert "Nothing here" in missing.words
    programs = await client.get(path, headers={"Accept": "application/json"})
    assert programs.status_code == 404
    assert programs.json()["resourceType"] == "OperationOutcome"


async def test_faults_show_what_was_asked_as_text(client: httpx.AsyncClient) -> None:
    source = (await client.get("/policies/%3Cscript%3Ealert(1)", headers=HTML)).text
    assert "<script>alert" not in source
    assert (await page(client, "/explain/%3Cimg%20src%3Dx%3E", status=404)).words.count("<img") == 1


async def test_fhir_keeps_its_outcomes(client: httpx.AsyncClient) -> None:
    response = await client.get("/fhir/Claim/none", headers=HTML)
    assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "name", ["precert.css", "console.mjs", "determination.mjs", "worklist.mjs", "answers.mjs", "icon.svg"]
)
async def test_files_of_our_own(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/static/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(("text/css", "text/javascript", "image/svg+xml"))
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in response.text.replace("http://hl7.org/fhir/us/davinci", "").replace(
        "http://www.w3.org/2000/svg", ""
    )


@pytest.mark.parametrize("name", ["base.html", "..%2fpages.py", "%2e%2e", ".mjs", "none.css"])
async def test_other_files_stay_here(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status_code == 404


async def test_endpoints_for_reading(client: httpx.AsyncClient) -> None:
    shown = await page(client, "/api")
    assert "/fhir/Claim/$submit" in shown.words
    assert (await client.get("/api")).headers["location"] == "/openapi.json"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html", True),
        ("application/xhtml+xml", True),
        ("text/html, application/json", True),
        ("text/html;q=0.5, application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("application/fhir+json", False),
        ("*/*", False),
        ("", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
    ],
)
async def test_html_only_for_those_who_ask_for_it(client: httpx.AsyncClient, accept: str, html: bool) -> None:
    response = await client.get("/policies", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("text/html" if html else "application/json")
    assert response.headers["vary"] == "Accept"


async def test_format_outranks_accept(client: httpx.AsyncClient) -> None:
    response = await client.get("/policies?_format=json", headers=HTML)
    assert response.headers["content-type"] == "application/json"
    assert (await client.get("/policies?_format=text/html")).headers["content-type"].startswith("text/html")


async def test_only_demo_members_are_listed(app: FastAPI, client: httpx.AsyncClient) -> None:
    directory = app.state.server.directory
    with frozen_attribute(directory.members[0], "system", "http://plan.example/members"):
        start = await page(client, "/")
    assert "Alma Reyes" not in start.words
    assert "Walter Okafor" in start.words


async def test_a_policy_with_markup_in_its_text_stays_text(app: FastAPI, client: httpx.AsyncClient) -> None:
    model = app.state.server.library.current.get("oxygen-home").model
    with frozen_attribute(model, "title", "<b onclick=alert(1)>Oxygen</b>"):
        shown = await page(client, "/policies/oxygen-home")
        source = (await client.get("/policies/oxygen-home", headers=HTML)).text
    assert "<b onclick=alert(1)>Oxygen</b>" in shown.words
    assert "<b onclick" not in source
    assert "<b onclick" in unescape(source)


async def test_json_answers_are_json(client: httpx.AsyncClient) -> None:
    json.loads((await client.get("/policies/oxygen-home")).content)
