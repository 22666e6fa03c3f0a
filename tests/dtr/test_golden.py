"""Whole answers, as they stood when somebody read them. To renew: PRECERT_GOLDEN=write, and read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dtr_support import SHAPES, Driver, call, canonical

from precert.dtr.shape import Shape
from precert.fhir import json

FOLDER = Path(__file__).parent / "golden"


def compare(name: str, body: object) -> None:
    file = FOLDER / f"{name}.json"
    made = json.dumps(body, pretty=True) + b"\n"
    if os.environ.get("PRECERT_GOLDEN") == "write":
        file.write_bytes(made)
    assert made.decode() == file.read_bytes().decode()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_package(driver: Driver, shape: Shape) -> None:
    asked = call(canonical("pap-osa-continue"), "http://other.test/Questionnaire/x")
    compare(f"package-{shape.VERSION}", (await driver.package(asked, shape)).body)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_an_adaptive_step(driver: Driver, shape: Shape) -> None:
    draft = (await driver.package(call(canonical("pap-osa-continue-adaptive")), shape)).draft
    if shape.SHELL_ASKS:
        given = {"linkId": "days_on_therapy", "answer": [{"valueInteger": 60}]}
        draft["item"][0]["item"] = [given]
    compare(f"next-question-{shape.VERSION}", await driver.next(draft, shape))
