"""What a broken profile rule means, on every endpoint: refused in strict mode, let through in lenient."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from support.app import EXAMPLES, frozen_runtime, running


def _document(folder: str, name: str) -> Any:
    return json.loads((EXAMPLES / folder / f"{name}.json").read_text("utf-8"))


def _pas() -> tuple[str, Any]:
    bundle = _document("pas", "approve")
    del bundle["entry"][0]["resource"]["item"][0]["category"]  # optional in R4, required by the profile
    return "/fhir/Claim/$submit", bundle


def _hook() -> tuple[str, Any]:
    call = _document("crd", "order-sign-no-auth")
    call["context"]["draftOrders"]["entry"][0]["resource"]["intent"] = "wish"
    return "/cds-services/crd-order-sign", call


def _attachment() -> tuple[str, Any]:
    return "/fhir/$submit-attachment", {
        "resourceType": "Parameters",
        "parameter": [{"name": "Unknown", "valueString": "x"}],
    }


@pytest.mark.parametrize(
    ("make", "status", "where"),
    [
        (_pas, 400, "item[0]"),
        (_hook, 422, "context.draftOrders.Bundle.entry[0].resource.intent"),
        (_attachment, 400, "Parameters.parameter"),
    ],
)
async def test_strict_mode_refuses(make: Any, status: int, where: str, tmp_path: Path) -> None:
    url, body = make()
    async with running(tmp_path, frozen_runtime(), validation="strict") as (_, client):
        answer = await client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert any(where in (issue.get("expression") or [""])[0] for issue in answer.json()["issue"]), answer.text


@pytest.mark.parametrize("make", [_pas, _hook])
async def test_lenient_mode_goes_on(make: Any, tmp_path: Path) -> None:
    url, body = make()
    async with running(tmp_path, frozen_runtime()) as (_, client):
        answer = await client.post(url, json=copy.deepcopy(body))
    assert answer.status_code == 200, answer.text
