"""Which of several records under one name a request continues: the newest that the sender may touch."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from precert.authorization.record.case import Case, CaseUpdated, Event
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.usecases import priors
from precert.authorization.usecases.priors import Found, find_prior
from precert.authorization.usecases.submission import Prior
from support.records import AT, opened

HOUR = timedelta(hours=1)


def case(id: str, at: datetime = AT, *, updated: datetime | None = None, notes: int = 0) -> Case:
    """A record whose request arrived ``at`` and was ``updated``, with so many notes since."""
    recorder = Recorder()
    first = opened(case=id, number=id, received=at)
    recorder.append(Event(seq=0, at=at, ev="opened", actor="system", by="t", opened=first))
    if updated is not None:
        again = CaseUpdated(claim="urn:uuid:claim", submission="sub-2", identifiers=())
        recorder.append(Event(seq=0, at=updated, ev="updated", actor="provider", by="t", updated=again))
    for n in range(notes):
        recorder.append(Event(seq=0, at=at + n * HOUR, ev="note", actor="provider", by="t"))
    return fold(recorder.events)


async def found(monkeypatch: pytest.MonkeyPatch, by: str, listed: list[Case], theirs: frozenset[str]) -> Found:
    """What a request finds ``by`` one kind of name that leads to ``listed``, of which ``theirs`` are other people's."""

    async def records(service: Any, submission: Any, name: str, values: Any) -> AsyncIterator[tuple[Any, Case]]:
        for n, each in enumerate(listed if name == by and values else (), start=1):
            yield SimpleNamespace(version=n), each

    monkeypatch.setattr(priors, "records", records)
    monkeypatch.setattr(priors, "foreign", lambda one, *_: "chain_other_member" if one.id in theirs else None)
    names = {"claim": (("urn:uuid:claim",), (), ()), "identifier": ((), ("a|1",), ()), "number": ((), (), ("PA1",))}
    submission = SimpleNamespace(prior=Prior(*names[by], related=True), lines=())
    return await find_prior(cast(Any, None), cast(Any, submission), cast(Any, None))


OLD, NEW = case("old", AT), case("new", AT + HOUR)
REVISED = case("revised", AT - 5 * HOUR, updated=AT + 2 * HOUR)
NOTED = case("noted", AT, notes=9)  # notes make no record newer than one that arrived later
ROWS = [([OLD, NEW], "new"), ([OLD, NEW, REVISED], "revised"), ([NOTED, NEW], "new"), ([OLD, NOTED], "noted")]


@pytest.mark.parametrize("by", ["claim", "identifier", "number"])
@pytest.mark.parametrize(
    ("listed", "newest"),
    [(list(order), newest) for row, newest in ROWS for order in itertools.permutations(row)],
)
async def test_the_newest_is_continued(
    listed: list[Case], newest: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = await found(monkeypatch, by, listed, frozenset())
    assert got.case is not None
    assert got.case.id == newest
    assert got.version == [each.id for each in listed].index(newest) + 1
    assert got.refused is None


@pytest.mark.parametrize("by", ["claim", "identifier", "number"])
async def test_records_of_others_are_passed_over_and_refused_when_there_is_nothing_else(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = await found(monkeypatch, by, [NEW, OLD], frozenset({"new"}))
    assert got.case is OLD
    got = await found(monkeypatch, by, [NEW, OLD], frozenset({"new", "old"}))
    assert got == Found(refused="chain_other_member")
    assert await found(monkeypatch, by, [], frozenset()) == Found()
