"""Many at once: answers never mix, and fifty orders are fifty answers."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from crd.building import coverage, hook, infos, order, patient, payer, practitioner, prefetch, searchset
from crd.ehr import serving
from precert.crd import fetch
from precert.crd.fetch import Deadline
from precert.security.outbound_http import http_client
from support.app import frozen_runtime

MEMBERS = ["MA-0001", "MA-0002", "MA-0003", "MA-0009", "COM-0001", "COM-0002", "MCD-0001", "TX-0001"]
CODES = ["E1390", "E0100", "E0470", "72148", "97110"]


def without_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """These are about mixing, not about time (test_ehr.py is): a busy CI machine must not decide them."""
    monkeypatch.setattr(fetch, "_ONE_FETCH", 60.0)
    monkeypatch.setattr(
        Deadline, "after", classmethod(lambda cls, seconds: cls(asyncio.get_running_loop().time() + 60))
    )


async def test_two_hundred_hooks_at_once_never_mix(make, monkeypatch):
    """The old reference implementation answered everybody with the first patient's result."""
    without_haste(monkeypatch)
    world = make(runtime=frozen_runtime())
    chosen = random.Random(4)
    asked = [(chosen.choice(MEMBERS), chosen.choice(CODES)) for _ in range(200)]

    def body(member: str, code: str, number: int):
        system = "http://www.ama-assn.org/go/cpt" if code.isdigit() else order("x")["code"]["coding"][0]["system"]
        return hook(order(code, member, system=system, id_=f"o{number}"), member=member, version="2.2")

    expected = {}
    for member, code in set(asked):
        (info,) = infos(await make().ask(body(member, code, 0)))
        expected[member, code] = (info["covered"], info.get("pa-needed"), info.get("questionnaire"))

    answers = await asyncio.gather(*(world.ask(body(m, c, n)) for n, (m, c) in enumerate(asked)))
    ids = set()
    for number, ((member, code), answer) in enumerate(zip(asked, answers, strict=True)):
        (action,) = answer["systemActions"]
        assert action["resource"]["id"] == f"o{number}"
        (info,) = infos(answer)
        assert info["coverage"] == {"reference": f"Coverage/cov-{member}"}
        assert (info["covered"], info.get("pa-needed"), info.get("questionnaire")) == expected[member, code]
        ids.add(info["coverage-assertion-id"])
    assert len(ids) == 200


async def test_fetched_data_of_two_hundred_patients_never_mix(make, monkeypatch):
    """The same, with everything fetched: two hundred patients on one server, each with a coverage of its own."""
    without_haste(monkeypatch)
    held = {"Organization/payer": payer(), "Practitioner/doc": practitioner()}
    for n in range(200):
        mine = patient("MA-0001", f"p{n}")
        mine["identifier"][0]["value"] = f"ZZ-{n}"
        held[f"Patient/p{n}"] = mine
        cover = coverage("MA-0001", f"c{n}", subscriberId=f"ZZ-{n}", beneficiary={"reference": f"Patient/p{n}"})
        held[f"Coverage?patient=p{n}&status=active"] = searchset(cover | {"identifier": [{"value": f"ZZ-{n}"}]})
    async with http_client(allow_private=True) as http, serving(**held) as ehr:
        http.timeout = 60.0
        world = make(http=http)

        async def one(n: int):
            mine = order("E0100", id_=f"o{n}", subject={"reference": f"Patient/p{n}"})
            body = hook(mine, version="2.2", prefetch=..., fhirServer=ehr.url)
            body["context"]["patientId"] = f"p{n}"
            body["fhirAuthorization"] = {"access_token": f"token-{n}"}
            return infos(await world.ask(body))

        for batch in range(0, 200, 20):
            answers = await asyncio.gather(*(one(n) for n in range(batch, batch + 20)))
            assert [found[0]["coverage"]["reference"] for found in answers] == [
                f"Coverage/c{n}" for n in range(batch, batch + 20)
            ]


async def test_fifty_orders(world):
    codes = ["E1390", "E0100", "E0601", "E0470", "K0823"]
    orders = [order(codes[n % 5], id_=f"o{n}") for n in range(50)]
    body = hook(*orders, name="order-select", version="2.2")
    started = time.perf_counter()
    answer = await world.ask(body)
    took = time.perf_counter() - started
    assert [a["resource"]["id"] for a in answer["systemActions"]] == [f"o{n}" for n in range(50)]
    assert [info["pa-needed"] for info in infos(answer)][:2] == ["auth-needed", "no-auth"]
    assert len(answer["cards"]) <= 10
    assert took < 5.0, "what a client waits"


async def test_too_many_orders_are_refused_whole(world):
    body = hook(*(order("E0100", id_=f"o{n}") for n in range(501)), version="2.2")
    response = await world.hook(body)
    assert response.status_code == 413
    assert "501" in response.json()["issue"][0]["details"]["text"]


async def test_prefetch_of_one_call_is_not_there_in_the_next(world):
    first = hook(order("E1390"), version="2.2")
    assert (await world.hook(first)).status_code == 200
    second = hook(order("E1390"), version="2.2", prefetch=prefetch(coverage=...))
    assert (await world.hook(second)).status_code == 412
