"""Plays the CRD 2.2.1 preset as that suite does: its own FHIR server and token in every body, and follow-up calls.

After the first answer of a hook with coverage information the suite repeats the call with ``coverage-info: false``, with an
unknown configuration option, with an unknown context field and with an unknown element.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from tools.inferno import FOLDER
from tools.inferno_crd_221 import SPECIAL

from crd.ehr import Ehr, send, serving, well_behaved
from inferno.crd_answers import assertions
from inferno.crd_requests import CONTEXT, Json
from inferno.crd_running import ANY
from precert.fhir import json

FILE = FOLDER / "crd-server-2.2.1.json"
SETTINGS: dict[str, Any] = {"config": FOLDER / "crd-server-2.2.1.toml", "crd_jwt": {"required": False}}
"""The shipped settings, for tests in this process, where who calls does not matter."""
TOKEN, BAD_TOKEN = "session-token", "INVALID_TOKEN"
UNKNOWN = "abcdefghijklmnop"
DISABLED = "coverage-info disabled"
FOLLOW_UPS = (DISABLED, "unknown configuration", "unknown context", "unknown element")


@dataclass(frozen=True)
class Exchange:
    """One call. ``kind`` is empty for the tester's own bodies, else what the suite changed in it."""

    kind: str
    body: Json
    status: int
    answer: Json

    @property
    def cards(self) -> list[Json]:
        return list(self.answer["cards"])

    @property
    def actions(self) -> list[Json]:
        return list(self.answer.get("systemActions", []))

    @property
    def informed(self) -> list[Json]:
        """The system actions with coverage information."""
        return [action for action in self.actions if assertions(action["resource"])]


@dataclass(frozen=True)
class Played:
    """One group of the suite."""

    hook: str
    exchanges: list[Exchange]

    @property
    def own(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if not exchange.kind]


def preset() -> dict[str, str]:
    """Input name to value, as the file gives it."""
    document = json.loads(FILE.read_bytes())
    assert isinstance(document, dict)
    return {entry["name"]: entry["value"] for entry in document["inputs"]}


def groups() -> dict[str, tuple[str, str, list[Json]]]:
    """Group to its hook, its service and its request bodies."""
    given, found = preset(), {}
    for name in (ANY, *CONTEXT, *SPECIAL):
        prefix = "any_hook" if name == ANY else name.replace("-", "_")
        parsed = json.loads(given[f"{prefix}_request_{'bodies' if name in CONTEXT else 'body'}"].encode())
        bodies = parsed if isinstance(parsed, list) else [parsed]
        found[name] = (bodies[0]["hook"], given[f"{prefix}_service_ids"], bodies)
    return found


@contextlib.asynccontextmanager
async def mock_ehr() -> AsyncIterator[str]:
    """The suite's FHIR server with ``mock_ehr_bundle``: a token that is not the session's gets 500, as from an outage."""

    async def handler(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if headers.get("authorization") == f"Bearer {TOKEN}":
            await well_behaved(ehr, path, headers, writer)
        else:
            await send(writer, 500, b"{}")

    held = json.loads(preset()["mock_ehr_bundle"].encode())
    assert isinstance(held, dict)
    resources = {f"{e['resource']['resourceType']}/{e['resource']['id']}": e["resource"] for e in held["entry"]}
    async with serving(handler, **resources) as ehr:
        yield ehr.url


def prepared(body: Json, server: str, token: str = TOKEN) -> Json:
    """The body as the suite sends it."""
    access = {**body.get("fhirAuthorization", {}), "access_token": token}
    access.setdefault("expires_in", 300)
    return {**copy.deepcopy(body), "hookInstance": str(uuid.uuid4()), "fhirServer": server, "fhirAuthorization": access}


def follow_ups(body: Json, server: str) -> dict[str, Json]:
    """The four variants of a body."""
    made = {kind: prepared(body, server) for kind in FOLLOW_UPS}
    disabled, configuration, context, element = made.values()
    disabled["extension"].setdefault("davinci-crd.configuration", {})["coverage-info"] = False
    configuration["extension"].setdefault("davinci-crd.configuration", {})[UNKNOWN] = True
    context["context"][UNKNOWN] = UNKNOWN
    element[UNKNOWN] = UNKNOWN
    return made


async def play(client: httpx.AsyncClient) -> dict[str, Played]:
    """Every group in the suite's order."""
    played = {}
    async with mock_ehr() as server:
        for name, (hook, service, bodies) in groups().items():
            token = BAD_TOKEN if name == "technical_issues" else TOKEN
            followed = name in SPECIAL
            done: list[Exchange] = []
            for body in bodies:
                done.append(await _send(client, service, "", prepared(body, server, token)))
                if done[-1].informed and not followed:
                    followed = True
                    done += [await _send(client, service, k, b) for k, b in follow_ups(body, server).items()]
            played[name] = Played(hook, done)
    return played


async def _send(client: httpx.AsyncClient, service: str, kind: str, body: Json) -> Exchange:
    headers = {"Content-Type": "application/json"}
    response = await client.post(f"/cds-services/{service}", content=json.dumps(body), headers=headers)
    answer = json.loads(response.content)
    assert isinstance(answer, dict)
    return Exchange(kind, body, response.status_code, answer)
