"""Coverage rules that cannot be loaded: no machine says yes to their services, over PAS and CRD, at start as on reload.

One app serves all kinds of breakage: its policy library is replaced (start) or reloads (reload).
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from precert.cli import app as command
from precert.policy import folder as folder_module
from precert.policy.library import PolicyLibrary
from precert.policy.load import PolicyFolderError
from support.app import EXAMPLES, NOW, running

PAP, MRI, GOLD = "02-pap-osa-initial.yaml", "04-mri-lumbar.yaml", "12-exemption-tx-goldcard.yaml"
AHI = Path("value-sets") / "ahi.yaml"
SAID = "could not be loaded"
_ticks = itertools.count(1)


def touch(path: Path) -> None:
    """A new time stamp, however coarse the clock of the file system is."""
    stamp = path.stat().st_mtime_ns + next(_ticks) * 1_000_000_000
    os.utime(path, ns=(stamp, stamp))


def good(folder: Path) -> None:
    """The folder as it should be."""
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    (folder / "value-sets").mkdir(parents=True)
    for name in (PAP, MRI, GOLD, AHI):
        shutil.copy(EXAMPLES / "policies" / name, folder / name)
        touch(folder / name)


def edit(name: str | Path, old: str, new: str, count: int = 1) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text("utf-8")
        assert old in text, f"{old} is not in {name}"
        path.write_text(text.replace(old, new, count), "utf-8")
        touch(path)

    return change


def put(name: str | Path, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)
        touch(folder / name)

    return change


def more(name: str, old: str, new: str) -> Callable[[Path], None]:
    """A second file, which is 02 but for one thing."""

    def change(folder: Path) -> None:
        shutil.copy(folder / PAP, folder / name)
        edit(name, old, new)(folder)

    return change


def every(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in (PAP, MRI, GOLD):
            edit(name, old, new)(folder)

    return change


def removed(*names: str | Path) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def a_folder(folder: Path) -> None:
    (folder / PAP).unlink()
    (folder / PAP).mkdir()


def a_link(folder: Path) -> None:
    (folder / PAP).unlink()
    (folder / PAP).symlink_to(folder / "nowhere")


def a_pipe(folder: Path) -> None:
    (folder / PAP).unlink()
    os.mkfifo(folder / PAP)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("policies were here")


def without_tests(name: str, old: str, new: str) -> Callable[[Path], None]:
    """The same change where it would make the embedded tests fail."""

    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text("utf-8").split("\ntests:")[0] + "\n", "utf-8")
        edit(name, old, new)(folder)

    return change


def all_later(folder: Path) -> None:
    for name in (PAP, MRI, GOLD):
        without_tests(name, "effective: {start: 20", "effective: {start: 21")(folder)


def begins_later(folder: Path) -> None:
    edit(PAP, 'version: "', 'version: "N')(folder)
    without_tests(PAP, "effective: {start: 20", "effective: {start: 21")(folder)


@dataclass(frozen=True)
class Kind:
    """``start`` and ``reload``: which services go to a person then, "own" or "all"; ``None``: it cannot be tried."""

    break_: Callable[[Path], None]
    start: str | None
    reload: str | None
    ready: bool = True
    mends: bool = True  # whether putting the right file back is enough


KINDS = {
    "unknown key": Kind(edit(PAP, "role: clinical", "role: clinical\ncolour: red"), "own", "own"),
    "key twice": Kind(edit(PAP, "role: clinical", "role: clinical\nrole: clinical"), "own", "own"),
    "unknown status": Kind(edit(PAP, "status: active", "status: actve"), "own", "own"),
    "no signature": Kind(edit(PAP, "\napproved:", "\n# approved:"), "own", "own"),
    "unknown line of business": Kind(edit(PAP, "lob: [medicare-advantage]", "lob: [medicare]"), "own", "own"),
    "unknown state": Kind(edit(PAP, "lob: [medicare-advantage]", "state: [Maryland]"), "own", "own"),
    "nobody's age": Kind(edit(PAP, "lob: [medicare-advantage]", "age: {min: 65, max: 18}"), "own", "own"),
    "a lint error": Kind(edit(PAP, 'test: "%osa_dx"', 'test: "%osa_dx.exists()"'), "own", "own"),
    "an embedded test that fails": Kind(edit(PAP, "decision: approve", "decision: refer"), "own", "own"),
    "an expression that is none": Kind(edit(PAP, 'test: "%osa_dx"', 'test: "%osa_dx ="'), "own", "own"),
    "a fact that is not declared": Kind(edit(PAP, 'test: "%osa_dx"', 'test: "%osa"'), "own", "own"),
    "the version twice": Kind(more("03.yaml", "title: ", "title: Other "), "own", "own"),
    "an overlap": Kind(more("03.yaml", "policy: pap-osa-initial", "policy: pap-too"), "own", "own"),
    "a value set that is broken": Kind(edit(AHI, "loinc|69990-0", "nonsense"), "own", "own"),
    "a value set that is not YAML": Kind(put(AHI, b"value_set: ["), "own", "own"),
    "a value set without codes": Kind(put(AHI, b"value_set: 2.16.840.1.113762.1.4.1219.123\ncodes: []"), "own", "own"),
    "a value set said twice": Kind(
        put("value-sets/more.yaml", b"value_set: 2.16.840.1.113762.1.4.1219.123\ncodes: [loinc|90562-0]"), "own", "own"
    ),
    "a value set that is gone": Kind(removed(AHI), None, "own"),
    "a file that is gone": Kind(removed(PAP), None, "own"),
    "another policy in its place": Kind(edit(PAP, "policy: pap-osa-initial", "policy: pap-new"), None, "own", mends=False),
    "a version that begins later in its place": Kind(begins_later, None, "own"),
    "services that cannot be read": Kind(edit(PAP, "hcpcs|E0601", "hcpcs|E601"), "all", "own"),
    "not YAML": Kind(edit(PAP, "role: clinical", "role: ["), "all", "own"),
    "an empty file": Kind(put(PAP, b""), "all", "own"),
    "not UTF-8": Kind(put(PAP, b"policy: \xff"), "all", "own"),
    "no mapping": Kind(put(PAP, b"- policy"), "all", "own"),
    "too large": Kind(put(PAP, b"#" * 1_000_001), "all", "own"),
    "a folder of its name": Kind(a_folder, "all", "own"),
    "a link to nowhere": Kind(a_link, "all", "own"),
    "a pipe": Kind(a_pipe, "all", "own"),
    "drafts only": Kind(every("status: active", "status: draft"), "all", "all", ready=False),
    "future policies only": Kind(all_later, "all", "all", ready=False),
    "an empty folder": Kind(removed(PAP, MRI, GOLD, AHI), "all", "all", ready=False),
    "no folder": Kind(no_folder, None, "all", ready=False),
    "a file in its place": Kind(a_file, None, "all", ready=False),
}  # fmt: skip


def request(name: str) -> dict[str, Any]:
    """An example request under identifiers of its own: it is no repetition."""
    body: dict[str, Any] = json.loads((EXAMPLES / "pas" / f"{name}.json").read_text("utf-8"))
    number = next(_ticks)
    body["identifier"]["value"] = f"{name}-{number}"
    for entry in body["entry"]:
        if entry["resource"]["resourceType"] == "Claim":
            entry["resource"]["identifier"][0]["value"] = f"{name}-claim-{number}"
    return body


def order(code: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((EXAMPLES / "crd" / "order-sign-no-auth.json").read_text("utf-8"))
    text = json.dumps(body).replace("E0100", code)
    changed: dict[str, Any] = json.loads(text)
    return changed


async def pas(client: httpx.AsyncClient, name: str) -> tuple[str, str]:
    """The review action of the only line, and the whole answer."""
    answer = await client.post("/fhir/Claim/$submit", json=request(name))
    assert answer.status_code == 200, answer.text
    found = re.findall(r'306","code":"(\w+)"', answer.text.replace(" ", ""))
    assert len(found) == 1, answer.text
    return found[0], answer.text


async def crd(client: httpx.AsyncClient, code: str) -> tuple[str, str, str]:
    """covered, pa-needed and the whole answer."""
    answer = await client.post("/cds-services/crd-order-sign", json=order(code))
    assert answer.status_code == 200, answer.text
    text = answer.text.replace(" ", "")
    covered = re.findall(r'"covered","valueCode":"([\w-]+)"', text)
    needed = re.findall(r'"pa-needed","valueCode":"([\w-]+)"', text)
    assert len(covered) == len(needed) == 1, answer.text
    return covered[0], needed[0], answer.text


async def faults(client: httpx.AsyncClient, scope: str, kind: Kind) -> Iterator[str]:
    """Everything that is not as it must be while 02 is broken."""
    found: list[str] = []

    def hold(right: bool, what: object) -> None:
        if not right:
            found.append(str(what)[:600])

    code, text = await pas(client, "approve")
    hold(code == "A4" and SAID in text, ("E0601 over PAS", code, text))
    covered, needed, text = await crd(client, "E0601")
    hold((covered, needed) == ("indeterminate", "indeterminate") and SAID in text, ("E0601 over CRD", covered, needed))
    other, text = await pas(client, "not-required")
    hold(other == ("NA" if scope == "own" else "A4"), ("99213 over PAS", other, text))
    covered, needed, text = await crd(client, "E0100")
    hold(needed == ("no-auth" if scope == "own" else "indeterminate"), ("E0100 over CRD", needed, text))
    answer = await client.get("/readyz")
    state = answer.json()
    hold((answer.status_code, state["ready"]) == ((200, True) if kind.ready else (503, False)), ("readyz", state))
    hold(bool(state["reasons"]) is not kind.ready, ("reasons", state))
    hold(bool(state["withheld"]), ("withheld", state))
    said = [one for one in state["withheld"] if one["services"] == "any"]
    hold(bool(said) is (scope == "all"), ("withheld", state["withheld"]))
    if kind.ready:
        hold(bool(state["policies"]["problems"]), ("problems", state))
    return iter(found)


async def mended(client: httpx.AsyncClient) -> list[str]:
    state = (await client.get("/readyz")).json()
    whole = state["ready"] and not state["withheld"] and not state["policies"]["problems"]
    return [] if whole else [f"not mended: {state}"[:600]]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    good(tmp_path / "policies")
    return tmp_path / "policies"


async def test_at_start(tmp_path: Path, policies: Path) -> None:
    bad: dict[str, list[str]] = {}
    async with running(tmp_path / "data", policies=policies) as (app, client):
        assert (await mended(client)) == []
        for name, kind in KINDS.items():
            if kind.start is None:
                continue
            good(policies)
            kind.break_(policies)
            app.state.server.library = PolicyLibrary(policies, NOW)
            if found := list(await faults(client, kind.start, kind)):
                bad[name] = found
    assert not bad, json.dumps(bad, indent=1)


async def test_on_reload_and_when_it_is_mended(tmp_path: Path, policies: Path) -> None:
    bad: dict[str, list[str]] = {}
    async with running(tmp_path / "data", policies=policies) as (app, client):
        for name, kind in KINDS.items():
            if kind.reload is None:
                continue
            good(policies)
            app.state.server.library = library = PolicyLibrary(policies, NOW)
            kind.break_(policies)
            library.reload_if_changed(NOW)
            found = list(await faults(client, kind.reload, kind))
            good(policies)
            library.reload_if_changed(NOW)
            if found := [*found, *(await mended(client) if kind.mends else ())]:
                bad[name] = found
    assert not bad, json.dumps(bad, indent=1)
    async with running(tmp_path / "afterwards", policies=policies) as (_, client):  # where nothing waits for a person
        code, _ = await pas(client, "approve")
        assert code == "A1"


async def test_a_folder_that_may_not_be_read(tmp_path: Path, policies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server without the right to read it sees the folder; the tests may run as root, who may read everything."""
    kind = Kind(lambda folder: None, "all", "all", ready=False)

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    async with running(tmp_path / "data", policies=policies) as (app, client):
        monkeypatch.setattr(folder_module.os, "scandir", refused)
        app.state.server.library.reload_if_changed(NOW)
        assert list(await faults(client, "all", kind)) == []
        app.state.server.library = PolicyLibrary(policies, NOW)
        assert list(await faults(client, "all", kind)) == []
        monkeypatch.undo()
        app.state.server.library.reload_if_changed(NOW)
        assert await mended(client) == []


