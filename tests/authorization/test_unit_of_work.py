"""Who was overtaken looks again: one loop for the whole core."""

from __future__ import annotations

import ast

import pytest

from precert.authorization.usecases.unit_of_work import Overtaken, again
from precert.store.port import AlreadyTaken, Busy, Conflict, StorageFull
from support.app import ROOT

OVERTAKEN = [Conflict("Case/1", 1, 2), AlreadyTaken("auth-number:1")]
ROOMS = ("authorization", "crd")


@pytest.mark.parametrize("clash", OVERTAKEN, ids=lambda clash: type(clash).__name__)
@pytest.mark.parametrize("times", [0, 1, 7, 24])
async def test_a_step_is_taken_until_nobody_was_faster(clash: Exception, times: int) -> None:
    clashes = [clash] * times

    async def step() -> str:
        if clashes:
            raise clashes.pop()
        return "stored"

    assert await again(step) == "stored"


@pytest.mark.parametrize("clash", OVERTAKEN, ids=lambda clash: type(clash).__name__)
async def test_not_for_ever(clash: Exception) -> None:
    async def step() -> str:
        raise clash

    with pytest.raises(Overtaken) as raised:
        await again(step)
    assert isinstance(raised.value, Busy)  # 503, and when to ask again
    assert raised.value.retry_after > 0


@pytest.mark.parametrize(
    "error", [Busy(3), StorageFull("no space"), KeyError("line 9")], ids=lambda e: type(e).__name__
)
async def test_what_is_no_race_is_not_tried_again(error: Exception) -> None:
    taken = []

    async def step() -> str:
        taken.append(1)
        raise error

    with pytest.raises(type(error)):
        await again(step)
    assert len(taken) == 1


def loops(source: str) -> int:
    """How many loops of a module try again after a race."""
    races = {"AlreadyTaken", "Conflict"}
    found = 0
    for loop in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For | ast.AsyncFor | ast.While)):
        caught = [h.type for node in ast.walk(loop) if isinstance(node, ast.Try) for h in node.handlers if h.type]
        names = {n.id for kind in caught for n in ast.walk(kind) if isinstance(n, ast.Name)}
        found += bool(names & races)
    return found


def test_there_is_one_loop() -> None:
    """A second one would be a second place to get it wrong."""
    modules = {path for room in ROOMS for path in (ROOT / "src" / "precert" / room).rglob("*.py")}
    found = {path.name: n for path in modules if (n := loops(path.read_text()))}
    assert found == {"unit_of_work.py": 1}
