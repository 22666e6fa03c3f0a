"""Which authorizations on other records end with a cancelled line: those it repeated, that it names by number, and that are
the sender's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from authorization.test_repetition import granted
from precert.authorization.record.case import Line
from precert.authorization.usecases import give_up
from precert.authorization.usecases.give_up import GivenUp, given_up
from precert.authorization.usecases.submission import Prior


def repeats(sequence: int, number: str) -> Line:
    """A line that was answered with the authorization ``number`` of another record."""
    line = granted(number=number, state="repeated")
    line.sequence, line.rests_on = sequence, f"CN-{number}"
    return line


async def ended(
    monkeypatch: pytest.MonkeyPatch,
    named: tuple[str, ...],
    *,
    cancelled: tuple[int, ...] = (1, 2),
    cancel_all: bool = False,
    theirs: tuple[str, ...] = (),
    own: bool = False,
) -> frozenset[str]:
    """The numbers that are given up by a cancellation of a case whose lines repeat PA1 and PA2. The records of ``theirs`` are
    of another member or requester; ``own``: PA1 was granted on the very case that is cancelled."""

    async def search(tenant: str, kind: str, params: Any, **_: Any) -> Any:
        (numbers,) = (param.values for param in params if param.name == "number")
        assert [list(param.values) for param in params if param.name == "submitter"] == [["open"]]
        return SimpleNamespace(documents=tuple(numbers))

    async def end(service: Any, document: str, wanted: set[str], submission: Any) -> GivenUp:
        return GivenUp(numbers=frozenset({document}) & wanted)

    monkeypatch.setattr(give_up, "loaded", lambda number: (number, 1))
    monkeypatch.setattr(give_up, "foreign", lambda number, *_: "chain_other_member" if number in theirs else None)
    monkeypatch.setattr(give_up, "_ended", end)
    lines = [repeats(1, "PA1"), repeats(2, "PA2")]
    lines[0].rests_on = None if own else lines[0].rests_on
    submission = SimpleNamespace(
        submitter="open",
        prior=Prior((), (), named, cancels=True),
        cancel_all=cancel_all,
        lines=tuple(SimpleNamespace(sequence=n, request="cancel" if n in cancelled else "initial") for n in (1, 2)),
    )
    service = SimpleNamespace(tenant="default", store=SimpleNamespace(search=search))
    found = await given_up(
        cast(Any, service), cast(Any, SimpleNamespace(ordered=lines)), cast(Any, submission), cast(Any, 0)
    )
    return found.numbers


@pytest.mark.parametrize(
    ("named", "more", "numbers"),
    [
        (("PA1",), {}, {"PA1"}),
        (("PA1", "PA2"), {}, {"PA1", "PA2"}),
        ((), {}, set()),  # what is not named by its number stands
        (("PA9",), {}, set()),  # nor does anything end that the lines never repeated
        (("PA1", "PA2"), {"cancelled": (2,)}, {"PA2"}),
        (("PA1", "PA2"), {"cancelled": (), "cancel_all": True}, {"PA1", "PA2"}),
        (("PA1", "PA2"), {"cancelled": ()}, set()),
        (("PA1", "PA2"), {"theirs": ("PA1",)}, {"PA2"}),
        (("PA1",), {"theirs": ("PA1",)}, set()),
        (("PA1", "PA2"), {"own": True}, {"PA2"}),  # what was granted on this record is cancelled with its line
    ],
)
async def test_what_ends(
    named: tuple[str, ...], more: dict[str, Any], numbers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ended(monkeypatch, named, **more) == numbers
