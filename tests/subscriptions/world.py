"""The room under test: app, store, dispatcher and a receiver that listens on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from precert.runtime import Runtime
from precert.security.identity import Client
from precert.security.outbound import Resolver, system_resolver
from precert.store.embedded import EmbeddedStore
from precert.store.port import Commit, Put, Store
from precert.subscriptions.dispatcher import Dispatcher
from precert.subscriptions.events import PasEvent, outgoing
from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.record import Record
from precert.subscriptions.records import Records
from precert.subscriptions.routes import SubscriptionContext, subscription_router
from precert.subscriptions.sender import Sender
from precert.subscriptions.urls import (
    FILTER_CRITERIA,
    HEARTBEAT_PERIOD,
    MAX_COUNT,
    PAS_TOPIC,
    PAYLOAD_CONTENT,
    TIMEOUT,
)
from precert.web.http import error_response
from support.app import FrozenClock

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NPI = "1245319599"
BASE = "http://payer.test"


class Clock(FrozenClock):
    """It stands still at noon until told."""

    def __init__(self) -> None:
        super().__init__(NOON)


@dataclass
class Got:
    """One request that reached the receiver."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: Any
    status: int

    def part(self, name: str) -> list[Any]:
        parameters = self.body["entry"][0]["resource"]["parameter"]
        return [value_of(p) for p in parameters if p["name"] == name]

    @property
    def type(self) -> str:
        return str(self.part("type")[0])

    @property
    def number(self) -> int | None:
        events = [p for p in self.body["entry"][0]["resource"]["parameter"] if p["name"] == "notification-event"]
        numbers = [int(part["valueString"]) for e in events for part in e["part"] if part["name"] == "event-number"]
        return numbers[0] if numbers else None


def value_of(parameter: dict[str, Any]) -> Any:
    return next(v for k, v in parameter.items() if k.startswith("value"))


