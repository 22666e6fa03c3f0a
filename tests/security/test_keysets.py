"""Key sets by address: a real local server, caching, rotation, and servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from precert.security.client_keys import PublicKey, client_key_sets
from precert.security.keysets import KeySets
from security.world import World, ec_key, entry, make_world, public, rsa_key
from support.app import FrozenClock

ADDRESS = "https://slow.test/jwks.json"


class KeyServer:
    """A client's key server on this machine."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        self.headers: dict[str, str] = {}
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status)
                for name, value in ({"Content-Length": str(len(outer.body))} | outer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def publish(self, *keys: Any) -> None:
        self.body = json.dumps(public(*keys)).encode()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    made = KeyServer()
    made.publish(ec_key())
    made.thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def sets(clock: FrozenClock) -> KeySets[PublicKey]:
    return client_key_sets(clock)


@pytest.fixture
def remote(tmp_path: Path, server: KeyServer) -> World:
    return make_world(tmp_path, entry(jwks=None, jwks_url=server.url))


async def test_token_with_keys_of_the_client(remote: World, server: KeyServer) -> None:
    assert (await remote.ask()).status_code == 200
    assert (await remote.ask(remote.assertion(header={"jku": server.url}))).status_code == 200
    assert server.asked == 1
    assert (await remote.ask(remote.assertion(header={"jku": server.url + "?"}))).status_code == 401


async def test_the_client_rotates(remote: World, server: KeyServer) -> None:
    assert (await remote.ask()).status_code == 200
    server.publish(ec_key(), ec_key("key-2"))
    assert (await remote.ask(remote.assertion(ec_key("key-2")))).status_code == 401  # read a moment ago
    remote.clock.forward(seconds=31)
    assert (await remote.ask(remote.assertion(ec_key("key-2")))).status_code == 200
    assert server.asked == 2
    server.publish(ec_key("key-2"))
    remote.clock.forward(seconds=3600)
    assert (await remote.ask()).status_code == 401  # the old one is withdrawn
    assert (await remote.ask(remote.assertion(ec_key("key-2")))).status_code == 200


async def test_unknown_keys_do_not_hammer_the_client(sets: KeySets[PublicKey], server: KeyServer) -> None:
    for number in range(10):
        assert await sets.key(server.url, f"unknown-{number}") is None
    assert await sets.key(server.url, "key-1") is not None
    assert server.asked == 1


async def test_many_at_once_ask_once(sets: KeySets[PublicKey], server: KeyServer) -> None:
    found = await asyncio.gather(*(sets.key(server.url, "key-1") for _ in range(20)))
    assert None not in found
    assert server.asked == 1


async def test_nobody_waits_who_can_do_without(clock: FrozenClock) -> None:
    """While one call asks a slow address again, others go on with the keys that are known."""
    asked, answer = asyncio.Event(), asyncio.Event()
    answer.set()

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(200, json=public(ec_key()))

    sets = client_key_sets(clock, http=lambda: httpx.AsyncClient(transport=httpx.MockTransport(slow)))
    assert await sets.key(ADDRESS, "key-1") is not None
    clock.forward(hours=2)
    asked.clear()
    answer.clear()
    first = asyncio.create_task(sets.key(ADDRESS, "key-1"))
    await asked.wait()
    assert await asyncio.wait_for(sets.key(ADDRESS, "key-1"), 1) is not None
    unknown = asyncio.create_task(sets.key(ADDRESS, "key-2"))
    answer.set()
    assert await first is not None
    assert await unknown is None


async def test_cache_control(sets: KeySets[PublicKey], server: KeyServer, clock: FrozenClock) -> None:
    server.headers = {"Cache-Control": "public, max-age=60"}
    assert await sets.key(server.url, "key-1") is not None
    clock.forward(seconds=59)
    assert await sets.key(server.url, "key-1") is not None
    assert server.asked == 1
    clock.forward(seconds=1)
    server.status = 500
    assert await sets.key(server.url, "key-1") is None  # must not be kept longer, whatever happens
    server.status, server.headers = 200, {"Cache-Control": "no-store"}
    clock.forward(seconds=31)
    for asked in (3, 4, 5):
        assert await sets.key(server.url, "key-1") is not None
        assert server.asked == asked


async def test_a_server_that_is_down_for_a_while(
    sets: KeySets[PublicKey], server: KeyServer, clock: FrozenClock
) -> None:
    assert await sets.key(server.url, "key-1") is not None
    server.status = 503
    clock.forward(hours=2)
    assert await sets.key(server.url, "key-1") is not None
    assert await sets.key(server.url, "key-1") is not None
    assert server.asked == 2  # not again for half a minute
    clock.forward(hours=22)
    assert await sets.key(server.url, "key-1") is None
    server.status = 200
    clock.forward(seconds=31)
    assert await sets.key(server.url, "key-1") is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys": {}}', b"[" * 100_000, b"\xff\xfe", b'{"keys": [1, null, {}]}', b" " * 300_000],
)
async def test_bodies_that_are_no_key_set(
    sets: KeySets[PublicKey], server: KeyServer, body: bytes, clock: FrozenClock
) -> None:
    server.body = body
    assert await sets.key(server.url, "key-1") is None
    server.publish(ec_key())
    clock.forward(seconds=31)
    assert await sets.key(server.url, "key-1") is not None


async def test_redirects_are_not_followed(sets: KeySets[PublicKey], server: KeyServer) -> None:
    server.status, server.headers = 302, {"Location": "http://127.0.0.1:1/elsewhere"}
    assert await sets.key(server.url, "key-1") is None
    assert server.asked == 1


async def test_nobody_there(sets: KeySets[PublicKey]) -> None:
    assert await sets.key("http://127.0.0.1:1/jwks.json", "key-1") is None


async def test_slow_servers_are_not_waited_for(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("precert.security.jwks.FETCH_SECONDS", 0.05)

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError("not waited for")

    sets = client_key_sets(clock, http=lambda: httpx.AsyncClient(transport=httpx.MockTransport(never)))
    assert await sets.key(ADDRESS, "key-1") is None


async def test_other_keys_are_passed_over(sets: KeySets[PublicKey], server: KeyServer) -> None:
    private = dict(ec_key("leaked").as_dict(private=True))
    others = [{"kty": "EC", "crv": "P-256", "kid": "p256"}, private, public(rsa_key("enc"))["keys"][0] | {"use": "enc"}]
    server.body = json.dumps({"keys": [*others, *public(rsa_key())["keys"]]}).encode()
    assert await sets.key(server.url, "rsa-1") is not None
    for kid in ("p256", "leaked", "enc"):
        assert await sets.key(server.url, kid) is None
