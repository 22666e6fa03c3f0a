"""Explanations are as guarded as reads."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from crd.building import infos, sent_example
from support.answers import only_fault


async def test_the_open_mode_explains_to_this_machine_only(app: FastAPI) -> None:
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=far, base_url="http://precert.test") as client:
        assert only_fault(await client.get("/explain/none"), 403).rule == "open-mode-loopback"


async def test_who_read_an_explanation_is_on_record(app: FastAPI, client: httpx.AsyncClient) -> None:
    """The logs of CRD are PHI: that somebody read in them is logged itself (CRD found-38, 2.0.1 @80)."""
    (info,) = infos(await sent_example(client, "order-sign-auth-needed-documents"))
    id_ = info["coverage-assertion-id"]
    assert (await client.get(f"/explain/{id_}")).status_code == 200
    assert (await client.get("/explain/nothing")).status_code == 404
    entries = await app.state.service.store.audit(app.state.service.tenant)
    read = [(entry.actor, entry.subject) for entry in entries if entry.action == "explanation-read"]
    assert read == [("open", id_)]
