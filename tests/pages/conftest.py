"""Requests to look at on pages, and for browser tests a real server and Debian's chromium."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from pages.requests_sent import Submit, fresh
from precert.eligibility.directory import Directory
from support.app import settings

CHROMIUM = "/usr/bin/chromium"


COPIES = 100
"""Of each member there are so many more on the live server (``MA-0001-T1`` …): what is open or authorized for the member of one
test must not stand in the way of another's."""


@pytest.fixture
def submit(client: httpx.AsyncClient) -> Submit:
    """Send an example as a new request; returns its case number."""

    async def send(name: str, change: Callable[[dict[str, Any]], None] | None = None) -> str:
        response = await client.post("/fhir/Claim/$submit", json=fresh(name, change))
        assert response.status_code == 200, response.text
        return str(response.json()["entry"][0]["resource"]["identifier"][0]["value"])

    return send


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real server on a free port, with the shipped examples and an empty store."""
    from precert.app import create_app

    app = create_app(settings(tmp_path_factory.mktemp("live") / "data"))
    known = app.state.server.directory
    copies = [replace(m, id=f"{m.id}-T{n}") for m in known.members for n in range(1, COPIES)]
    app.state.server.directory = Directory(
        known.payer, [*known.members, *copies], known.providers.values(), known.plans, known.mode, known.crosswalk
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in 30 s"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen. Missing: skip, unless PRECERT_REQUIRE_BROWSER=1 (as CI sets it).

    For one module only: while it lives, Playwright's event loop counts as running, and no asynchronous test may start.
    """
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if path is None:
        reason = "Debian's chromium is not installed (apt-get install chromium)"
        if os.environ.get("PRECERT_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-dev-shm-usage"]
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, live: str) -> Iterator[Callable[..., Any]]:
    """Open a path in a window of its own; a script error or a refused file on any page fails the test."""
    contexts: list[Any] = []
    faults: list[str] = []

    def heard(message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:  # refusals by the API are shown, not faults
            faults.append(message.text)

    def opened(path: str, width: int = 1280, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", base_url=live
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
