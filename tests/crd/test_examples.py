"""The shipped examples: each one's whole answer as recorded. That they fit the profiles of both versions: test_answers.py.

``PRECERT_RECORD=1 pytest tests/crd/test_examples.py`` records anew; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crd.building import ROOT, infos
from precert.fhir import json

EXAMPLES = sorted((ROOT / "examples" / "crd").glob("*.json"))
GOLDEN = Path(__file__).parent / "golden"


def test_there_are_examples():
    assert len(EXAMPLES) >= 20


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
async def test_the_whole_answer_is_as_recorded(path, world):
    body = json.loads(path.read_bytes())
    assert body["extension"]["precert.example"], "each example says in one line what it shows"
    response = await world.hook(body)
    recorded = GOLDEN / path.name
    answer = json.dumps({"status": response.status_code, "body": json.loads(response.content)}, pretty=True) + b"\n"
    if os.environ.get("PRECERT_RECORD"):
        GOLDEN.mkdir(exist_ok=True)
        recorded.write_bytes(answer)
    assert answer == recorded.read_bytes()


async def test_the_outcomes_are_all_there(world):
    """One example per outcome, so that a reader finds each kind of answer."""
    said = set()
    for path in EXAMPLES:
        response = await world.hook(json.loads(path.read_bytes()))
        if response.status_code == 200:
            said |= {(info["covered"], info.get("pa-needed")) for info in infos(response.json())}
    assert {
        ("covered", "no-auth"),
        ("covered", "auth-needed"),
        ("not-covered", None),
        ("conditional", "conditional"),
    } <= said
