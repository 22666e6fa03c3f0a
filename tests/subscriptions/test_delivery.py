"""Receivers that fail, hang, come back or never do: with a clock that the tests move."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.records import Records
from subscriptions.world import NOON, Receiver, World, receiving, subscription, world

HOUR = 3600


async def advance(server: World, seconds: float, step: float = 1) -> None:
    """Let time pass as the dispatcher would see it."""
    passed = 0.0
    while passed < seconds:
        server.clock.tick(step)
        passed += step
        await server.dispatcher.drain()


async def test_a_failed_handshake_is_repeated_until_it_succeeds_once(server: World, receiver: Receiver) -> None:
    receiver.answers["/hook"] = [500, 500, 200]
    id = await server.create(subscription(f"{receiver.url}/hook"))
    await advance(server, 1)
    assert (await server.record(id)).status == "requested"
    await advance(server, 20)
    assert [g.status for g in receiver.got] == [500, 500, 200]
    assert (await server.record(id)).status == "active"


async def test_retries_back_off_with_jitter() -> None:
    policy = DeliveryPolicy(first_retry=1, longest_retry=300)
    half = [policy.retry_in(n, lambda bits: 2 ** (bits - 1)).total_seconds() for n in range(1, 12)]
    assert [round(s) for s in half] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert policy.retry_in(1, lambda bits: 0) == timedelta(seconds=0.8)
    assert policy.retry_in(1, lambda bits: 2**bits - 1) == timedelta(seconds=1.2)
    assert policy.retry_in(10**6, lambda bits: 0) == timedelta(seconds=240)


async def test_error_after_three_failures_then_active_again(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    receiver.answers["/hook"] = [500]
    await server.emit(1)
    await server.emit(2)
    await server.dispatcher.drain()
    assert (await server.record(id)).status == "active"
    await advance(server, 10)
    shown = (await server.http.get(f"/fhir/Subscription/{id}/$status")).json()["entry"][0]["resource"]["parameter"]
    assert {"name": "status", "valueCode": "error"} in shown
    error = [p for p in shown if p["name"] == "error"]
    assert error[0]["valueCodeableConcept"]["coding"][0]["code"] == "error-response"
    assert {g.number for g in receiver.of("/hook")[1:]} == {1}  # the second waits for the first
    receiver.answers["/hook"] = [200]
    await advance(server, 40)
    assert (await server.record(id)).status == "active"
    assert receiver.numbers() == [1, 2]
    tries = [g for g in receiver.got if g.number == 1]
    assert len({g.raw for g in tries}) == 1  # a retry is the same message
    assert tries[-1].part("status") == ["active"]


async def test_an_event_in_the_error_state_is_counted_and_delivered_later(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    receiver.answers["/hook"] = [503]
    await server.emit(1)
    await advance(server, 15)
    assert (await server.record(id)).status == "error"
    await server.emit(2)
    await advance(server, 2)
    receiver.answers["/hook"] = [200]
    await advance(server, 60)
    assert receiver.numbers() == [1, 2]


async def test_off_after_three_days_of_failing_and_then_silence(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    receiver.answers["/hook"] = [500]
    await server.emit(1)
    await advance(server, 71 * HOUR, step=600)
    assert (await server.record(id)).status == "error"
    await advance(server, 3 * HOUR, step=600)
    record = await server.record(id)
    assert record.status == "off"
    tries = len(receiver.got)
    await server.emit(2)
    await advance(server, 5 * HOUR, step=600)
    assert len(receiver.got) == tries
    assert (await server.record(id)).progress.last == 1  # what happens while off is not counted
    assert (await server.store.health()).outbox == 0


async def test_a_restart_by_the_client_brings_what_was_left(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    receiver.answers["/hook"] = [500]
    await server.emit(1)
    await advance(server, 80 * HOUR, step=600)
    assert (await server.record(id)).status == "off"
    receiver.answers["/hook"] = [200]
    await server.put(id, subscription(f"{receiver.url}/hook"))
    await advance(server, 2)
    assert receiver.numbers() == [1]


@pytest.mark.parametrize("status", [301, 302, 307, 401, 404, 410, 500])
async def test_only_2xx_is_delivered(server: World, receiver: Receiver, status: int) -> None:
    receiver.answers["/hook"] = [status, 202]
    id = await server.create(subscription(f"{receiver.url}/hook"))
    await advance(server, 1)
    assert (await server.record(id)).progress.handshaken is False
    await advance(server, 3)
    assert (await server.record(id)).status == "active"
    assert receiver.of("/elsewhere") == []  # redirects are not followed


async def test_the_delivery_log_says_what_happened_and_no_more(server: World, receiver: Receiver) -> None:
    receiver.answers["/hook"] = [500, 200]
    id = await server.create(subscription(f"{receiver.url}/hook"))
    await advance(server, 4)
    await server.emit(1)
    await server.dispatcher.drain()
    log = await Records(server.store, "default").deliveries(id)
    assert [(d.kind, d.number, d.attempt, d.status, d.error) for d in log] == [
        ("handshake", None, 1, 500, "error-response"),
        ("handshake", None, 2, 200, ""),
        ("event-notification", 1, 1, 200, ""),
    ]
    assert log[0].at == NOON + timedelta(seconds=1)
    for n in range(2, 60):
        await server.emit(n)
    await server.dispatcher.drain()
    assert len((await server.record(id)).progress.log) == server.policy.log_size
    assert await Records(server.store, "default").deliveries("unknown") == ()


async def test_a_dead_receiver_delays_nobody(tmp_path: Path, receiver: Receiver) -> None:
    policy = DeliveryPolicy(handshake_delay=0, timeout=30, slots=4, retry_slots=2, first_retry=0.05, poll=0.05)
    async with world(tmp_path / "data", real_time=True, policy=policy) as server, server.dispatcher.running():
        for n in range(8):
            await server.create(subscription(f"{receiver.url}/dead-{n}", timeout=1))
        await server.create(subscription(f"{receiver.url}/live"))
        server.dispatcher.wake()
        await receiver.until(lambda: len(receiver.got) == 9)
        receiver.hanging = {f"/dead-{n}" for n in range(8)}
        await server.emit(1)
        await receiver.until(lambda: all(receiver.hung.count(f"/dead-{n}") > 1 for n in range(8)), 30)
        # by now all eight have failed and crowd the retry lane only
        worst = 0.0
        for n in range(2, 8):
            started = asyncio.get_running_loop().time()
            await server.emit(n)
            server.dispatcher.wake()
            await receiver.until(lambda n=n: n in receiver.numbers("/live"))
            worst = max(worst, asyncio.get_running_loop().time() - started)
        assert receiver.numbers("/live") == list(range(1, 8))
        assert worst < 1


async def test_a_receiver_that_is_not_there(tmp_path: Path) -> None:
    async with receiving() as gone:
        url = f"{gone.url}/hook"
    async with world(tmp_path / "data") as server:
        id = await server.create(subscription(url))
        await advance(server, 10)
        record = await server.record(id)
        assert (record.status, record.progress.error) == ("error", "no-response")


async def test_a_receiver_that_hangs_is_left_after_its_timeout(tmp_path: Path, receiver: Receiver) -> None:
    receiver.hanging = {"/hook"}
    async with world(tmp_path / "data", policy=DeliveryPolicy(longest_timeout=0.2)) as server:
        id = await server.create(subscription(f"{receiver.url}/hook", timeout=3600))
        started = asyncio.get_running_loop().time()
        await advance(server, 1)
        assert asyncio.get_running_loop().time() - started < 2
        assert (await server.record(id)).progress.error == "no-response"


async def test_a_change_by_the_client_outruns_an_attempt_under_way(tmp_path: Path, receiver: Receiver) -> None:
    """The result of a POST to the old endpoint must not count for the new one."""
    async with world(tmp_path / "data", policy=DeliveryPolicy(timeout=0.5)) as server:
        id = await server.active(subscription(f"{receiver.url}/hook"))
        receiver.hanging = {"/hook"}
        await server.emit(1)
        under_way = asyncio.create_task(server.dispatcher.drain())
        await receiver.until(lambda: receiver.hung == ["/hook"])
        await server.put(id, subscription(f"{receiver.url}/new"))
        await under_way
        assert (await server.record(id)).progress.failures == 0
        await advance(server, 2)
        assert [(g.type, g.number) for g in receiver.of("/new")] == [("handshake", None), ("event-notification", 1)]


async def test_heartbeats_do_not_spin_while_a_delivery_is_retried(server: World, receiver: Receiver) -> None:
    await server.active(subscription(f"{receiver.url}/hook", heartbeat=10))
    receiver.answers["/hook"] = [500]
    await server.emit(1)
    await advance(server, HOUR, step=5)
    kinds = [g.type for g in receiver.got[1:]]
    assert set(kinds) == {"event-notification"}
    assert len(kinds) < 30


async def test_a_failing_heartbeat_counts(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook", heartbeat=10))
    receiver.answers["/hook"] = [500, 500, 500, 200]
    await advance(server, 30, step=5)
    assert (await server.record(id)).status == "error"
    await advance(server, 10, step=5)
    assert (await server.record(id)).status == "active"
    assert receiver.got[-2].part("status") == ["active"]
    assert receiver.got[-1].part("status") == ["error"]


async def test_rubbish_in_the_queues_is_put_aside(server: World, receiver: Receiver) -> None:
    from precert.store.port import Commit, Outgoing
    from precert.subscriptions.events import QUEUE
    from precert.subscriptions.record import FRESH, work

    await server.active(subscription(f"{receiver.url}/hook"))
    now = server.clock.at
    rubbish = [Outgoing(QUEUE, b"{}", now), Outgoing(QUEUE, b"\xff", now), Outgoing(FRESH, b"[]", now)]
    await server.store.commit(Commit("default", outgoing=[*rubbish, work(FRESH, "unknown", "t", now)]))
    await server.emit(1)
    await server.dispatcher.drain()
    assert receiver.numbers() == [1]
    health = await server.store.health()
    assert (health.outbox, health.dead) == (0, 3)


async def test_an_event_whose_bundle_is_gone_is_still_told(server: World, receiver: Receiver) -> None:
    from precert.store.port import Commit
    from precert.subscriptions.events import outgoing

    await server.active(subscription(f"{receiver.url}/hook"))
    from subscriptions.world import NPI, pas_event

    lost = pas_event(7, filters=[NPI])
    await server.store.commit(Commit("default", outgoing=[outgoing(lost, server.clock.at)]))
    await server.dispatcher.drain()
    assert receiver.numbers() == [1]
    assert "resource" not in receiver.got[-1].body["entry"][1]


async def test_a_failure_of_our_own_is_tried_again_and_not_held_against_the_receiver(
    server: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    with monkeypatch.context() as broken:
        broken.setattr(Records, "bundles", lambda *_: 1 / 0)
        await server.dispatcher.drain()
        await advance(server, 60)
    assert receiver.numbers() == []
    assert ((await server.record(id)).status, (await server.record(id)).progress.failures) == ("active", 0)
    await advance(server, 120)
    assert receiver.numbers() == [1]


async def test_names_that_hang_do_not_hold_up_others(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import threading

    from precert.subscriptions.record import Channel
    from precert.subscriptions.sender import Sender

    known, release = socket.getaddrinfo, threading.Event()

    def lookup(host: str, port: int, **more: int) -> object:
        if host.startswith("slow"):
            release.wait(10)
        return known("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    port = receiver.url.rpartition(":")[2]

    def channel(host: str) -> Channel:
        return Channel(endpoint=f"http://{host}:{port}/hook", payload="application/json", content="full-resource")

    sender = Sender(allow_private=True)
    slow = [asyncio.create_task(sender.post(channel(f"slow{n}.test"), b"{}", 3)) for n in range(40)]
    await asyncio.sleep(0)
    assert (await sender.post(channel("fast.test"), b"{}", 2)).delivered
    release.set()
    await asyncio.gather(*slow)
    await sender.close()
