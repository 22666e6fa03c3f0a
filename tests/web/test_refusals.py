"""A store that refuses: operations that keep something say so, and when to send again ($submit's: pas/test_twice.py)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cdex.cdex_support import answered, attachment, parameters
from precert.fhir import json
from precert.store.port import Busy, StorageFull
from support.answers import only_fault

OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "details": {"text": "It does not open."}}],
}
REPORT = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "questionnaire", "valueCanonical": "http://precert.test/fhir/Questionnaire/oxygen-home"},
        {"name": "operationOutcome", "resource": OUTCOME},
    ],
}
CALLS: dict[str, Any] = {
    "$submit-attachment": parameters("comes-first", attachment(answered())),
    "Questionnaire/$log-questionnaire-errors": REPORT,
}


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("refusal", "status", "code", "rule", "again"),
    [
        (Busy(7), 503, "transient", "busy", "7"),
        (StorageFull("no space"), 507, "no-store", "storage-full", "60"),
    ],
)
async def test_what_cannot_be_stored_is_not_acknowledged(
    refusal: Exception,
    status: int,
    code: str,
    rule: str,
    again: str,
    path: str,
    app: FastAPI,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: Any) -> None:
        raise refusal

    async def send() -> httpx.Response:
        headers = {"Content-Type": "application/fhir+json"}
        return await client.post(f"/fhir/{path}", content=json.dumps(CALLS[path]), headers=headers)

    with monkeypatch.context() as patch:
        patch.setattr(type(app.state.server.store), "commit", refuse)
        response = await send()
    fault = only_fault(response, status)
    assert (fault.code, fault.rule) == (code, rule)
    assert "Nothing was stored" in fault.text
    assert response.headers["retry-after"] == again
    assert (await send()).is_success
