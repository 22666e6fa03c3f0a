"""Explanations are as guarded as reads."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from precert.fhir import json
from support.answers import only_fault
from support.app import EXAMPLES


async def test_the_open_mode_explains_to_this_machine_only(app: FastAPI) -> None:
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=far, base_url="http://precert.test") as client:
        assert only_fault(await client.get("/explain/none"), 403).rule == "open-mode-loopback"


async def test_who_read_an_explanation_is_on_record(app: FastAPI, client: httpx.AsyncClient) -> None:
    """The logs of CRD are PHI: that somebody read in them is logged itself (CRD found-38, 2.0.1 @80)."""
    call = json.loads((EXAMPLES / "crd" / "order-sign-auth-needed-documents.json").read_bytes())
    answer = (await client.post(f"/cds-services/crd-{call['hook']}", json=call)).json()
    (extension,) = answer["systemActions"][0]["resource"]["extension"]
    (id_,) = [part["valueString"] for part in extension["extension"] if part["url"] == "coverage-assertion-id"]
    assert (await client.get(f"/explain/{id_}")).status_code == 200
    assert (await client.get("/explain/nothing")).status_code == 404
    entries = await app.state.service.store.audit(app.state.service.tenant)
    read = [(entry.actor, entry.subject) for entry in entries if entry.action == "explanation-read"]
    assert read == [("open", id_)]
