"""The published CDex examples, and anything that is JSON."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import httpx
import pytest
from cdex_support import LIMIT, Driver, answered, attachment, parameters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from precert.cdex.parameters import read_parameters
from precert.cdex.routes import CdexContext, cdex_router
from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from support.answers import faults, only_fault
from support.app import frozen_runtime, running
from support.strategies import JSON_VALUES, mutated

EXAMPLES = Path(__file__).parents[3].joinpath("shared/examples/cdex")
published = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the published examples are not here")


def example(number: int) -> Any:
    return json.loads((EXAMPLES / f"cdex-parameters-example{number}.json").read_bytes())


@pytest.mark.shared
@published
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_a_published_call_is_held(driver: Driver, number: int) -> None:
    assert faults(await driver.attach(example(number)))[0].rule == "attachment-held"


@pytest.mark.shared
@published
async def test_the_published_signature_damaged(driver: Driver) -> None:
    call = example(2)
    signature = call["parameter"][7]["part"][2]["resource"]["signature"]
    signature["data"] = signature["data"][:4000] + "A" + signature["data"][4001:]
    assert only_fault(await driver.attach(call)).rule == "signature"


CALL = parameters("x", attachment(answered(), "1"), attachment({"resourceType": "DocumentReference", "content": []}))


def refusal(body: Any) -> int | None:
    try:
        read_parameters(copy.deepcopy(body))
    except FhirError as refused:
        return refused.status
    return None


@given(st.one_of(mutated(CALL, 1), st.dictionaries(st.sampled_from(["parameter", "resourceType"]), JSON_VALUES)))
@settings(max_examples=300)
def test_reading_refuses_or_reads(body: Any) -> None:
    assert refusal(body) in (None, 400)


async def test_no_json_is_a_server_fault(tmp_path: Path) -> None:
    async with running(tmp_path / "data", frozen_runtime(), raise_app_exceptions=False) as (app, client):
        context = CdexContext(app.state.service, app.state.server.identify, Limits(bytes=LIMIT))
        app.router.routes[0:0] = cdex_router(context, "/fhir").routes

        async def post(body: Any) -> httpx.Response:
            return await client.post("/fhir/$submit-attachment", content=json.dumps(body))

        bodies: list[Any] = []

        @given(mutated(CALL, 1))
        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        def collect(body: Any) -> None:
            bodies.append(body)

        collect()
        for body in bodies:
            response = await post(body)
            assert response.status_code in (200, 400, 413, 422), (response.text, body)
