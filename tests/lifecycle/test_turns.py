"""A person and a machine who grant something to one member at the same moment: one of them looks again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lifecycle.steps import NURSE, PHYSICIAN, SHORTER, Driver, actions, case_of, cpap, request
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.turn import turn_of
from precert.store.port import Commit, Put

MEMBER = "MA-0001"
GRANTS = [
    {"outcome": "approve", "rationale": "Seen the study.", **NURSE},
    {"outcome": "approve", "rationale": "Seen the study.", **PHYSICIAN},
    {"outcome": "modify", "rationale": SHORTER, "authorized": {"units": 2}, **PHYSICIAN},
]


def service_of(driver: Driver) -> AuthorizationService:
    assert driver.app is not None
    service: AuthorizationService = driver.app.state.service
    return service


async def turn(driver: Driver) -> int:
    """How often something was granted to the member."""
    service = service_of(driver)
    return (await turn_of(service.store, service.tenant, MEMBER)).version


def before_the_next_commit(driver: Driver, act: Callable[[], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody else ``act`` between the reading and the storing of what comes next."""
    store = service_of(driver).store
    commit, waiting = store.commit, [act]

    async def meanwhile(wanted: Commit) -> Any:
        if waiting:
            await waiting.pop()()
        return await commit(wanted)

    monkeypatch.setattr(store, "commit", meanwhile)


async def pended(driver: Driver) -> str:
    return case_of(await driver.submit(request("waits", [cpap()], studied=False)))


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: f"{grant['outcome']} by {grant['role']}")
async def test_a_person_who_grants_moves_the_turn_on(driver: Driver, grant: dict[str, Any]) -> None:
    case = await pended(driver)
    before = await turn(driver)
    assert (await driver.decide(case, **grant)).status_code == 200
    assert await turn(driver) == before + 1


async def test_who_grants_nothing_stands_in_nobodys_way(driver: Driver) -> None:
    case = await pended(driver)
    before = await turn(driver)
    assert (await driver.decide(case, outcome="pend", note="Which study?", **NURSE)).status_code == 200
    await driver.deny(case)
    assert await turn(driver) == before


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: f"{grant['outcome']} by {grant['role']}")
async def test_a_machine_sees_what_a_person_grants_meanwhile(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, grant: dict[str, Any]
) -> None:
    """The open request is of one day and does not overlap with the new one; what is granted on it lasts for weeks."""
    case = await pended(driver)

    async def granted() -> None:
        assert (await driver.decide(case, **grant)).status_code == 200

    before_the_next_commit(driver, granted, monkeypatch)
    later = request("later", [cpap(start="2027-02-01", trace="later")])
    assert actions(await driver.submit(later)) == {1: "A4"}
    assert await turn(driver) == 1


async def test_a_person_is_not_told_of_what_is_not_theirs(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The member got something else meanwhile. The record that the person saw is as it was, so the decision stands."""
    case = await pended(driver)

    async def other() -> None:
        assert actions(await driver.submit(request("other", [cpap(start="2027-06-01", trace="other")]))) == {1: "A1"}

    before_the_next_commit(driver, other, monkeypatch)
    decided = await driver.decide(case, **GRANTS[0])
    assert decided.status_code == 200, decided.text
    assert await turn(driver) == 2
    assert [line.state for line in (await driver.record(case)).ordered] == ["active"]


@pytest.mark.parametrize("twice", [True, False], ids=["the turn and the record", "the record"])
async def test_a_record_that_moved_on_is_stale(driver: Driver, monkeypatch: pytest.MonkeyPatch, twice: bool) -> None:
    """A person decides on what they saw, whatever else moved on; they are told which version there is now."""
    case = await pended(driver)
    service = service_of(driver)
    (known, version) = await service.case(case) or (None, 0)
    assert known is not None

    async def moved() -> None:
        found = await service.store.get(service.tenant, "Case", known.id)
        assert found is not None
        at = await turn_of(service.store, service.tenant, MEMBER)
        puts = [Put("Case", known.id, found.body, known.tokens(), expect=found.version)]
        puts += [Put("AuthorizationTurn", at.key, b"", expect=at.version)] if twice else []
        await service.store.commit(Commit(tenant=service.tenant, puts=puts))

    before_the_next_commit(driver, moved, monkeypatch)
    late = await driver.decide(case, **GRANTS[0])
    assert late.status_code == 412, late.text
    assert late.headers["ETag"] == f'W/"{version + 1}"'
    assert (await driver.record(case)).ordered[0].state == "pended_info"
