"""Every command in the README is run, against the server that the README's own first command starts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = re.findall(r"```sh\n(.+?)\n```", (ROOT / "README.md").read_text("utf-8"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert COMMANDS[0] == "make serve"
    if not (ROOT / ".venv" / ".runtime").exists():
        pytest.skip("not run by make: `make serve` would install a second environment")
    port, data = _free_port(), tmp_path_factory.mktemp("data")
    log = (data / "log").open("wb")
    process = subprocess.Popen(
        ["make", "serve", f"PORT={port}", f"DATA={data}"], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, data / "log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
        log.close()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(log.read_text())
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not ready after a minute: {log.read_text()}")


def run(command: str, server: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,  # the README's lines are shell lines
        check=False,
        cwd=ROOT,
        env={**os.environ, "PRECERT_URL": server},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_the_command_works(command: str, server: str) -> None:
    here = command.replace("http://127.0.0.1:8000", server)
    done = run(here, server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_the_first_example_shows_what_the_readme_says(server: str) -> None:
    done = run(COMMANDS[1], server)
    assert re.search(r"complete  Case CN\w{13}: 1 approved\.", done.stdout), done.stdout
    assert re.search(r"A1 .* PA\w{13} ", done.stdout), done.stdout


@pytest.mark.parametrize(
    "page", re.findall(r"\]\((docs/[\w-]+\.md|CONTRIBUTING\.md)\)", (ROOT / "README.md").read_text("utf-8"))
)
def test_linked_pages_exist(page: str) -> None:
    assert (ROOT / page).is_file()
