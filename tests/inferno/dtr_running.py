"""Plays the DTR presets like the suites do, in this process: packages, expansions, adaptive forms to their end.

What the suites ask is described in docs/conformance-dtr.md; the code is ours.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tools.inferno_dtr import ROOT, context_of, inputs

from precert.fhir import json
from support.app import EXAMPLES, frozen_runtime, running

Json = dict[str, Any]
EXT = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
ADAPTIVE = SDC + "questionnaireAdaptive"
BASES = {"2.0.1": "/fhir/v2.0", "2.2.0": "/fhir"}
BUNDLE = {"2.0.1": "PackageBundle", "2.2.0": "packagebundle"}


@dataclass
class Exchange:
    """One call and its answer."""

    url: str
    sent: Json
    status: int
    answer: Json


@dataclass
class Played:
    """Everything that was sent and answered, by operation."""

    edition: str
    preset: Json
    calls: dict[str, list[Exchange]] = field(default_factory=dict)
    completed: list[Json] = field(default_factory=list)

    def answers(self, operation: str) -> list[Json]:
        return [call.answer for call in self.calls[operation]]

    def bundles(self, *operations: str) -> list[Json]:
        """The packages, out of their Parameters."""
        answers = [answer for operation in operations or ("package",) for answer in self.answers(operation)]
        return [p["resource"] for a in answers for p in a["parameter"] if p["name"] == BUNDLE[self.edition]]

    def asked(self) -> list[Json]:
        """The forms inside the responses of ``$next-question``."""
        return [contained(answer) for answer in self.answers("next")]


def contained(response: Json) -> Json:
    """The form inside a response."""
    found: Json = next(one for one in response["contained"] if one["resourceType"] == "Questionnaire")
    return found


def resources(bundle: Json, kind: str) -> list[Json]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def items(element: Json) -> Iterator[Json]:
    """Every item however deep."""
    for item in element.get("item", []):
        yield item
        yield from items(item)


def canonical(resource: Json) -> str:
    return f"{resource['url']}|{resource['version']}"


def is_adaptive(form: Json) -> bool:
    return any(e["url"] == ADAPTIVE for e in form.get("extension", []))


class Client:
    """A client of one base that remembers what was said."""

    def __init__(self, http: httpx.AsyncClient, played: Played) -> None:
        self.http, self.played = http, played

    async def post(self, operation: str, url: str, body: Json) -> Exchange:
        answered = await self.http.post(
            url, content=json.dumps(body), headers={"Content-Type": "application/fhir+json"}
        )
        answer = json.loads(answered.content) if answered.content else {}
        exchange = Exchange(url, body, answered.status_code, answer)
        self.played.calls.setdefault(operation, []).append(exchange)
        return exchange


async def play_201(http: httpx.AsyncClient, preset: Json) -> Played:
    """Suite ``dtr_payer_server``: two packages, then the bodies as they stand."""
    played = Played("2.0.1", preset)
    client, base = Client(http, played), preset["url"]
    package = f"{base}/Questionnaire/$questionnaire-package"
    await client.post("static", package, preset["initial_static_questionnaire_request"])
    await client.post("adaptive", package, preset["initial_adaptive_questionnaire_request"])
    for body in preset["next_question_requests"]:
        await client.post("next", f"{base}/Questionnaire/$next-question", body)
    return played


async def play_220(http: httpx.AsyncClient, preset: Json) -> Played:
    """Suite ``dtr_payer_server_v220``: every package, what is not expanded, every adaptive form with its template."""
    played = Played("2.2.0", preset)
    client, base = Client(http, played), preset["url"]
    templates = {canonical(contained(one)): one for one in preset["questionnaire_response_templates"]}
    for body in preset["questionnaire_package_request_parameters"]:
        got = await client.post("package", f"{base}/Questionnaire/$questionnaire-package", body)
        for bundle in [p["resource"] for p in got.answer["parameter"] if p["name"] == "packagebundle"]:
            for value_set in resources(bundle, "ValueSet"):
                if "expansion" not in value_set:
                    named = [{"name": "url", "valueUri": canonical(value_set)}]
                    asked = {"resourceType": "Parameters", "parameter": named}
                    await client.post("expand", f"{base}/ValueSet/$expand", asked)
            form = bundle["entry"][0]["resource"]
            if is_adaptive(form):
                await _fill(client, bundle, templates[canonical(form)])
    return played


async def _fill(client: Client, bundle: Json, template: Json) -> None:
    form = bundle["entry"][0]["resource"]
    at = next(e["valueUrl"] for e in form["extension"] if e["url"] == ADAPTIVE)
    response = resources(bundle, "QuestionnaireResponse")[0]
    for _ in range(30):
        got = await client.post("next", f"{at}/Questionnaire/$next-question", response)
        assert got.status == 200, got.answer
        if got.answer["status"] == "completed":
            client.played.completed.append(got.answer)
            return
        before = {item["linkId"] for item in items(contained(response))}
        new = [i["linkId"] for i in items(contained(got.answer)) if i["linkId"] not in before]
        assert new, "the form neither asks nor ends"
        response = copy.deepcopy(got.answer)
        for link_id in new:
            _append(response, link_id, template)
    raise AssertionError("the form did not end")


def _append(response: Json, link_id: str, template: Json) -> None:
    """The template's answer to ``link_id``, added under its parents without looking whether something is there."""
    found = _find(link_id, template.get("item", []), [])
    if found is None:
        return
    item, parents = found
    at = response
    for parent in parents:
        at = next(i for i in at["item"] if i["linkId"] == parent)
    at.setdefault("item", []).append({key: value for key, value in item.items() if key != "item"})


def _find(link_id: str, listed: list[Json], parents: list[str]) -> tuple[Json, list[str]] | None:
    for item in listed:
        if item["linkId"] == link_id:
            return item, parents
        found = _find(link_id, item.get("item", []), [*parents, item["linkId"]])
        if found is not None:
            return found
    return None


@contextlib.asynccontextmanager
async def server(folder: Path, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """precert with the demo world at the address that the presets name."""
    async with running(folder, frozen_runtime(), **{"forms": EXAMPLES / "forms"} | given) as (app, _):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=ROOT) as client:
            yield client


async def play(edition: str, folder: Path) -> Played:
    """The preset of ``edition`` with a context that the server has given out, every answer validated on its way."""
    async with server(folder, validate_answers=True) as http:
        context = await context_of(http) if edition == "2.2.0" else None
        preset = await inputs(edition, ROOT, context)
        return await (play_201 if edition == "2.0.1" else play_220)(http, preset)
