"""A small app with the CRD router over a real store, the shipped policies and the demo members; time and ids frozen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from crd.building import ROOT
from crd.checks import check_answer
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.unsolicited import Unsolicited
from precert.crd.answering import Answerer
from precert.crd.cors import CdsCors
from precert.crd.routes import CrdContext, crd_router
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.pas import shape22
from precert.pas.intake import read_request
from precert.pas.presenter import Presenter
from precert.policy.library import PolicyLibrary
from precert.security.identity import Client
from precert.store.embedded import EmbeddedStore
from precert.store.port import Param, Store
from precert.web import errors
from precert.web.metrics import Metrics
from precert.web.middleware import RequestContext
from support.app import NOW, frozen_runtime


@pytest.fixture(scope="session")
def policies() -> PolicyLibrary:
    library = PolicyLibrary(ROOT / "examples" / "policies", lambda: NOW)
    assert not library.problems, [str(p) for p in library.problems]
    return library


@pytest.fixture(scope="session")
def directory() -> Directory:
    return load_directory(ROOT / "examples" / "eligibility")


@dataclass
class World:
    """One test server: the app, and what lies behind it."""

    app: FastAPI
    store: Store
    consult: ConsultService
    answerer: Answerer
    client: httpx.AsyncClient
    metrics: Metrics = field(default_factory=Metrics)

    async def hook(self, body: Any, service: str | None = None, **options: Any) -> httpx.Response:
        """Send one call; every answer is held against the rules that all answers must satisfy."""
        name = service or f"crd-{body.get('hook') if isinstance(body, dict) else 'order-sign'}"
        response = await self.client.post(f"/cds-services/{name}", json=body, **options)
        if response.status_code == 200:
            asked = (body.get("extension") or {}).get("davinci-crd.requestedVersion", "2.0")
            check_answer(response.json(), asked[:3], body["hook"])
        return response

    async def ask(self, body: Any, **options: Any) -> dict[str, Any]:
        """The answer to a call that must succeed."""
        response = await self.hook(body, **options)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def stored(self, kind: str, *params: Param) -> list[dict[str, Any]]:
        """The documents of a kind."""
        page = await self.store.search(self.consult.tenant, kind, params)
        return [json.loads(document.body) for document in page.documents]


Maker = Callable[..., World]


@pytest.fixture
async def make(tmp_path: Path, policies: PolicyLibrary, directory: Directory) -> AsyncIterator[Maker]:
    """Makes worlds; closes what they opened."""
    opened: list[Any] = []

    def build(**changes: Any) -> World:
        runtime = changes.pop("runtime", None) or frozen_runtime()
        store = changes.pop("store", None)
        if store is None:
            store = EmbeddedStore.open(tmp_path / f"store{len(opened)}", now=runtime.now)
            opened.append(store)
        known = changes.pop("directory", directory)
        catalogue = changes.pop("catalogue", None) or (lambda: policies.current)
        metrics = Metrics()
        consult = ConsultService(store, lambda: known, catalogue, runtime)
        context_changes = {
            key: changes.pop(key)
            for key in ("authenticate", "public_url", "limits", "operator", "clinical_prefetch")
            if key in changes
        }
        presenter = Presenter(runtime, announce=lambda change: [])
        service = AuthorizationService(
            store,
            lambda: known,
            catalogue,
            runtime,
            intake=lambda raw, bundle, submitter: read_request(raw, bundle, submitter, known),
            changed=presenter.changed,
        )
        changes.setdefault(
            "unsolicited", Unsolicited(service, consult, presenter.renderer(shape22, "http://precert.test"))
        )
        answerer = Answerer(consult, metrics, **changes)

        async def anybody(request: Request, url: str) -> Client:
            return Client("open")

        context = CrdContext(
            answerer, **{"authenticate": anybody, "public_url": "http://precert.test", **context_changes}
        )
        app = FastAPI()
        errors.install(app)
        app.include_router(crd_router(context))
        app.add_middleware(RequestContext, metrics=metrics, runtime=runtime)
        app.add_middleware(CdsCors)
        transport = httpx.ASGITransport(app=app)
        client = httpx.AsyncClient(transport=transport, base_url="http://precert.test")
        return World(app, store, consult, answerer, client, metrics)

    yield build
    for store in opened:
        await store.close()


@pytest.fixture
def world(make: Maker) -> World:
    return make()
