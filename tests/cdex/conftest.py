"""The app with the attachment operation, and the pended case that most tests answer."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # cdex_support, whatever the import mode

from cdex_support import LIMIT, Driver, Pended, asking

from precert.cdex.routes import CdexContext, cdex_router
from precert.fhir.json import Limits
from precert.runtime import Runtime
from support.answers import decisions
from support.app import running


@pytest.fixture
async def driver(tmp_path: Path, runtime: Runtime) -> AsyncIterator[Driver]:
    async with running(tmp_path / "data", runtime) as (app, client):
        context = CdexContext(app.state.service, app.state.server.identify, Limits(bytes=LIMIT))
        app.router.routes[0:0] = cdex_router(context, "/fhir").routes  # before those that the app may mount itself
        yield Driver(app, client)


@pytest.fixture
async def pended(driver: Driver) -> Pended:
    answer = await driver.submit(asking("waits"))
    task = next(e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "Task")
    ids = {i["system"]: i["value"] for i in task["identifier"]}
    reference = decisions(answer)[0].reference
    assert reference is not None
    case = next(value for value in ids.values() if value.startswith("CN"))
    return Pended(answer, ids["urn:precert:attachment-control"], case, reference)
