"""The reviewer's script: what it decides, when, and what it does when it may not."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tools.inferno import inputs
from tools.review_driver import Driver, Rule, ScriptError, main, read_rules

from inferno.running import RULES, send
from precert.runtime import Runtime
from support.answers import decisions
from support.app import running

SUBMIT = "/fhir/Claim/$submit"


@pytest.fixture
async def client(tmp_path: Path, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    allow = {"subscriptions_allow_private": True, "validate_answers": True}
    async with running(tmp_path / "data", runtime, **allow) as (_, client):
        yield client


def payload(name: str) -> dict[str, Any]:
    found = copy.deepcopy(inputs("2.2.1")[name])
    assert isinstance(found, dict)
    return found


def script(**over: Any) -> str:
    rule = {"name": "r", "match": {"member": "MA-0002"}, "determination": {"outcome": "approve"}}
    return json.dumps({"rules": [rule | over]})


async def test_it_waits_until_somebody_is_subscribed(client: httpx.AsyncClient) -> None:
    answer = await send(client, SUBMIT, payload("pended_pa_submit_request_payload"))
    assert [d.action for d in decisions(answer)] == ["A4"]
    driver = Driver(client, list(RULES))
    assert await driver.step() == []
    rules = [Rule(r.name, r.match, r.determination) for r in RULES]
    (said,) = await Driver(client, rules).step()
    assert "line 1: approve" in said


async def test_each_rule_decides_a_line_once(client: httpx.AsyncClient) -> None:
    await send(client, SUBMIT, payload("approval_pa_submit_request_payload"))
    driver = Driver(client, list(RULES))
    (said,) = await driver.step()
    assert "line 2: modify" in said
    assert await driver.step() == []


async def test_oldest_first(client: httpx.AsyncClient) -> None:
    """What was submitted first is decided first, so that what the suite waits for last comes last."""
    await send(client, SUBMIT, payload("approval_pa_submit_request_payload"))
    await send(client, SUBMIT, payload("pended_pa_submit_request_payload"))
    rules = [Rule(r.name, r.match, r.determination) for r in RULES]
    said = await Driver(client, rules).step()
    assert [line.partition(": ")[2].split()[0] for line in said] == ["modify", "approve"]


async def test_what_the_server_forbids_is_said_and_not_tried_again(client: httpx.AsyncClient) -> None:
    await send(client, SUBMIT, payload("pended_pa_submit_request_payload"))
    nurse = {"outcome": "deny", "by": "nurse.hale", "role": "nurse", "rationale": "No.", "reasons": []}
    driver = Driver(client, [Rule("a nurse denies", {"member": "MA-0002"}, nurse)])
    with pytest.raises(ScriptError, match=r"a nurse denies.*403"):
        await driver.step()


async def test_somebody_else_was_faster(client: httpx.AsyncClient) -> None:
    """A line that a person closed between look and decision is left alone."""
    await send(client, SUBMIT, payload("pended_pa_submit_request_payload"))
    rules = [Rule(r.name, r.match, r.determination) for r in RULES]
    slow, fast = Driver(client, rules), Driver(client, rules)
    seen = await slow._open_cases()
    await fast.step()
    assert "left alone" in await slow._decide(seen[0], "1", rules[1])


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        '{"rules": [{"name": "r"}]}',
        script(match={"colour": "blue"}),
        script(when="tomorrow"),
    ],
)
def test_a_script_that_cannot_be_used(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ScriptError):
        read_rules(text)
    file = tmp_path / "script.json"
    file.write_text(text, "utf-8")
    assert main([str(file), "--once"]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_server_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "script.json"
    file.write_text(script(), "utf-8")
    assert main([str(file), "--once", "--url", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err
