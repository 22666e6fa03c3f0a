"""Composition: settings in, ASGI app out. With :mod:`precert.rooms`, the only module that knows all the rooms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI, Request, Response

from precert import __version__
from precert.crd.cors import CdsCors
from precert.readiness import Told, policy_status
from precert.rooms import TENANT, Server, mount
from precert.runtime import Runtime
from precert.security.outbound_http import http_client
from precert.security.setup import SmartSecurity
from precert.settings import Settings
from precert.store.port import StoreError
from precert.subscriptions.dispatcher import Dispatcher
from precert.web import errors
from precert.web.gate import AnswerCheck
from precert.web.metrics import CONTENT_TYPE
from precert.web.middleware import RequestContext
from precert.workbench.api import json_response

log = structlog.get_logger(__name__)


def create_app(settings: Settings | None = None, runtime: Runtime | None = None) -> FastAPI:
    """The ASGI app. Nothing is opened until its lifespan starts.

    Raises PolicyFolderError (with ``strict_policies``), EligibilityError, NotADirectoryError or SecuritySetupError when the settings point to nothing usable.
    """
    server = Server(settings or Settings(), runtime)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        chosen = server.settings
        store = await server.open()
        dispatcher = Dispatcher(store, server.runtime, tenant=TENANT, allow_private=chosen.subscriptions_allow_private)
        http = http_client(allow_private=chosen.crd_allow_private)
        app.state.service = mount(app, server, store, dispatcher, http)
        told = Told()
        _policies_told(server, told)
        for problem in server.handmade_forms.problems:
            log.warning("form refused", problem=problem)
        try:
            async with dispatcher.running(), http, _watching(server, told):
                yield
        finally:
            await server.close()

    app = FastAPI(
        title="precert",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.server = server
    errors.install(app)
    if server.settings.validate_answers:
        app.add_middleware(AnswerCheck, validator=server.validator)
    app.add_middleware(RequestContext, metrics=server.metrics, runtime=server.runtime)
    app.add_middleware(CdsCors)  # outside everything: a browser must be able to read a 500 too
    _mount_operations(app, server)
    return app


@contextlib.asynccontextmanager
async def _watching(server: Server, told: Told) -> AsyncIterator[None]:
    """Look after the policy folder until the block is left."""
    if not server.settings.policy_reload_seconds:
        yield
        return
    watcher = asyncio.create_task(_watch_policies(server, told))
    try:
        yield
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


async def _watch_policies(server: Server, told: Told) -> None:
    """Reload the policy folder when it changes, and tell once what is wrong in it."""
    await _ready_forms(server)
    while True:
        await asyncio.sleep(server.settings.policy_reload_seconds)
        report = await asyncio.to_thread(server.library.reload_if_changed, server.runtime.now())
        if report.changed:
            log.info("policies reloaded", policies=len(server.library.current))
            await _ready_forms(server)
        _policies_told(server, told)


def _policies_told(server: Server, told: Told) -> None:
    """Say in log and metrics how the policy folder is."""
    today = server.runtime.now().date()
    told.tell(server.library, server.directory, today)
    server.metrics.policies.set(len(server.library.current))
    server.metrics.withheld.set(sum(one.start <= today <= one.end for one in server.library.current.withheld))


async def _ready_forms(server: Server) -> None:
    """Work the policies' forms out before somebody waits for one (the first call for a large one takes 0.2 s and more),
    and archive them: a form that was ever named must be found later. No trouble with either is a reason to stop serving.
    """
    try:
        await asyncio.to_thread(server.forms.warm, server.runtime.now().date())
        await server.keep_forms()
    except StoreError as trouble:
        log.warning("forms not archived", why=str(trouble))
    except Exception:  # whoever asks for that form is told; the others must be had all the same
        log.exception("a form cannot be made")


def _mount_operations(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz(request: Request) -> Response:
        return json_response(request, {"status": "ok", "version": __version__})

    @app.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        store = server.store
        health = await store.health() if store else None
        rules = policy_status(server.library, server.directory, server.runtime.now().date())
        ready = health is not None and health.ok and not rules["reasons"]
        body = {
            "ready": ready,
            "store": health.detail if health else "not open",
            **rules,
            "forms": {"loaded": len(server.handmade_forms.forms), "problems": list(server.handmade_forms.problems)},
            "members": len(server.directory.members),
            "clients": server.security.clients.problem if isinstance(server.security, SmartSecurity) else None,
        }
        return json_response(request, body, 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(server.metrics.render(), media_type=CONTENT_TYPE)
