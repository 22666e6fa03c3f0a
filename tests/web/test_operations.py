"""Health, readiness, metrics, logs: true, and without a patient in them."""

from __future__ import annotations

import asyncio
import json as standard
import threading
from datetime import date
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs
from tools.make_examples import by_name

from precert.dtr.forms import Forms
from precert.web import logging
from support.app import EXAMPLES, NOW, running

PATIENT_WORDS = ("Reyes", "Alma", "1951-03-14", "MA-0001", "G47.33")


async def submit(client: httpx.AsyncClient, name: str = "approve") -> httpx.Response:
    return await client.post("/fhir/Claim/$submit", json=by_name(name).document())


async def test_healthz(client: httpx.AsyncClient) -> None:
    from precert import __version__

    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "version": __version__})


async def test_readyz(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 200
    body = response.json()
    assert body["ready"] is True
    assert body["members"] == 11
    assert body["policies"] == {"loaded": len(list((EXAMPLES / "policies").glob("*.yaml"))), "problems": []}


async def test_readyz_without_a_store_is_503(app: FastAPI, client: httpx.AsyncClient) -> None:
    await app.state.server.close()
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert response.json()["store"] == "not open"


async def test_readyz_names_a_broken_policy_and_stays_ready(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    good = (EXAMPLES / "policies" / "02-pap-osa-initial.yaml").read_text("utf-8")
    (policies / "good.yaml").write_text(good, "utf-8")
    (policies / "broken.yaml").write_text("policy: [", "utf-8")
    async with running(tmp_path / "data", policies=policies) as (_, client):
        response = await client.get("/readyz")
        assert response.status_code == 200
        assert response.json()["policies"]["loaded"] == 1
        (problem,) = response.json()["policies"]["problems"]
        assert "broken.yaml" in problem


async def test_metrics_count_routes_and_decisions_and_name_nobody(client: httpx.AsyncClient) -> None:
    await submit(client)
    await submit(client)  # the replay is a request, but no second decision
    await submit(client, "mixed")
    await client.get("/fhir/ClaimResponse/MA-0001")
    await client.get("/nowhere/MA-0001")
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = response.text
    route = 'route="/fhir/Claim/$submit"'
    assert f'precert_http_requests_total{{method="POST",{route},status="200"}} 3.0' in text
    assert 'precert_http_requests_total{method="GET",route="/fhir/ClaimResponse/{id}",status="404"} 1.0' in text
    assert 'precert_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'precert_decisions_total{channel="pas",outcome="approve"} 2.0' in text
    assert 'precert_decisions_total{channel="pas",outcome="not-applicable"} 1.0' in text
    assert "precert_policies 15.0" in text
    assert "MA-0001" not in text


async def test_two_apps_count_for_themselves(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (_, one), running(tmp_path / "b") as (_, two):
        await submit(one)
        assert 'channel="pas"' in (await one.get("/metrics")).text
        assert 'channel="pas"' not in (await two.get("/metrics")).text


async def test_the_log_of_a_request_holds_no_patient(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        response = await submit(client)
        await client.get(f"/fhir/ClaimResponse/{response.json()['entry'][0]['resource']['id']}")
        await submit(client, "wrong-birth-date")
    assert [line["route"] for line in lines if line["event"] == "request"] == [
        "/fhir/Claim/$submit",
        "/fhir/ClaimResponse/{id}",
        "/fhir/Claim/$submit",
    ]
    written = repr([line for line in lines if line["log_level"] != "debug"])
    for word in PATIENT_WORDS:
        assert word not in written


def explode(patient: str) -> None:
    raise ValueError(f"no such thing as {patient}")


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exception_is_logged_by_type_and_place_only(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("info", json=as_json)
    logger = structlog.get_logger("test").bind()
    patient = " ".join(["Alma", "Reyes"])
    try:
        explode(patient)
    except ValueError:
        logger.exception("unexpected failure")
    written = capsys.readouterr().err
    assert "unexpected failure" in written
    assert "ValueError" in written
    assert "explode" in written
    assert "no such thing" not in written
    assert "Alma Reyes" not in written


def test_json_lines_and_levels(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("warning", json=True)
    logger = structlog.get_logger("test").bind()
    logger.info("quiet")
    logger.warning("loud", n=1)
    (line,) = capsys.readouterr().err.splitlines()
    read = standard.loads(line)
    assert (read["event"], read["level"], read["n"]) == ("loud", "warning", 1)
    assert read["timestamp"].endswith("Z")


async def test_forms_are_made_before_somebody_asks(tmp_path, monkeypatch):
    """Working a form out takes long enough to hold up everybody else; and one that cannot be made stops nothing."""
    made: list[date] = []
    ready = threading.Event()

    def warm(self: Forms, day: date) -> None:
        made.append(day)
        ready.set()
        raise RuntimeError("this form cannot be made")

    monkeypatch.setattr(Forms, "warm", warm)
    async with running(tmp_path, policy_reload_seconds=3600) as (_, client):
        assert await asyncio.to_thread(ready.wait, 30)
        assert made == [NOW.date()]
        assert (await client.get("/healthz")).status_code == 200