@dataclass
class Receiver:
    """An EHR's notification endpoint. ``answers[path]`` are the statuses to give, the last one for ever."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    hung: list[str] = field(default_factory=list)  # paths of requests that wait for an answer in vain
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, path: str) -> list[Got]:
        return [g for g in self.got if g.path == path]

    def numbers(self, path: str = "/hook") -> list[int]:
        """Numbers of the events that were taken, in the order of arrival."""
        return [g.number for g in self.of(path) if g.number is not None and g.status == 200]

    async def until(self, enough: Callable[[], bool], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not enough():
                self.arrived.clear()
                if not enough():
                    await self.arrived.wait()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/{path:path}")
        async def take(request: Request, path: str) -> Response:
            raw = await request.body()
            where = f"/{path}"
            if where in self.hanging:
                self.hung.append(where)
                self.arrived.set()
                await asyncio.sleep(60)
            planned = self.answers.get(where, [200])
            status = planned.pop(0) if len(planned) > 1 else planned[0]
            self.got.append(Got(where, dict(request.headers), raw, json.loads(raw), status))
            self.arrived.set()
            headers = {"Location": f"{self.url}/elsewhere"} if 300 <= status < 400 else {}
            return Response(status_code=status, headers=headers)

        return app


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    config = uvicorn.Config(
        receiver.app(),
        port=0,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}"
    yield receiver
    server.should_exit = True
    await task


@dataclass
class World:
    """One server on a data directory."""

    directory: Path
    clock: Clock
    store: EmbeddedStore
    runtime: Runtime
    dispatcher: Dispatcher
    sender: Sender
    http: httpx.AsyncClient
    policy: DeliveryPolicy

    async def create(self, resource: dict[str, Any], base: str = "/fhir", client: str = "ehr") -> str:
        answer = await self.http.post(f"{base}/Subscription", json=resource, headers={"x-client": client})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def active(self, resource: dict[str, Any], base: str = "/fhir", client: str = "ehr") -> str:
        """A subscription whose handshake is done."""
        id = await self.create(resource, base, client)
        self.clock.tick(1)
        await self.dispatcher.drain()
        assert (await self.record(id)).status == "active"
        return id

    async def emit(
        self,
        n: int = 1,
        *,
        filters: Sequence[str] = ("ISA-7", NPI),
        submitter: str = "ehr",
        event: str | None = None,
    ) -> PasEvent:
        """What the core does when a response changed: the bundles and the event in one commit."""
        made = pas_event(n, filters=filters, submitter=submitter, event=event, at=self.runtime.now())
        puts = [Put("Bundle", id, response_bundle(id, n)) for id in made.bundles.values()]
        await self.store.commit(Commit("default", puts, [outgoing(made, self.runtime.now())]))
        return made

    async def record(self, id: str) -> Record:
        record = await Records(self.store, "default").read(id)
        assert record is not None
        return record

    async def put(self, id: str, resource: dict[str, Any], base: str = "/fhir", **headers: str) -> httpx.Response:
        return await self.http.put(f"{base}/Subscription/{id}", json={**resource, "id": id}, headers=headers)


def pas_event(
    n: int, *, filters: Sequence[str], submitter: str = "ehr", event: str | None = None, at: datetime = NOON
) -> PasEvent:
    return PasEvent(
        event=event or f"event-{n}",
        case=f"case-{n}",
        number=f"PA-{n}",
        submitter=submitter,
        filters=tuple(filters),
        at=at,
        bundles={"2.2": f"bundle22-{n}", "2.0": f"bundle20-{n}"},
        claim_responses={"2.2": f"response-{n}", "2.0": f"response-{n}"},
    )


def response_bundle(id: str, n: int) -> bytes:
    """Not how our encoder would write it: it must travel byte for byte."""
    return (
        b'{"resourceType":"Bundle", "id":"%s", "type":"collection","entry":[{"fullUrl":"%s/fhir/ClaimResponse/r-%d",'
        b' "resource":{"resourceType":"ClaimResponse", "id": "r-%d", "status":"active","type":{"coding":[{"system":'
        b'"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}]},"use":"preauthorization",'
        b'"patient":{"display":"P"},"created":"2026-11-22","insurer":{"display":"I"},"outcome":"complete",'
        b'"payment":{"type":{"text":"none"},"amount":{"value":1.10,"currency":"USD"}}}}]}'
        % (id.encode(), BASE.encode(), n, n)
    )


def subscription(endpoint: str, version: str = "2.2", **over: Any) -> dict[str, Any]:
    """A PAS Subscription. ``filters``, ``header``, ``heartbeat``, ``timeout``, ``max_count`` and ``end`` can be given."""
    content = over.get("content", "full-resource" if version == "2.2" else "id-only")
    extensions = [
        {"url": url, key: over[name]}
        for name, url, key in (
            ("heartbeat", HEARTBEAT_PERIOD, "valueUnsignedInt"),
            ("timeout", TIMEOUT, "valueUnsignedInt"),
            ("max_count", MAX_COUNT, "valuePositiveInt"),
        )
        if name in over
    ]
    filters = over.get("filters", [f"org-identifier={NPI}"])
    return {
        "resourceType": "Subscription",
        **({"end": over["end"]} if "end" in over else {}),
        "status": over.get("status", "requested"),
        "reason": "answers to our requests",
        "criteria": PAS_TOPIC,
        "_criteria": {"extension": [{"url": FILTER_CRITERIA, "valueString": f} for f in filters]},
        "channel": {
            **({"extension": extensions} if extensions else {}),
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": over.get("payload", "application/fhir+json"),
            "_payload": {"extension": [{"url": PAYLOAD_CONTENT, "valueCode": content}]},
            "header": over.get("header", ["Authorization: Bearer secret-token"]),
        },
    }


def make_app(context: SubscriptionContext) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(FhirError)
    async def fault(request: Request, error: FhirError) -> Response:
        return error_response(request, error)

    app.include_router(subscription_router(context, "/fhir", "2.2"))
    app.include_router(subscription_router(context, "/fhir/v2.0", "2.0"))
    return app


@asynccontextmanager
async def world(
    directory: Path,
    clock: Clock | None = None,
    *,
    policy: DeliveryPolicy | None = None,
    allow_private: bool = True,
    resolve: Resolver = system_resolver,
    wrap: Callable[[EmbeddedStore], Store] = lambda store: store,
    real_time: bool = False,
    organizations: Callable[[Client], frozenset[str] | None] | None = None,
) -> AsyncIterator[World]:
    clock = clock or Clock()
    policy = policy or DeliveryPolicy()
    runtime = Runtime() if real_time else Runtime(now=clock)
    store = EmbeddedStore.open(directory, now=runtime.now, min_free_bytes=0)
    sender = Sender(allow_private=allow_private, resolve=resolve)
    dispatcher = Dispatcher(wrap(store), runtime, policy=policy, sender=sender)
    context = SubscriptionContext(
        store=store,
        runtime=runtime,
        identify=lambda request: Client(request.headers.get("x-client", "ehr")),
        limits=Limits(bytes=200_000),
        wake=dispatcher.wake,
        public_url=BASE,
        allow_private=allow_private,
        policy=policy,
        organizations=organizations,
        resolve=resolve,
    )
    transport = httpx.ASGITransport(make_app(context), raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
            yield World(directory, clock, store, runtime, dispatcher, sender, http, policy)
    finally:
        await sender.close()
        await store.close()
