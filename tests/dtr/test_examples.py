"""The examples are conformant, say what they are, and get the answer that they promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dtr_support import VALIDATOR, Driver, mounted
from tools.requests import Json

from precert.fhir import json
from precert.runtime import Runtime
from support.app import EXAMPLES, running

FOLDER = EXAMPLES / "dtr"
ROOT = "http://127.0.0.1:8000"
CALLS = {
    "package-by-order": ("Questionnaire/$questionnaire-package", 200, "oxygen-home"),
    "package-by-canonical": ("Questionnaire/$questionnaire-package", 200, "unknown-questionnaire"),
    "next-question-first": ("Questionnaire/$next-question", 200, "red_flag_dx"),
    "next-question-last": ("Questionnaire/$next-question", 200, "As answered, the coverage criteria are met."),
    "log-questionnaire-errors": ("Questionnaire/$log-questionnaire-errors", 204, ""),
    "expand": ("ValueSet/$expand", 200, "274783"),
    "submit-attachment-early": ("$submit-attachment", 200, "attachment-held"),
}
"""Where each goes, and a word of the answer."""


def example(name: str) -> Json:
    read: Json = json.loads((FOLDER / f"{name}.json").read_bytes())
    return read


@pytest.fixture
async def local(tmp_path: Path, runtime: Runtime) -> AsyncIterator[Driver]:
    """A driver at the address that the examples name."""
    async with running(tmp_path / "data", runtime) as (app, _):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=ROOT) as client:
            yield mounted(app, client)


def test_there_is_one_for_each_operation() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(CALLS)


@pytest.mark.parametrize("name", list(CALLS))
def test_an_example_is_conformant(name: str) -> None:
    document = example(name)
    tag = document["meta"]["tag"][0]
    assert tag["code"] == name
    assert CALLS[name][0] in tag["display"]
    found = VALIDATOR.validate(document, context="cdex-2.1.0" if "attachment" in name else "dtr-2.2.0")
    assert [(f.rule, f.expression, f.text) for f in found if f.severity == "error"] == []


@pytest.mark.parametrize("name", list(CALLS))
async def test_an_example_gets_its_answer(local: Driver, name: str) -> None:
    path, status, word = CALLS[name]
    response = await local.post(path, example(name))
    assert response.status_code == status, response.text
    assert word in response.text
