"""The rooms of one running server: built from settings, wired to each other, mounted on the app."""

from __future__ import annotations

import functools

import httpx
import structlog
from fastapi import FastAPI, Request

from precert.authorization.record.case import Case
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection, Rendered
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.unsolicited import Unsolicited
from precert.cdex.holding import early_arrivals, held_for
from precert.cdex.routes import CdexContext, cdex_router
from precert.conformance import Conformance, conformance_router
from precert.crd.answering import Answerer
from precert.crd.feedback import overridden
from precert.crd.identity import authenticator
from precert.crd.routes import CrdContext, crd_router
from precert.dtr import shape20 as dtr20
from precert.dtr import shape22 as dtr22
from precert.dtr.answers import answer_review, reviewed
from precert.dtr.artifacts import Issued
from precert.dtr.error_log import ErrorLog
from precert.dtr.forms import Forms
from precert.dtr.handmade.loading import load_handmade_forms
from precert.dtr.routes import DtrContext, dtr_router
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.eligibility.model import Payer
from precert.fhir import versions
from precert.fhir.json import Limits
from precert.fhir.types import JsonValue, Resource
from precert.fhir.validation import Mode, Validator
from precert.pas import shape20, shape22
from precert.pas.claim_responses import claim_response_router
from precert.pas.intake import read_request
from precert.pas.presenter import Change, Presenter
from precert.pas.routes import PasContext, pas_router
from precert.policy.library import PolicyLibrary
from precert.readiness import refuse_problems
from precert.runtime import Runtime
from precert.security.identity import Client
from precert.security.jwt import JwtVerifier
from precert.security.setup import SecurityConfig, build_security
from precert.settings import Settings, shipped
from precert.store.embedded import EmbeddedStore
from precert.store.port import Outgoing, Store
from precert.subscriptions.dispatcher import Dispatcher
from precert.subscriptions.events import PasEvent, outgoing
from precert.subscriptions.routes import SubscriptionContext, subscription_router
from precert.subscriptions.urls import PROFILES
from precert.web.gate import Gate
from precert.web.metrics import Metrics
from precert.web.reads import read_router
from precert.workbench.api import ApiContext, api_router
from precert.workbench.routes import WorkbenchContext, workbench_router

log = structlog.get_logger(__name__)

TENANT = "default"
READABLE = frozenset({"Claim", "ClaimResponse", "Bundle", "Task", "CommunicationRequest", "QuestionnaireResponse"})


