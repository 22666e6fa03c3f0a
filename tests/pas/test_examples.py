"""The examples are what their generator makes, and each gets the answer that it promises, whole."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from tools.make_examples import EXPLANATION, FOLDER, by_name, examples

from precert.fhir import json
from support.answers import bundle, claim_response, decisions
from support.app import EXAMPLES, FrozenClock, running
from support.pas import example, submit

NAMES = [e.name for e in examples()]
GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("PRECERT_UPDATE_GOLDEN") == "1"
BASES = {"2.2": "/fhir", "2.0": "/fhir/v2.0"}


def test_the_files_are_what_the_generator_makes() -> None:
    assert {f.name: f.read_text("utf-8") for f in FOLDER.iterdir()} == {f"{e.name}.json": e.text() for e in examples()}
    assert FOLDER == EXAMPLES / "pas"


def test_the_generator_makes_the_same_every_time() -> None:
    assert [e.text() for e in examples()] == [e.text() for e in examples()]
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_carries_its_explanation(name: str) -> None:
    (tag,) = example(name)["meta"]["tag"]
    assert (tag["system"], tag["code"]) == (EXPLANATION, name)
    assert tag["display"].endswith(".")
    promised = set(by_name(name).decisions.values())
    for action in promised:
        assert action in tag["display"]


def test_every_answer_that_a_machine_can_give_has_an_example() -> None:
    outcomes = {outcome for e in examples() for outcome in e.outcomes}
    assert outcomes == {"approve", "pend-info", "refer-nurse", "refer", "not-applicable", "no-auth", "deny-admin"}


@pytest.mark.parametrize("name", NAMES)
async def test_each_gets_the_answer_it_promises(name: str, tmp_path: Path) -> None:
    promised = by_name(name)
    async with running(tmp_path, eligibility_mode="directory") as (_, client):
        answer = bundle(await submit(client, example(name)))
        found = {d.sequence: d.action for d in decisions(answer)}
        assert found == promised.decisions
        assert (claim_response(answer)["outcome"] == "error") is (not promised.decisions)
        case = claim_response(answer)["identifier"][0]["value"]
        told = (await client.get(f"/explain/{case}")).json()
        assert tuple(line["outcome"] for line in told["lines"] if line["outcome"]) == promised.outcomes
        assert told["track"] == ("expedited" if name == "urgent" else "standard")


@pytest.mark.parametrize("years", [0, 1])
async def test_the_answers_do_not_depend_on_when_one_tries(years: int, tmp_path: Path, clock: FrozenClock) -> None:
    from support.app import frozen_runtime

    clock.forward(days=2 + 250 * years)
    async with running(tmp_path, frozen_runtime(clock), eligibility_mode="directory") as (_, client):
        for promised in examples():
            answer = bundle(await submit(client, promised.document()))
            assert {d.sequence: d.action for d in decisions(answer)} == promised.decisions, promised.name


@pytest.mark.parametrize("version", BASES)
@pytest.mark.parametrize("name", NAMES)
async def test_the_whole_answer(name: str, version: str, tmp_path: Path) -> None:
    """Compared with ``golden/``; PRECERT_UPDATE_GOLDEN=1 writes it anew (read the diff before committing it)."""
    async with running(tmp_path, eligibility_mode="directory") as (_, client):
        response = await submit(client, example(name), f"{BASES[version]}/Claim/$submit")
    answer = json.dumps(json.loads(response.content), pretty=True) + b"\n"
    file = GOLDEN / version / f"{name}.json"
    if UPDATE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(answer)
    assert answer.decode() == file.read_text("utf-8")


def test_no_golden_answer_is_left_over() -> None:
    files = {f.relative_to(GOLDEN).as_posix() for f in GOLDEN.rglob("*.json")}
    assert files == {f"{version}/{name}.json" for version in BASES for name in NAMES}


async def test_golden_updates_are_off_by_default(client: httpx.AsyncClient) -> None:
    assert not UPDATE, "PRECERT_UPDATE_GOLDEN is set: the answers were written, not checked"