async def test_the_2_0_hook_says_conditional(tmp_path: Path, policies: Path) -> None:
    """STU 2.0.1 has no code for what is indeterminate."""
    edit(PAP, "lob: [medicare-advantage]", "lob: [medicare]")(policies)
    async with running(tmp_path / "data", policies=policies) as (_, client):
        body = json.loads((EXAMPLES / "crd" / "order-sign-crd-2.0.json").read_text("utf-8"))
        asked = json.loads(json.dumps(copy.deepcopy(body)).replace("E1390", "E0601"))
        answer = await client.post("/cds-services/crd-order-sign", json=asked)
        text = answer.text.replace(" ", "")
        assert '"pa-needed","valueCode":"conditional"' in text
        assert '"covered","valueCode":"conditional"' in text
        assert '"info-needed","valueCode":"OTH"' in text
        assert SAID in answer.text


async def test_a_plan_that_nobody_has_is_a_warning(tmp_path: Path, policies: Path) -> None:
    edit(PAP, "lob: [medicare-advantage]", "lob: [medicare-advantage]\n  plan: [ma-clasic]")(policies)
    async with running(tmp_path / "data", policies=policies) as (_, client):
        state = (await client.get("/readyz")).json()
    (warning,) = state["warnings"]
    assert "ma-clasic" in warning
    assert "pap-osa-initial" in warning
    assert state["policies"]["problems"] == []


@pytest.mark.parametrize("name", ["unknown line of business", "not YAML", "an empty folder", "drafts only"])
def test_strict_policies_refuse_to_start(name: str, tmp_path: Path, policies: Path) -> None:
    KINDS[name].break_(policies)
    options = ["--policies", str(policies), "--data", str(tmp_path / "data"), "--port", "0"]
    done = CliRunner().invoke(command, ["serve", *options, "--strict-policies"])
    assert done.exit_code == 1, done.output
    assert "--strict-policies" in done.output
    assert "Traceback" not in done.output
    assert (PAP if KINDS[name].ready else str(policies)) in done.output.replace("\n", "")


def test_strict_policies_do_not_mind_a_good_folder(tmp_path: Path, policies: Path) -> None:
    from precert.app import create_app
    from support.app import frozen_runtime, settings

    made: FastAPI = create_app(settings(tmp_path, policies=policies, strict_policies=True), frozen_runtime())
    assert made.state.server.library.problems == ()
    edit(PAP, "role: clinical", "role: clinicl")(policies)
    with pytest.raises(PolicyFolderError, match="role"):
        create_app(settings(tmp_path, policies=policies, strict_policies=True), frozen_runtime())
