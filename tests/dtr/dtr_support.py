"""What the tests of DTR share: a client of the operations, builders of calls, a person who fills in forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from tools.requests import MEMBER, Json

from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.cdex.routes import CdexContext, cdex_router
from precert.dtr import shape20, shape22
from precert.dtr.answers import answer_review
from precert.dtr.forms import Forms
from precert.dtr.questionnaire import Site
from precert.dtr.routes import DtrContext, dtr_router
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.validation import Validator
from precert.policy.answer_reading import VALUE_OF

ROOT = "http://precert.test"
SITE = Site(ROOT)
SHAPES: tuple[Shape, ...] = (shape22, shape20)
ORIGIN = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/information-origin"
VALIDATOR = Validator.load()
NOISE = {"invariant:sdc-3", "reference-unresolved"}
"""Warnings that are known: versions of policies are no semantic versions; drafts refer to what only the client has."""


@dataclass
class Driver:
    """A client of both bases."""

    app: FastAPI
    client: httpx.AsyncClient
    forms: Forms
    context: DtrContext

    @property
    def service(self) -> AuthorizationService:
        return self.context.service

    async def post(self, path: str, body: Any, shape: Shape = shape22) -> httpx.Response:
        return await self.client.post(f"{shape.PREFIX}/{path}", content=json.dumps(body))

    async def get(self, path: str, shape: Shape = shape22, **query: str) -> httpx.Response:
        return await self.client.get(f"{shape.PREFIX}/{path}", params=query or None)

    async def package(self, body: Json, shape: Shape = shape22) -> Package:
        response = await self.post("Questionnaire/$questionnaire-package", body, shape)
        assert response.status_code == 200, response.text
        return Package(json.loads(response.content), shape)

    async def next(self, response: Json, shape: Shape = shape22) -> Json:
        answer = await self.post("Questionnaire/$next-question", response, shape)
        assert answer.status_code == 200, answer.text
        made: Json = json.loads(answer.content)
        return made

    async def states(self, number: str) -> list[str]:
        found = await self.service.find_case(number)
        assert found is not None
        return [line.state for line in found.ordered]


def mounted(app: FastAPI, client: httpx.AsyncClient) -> Driver:
    """The operations on an app that does not mount them itself (before those that it may)."""
    service, server = app.state.service, app.state.server
    forms = Forms(service.catalogue)
    consult = ConsultService(service.store, service.directory, service.catalogue, service.runtime, service.tenant)
    context = DtrContext(service, consult, forms, server.identify, Limits(bytes=2_000_000))
    review = answer_review(forms, service.runtime.now)
    cdex = CdexContext(service, server.identify, Limits(bytes=2_000_000), review)
    routes = [r for shape in SHAPES for r in dtr_router(context, shape).routes]
    routes += [r for shape in SHAPES for r in cdex_router(cdex, shape.PREFIX).routes]
    app.router.routes[0:0] = routes
    return Driver(app, client, forms, context)


@dataclass
class Package:
    """An answer to ``$questionnaire-package``."""

    body: Json
    shape: Shape

    @property
    def bundles(self) -> list[Json]:
        return [p["resource"] for p in self.body["parameter"] if p["name"] == self.shape.PACKAGE_PARAMETER]

    @property
    def issues(self) -> list[tuple[str, str]]:
        """(severity, rule) of the outcome."""
        outcomes = [p["resource"] for p in self.body["parameter"] if p["name"] == self.shape.OUTCOME_PARAMETER]
        return [
            (issue["severity"], issue["details"]["coding"][0]["code"])
            for outcome in outcomes
            for issue in outcome["issue"]
        ]

    def of(self, kind: str, bundle: int = 0) -> list[Json]:
        entries = self.bundles[bundle]["entry"]
        return [e["resource"] for e in entries if e["resource"]["resourceType"] == kind]

    @property
    def form(self) -> Json:
        return self.of("Questionnaire")[0]

    @property
    def draft(self) -> Json:
        return self.of("QuestionnaireResponse")[0]

    @property
    def forms(self) -> list[str]:
        return [f"{b['entry'][0]['resource']['id']}|{b['entry'][0]['resource']['version']}" for b in self.bundles]


def canonical(policy: str, version: str | None = None) -> str:
    return f"{ROOT}/fhir/Questionnaire/{policy}" + (f"|{version}" if version else "")


def coverage(member: str = "MA-0001", **more: Any) -> Json:
    return {
        "resourceType": "Coverage",
        "id": "coverage",
        "status": "active",
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]},
                "system": MEMBER,
                "value": member,
            }
        ],
        "subscriberId": member,
        "beneficiary": {"reference": "Patient/patient"},
        "relationship": {"coding": [{"code": "self"}]},
        "payor": [{"reference": "Organization/payer"}],
    } | more


def order(code: str = "E1390", system: str = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets") -> Json:
    return {
        "resourceType": "DeviceRequest",
        "id": "order",
        "status": "draft",
        "intent": "order",
        "codeCodeableConcept": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/patient"},
    }


def call(*questionnaires: str, coverages: list[Json] | None = None, orders: tuple[Json, ...] = (), **more: Any) -> Json:
    """A body for ``$questionnaire-package``; ``context`` and ``changedsince`` by name."""
    covered = [coverage()] if coverages is None else coverages
    parts: list[Json] = [{"name": "coverage", "resource": c} for c in covered]
    parts += [{"name": "order", "resource": o} for o in orders]
    parts += [{"name": "questionnaire", "valueCanonical": q} for q in questionnaires]
    kinds = {"context": "valueString", "changedsince": "valueInstant"}
    parts += [{"name": name, kinds[name]: value} for name, value in more.items()]
    return {"resourceType": "Parameters", "parameter": parts}


def questions(form: Json) -> Iterator[Json]:
    """Every question of a form, groups and displays left out."""
    stack = list(form.get("item", []))
    while stack:
        item = stack.pop(0)
        if item["type"] not in ("group", "display"):
            yield item
        stack[0:0] = item.get("item", [])


def answer(question: Json, plain: Any, origin: str | None = "manual") -> Json:
    """One answer as a client writes it."""
    key = VALUE_OF[question["type"]]
    value = plain
    if question["type"] == "quantity":
        unit = next(e["valueCoding"] for e in question["extension"] if e["url"].endswith("unitOption"))
        value = {"value": plain, "unit": unit["code"], "system": unit["system"], "code": unit["code"]}
    if question["type"] == "choice":
        value = next(o["valueCoding"] for o in question["answerOption"] if o["valueCoding"]["code"] == plain)
    parts: list[Json] = [{"url": "source", "valueCode": origin}]
    if origin == "manual":
        role = {"system": "http://nucc.org/provider-taxonomy", "code": "207R00000X"}
        parts.append({"extension": [{"url": "role", "valueCodeableConcept": {"coding": [role]}}], "url": "author"})
    made: Json = {key: value}
    return {"extension": [{"extension": parts, "url": ORIGIN}]} | made if origin else made


def answered_items(group: Json, answers: Mapping[str, Any]) -> list[Json]:
    """Items for the questions of a group that there are answers to."""
    return [
        {"linkId": q["linkId"], "text": q["text"], "answer": [answer(q, answers[q["linkId"]])]}
        for q in questions({"item": [group]})
        if q["linkId"] in answers
    ]


def filled(form: Json, draft: Json, answers: Mapping[str, Any]) -> Json:
    """The draft with the answers, in the groups of the form, and completed."""
    items = []
    for group in form.get("item", []):
        if inner := answered_items(group, answers):
            items.append({"linkId": group["linkId"], "text": group["text"], "item": inner})
    made = {key: value for key, value in draft.items() if key != "item"} | {"status": "completed"}
    return made | ({"item": items} if items else {})


def findings(resource: Json, shape: Shape, profiles: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """What the validator has against a resource: errors, and warnings that are not known noise."""
    read = json.loads(json.dumps(resource))
    found = VALIDATOR.validate(read, profiles=profiles, context=shape.CONTEXT)
    return [
        (f.rule or "", f.expression or "", f.text)
        for f in found
        if f.severity in ("error", "fatal") or (f.severity == "warning" and f.rule not in NOISE)
    ]
