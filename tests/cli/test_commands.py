"""The ``precert`` command as its users type it: output, exit codes, and sentences instead of stack traces."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from lifecycle.steps import Driver
from precert import __version__
from precert.cli import app
from precert.cli.policy import _load, _stored_lines
from precert.cli.serve import _Server
from precert.policy.types import Outcome
from precert.settings import Settings
from precert.store.embedded import EmbeddedStore
from support.app import EXAMPLES, NOW, ROOT, running

run = CliRunner()


PAS, CRD = EXAMPLES / "pas", EXAMPLES / "crd"
SHARED = ROOT.parent / "shared" / "igs"


def test_policy_check_passes_for_the_shipped_policies() -> None:
    done = run.invoke(
        app, ["policy", "check", str(EXAMPLES / "policies"), "--today", NOW.date().isoformat(), "--no-mutation"]
    )
    assert done.exit_code == 0, done.output
    assert "15 files, 0 errors" in done.output


def test_policy_check_names_file_line_and_key(tmp_path: Path) -> None:
    source = (EXAMPLES / "policies" / "04-mri-lumbar.yaml").read_text("utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(source.replace("role: clinical", "role: clinicl"), "utf-8")
    done = run.invoke(app, ["policy", "check", str(broken)])
    assert done.exit_code == 1
    line = next(n for n, text in enumerate(broken.read_text().splitlines(), 1) if text.startswith("role:"))
    assert f"broken.yaml:{line}: error [format] role" in done.output


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("04-mri-lumbar.yaml", "lob: [commercial, qhp]", "lob: [comercial, qhp]", "did you mean commercial?"),
        ("02-pap-osa-initial.yaml", "lob: [medicare-advantage]", "lob: [medicare]", "did you mean medicare-advantage?"),
        (
            "value-sets/ahi.yaml",
            "loinc|69990-0",
            "69990-0",
            "ahi.yaml:6: error [format] codes[0]: '69990-0' is not system|code",
        ),
    ],
)
def test_policy_check_finds_what_would_go_to_a_person(file: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "policies", tmp_path, dirs_exist_ok=True)
    for other in tmp_path.glob("*.yaml"):
        if other.name not in ("02-pap-osa-initial.yaml", "04-mri-lumbar.yaml"):
            other.unlink()
    text = (tmp_path / file).read_text("utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), "utf-8")
    done = run.invoke(app, ["policy", "check", str(tmp_path), "--no-mutation"])
    assert done.exit_code == 1, done.output
    assert said in done.output


def test_policy_check_finds_the_same_version_twice(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml"):
        shutil.copy(EXAMPLES / "policies" / "04-mri-lumbar.yaml", tmp_path / name)
    done = run.invoke(app, ["policy", "check", str(tmp_path), "--no-mutation"])
    assert done.exit_code == 1, done.output
    assert re.search(r"b\.yml:\d+: error \[version\] version: mri-lumbar \S+ is already in", done.output)


def test_policy_test_runs_tests_and_mutants() -> None:
    done = run.invoke(app, ["policy", "test", str(EXAMPLES / "policies" / "04-mri-lumbar.yaml")])
    assert done.exit_code == 0, done.output
    ((tests, passed), (mutants, killed)) = re.findall(r"(\d+)/(\d+)", done.output)
    assert tests == passed != "0"
    assert mutants == killed != "0"


def test_policy_test_tells_which_leaf_nobody_guards(tmp_path: Path) -> None:
    source = (EXAMPLES / "policies" / "13-limit-therapy-visits.yaml").read_text("utf-8")
    unguarded = tmp_path / "unguarded.yaml"
    unguarded.write_text(source.split("\ntests:")[0] + "\ntests: []\n", "utf-8")
    done = run.invoke(app, ["policy", "test", str(unguarded)])
    assert done.exit_code == 1
    assert "no test notices PT-FIRST20 := true" in done.output


@pytest.mark.parametrize(
    ("file", "outcome", "policy"),
    [
        (PAS / "refer.json", "refer", "pap-osa-initial"),
        (PAS / "not-required.json", "not-applicable", None),
        (CRD / "order-sign-alternative.json", "pend-info", "pap-osa-initial"),
    ],
)
def test_policy_explain_decides_without_sending(file: Path, outcome: str, policy: str | None) -> None:
    done = run.invoke(app, ["policy", "explain", str(file)])
    assert done.exit_code == 0, done.output
    assert f"line 1: {outcome}" in done.output
    assert policy is None or f"policy {policy}" in done.output
    raw = run.invoke(app, ["policy", "explain", str(file), "--json"])
    assert json.loads(raw.stdout)["outcome"] == outcome


def test_policy_explain_says_what_is_wrong_with_a_request(tmp_path: Path) -> None:
    bundle = json.loads((PAS / "approve.json").read_text("utf-8"))
    bundle["entry"].reverse()
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(bundle), "utf-8")
    done = run.invoke(app, ["policy", "explain", str(wrong)])
    assert done.exit_code == 1
    assert "must be the Claim" in done.output


def test_validate_finds_faults_and_exits_one(tmp_path: Path) -> None:
    good = run.invoke(app, ["validate", str(PAS / "approve.json")])
    assert good.exit_code == 0, good.output
    bundle = json.loads((PAS / "approve.json").read_text("utf-8"))
    del bundle["entry"][0]["resource"]["item"][0]["sequence"]
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(bundle), "utf-8")
    done = run.invoke(app, ["validate", str(wrong), "--json"])
    assert done.exit_code == 1
    paths = [finding["expression"] for finding in json.loads(done.stdout)[0]["findings"]]
    assert "Bundle.entry[0].resource.item[0].sequence" in paths


def test_validate_takes_folders_and_bad_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", "utf-8")
    (tmp_path / "b.json").write_text((PAS / "approve.json").read_text("utf-8"), "utf-8")
    done = run.invoke(app, ["validate", str(tmp_path)])
    assert done.exit_code == 1
    assert "2 files, 1 errors" in done.output
    assert "not JSON" in done.output
    assert run.invoke(app, ["validate", str(tmp_path), "--guide", "nothing"]).exit_code == 2


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")
def test_profile_compile_writes_tables(tmp_path: Path) -> None:
    package = SHARED / "hl7.fhir.uv.subscriptions-backport.r4-1.1.0.tgz"
    done = run.invoke(app, ["profile", "compile", str(package), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert [p.name for p in tmp_path.iterdir()] == ["hl7.fhir.uv.subscriptions-backport.r4-1.1.0.json.gz"]


def test_profile_compile_refuses_what_is_no_package(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"no archive")
    done = run.invoke(app, ["profile", "compile", str(wrong), "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "wrong.tgz" in done.output


def _make_store(directory: Path) -> None:
    async def make() -> None:
        await EmbeddedStore.open(directory).close()

    asyncio.run(make())


def test_the_store_moves_from_one_folder_to_another(tmp_path: Path) -> None:
    old, new, moved = tmp_path / "old", tmp_path / "new", tmp_path / "moved.jsonl"
    _make_store(old / "store")
    assert run.invoke(app, ["store", "check", "--data", str(old)]).exit_code == 0
    assert run.invoke(app, ["store", "export", str(moved), "--data", str(old)]).exit_code == 0
    assert moved.stat().st_mode & 0o077 == 0, "an export holds clinical data: nobody else may read it"
    assert run.invoke(app, ["store", "import", str(moved), "--data", str(new)]).exit_code == 0
    assert run.invoke(app, ["store", "backup", str(tmp_path / "copy"), "--data", str(new)]).exit_code == 0
    again = run.invoke(app, ["store", "check", "--data", str(new)])
    assert "as it was written" in again.output


@pytest.mark.parametrize("there", ["nothing", "a folder", "an empty file"])
@pytest.mark.parametrize(
    "command",
    [
        ["store", "check"],
        ["store", "backup", "OUT"],
        ["store", "export", "OUT"],
        ["policy", "replay", str(EXAMPLES / "policies" / "04-mri-lumbar.yaml")],
    ],
    ids=lambda command: command[1],
)
def test_a_command_that_reads_a_store_makes_none(command: list[str], there: str, tmp_path: Path) -> None:
    """A mistyped folder is told, and not answered as a store in which nothing was found."""
    data, out = tmp_path / "typo", tmp_path / "out"
    if there != "nothing":
        (data / "store").mkdir(parents=True)
    if there == "an empty file":
        (data / "store" / "precert.db").touch()
    before = sorted(tmp_path.rglob("*"))
    done = run.invoke(app, [*(str(out) if part == "OUT" else part for part in command), "--data", str(data)])
    assert done.exit_code == 2, done.output
    assert str(data / "store") in done.stderr
    assert "--data" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert all(path.stat().st_size == 0 for path in before if path.is_file())


def test_an_export_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    _make_store(tmp_path / "store")
    done = run.invoke(app, ["store", "export", str(tmp_path / "no" / "such" / "x.jsonl"), "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "x.jsonl" in done.stderr


def test_submit_without_a_server_says_so() -> None:
    done = run.invoke(app, ["submit", str(PAS / "approve.json"), "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "Is the server running" in done.output


def _outcome(severity: str, text: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "details": {"text": text}}]}


def _bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}


_APPROVED = {"resourceType": "ClaimResponse", "outcome": "complete", "disposition": "1 approved [lab] [/x]."}
_REJECTED = {"resourceType": "ClaimResponse", "outcome": "error", "disposition": "wrong [lab] [/x]"}
_WARNED, _WRONG = _outcome("warning", "mind [lab] [/x]"), _outcome("error", "wrong [lab] [/x]")
_CARD = {"cards": [{"summary": "card [lab] [/x]", "indicator": "info", "source": {"label": "plan"}}]}

# command, status, body, what standard output says, what standard error says
_ANSWERS = [
    ("submit", 200, _bundle(_APPROVED), "1 approved [lab] [/x].", ""),
    ("submit", 200, _bundle(_APPROVED, _WARNED), "warning: mind [lab] [/x]", ""),
    ("submit", 200, _bundle(_REJECTED), "", "wrong [lab] [/x]"),
    ("submit", 200, _bundle(_APPROVED, _WRONG), "1 approved", "wrong [lab] [/x]"),
    ("submit", 200, _WRONG, "", "wrong [lab] [/x]"),
    ("submit", 200, _outcome("fatal", "wrong [lab] [/x]"), "", "wrong [lab] [/x]"),
    ("submit", 200, _WARNED, "warning: mind [lab] [/x]", ""),
    ("submit", 422, _WRONG, "", "wrong [lab] [/x]"),
    ("submit", 503, {}, "", "HTTP 503"),
    ("submit", 404, b"<html>", "", "not JSON"),
    ("submit", 200, b"<html>", "", "not JSON"),
    ("submit", 200, b"[]", "", "not an object"),
    ("inquire", 200, {"resourceType": "Parameters", "parameter": [{"resource": _bundle(_APPROVED)}]}, "1 approved", ""),
    (
        "inquire",
        200,
        {"resourceType": "Parameters", "parameter": [{"resource": _bundle(_REJECTED)}]},
        "",
        "wrong [lab]",
    ),
    ("inquire", 200, _bundle(), "Nothing matches.", ""),
    ("inquire", 403, _WRONG, "", "HTTP 403"),
    ("hook", 200, _CARD, "card [lab] [/x]", ""),
    ("hook", 200, {"cards": []}, "Nothing to say", ""),
    ("hook", 200, _WRONG, "", "wrong [lab] [/x]"),
    ("hook", 422, _WRONG, "", "wrong [lab] [/x]"),
    ("hook", 502, b"Bad gateway", "", "HTTP 502"),
]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(("command", "status", "body", "out", "err"), _ANSWERS)
def test_the_client_tells_errors_by_its_exit_status(
    command: str, status: int, body: Any, out: str, err: str, raw: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong stands on standard error and the exit status is 1; brackets in a server's text are no markup."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = httpx.Request("POST", "http://test")
    monkeypatch.setattr(httpx, "post", lambda *_, **__: httpx.Response(status, content=content, request=request))
    file = CRD / "order-sign-no-auth.json" if command == "hook" else PAS / "approve.json"
    done = run.invoke(app, [command, str(file), *(["--json"] if raw else [])])
    assert done.exit_code == (1 if err else 0), done.output
    assert err in done.stderr
    assert bool(done.stderr) == bool(err)
    if not raw:
        assert out in done.stdout
    elif isinstance(body, dict):
        assert json.loads(done.stdout) == body


@pytest.mark.parametrize("url", ["nowhere", "http://[x", "http://127.0.0.1:9"])
def test_a_url_that_leads_nowhere_is_told_in_a_sentence(url: str) -> None:
    done = run.invoke(app, ["submit", str(PAS / "approve.json"), "--url", url])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert url in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "this machine only"),
        (["--port", "99999"], "port"),
        (["--store", "postgres:x"], "mongita:DIR"),
        (["--policies", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--eligibility", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_serve_refuses_bad_settings_in_a_sentence(options: list[str], sentence: str, tmp_path: Path) -> None:
    done = run.invoke(app, ["serve", "--data", str(tmp_path), *options])
    assert done.exit_code == 2, done.output
    assert sentence in done.output
    assert "Traceback" not in done.output


async def test_what_is_there_at_the_start_is_not_collected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full garbage collection over all rules and tables would hold up whoever asks at that moment."""

    async def nothing(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nobody asks")

    steps: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda: steps.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: steps.append("freeze"))
    config = uvicorn.Config(nothing, port=0, lifespan="off", log_config=None)
    config.load()
    server = _Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        assert steps == ["collect", "freeze"]
    finally:
        await server.shutdown()


async def test_policy_replay_leaves_out_what_the_rules_did_not_decide(tmp_path: Path) -> None:
    """A request for what the hook authorized already was answered with that."""
    call = json.loads((EXAMPLES / "crd" / "order-sign-criteria-met.json").read_text("utf-8"))
    async with running(tmp_path / "data") as (app_, client):
        driver = Driver(client, app_)
        await client.post("/cds-services/crd-order-sign", json=call)
        made = await client.post("/api/crd/request?order=ServiceRequest/o1", json=call)
        await driver.submit(json.loads(made.content))
        assert sorted(line.state for case in await driver.records() for line in case.ordered) == ["active", "repeated"]
    policy = _load(ROOT / "examples" / "policies" / "04-mri-lumbar.yaml")
    stored = await _stored_lines(Settings(data=tmp_path / "data"), policy)
    assert [outcome for _, _, outcome in stored] == [Outcome.APPROVE]


def test_the_version_is_told_as_an_option_and_as_a_command() -> None:
    told = [run.invoke(app, words).output for words in (["--version"], ["version"])]
    assert told == [f"{__version__}\n"] * 2
