"""What a broken profile rule means, on every endpoint: refused in strict mode, let through in lenient."""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from precert.web.gate import Gate
from support.app import EXAMPLES, FrozenClock, frozen_runtime, running


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
    body = _document("dtr", "submit-attachment-early")
    body["parameter"][0]["sugar"] = True  # the room itself passes over what it does not know
    return "/fhir/$submit-attachment", body


def _form() -> tuple[str, Any]:
    body = _document("dtr", "next-question-first")
    body["authored"] = "yesterday"
    return "/fhir/Questionnaire/$next-question", body


@pytest.mark.parametrize(
    ("make", "status", "where"),
    [
        (_pas, 400, "item[0]"),
        (_hook, 422, "context.draftOrders.Bundle.entry[0].resource.intent"),
        (_attachment, 400, "Parameters.parameter[0]"),
        (_form, 400, "QuestionnaireResponse.authored"),
    ],
)
async def test_strict_mode_refuses(make: Any, status: int, where: str, tmp_path: Path) -> None:
    url, body = make()
    async with running(tmp_path, frozen_runtime(), validation="strict") as (_, client):
        answer = await client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert any(where in (issue.get("expression") or [""])[0] for issue in answer.json()["issue"]), answer.text


@pytest.mark.parametrize(
    ("make", "context"), [(_pas, "pas-2.2.1"), (_hook, "crd-2.2.1"), (_form, "dtr-2.2.0"), (_attachment, "cdex-2.1.0")]
)
async def test_lenient_mode_goes_on_and_logs(make: Any, context: str, tmp_path: Path) -> None:
    url, body = make()
    async with running(tmp_path, frozen_runtime()) as (_, client):
        with capture_logs() as logs:
            answer = await client.post(url, json=copy.deepcopy(body))
    assert answer.status_code == 200, answer.text
    warned = [log for log in logs if log["event"] == "profile warnings"]
    assert [log["context"] for log in warned] == [context]
    assert "wish" not in str(warned), "rules are logged, never content"


async def test_hooks_are_looked_at_once_a_second(tmp_path: Path) -> None:
    """What is looked at for the log only must not hold up the next call."""
    clock = FrozenClock()
    url, body = _hook()
    seen = []
    async with running(tmp_path, frozen_runtime(clock)) as (_, client):
        for seconds in (0, 0.5, 0.4, 0.2):
            clock.forward(seconds=seconds)
            with capture_logs() as logs:
                assert (await client.post(url, json=copy.deepcopy(body))).status_code == 200
            seen.append(sum(log["event"] == "profile warnings" for log in logs))
    assert seen == [1, 0, 0, 1]


async def test_hooks_are_checked_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The FHIRPath engine behind the validator must not run in two threads at once."""
    threads: list[int] = []
    whole = Gate.observe

    def noted(self: Gate, *args: Any) -> None:
        threads.append(threading.get_ident())
        whole(self, *args)

    monkeypatch.setattr(Gate, "observe", noted)
    url, body = _hook()
    async with running(tmp_path, frozen_runtime()) as (_, client):
        await client.post(url, json=body)
    assert set(threads) == {threading.get_ident()}
