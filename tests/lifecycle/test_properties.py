"""Any claim: every sequence answered once, units add up, no number used twice."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tools.requests import item

from lifecycle.steps import Driver, Json, cancel, case_of, claim_of, inquiry, request, update
from support.answers import claim_response, decisions, extension
from support.app import frozen_runtime, running

SERVICES = ("hcpcs|E0601", "hcpcs|K0823", "hcpcs|E1390", "hcpcs|G0299", "cpt|99213", "cpt|72148", "x12st|AG")
MEMBERS = ("MA-0001", "MA-0009", "COM-0001", "MCD-0001", "TX-0001")
UNITS = {"hcpcs|E0601": "months", "hcpcs|G0299": "visits"}
_NAMES = itertools.count()


@st.composite
def items(draw: st.DrawFn) -> list[Json]:
    """Up to six items with any sequences, services and amounts, some cancelled at once."""
    sequences = draw(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=6, unique=True))
    made = []
    for sequence in sequences:
        service = draw(st.sampled_from(SERVICES))
        quantity = draw(st.none() | st.integers(1, 60))
        one = item(
            sequence,
            service,
            quantity=quantity,
            unit=UNITS.get(service, "units"),
            certification=draw(st.sampled_from("IRS412N")) if service != "cpt|99213" else "I",
            start=draw(st.none() | st.just("2027-01-04")),
        )
        if draw(st.integers(0, 5)) == 0:
            cancel(one)
        made.append(one)
    return made


@settings(max_examples=25)
@given(
    first=items(),
    added=items(),
    member=st.sampled_from(MEMBERS),
    studied=st.booleans(),
    old=st.booleans(),
)
def test_every_sequence_once_units_add_up_numbers_are_unique(
    tmp_path_factory: Any, first: list[Json], added: list[Json], member: str, studied: bool, old: bool
) -> None:
    async def play(folder: Path) -> None:
        async with running(folder, frozen_runtime(), validate_answers=True) as (app, client):
            await check(Driver(client, app), first, added, member, studied, "/fhir/v2.0" if old else "/fhir")

    asyncio.run(play(tmp_path_factory.mktemp("any")))


async def check(driver: Driver, first: list[Json], added: list[Json], member: str, studied: bool, base: str) -> None:
    body = request(f"any-{next(_NAMES)}", first, member=member, studied=studied)
    known = {one["sequence"] for one in first}
    answer = await driver.submit(body, base)
    if all("modifierExtension" in one for one in first):  # only cancellations, and nothing was asked before
        assert "Nothing was found to cancel" in claim_response(answer)["disposition"]
        return
    holds(answer, known, {one["sequence"]: one for one in first})
    fresh = [one for one in added if one["sequence"] not in known]
    later = update(body, "more", lambda claim: claim["item"].extend(fresh))
    everything = {one["sequence"]: one for one in claim_of(later)["item"]}
    after = await driver.submit(later, base)
    if claim_response(after)["outcome"] == "error":  # denied before: nothing changed
        assert {d.action for d in decisions(answer)} & {"A3"}
    else:
        holds(after, set(everything), everything)
    await unique(driver, case_of(answer))
    if member.startswith("MA-0009"):
        return
    (now,) = await driver.inquire(inquiry(f"ask-{next(_NAMES)}", member=member), base)
    assert case_of(now) == case_of(answer)


def holds(answer: Json, sequences: set[int], asked: dict[int, Json]) -> None:
    """Every sequence exactly once, in the item list; what is granted is what was asked, or less with A6."""
    decided = decisions(answer)
    assert [d.sequence for d in decided] == sorted(sequences)
    response = claim_response(answer)
    for added in response.get("addItem", ()):
        assert set(added["itemSequence"]) <= {d.sequence for d in decided if d.action == "A6"}
    for line, shown in zip(decided, response["item"], strict=True):
        assert (line.number is not None) == (line.action in ("A1", "A6"))
        assert (line.reference is not None) == (line.action == "A4")
        granted = extension(shown, "extension-itemAuthorizedDetail")
        quantity = extension(granted, "quantity") if granted else None
        if line.action == "A1" and quantity and "quantity" in asked[line.sequence]:
            assert quantity["value"] <= asked[line.sequence]["quantity"]["value"]
    notes = [note["number"] for note in response.get("processNote", ())]
    assert notes == list(range(1, len(notes) + 1))
    assert {n for shown in response["item"] for n in shown.get("noteNumber", ())} == set(notes)


async def unique(driver: Driver, case: str) -> None:
    """No number on two lines, none for two purposes, each one event."""
    record = await driver.record(case)
    issued = [
        (event.line, number)
        for event in record.events
        for number in (event.reference, event.authorization and event.authorization.number)
        if number
    ]
    owners: dict[str, set[int | None]] = {}
    for line, number in issued:
        owners.setdefault(number, set()).add(line)
    assert all(len(lines) == 1 for lines in owners.values())
    assert record.number not in owners
