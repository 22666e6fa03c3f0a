"""Composition: settings in, ASGI app out. The only module that knows all the rooms."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

import httpx
import structlog
from fastapi import FastAPI, Request, Response

from precert import __version__
from precert.authorization.consult import ConsultService
from precert.authorization.service import AuthorizationService
from precert.cdex.holding import early_arrivals
from precert.cdex.routes import CdexContext, cdex_router
from precert.conformance import Conformance, conformance_router
from precert.crd.answering import Answerer
from precert.crd.cors import CdsCors
from precert.crd.guard import http_client
from precert.crd.identity import authenticator
from precert.crd.routes import CrdContext, crd_router
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir.json import Limits, load_resource
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.validation import Validator
from precert.pas import shape20, shape22
from precert.pas.intake import read_request
from precert.pas.presenter import Change, Presenter
from precert.pas.routes import PasContext, pas_router
from precert.policy.library import PolicyLibrary
from precert.runtime import Runtime
from precert.security.identity import OPEN_CLIENT, Client, is_loopback
from precert.settings import Settings, shipped
from precert.store.embedded import EmbeddedStore
from precert.store.port import Outgoing, Store
from precert.subscriptions.dispatcher import Dispatcher
from precert.subscriptions.events import PasEvent, outgoing
from precert.subscriptions.routes import SubscriptionContext, subscription_router
from precert.subscriptions.urls import PROFILES
from precert.web import errors
from precert.web.gate import AnswerCheck, Gate
from precert.web.metrics import CONTENT_TYPE, Metrics
from precert.web.middleware import RequestContext
from precert.web.reads import read_router
from precert.workbench.api import ApiContext, api_router, json_response
from precert.workbench.routes import WorkbenchContext, workbench_router

log = structlog.get_logger(__name__)
TENANT = "default"
_TABLES = {"2.2": shape22.CONTEXT, "2.0": shape20.CONTEXT}
READABLE = frozenset({"Claim", "ClaimResponse", "Bundle", "Task", "CommunicationRequest"})


class Server:
    """One running precert: the store, the directory, the policy library and the app over them.

    Everything that opens or starts something does so in :meth:`open`; :meth:`close` undoes it.
    """

    def __init__(self, settings: Settings, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.runtime = runtime or Runtime()
        self.metrics = Metrics()
        self.directory: Directory = load_directory(settings.eligibility, settings.eligibility_mode)
        self.library = PolicyLibrary(settings.policies, self.runtime.now())
        self.validator = Validator.load()
        self.store: Store | None = None

    async def open(self) -> Store:
        """Open the store. Raises Locked when another process holds the data directory."""
        self.store = EmbeddedStore.open(self.settings.store_directory, now=self.runtime.now)
        return self.store

    async def close(self) -> None:
        if self.store is not None:
            await self.store.close()
            self.store = None

    def identify(self, request: Request) -> Client:
        """Who calls. Open mode knows nobody and serves this machine only."""
        host = request.client.host if request.client else None
        if not self.settings.open_anywhere and not is_loopback(host):
            text = "Open security mode serves this machine only. Run with --security smart to serve others."
            raise FhirError(403, Issue("error", "forbidden", text, rule="open-mode-loopback"))
        return OPEN_CLIENT

    async def watch_policies(self) -> None:
        """Reload the policy folder when it changes; a broken file keeps the last good version."""
        while True:
            await asyncio.sleep(self.settings.policy_reload_seconds)
            report = await asyncio.to_thread(self.library.reload_if_changed, self.runtime.now())
            if report.changed:
                log.info("policies reloaded", policies=len(self.library.current))
            for problem in report.problems:
                log.warning("policy file refused", problem=str(problem))
            self.metrics.policies.set(len(self.library.current))


def create_app(settings: Settings | None = None, runtime: Runtime | None = None) -> FastAPI:
    """The ASGI app. Nothing is opened until its lifespan starts."""
    server = Server(settings or Settings(), runtime)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await server.open()
        dispatcher = Dispatcher(
            store, server.runtime, tenant=TENANT, allow_private=server.settings.subscriptions_allow_private
        )
        http = http_client(allow_private=server.settings.crd_allow_private)
        _mount(app, server, store, dispatcher, http)
        watcher = asyncio.create_task(server.watch_policies()) if server.settings.policy_reload_seconds else None
        server.metrics.policies.set(len(server.library.current))
        try:
            async with dispatcher.running(), http:
                yield
        finally:
            if watcher is not None:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher
            await server.close()

    app = FastAPI(title="precert", version=__version__, lifespan=lifespan, openapi_url="/openapi.json")
    app.state.server = server
    errors.install(app)
    if server.settings.validate_answers:
        app.add_middleware(AnswerCheck, validator=server.validator)
    app.add_middleware(CdsCors)
    app.add_middleware(RequestContext, metrics=server.metrics, runtime=server.runtime)
    _mount_operations(app, server)
    return app


def _mount(app: FastAPI, server: Server, store: Store, dispatcher: Dispatcher, http: httpx.AsyncClient) -> None:
    settings = server.settings
    service = AuthorizationService(
        store=store,
        directory=lambda: server.directory,
        catalogue=lambda: server.library.current,
        runtime=server.runtime,
        tenant=TENANT,
        read=lambda raw, submitter: read_request(raw, load_resource(raw), submitter, server.directory),
    )
    app.state.service = service
    presenter = Presenter(server.runtime, announce=lambda change: [_event(change, server.runtime)])
    service.changed = presenter.changed
    service.settled = dispatcher.wake
    pas = PasContext(
        service=service,
        presenter=presenter,
        identify=server.identify,
        limits=Limits(bytes=settings.max_body_bytes),
        metrics=server.metrics,
        gate=Gate.of(server.validator, settings.validation, settings.validation_rules),
        arrived=functools.partial(early_arrivals, service),
        public_url=settings.public_url,
    )
    subscriptions = SubscriptionContext(
        store=store,
        runtime=server.runtime,
        identify=server.identify,
        limits=pas.limits,
        wake=dispatcher.wake,
        tenant=TENANT,
        public_url=settings.public_url,
        allow_private=settings.subscriptions_allow_private,
        validate=lambda resource, version: pas.gate.check(resource, _TABLES[version], [PROFILES[version]])[0],
    )
    conformance = Conformance(shipped("profiles") / "precert")
    for shape in (shape20, shape22):  # the longer prefix first: /fhir/{type} would swallow /fhir/v2.0
        app.include_router(pas_router(pas, shape))
        app.include_router(cdex_router(CdexContext(service, server.identify, pas.limits), shape.PREFIX))
        app.include_router(subscription_router(subscriptions, shape.PREFIX, shape.VERSION))
        app.include_router(
            conformance_router(
                conformance,
                lambda: server.directory.payer,
                shape.PREFIX,
                f"precert-{shape.VERSION}",
                settings.public_url,
            )
        )
    consult = ConsultService(
        store=store,
        directory=lambda: server.directory,
        catalogue=lambda: server.library.current,
        runtime=server.runtime,
        tenant=TENANT,
    )
    answerer = Answerer(consult, server.metrics, http)
    app.include_router(
        crd_router(CrdContext(answerer, authenticator(server.identify), pas.limits, settings.public_url))
    )
    app.include_router(api_router(ApiContext(service, server.identify, pas.limits)))
    app.include_router(
        workbench_router(
            WorkbenchContext(
                service, server.identify, examples=shipped("examples"), open_mode=settings.security == "open"
            )
        )
    )
    app.include_router(read_router(store, TENANT, "/fhir/v2.0", READABLE, server.identify))
    app.include_router(read_router(store, TENANT, "/fhir", READABLE, server.identify))


def _event(change: Change, runtime: Runtime) -> Outgoing:
    """A changed case as the message that the subscriptions room reads."""
    now = runtime.now()
    opened = change.case.opened
    event = PasEvent(
        event=change.event,
        case=change.case.id,
        number=opened.number,
        submitter=opened.submitter,
        filters=change.filters,
        at=now,
        bundles=change.bundles,
        claim_responses=change.claim_responses,
    )
    return outgoing(event, now)


def _mount_operations(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz(request: Request) -> Response:
        return json_response(request, {"status": "ok", "version": __version__})

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        store = server.store
        health = await store.health() if store else None
        problems = [str(problem) for problem in server.library.problems]
        ready = health is not None and health.ok
        body = {
            "ready": ready,
            "store": health.detail if health else "not open",
            "policies": {"loaded": len(server.library.current), "problems": problems},
            "members": len(server.directory.members),
        }
        return json_response(request, body, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(server.metrics.render(), media_type=CONTENT_TYPE)
