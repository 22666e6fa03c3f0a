"""Generate, package, fill in, submit: the decision is the one that the policy's own embedded test expects.

Every embedded test of every shipped policy that has answers is sent twice: with the answers in ``$submit``, and
afterwards through ``$submit-attachment``. What the test puts on file travels as clinical resources of the request.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from dtr_support import Driver, call, canonical, coverage, filled, findings, mounted
from tools.requests import MEMBERS, Json, item, request_bundle

from precert.dtr import shape22
from precert.eligibility.directory import Directory
from precert.fhir import json
from precert.policy.compiled import CompiledPolicy
from precert.policy.fixtures import unfold
from precert.policy.library import PolicyLibrary
from precert.policy.model import Example
from precert.policy.types import LineContext
from support.answers import bundle
from support.app import EXAMPLES, NOW, FrozenClock, frozen_runtime, running

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
_VIEW = ("productOrService", "request", "quantity", "code", "system", "modifiers")
MEMBER = {"medicare-advantage": "MA-0001", "commercial": "COM-0001", "medicaid-mco": "MCD-0001"}


@dataclass(frozen=True)
class Trip:
    """One embedded test that has answers, as a request."""

    policy: CompiledPolicy
    example: Example
    number: int

    @property
    def context(self) -> LineContext:
        return unfold(self.example.given, self.policy.model)

    @property
    def answers(self) -> dict[str, Any]:
        return dict(self.example.given["answers"])

    @property
    def member(self) -> str:
        """A member of its own: what is open or authorized for one trip does not count for another."""
        return f"{self.like}-{self.policy.id}-{self.number}".upper()

    @property
    def like(self) -> str:
        """The member of the demo world that it is a copy of."""
        lob = self.context.coverage["lob"]
        renewing = self.context.item["request"] in ("renewal", "extension") and lob == "medicare-advantage"
        return "MA-0002" if renewing else MEMBER[lob]  # who has something on file that can be renewed

    def request(self, response: Json | None) -> Json:
        context = self.context
        written = context.item
        coding = written["productOrService"]["coding"][0]
        certification = {"initial": "I", "renewal": "R", "extension": "4"}[written.get("request", "initial")]
        quantity = written.get("quantity", {}).get("value")
        more = {k: v for k, v in written.items() if k not in _VIEW}
        day = context.service_date.isoformat()
        line = item(1, f"{coding['system']}|{coding['code']}", certification=certification, start=day, **more)
        if quantity is not None:
            unit = self.policy.grant.unit if self.policy.grant and self.policy.grant.unit else "units"
            line["quantity"] = {"value": quantity, "unit": unit}
        evidence = [e.resource | {"subject": {"reference": "patient"}} for e in context.evidence]
        evidence += [response] if response is not None else []
        name = f"trip-{self.policy.id}-{self.number}-{'with' if response else 'bare'}"
        return request_bundle(
            name,
            self.member,
            [line],
            evidence=tuple(evidence),
            created=f"{day}T10:00:00Z",
            member_data=MEMBERS[self.like],
        )


def trips() -> Iterator[Trip]:
    for policy in LIBRARY.current:
        for number, example in enumerate(policy.model.tests, start=1):
            if example.given.get("answers"):
                yield Trip(policy, example, number)


def payer_held(trip: Trip) -> bool:
    """Whether it rests on more than one line and its evidence: on what the plan has, or on other lines."""
    return any(trip.example.given.get(key) for key in ("claims", "auths", "beside"))


TRIPS = [trip for trip in trips() if not payer_held(trip)]
POLICIES = sorted({trip.policy.id for trip in TRIPS})


def test_hardly_any_test_is_left_out() -> None:
    assert len(TRIPS) >= 65
    assert len([t for t in trips() if payer_held(t)]) <= 13  # what the plan itself holds cannot be sent in


def peopled(directory: Directory) -> Directory:
    """The demo world with a copy of a member for each trip."""
    known = {member.id: member for member in directory.members}
    copies = [replace(known[trip.like], id=trip.member) for trip in TRIPS]
    members = [*directory.members, *copies]
    providers = directory.providers.values()
    return Directory(directory.payer, members, providers, directory.plans, directory.mode, directory.crosswalk)


@dataclass
class Journey:
    """A driver whose clock stands at the day that a test is about."""

    driver: Driver
    clock: FrozenClock

    async def begin(self, trip: Trip) -> Json:
        """Move the clock there and fetch and fill in the form."""
        self.clock.at = datetime.datetime.combine(trip.context.received, datetime.time(15), datetime.UTC)
        return await form_filled(self.driver, trip)


@pytest.fixture
async def journey(tmp_path: Path) -> AsyncIterator[Journey]:
    clock = FrozenClock()
    async with running(tmp_path / "data", frozen_runtime(clock)) as (app, client):
        app.state.server.directory = peopled(app.state.server.directory)
        yield Journey(mounted(app, client), clock)


async def decided(driver: Driver, number: str) -> tuple[str, tuple[str, ...]]:
    case = await driver.service.find_case(number)
    assert case is not None
    (line,) = case.ordered
    assert line.determination is not None
    missing = tuple(line.determination.trace["missing"])
    return line.determination.outcome, missing


def volunteered(trip: Trip) -> bool:
    """Whether it answers what the rules take but never ask for (a PO2, where the saturation would do)."""
    facts = trip.policy.model.facts
    offered = {name for name, fact in facts.items() if fact.ask is not None and fact.absent is not None}
    return bool({*offered, *(fact.implied_by for fact in facts.values())} & set(trip.answers))


ADAPTIVE = [t for t in TRIPS if not t.context.evidence and not t.context.diagnoses and not volunteered(t)]
"""Tests that rest on answers alone: there an interview can be held without a chart."""


async def interviewed(driver: Driver, trip: Trip) -> Json | None:
    """The adaptive form filled in step by step; ``None`` when it asks for something that the test does not answer."""
    asked = call(canonical(f"{trip.policy.id}-adaptive", trip.policy.version), coverages=[coverage(trip.member)])
    response = (await driver.package(asked)).draft
    for _ in range(len(trip.answers) + 2):
        answer = await driver.post("Questionnaire/$next-question", response)
        if answer.status_code == 400:
            return None
        response = json.loads(answer.content)
        if response["status"] == "completed":
            return response
        done = filled(response["contained"][0], response, trip.answers)
        response = done | {"status": "in-progress"}
    return None


async def test_interviews(journey: Journey) -> None:
    """An adaptive response, with its form inside, is decided as the answers to the standard form are."""
    held = 0
    for trip in ADAPTIVE:
        await journey.begin(trip)
        response = await interviewed(journey.driver, trip)
        if response is None:
            continue
        held += 1
        assert findings(response, shape22) == []
        answer = bundle(await journey.driver.post("Claim/$submit", trip.request(response | {"id": "adaptive"})))
        agrees(trip, *await decided(journey.driver, number_of(answer)))
    assert held >= 15


def number_of(answer: Json) -> str:
    return str(answer["id"])


def agrees(trip: Trip, outcome: str, missing: tuple[str, ...]) -> None:
    expect = trip.example.expect
    assert outcome == expect.decision, (trip.example.name, outcome, missing)
    if expect.missing is not None:
        assert sorted(missing) == sorted(expect.missing)


async def form_filled(driver: Driver, trip: Trip) -> Json:
    asked = call(canonical(trip.policy.id, trip.policy.version), coverages=[coverage(trip.member)])
    package = await driver.package(asked)
    return filled(package.form, package.draft, trip.answers)


@pytest.mark.parametrize("policy", POLICIES)
async def test_answers_in_the_request(journey: Journey, policy: str) -> None:
    first = True
    for trip in (trip for trip in TRIPS if trip.policy.id == policy):
        response = await journey.begin(trip)
        if first:  # one of each form is held against its profile; they differ in the answers only
            assert findings(response, shape22) == []
            first = False
        answer = bundle(await journey.driver.post("Claim/$submit", trip.request(response)))
        agrees(trip, *await decided(journey.driver, number_of(answer)))


@pytest.mark.parametrize("policy", POLICIES)
async def test_answers_afterwards(journey: Journey, policy: str) -> None:
    waited = 0
    for trip in (trip for trip in TRIPS if trip.policy.id == policy):
        response = await journey.begin(trip)
        answer = bundle(await journey.driver.post("Claim/$submit", trip.request(None)))
        if await journey.driver.states(number_of(answer)) != ["pended_info"]:
            continue  # decided without the answers
        waited += 1
        sent = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "TrackingId", "valueIdentifier": {"value": number_of(answer)}},
                {"name": "AttachTo", "valueCode": "preauthorization"},
                {"name": "ProviderId", "valueIdentifier": {"value": "1992817498"}},
                {"name": "MemberId", "valueIdentifier": {"value": trip.member}},
                {"name": "Attachment", "part": [{"name": "Content", "resource": response}]},
            ],
        }
        attached = await journey.driver.post("$submit-attachment", sent)
        assert attached.status_code == 200, attached.text
        agrees(trip, *await decided(journey.driver, number_of(answer)))
    assert waited
