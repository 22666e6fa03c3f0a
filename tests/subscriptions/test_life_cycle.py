"""From create to notification, over real HTTP, with every body looked at whole."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from precert.fhir.validation import Validator
from precert.subscriptions.record import FRESH
from precert.subscriptions.urls import NOTIFICATION_PROFILE, PAS_TOPIC, PROFILES, STATUS_PROFILE
from subscriptions.world import BASE, NOON, NPI, Receiver, World, response_bundle, subscription, world


async def test_the_answer_to_create_is_what_arrived_but_for_id_meta_and_status(
    server: World, receiver: Receiver
) -> None:
    sent = subscription(f"{receiver.url}/hook", timeout=20, max_count=5) | {
        "contact": [{"system": "phone", "value": "1"}],
        "meta": {"tag": [{"code": "t"}], "versionId": "99"},
        "x-unknown": {"deep": [1]},
        "id": "mine",
    }
    answer = await server.http.post("/fhir/Subscription", json=sent)
    got = answer.json()
    id = got["id"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{BASE}/fhir/Subscription/{id}"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"] == "Sun, 22 Nov 2026 12:00:00 GMT"
    assert id != "mine"
    meta = {"tag": [{"code": "t"}], "versionId": "1", "lastUpdated": "2026-11-22T12:00:00.000Z"}
    assert got == {**sent, "id": id, "meta": meta}
    assert got["status"] == "requested"
    assert (await server.http.get(f"/fhir/Subscription/{id}")).json() == got


async def test_decimals_and_order_come_back_as_written(server: World, receiver: Receiver) -> None:
    text = (
        json.dumps(subscription(f"{receiver.url}/hook"))[:-1] + ', "extension": [{"url": "u", "valueDecimal": 1.10}]}'
    )
    answer = await server.http.post(
        "/fhir/Subscription", content=text, headers={"content-type": "application/fhir+json"}
    )
    assert '"valueDecimal":1.10' in answer.text
    assert (
        answer.text.index('"status"')
        < answer.text.index('"criteria"')
        < answer.text.index('"_criteria"')
        < answer.text.index('"channel"')
    )


async def test_the_handshake_comes_after_the_answer_and_makes_it_active(server: World, receiver: Receiver) -> None:
    id = await server.create(subscription(f"{receiver.url}/hook", header=["Authorization: Bearer t", "X-A: b c"]))
    assert await server.dispatcher.drain() == 0  # not before the 201 can have arrived
    server.clock.tick(1)
    await server.dispatcher.drain()
    (got,) = receiver.got
    assert got.headers["authorization"] == "Bearer t"
    assert got.headers["x-a"] == "b c"
    assert got.headers["content-type"] == "application/fhir+json"
    bundle, state = got.body["id"], got.body["entry"][0]["resource"]["id"]
    assert got.body == {
        "resourceType": "Bundle",
        "id": bundle,
        "meta": {"profile": [NOTIFICATION_PROFILE]},
        "type": "history",
        "timestamp": "2026-11-22T12:00:01.000Z",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{state}",
                "resource": status(id, state, "requested", "handshake", "0"),
                "request": {"method": "GET", "url": f"{BASE}/fhir/Subscription/{id}/$status"},
                "response": {"status": "200"},
            }
        ],
    }
    read = await server.http.get(f"/fhir/Subscription/{id}")
    assert (read.json()["status"], read.headers["etag"]) == ("active", 'W/"2"')
    server.clock.tick(3600)
    assert await server.dispatcher.drain() == 0
    assert len(receiver.got) == 1  # one success is enough, and no heartbeat that nobody asked for


def status(id: str, state: str, status: str, kind: str, count: str, *more: Any, base: str = "/fhir") -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "id": state,
        "meta": {"profile": [STATUS_PROFILE]},
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": f"{BASE}{base}/Subscription/{id}"}},
            {"name": "topic", "valueCanonical": PAS_TOPIC},
            {"name": "status", "valueCode": status},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": count},
            *more,
        ],
    }


def event_part(number: str, focus: str) -> dict[str, Any]:
    return {
        "name": "notification-event",
        "part": [
            {"name": "event-number", "valueString": number},
            {"name": "timestamp", "valueInstant": "2026-11-22T12:00:01.000Z"},
            {"name": "focus", "valueReference": {"reference": focus}},
        ],
    }


async def test_a_full_resource_notification_whole(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    await server.dispatcher.drain()
    got = receiver.got[-1]
    bundle, state = got.body["id"], got.body["entry"][0]["resource"]["id"]
    focus = f"{BASE}/fhir/Bundle/bundle22-1"
    assert got.body == {
        "resourceType": "Bundle",
        "id": bundle,
        "meta": {"profile": [NOTIFICATION_PROFILE]},
        "type": "history",
        "timestamp": "2026-11-22T12:00:01.000Z",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{state}",
                "resource": status(id, state, "active", "event-notification", "1", event_part("1", focus)),
                "request": {"method": "GET", "url": f"{BASE}/fhir/Subscription/{id}/$status"},
                "response": {"status": "200"},
            },
            {
                "fullUrl": focus,
                "resource": json.loads(response_bundle("bundle22-1", 1)),
                "request": {"method": "GET", "url": "Bundle/bundle22-1"},
                "response": {"status": "200"},
            },
        ],
    }
    assert response_bundle("bundle22-1", 1) in got.raw  # byte for byte
    assert got.headers["authorization"] == "Bearer secret-token"


async def test_an_id_only_notification_whole(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", "2.0"), "/fhir/v2.0")
    await server.emit(1)
    await server.dispatcher.drain()
    got = receiver.got[-1]
    state = got.body["entry"][0]["resource"]["id"]
    focus = f"{BASE}/fhir/v2.0/ClaimResponse/response-1"
    part = event_part("1", focus)
    assert got.body["entry"] == [
        {
            "fullUrl": f"urn:uuid:{state}",
            "resource": status(id, state, "active", "event-notification", "1", part, base="/fhir/v2.0"),
            "request": {"method": "GET", "url": f"{BASE}/fhir/v2.0/Subscription/{id}/$status"},
            "response": {"status": "200"},
        },
        {
            "fullUrl": focus,
            "request": {"method": "GET", "url": "ClaimResponse/response-1"},
            "response": {"status": "200"},
        },
    ]


async def test_full_resource_by_agreement_on_the_old_base(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook", "2.0", content="full-resource"), "/fhir/v2.0")
    await server.emit(1)
    await server.dispatcher.drain()
    assert receiver.got[-1].body["entry"][1]["resource"]["id"] == "bundle20-1"


async def test_content_type_is_the_payload_asked_for(server: World, receiver: Receiver) -> None:
    header = ["Content-Type: application/json", "Authorization: Bearer t"]
    await server.active(subscription(f"{receiver.url}/hook", payload="application/json", header=header))
    assert receiver.got[-1].headers["content-type"] == "application/json"


async def test_events_are_numbered_and_sent_in_order(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    for n in range(1, 26):
        await server.emit(n)
    await server.dispatcher.drain()
    assert receiver.numbers() == list(range(1, 26))
    cases = [g.body["entry"][1]["resource"]["id"] for g in receiver.got if g.number]
    assert cases == [f"bundle22-{n}" for n in range(1, 26)]
    assert (await server.record(id)).revision == 2  # deliveries do not touch what the client edits


async def test_two_subscriptions_count_for_themselves(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    await server.dispatcher.drain()
    await server.active(subscription(f"{receiver.url}/other", "2.0"), "/fhir/v2.0")
    await server.emit(2)
    await server.dispatcher.drain()
    assert receiver.numbers("/hook") == [1, 2]
    assert receiver.numbers("/other") == [1]


async def test_only_the_senders_own_events_that_the_filter_names(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook", filters=["org-identifier=ISA-7,ISA-8"]))
    await server.emit(1, filters=["ISA-9", NPI])
    await server.emit(2, filters=["ISA-7"], submitter="another-ehr")
    await server.emit(3, filters=["ISA-8"])
    await server.dispatcher.drain()
    assert [g.body["entry"][1]["resource"]["id"] for g in receiver.got if g.number] == ["bundle22-3"]


async def test_an_event_before_the_handshake_waits_for_it(server: World, receiver: Receiver) -> None:
    await server.create(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    await server.dispatcher.drain()
    assert receiver.got == []
    server.clock.tick(1)
    await server.dispatcher.drain()
    assert [g.type for g in receiver.got] == ["handshake", "event-notification"]


async def test_a_changed_endpoint_is_shaken_hands_with_first(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    changed = await server.put(id, subscription(f"{receiver.url}/new", status="active"))
    assert (changed.status_code, changed.json()["status"], changed.headers["etag"]) == (200, "requested", 'W/"4"')
    await server.emit(1)
    server.clock.tick(1)
    await server.dispatcher.drain()
    assert [g.type for g in receiver.of("/new")] == ["handshake", "event-notification"]
    assert len(receiver.of("/hook")) == 1


async def test_a_changed_filter_needs_no_handshake(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    changed = await server.put(id, subscription(f"{receiver.url}/hook", status="active", filters=["identifier=ISA-7"]))
    assert changed.json()["status"] == "active"
    await server.emit(1, filters=["ISA-7"])
    server.clock.tick(5)
    await server.dispatcher.drain()
    assert [g.type for g in receiver.got] == ["handshake", "event-notification"]


async def test_off_stops_and_requested_starts_again_where_it_stood(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    await server.dispatcher.drain()
    off = await server.put(id, subscription(f"{receiver.url}/hook", status="off"))
    assert off.json()["status"] == "off"
    await server.emit(2)
    server.clock.tick(60)
    await server.dispatcher.drain()
    kept = await server.put(id, subscription(f"{receiver.url}/hook", status="active"))
    assert kept.json()["status"] == "off"
    await server.put(id, subscription(f"{receiver.url}/hook"))
    server.clock.tick(1)
    await server.dispatcher.drain()
    await server.emit(3)
    await server.dispatcher.drain()
    assert [(g.type, g.number) for g in receiver.got] == [
        ("handshake", None),
        ("event-notification", 1),
        ("handshake", None),
        ("event-notification", 2),
    ]
    assert receiver.got[-1].body["entry"][1]["resource"]["id"] == "bundle22-3"


async def test_a_deleted_subscription_gets_nothing_more(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    assert (await server.http.delete(f"/fhir/Subscription/{id}")).status_code == 204
    await server.emit(2)
    server.clock.tick(60)
    await server.dispatcher.drain()
    assert [g.type for g in receiver.got] == ["handshake"]


async def test_its_end_turns_it_off_without_delivery(server: World, receiver: Receiver) -> None:
    end = NOON.replace(hour=13)
    id = await server.active(subscription(f"{receiver.url}/hook", end=end.isoformat()))
    server.clock.at = end
    await server.emit(1)
    await server.dispatcher.drain()
    assert (await server.http.get(f"/fhir/Subscription/{id}")).json()["status"] == "off"
    assert len(receiver.got) == 1


async def test_its_end_comes_without_any_event(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", end="2026-11-22T13:00:00Z"))
    server.clock.at = NOON.replace(hour=13, minute=1)
    await server.dispatcher.drain()
    assert (await server.http.get(f"/fhir/Subscription/{id}")).json()["status"] == "off"


async def test_a_moved_end_counts(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", end="2026-11-22T13:00:00Z"))
    await server.put(id, subscription(f"{receiver.url}/hook", status="active", end="2026-11-22T15:00:00Z"))
    server.clock.at = NOON.replace(hour=14)
    await server.dispatcher.drain()
    assert (await server.record(id)).status == "active"
    server.clock.at = NOON.replace(hour=15)
    await server.dispatcher.drain()
    assert (await server.record(id)).status == "off"


async def test_an_end_of_years_ago_is_ignored(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", end="2020-12-31T00:00:00Z"))
    await server.emit(1)
    await server.dispatcher.drain()
    assert receiver.numbers() == [1]
    assert (await server.http.get(f"/fhir/Subscription/{id}")).json()["end"] == "2020-12-31T00:00:00Z"  # as it arrived


async def test_heartbeats_only_when_nothing_else_was_sent(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook", heartbeat=60))
    server.clock.tick(40)
    await server.emit(1)
    await server.dispatcher.drain()
    server.clock.tick(40)  # 80 s after the handshake, 40 s after the event
    await server.dispatcher.drain()
    assert [g.type for g in receiver.got] == ["handshake", "event-notification"]
    server.clock.tick(20)
    await server.dispatcher.drain()
    server.clock.tick(60)
    await server.dispatcher.drain()
    assert [g.type for g in receiver.got[2:]] == ["heartbeat", "heartbeat"]
    assert receiver.got[-1].part("events-since-subscription-start") == ["1"]
    assert receiver.got[-1].part("status") == ["active"]


async def test_heartbeats_end_when_no_longer_asked_for(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", heartbeat=60))
    await server.put(id, subscription(f"{receiver.url}/hook", status="active"))
    server.clock.tick(61)
    await server.dispatcher.drain()
    assert len(receiver.got) == 1
    assert (await server.store.health()).outbox == 0


async def test_heartbeats_begin_when_asked_for_later(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    for period in (600, 60):  # the shorter one counts, not after the longer one is over
        await server.put(id, subscription(f"{receiver.url}/hook", status="active", heartbeat=period))
    for _ in range(9):
        server.clock.tick(60)
        await server.dispatcher.drain()
    assert [g.type for g in receiver.got] == ["handshake", *["heartbeat"] * 9]


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_the_whole_thing_in_real_time(tmp_path: Path, receiver: Receiver, version: str) -> None:
    base = "/fhir" if version == "2.2" else "/fhir/v2.0"
    async with world(tmp_path / "data", real_time=True) as server, server.dispatcher.running():
        started = asyncio.get_running_loop().time()
        await server.create(subscription(f"{receiver.url}/hook", version), base)
        await receiver.until(lambda: len(receiver.got) == 1)
        assert 1 <= asyncio.get_running_loop().time() - started < 3
        await server.emit(1)
        server.dispatcher.wake()
        sent = asyncio.get_running_loop().time()
        await receiver.until(lambda: len(receiver.got) == 2)
        assert asyncio.get_running_loop().time() - sent < 0.4  # woken, not polled
        assert receiver.numbers() == [1]
    assert (await receiver_outbox(tmp_path / "data")) == 0


async def receiver_outbox(directory: Path) -> int:
    """What is left to do in the store of a server that was stopped."""
    async with world(directory) as again:
        assert await again.store.lease(FRESH, "w", 9, 1, NOON.replace(year=2099)) == ()
        return (await again.store.health()).outbox


async def test_everything_sent_and_answered_conforms_to_its_profiles(server: World, receiver: Receiver) -> None:
    validator = Validator.load()
    bodies = []
    for version, base, context in (("2.2", "/fhir", "pas-2.2.1"), ("2.0", "/fhir/v2.0", "pas-2.0.1")):
        sample = subscription("https://ehr.test/", version, heartbeat=60, timeout=5, max_count=1)
        assert validator.validate(sample, profiles=[PROFILES[version]], context=context) == []
        hook = f"/hook-{version}"
        id = await server.active(subscription(f"{receiver.url}{hook}", version, heartbeat=60), base)
        await server.emit(1, event=version)
        await server.dispatcher.drain()
        server.clock.tick(60)
        await server.dispatcher.drain()
        assert {g.type for g in receiver.of(hook)} == {"handshake", "event-notification", "heartbeat"}
        bodies += [(context, g.body) for g in receiver.of(hook)]
        for path in (f"/{id}", "", f"/{id}/$status", "/$status", f"/{id}/$events", f"/{id}/$events?content=empty"):
            bodies.append((context, (await server.http.get(f"{base}/Subscription{path}")).json()))
    for context, body in bodies:
        wrong = [f for f in validator.validate(body, context=context) if f.severity != "information"]
        # The PAS Response Bundle inside is the core's, and made up here.
        assert [f for f in wrong if ".entry[1].resource.entry" not in (f.expression or "")] == [], context
