"""The worklist finds every open case, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from pages.requests_sent import Submit
from pages.test_public import page
from pages.test_workbench import order
from precert.authorization.deciding.determination_rules import OPEN_STATES
from precert.authorization.record.case import Event
from precert.authorization.record.chain import Recorder, encode, fold
from precert.store.port import Commit, Put
from precert.workbench.query import STATES
from precert.workbench.worklist import PAGE
from support.app import NOW

MANY = 620


def copied(events: Sequence[Event], number: str, hours: int, track: str, extra: Sequence[Event] = ()) -> Put:
    """The record under another number, received ``hours`` before now."""
    recorder = Recorder()
    for event in [*events, *extra]:
        opened = event.opened
        if opened is not None:
            received = NOW - timedelta(hours=hours)
            opened = msgspec.structs.replace(opened, case=number, number=number, received=received, track=track)
        recorder.append(msgspec.structs.replace(event, opened=opened))
    case = fold(recorder.events)
    return Put("Case", number, encode(recorder.events), case.tokens())


def moved(state: str) -> list[Event]:
    """Events that bring a line from a nurse's review to ``state``."""
    path = {"md_review": [("refer_up", "nurse")], "pended_info": [("ask_more", "nurse")]}.get(state, [])
    return [Event(seq=0, at=NOW, ev=ev, actor=actor, by="n", line=1) for ev, actor in path]


async def filled(app: FastAPI, submit: Submit) -> list[str]:
    """A store with many open cases in all queues, the newest of them expedited, and the numbers of all."""
    pattern = await submit("pend-nurse")
    service = app.state.service
    case = await service.find_case(pattern)
    states = sorted(OPEN_STATES)
    puts = [
        copied(case.events, f"CN{n:04}", MANY + 24 - n, "standard", moved(states[n % len(states)])) for n in range(MANY)
    ]
    puts.append(copied(case.events, "CN-URGENT", 0, "expedited"))
    for first in range(0, len(puts), 100):
        await service.store.commit(Commit(tenant=service.tenant, puts=puts[first : first + 100]))
    return [pattern, *(put.id for put in puts)]


async def test_each_open_case_is_on_exactly_one_page_the_urgent_one_on_the_first(
    app: FastAPI, client: httpx.AsyncClient, submit: Submit
) -> None:
    cases = await filled(app, submit)
    seen: list[str] = []
    first = (await client.get("/api/worklist")).json()
    assert (first["total"], first["more"]) == (len(cases), False)
    for number in range(1, first["pages"] + 1):
        answer = (await client.get("/api/worklist", params={"page": number})).json()
        assert len(answer["rows"]) <= PAGE
        seen += [row["case"] for row in answer["rows"]]
    assert sorted(seen) == sorted(cases)
    assert seen[0] == "CN-URGENT"
    dues = [row["due"] for row in answer["rows"]]
    assert dues == sorted(dues)
    shown = await page(client, "/workbench")
    assert order(shown) == seen[:PAGE]
    assert f"{len(cases)} requests, page 1 of {first['pages']}." in shown.words


async def test_each_queue_and_the_box_find_theirs_among_many(
    app: FastAPI, client: httpx.AsyncClient, submit: Submit
) -> None:
    cases = await filled(app, submit)
    totals = {}
    for queue in ("info", "nurse", "physician", "open", "all"):
        totals[queue] = (await client.get("/api/worklist", params={"queue": queue})).json()["total"]
    assert totals["info"] + totals["nurse"] + totals["physician"] == totals["open"] == totals["all"] == len(cases)
    assert min(totals.values()) > MANY // 4
    newest = cases[-2]
    for query, expected in (
        ({"find": newest}, [newest]),
        ({"find": newest.lower()}, [newest]),
        ({"find": "CN-URGENT", "track": "expedited"}, ["CN-URGENT"]),
        ({"find": "CN-URGENT", "track": "standard"}, []),
        ({"track": "expedited"}, ["CN-URGENT"]),
    ):
        answer = (await client.get("/api/worklist", params=query)).json()
        assert [row["case"] for row in answer["rows"]] == expected, query
    member = (await client.get("/api/worklist", params={"find": "MA-0003"})).json()
    assert member["total"] == len(cases)


@pytest.mark.parametrize(
    "query",
    [{"queue": "doctor"}, {"queue": ""}, {"track": "fast"}, {"sort": "x"}, {"age": "2"}, {"assignee": "nell"}],
)
async def test_an_unknown_filter_is_no_other_list(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await client.get("/api/worklist", params=query)
    assert answer.status_code == 400
    (issue,) = answer.json()["issue"]
    assert issue["details"]["coding"][0]["code"] == "worklist-filter"


async def test_a_referral_is_on_the_physicians_page_and_on_the_case(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("refer")
    body: dict[str, Any] = {"by": "N. Ruiz, RN", "role": "nurse", "reason": "The study shows mild apnea only."}
    assert (await client.post(f"/api/cases/{case}/lines/1/referral", json=body)).status_code == 200
    for query in ("state=physician", "queue=physician"):
        assert order(await page(client, f"/workbench?{query}")) == [case]
    shown = await page(client, f"/workbench/cases/{case}")
    assert "Referred to a physician by N. Ruiz, RN" in shown.words
    assert "The study shows mild apnea only." in shown.words
    assert "Line 1: Referred to a physician" in shown.words


def test_every_state_that_a_person_may_decide_is_in_a_queue() -> None:
    assert STATES["info"] | STATES["nurse"] | STATES["physician"] == OPEN_STATES
    assert STATES["open"] == OPEN_STATES | STATES["changed"]  # what changed after a yes is work as well
    assert not STATES["decided"] & OPEN_STATES
