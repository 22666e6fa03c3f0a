"""What clients report about forms reaches whoever owns the policy."""

from __future__ import annotations

from typing import Any

import httpx

from pages.test_public import HTML, page

FORM = "http://127.0.0.1:8000/fhir/Questionnaire/oxygen-home-adaptive|2026.2"


async def report(client: httpx.AsyncClient, questionnaire: str, text: str) -> None:
    issue = {"severity": "error", "code": "invalid", "details": {"text": text}, "expression": ["item[0]"]}
    body: dict[str, Any] = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "questionnaire", "valueCanonical": questionnaire},
            {"name": "operationOutcome", "resource": {"resourceType": "OperationOutcome", "issue": [issue]}},
        ],
    }
    answer = await client.post("/fhir/Questionnaire/$log-questionnaire-errors", json=body)
    assert answer.status_code == 204, answer.text


async def test_nothing_was_reported(client: httpx.AsyncClient) -> None:
    assert "Nothing was reported." in (await page(client, "/workbench/forms")).words


async def test_reports_stand_under_their_policy(client: httpx.AsyncClient) -> None:
    await report(client, FORM, "the expression <spo2_rest> has no value for Patient/77")
    await report(client, "http://other.test/Questionnaire/x", "unknown form")
    shown = await page(client, "/workbench/forms")
    assert "/policies/oxygen-home" in shown.links
    assert "oxygen-home-adaptive|2026.2" in shown.words
    assert "the expression <spo2_rest> has no value for [...]" in shown.words
    assert "Patient/77" not in shown.text
    one = await page(client, "/workbench/forms?policy=oxygen-home")
    assert "unknown form" not in one.words
    assert "the expression" in one.words
    assert "/workbench/forms" in (await page(client, "/workbench")).links


async def test_programs_get_json(client: httpx.AsyncClient) -> None:
    await report(client, FORM, "no value")
    answer = await client.get(
        "/workbench/forms", params={"policy": "oxygen-home"}, headers={"Accept": "application/json"}
    )
    (one,) = answer.json()["reports"]
    assert (one["questionnaires"], one["issues"][0]["text"]) == ([FORM], "no value")
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.get("/workbench/forms", headers=HTML)).headers["content-type"].startswith("text/html")