class Server:
    """What one running precert is made of. :meth:`open` opens the store, :meth:`close` lets it go."""

    def __init__(self, settings: Settings, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.runtime = runtime or Runtime()
        self.metrics = Metrics()
        self.directory: Directory = load_directory(settings.eligibility, settings.eligibility_mode)
        self.library = PolicyLibrary(settings.policies, self.runtime.now())
        if settings.strict_policies:
            refuse_problems(self.library, self.runtime.now().date())
        self.forms = Forms(lambda: self.library.current)
        self.validator = Validator.load()
        self.handmade_forms = load_handmade_forms(settings.forms, self._errors)
        self.security = build_security(settings.security, _security(settings), self.runtime)
        self.store: Store | None = None

    async def keep_forms(self) -> None:
        """Archive the forms of all policies as they are now. Raises the store's errors."""
        if self.store is not None:
            await Issued(self.store, TENANT).keep_all(self.forms, self.runtime)

    def _errors(self, resource: Resource, context: str) -> list[str]:
        """What the profiles have against a resource."""
        found = self.validator.validate(resource, context=context)
        return [f"{f.expression}: {f.text}" for f in found if f.severity in ("error", "fatal")]

    async def open(self) -> Store:
        """Open the store. Raises Locked when another process holds the data directory."""
        self.store = EmbeddedStore.open(self.settings.store_directory, now=self.runtime.now)
        return self.store

    async def close(self) -> None:
        if self.store is not None:
            await self.store.close()
            self.store = None

    def payer(self) -> Payer:
        """Who we are."""
        return self.directory.payer

    def identify(self, request: Request) -> Client:
        """Who calls. Raises FhirError: 401, 403 or 429."""
        return self.security.identify(request)


def _security(settings: Settings) -> SecurityConfig:
    return SecurityConfig(
        data=settings.data,
        base_url=settings.base_url,
        clients=settings.clients,
        open_anywhere=settings.open_anywhere,
        bases=versions.PREFIXES,
        discovery=settings.smart_discovery,
    )


def mount(
    app: FastAPI, server: Server, store: Store, dispatcher: Dispatcher, http: httpx.AsyncClient
) -> AuthorizationService:
    """Build the services over ``store`` and put every room's routes on ``app``. ``http`` reads from EHR servers."""
    settings = server.settings
    presenter = Presenter(server.runtime, announce=lambda change: [_event(change, server.runtime)])
    service = AuthorizationService(
        store=store,
        directory=lambda: server.directory,
        catalogue=lambda: server.library.current,
        runtime=server.runtime,
        tenant=TENANT,
        intake=lambda raw, bundle, submitter: read_request(raw, bundle, submitter, server.directory),
        changed=presenter.changed,
        settled=dispatcher.wake,
    )
    service.early = functools.partial(held_for, service)
    consult = ConsultService(
        store=store,
        directory=lambda: server.directory,
        catalogue=lambda: server.library.current,
        runtime=server.runtime,
        tenant=TENANT,
    )
    limits = Limits(bytes=settings.max_body_bytes)
    app.include_router(server.security.router())
    verifier = JwtVerifier(settings.crd_jwt, server.runtime.now, http) if settings.crd_jwt.issuers else None
    authenticate = authenticator(server.identify, verifier)
    for name in sorted({name for app in settings.crd_apps for name in app.policies}):
        if server.library.current.get(name) is None:
            log.warning("a SMART app goes with a policy that is not there", policy=name)

    def respond(case: Case, submission: Submission, rejection: Rejection | None) -> Rendered:
        return presenter.renderer(shape22, case.opened.root)(case, submission, rejection)

    answerer = Answerer(
        consult,
        server.metrics,
        http,
        demo_plan=settings.crd_demo_plan,
        apps=settings.crd_apps,
        unsolicited=Unsolicited(service, consult, respond),
    )
    gate = Gate.of(server.validator, settings.validation, settings.validation_rules)

    def hooks(value: JsonValue, path: str, version: str) -> None:
        if isinstance(value, dict) and "resourceType" in value:
            gate.observe(value, versions.named(version).tables("crd"), path, 422)

    app.include_router(  # early: every router before it is tried first, and at the hook a clinician is waiting
        crd_router(
            CrdContext(
                answerer,
                authenticate,
                limits,
                server.identify,
                settings.public_url,
                clinical_prefetch=settings.crd_clinical_prefetch,
                observe=hooks,
                strict=settings.validation is Mode.STRICT,
            )
        )
    )
    _mount_fhir(app, server, service, consult, presenter, dispatcher, limits)
    app.include_router(api_router(ApiContext(service, server.identify, limits)))
    pages = WorkbenchContext(
        service,
        server.identify,
        examples=shipped("examples"),
        open_mode=settings.security == "open",
        reports=ErrorLog(store, TENANT, server.runtime).newest,
        cards=functools.partial(overridden, consult),
    )
    app.include_router(workbench_router(pages))
    for shape in (shape20, shape22):  # last: /fhir/{type}/{id} would swallow what is mounted after it
        app.include_router(read_router(store, TENANT, shape.PREFIX, READABLE, server.identify))
    return service


def _mount_fhir(
    app: FastAPI,
    server: Server,
    service: AuthorizationService,
    consult: ConsultService,
    presenter: Presenter,
    dispatcher: Dispatcher,
    limits: Limits,
) -> None:
    """Everything below the two FHIR bases."""
    settings = server.settings
    gate = Gate.of(server.validator, settings.validation, settings.validation_rules)
    forms = server.forms
    review = answer_review(forms, server.runtime.now)
    pas = PasContext(
        service=service,
        presenter=presenter,
        identify=server.identify,
        limits=limits,
        metrics=server.metrics,
        gate=gate,
        arrived=functools.partial(early_arrivals, service),
        public_url=settings.public_url,
        review=reviewed(review),
    )
    dtr = DtrContext(
        service,
        consult,
        forms,
        server.identify,
        limits,
        settings.public_url,
        lambda resource, version: gate.observe(resource, versions.named(version).tables("dtr")),
        server.handmade_forms,
    )
    cdex = CdexContext(
        service, server.identify, limits, review, lambda resource: gate.observe(resource, versions.CDEX_TABLES)
    )
    subscriptions = SubscriptionContext(
        store=service.store,
        runtime=server.runtime,
        identify=server.identify,
        limits=limits,
        wake=dispatcher.wake,
        tenant=TENANT,
        public_url=settings.public_url,
        allow_private=settings.subscriptions_allow_private,
        organizations=_organizations,
        validate=lambda resource, version: gate.check(
            resource, versions.named(version).tables("pas"), [PROFILES[version]]
        )[0],
    )
    conformance = Conformance(shipped("profiles") / "precert")
    for shape, form_shape in ((shape20, dtr20), (shape22, dtr22)):  # the longer prefix first
        prefix = shape.PREFIX
        app.include_router(pas_router(pas, shape))
        app.include_router(claim_response_router(pas, shape))
        app.include_router(cdex_router(cdex, prefix))
        app.include_router(dtr_router(dtr, form_shape))
        app.include_router(subscription_router(subscriptions, prefix, shape.VERSION))
        statement = f"precert-{shape.VERSION}"
        app.include_router(conformance_router(conformance, server.payer, prefix, statement, settings.public_url))


def _organizations(client: Client) -> frozenset[str] | None:
    """The sender identifiers that a client may subscribe for: all in open mode, its own when clients are known."""
    return client.organizations


def _event(change: Change, runtime: Runtime) -> Outgoing:
    """A changed case as the message that the subscriptions room reads."""
    now = runtime.now()
    event = PasEvent(
        event=change.event,
        case=change.case.id,
        number=change.case.number,
        submitter=change.case.opened.submitter,
        filters=change.filters,
        at=now,
        bundles=change.bundles,
        claim_responses=change.claim_responses,
    )
    return outgoing(event, now)
