"""One world in which every type of answer appears, and every answer to every shipped example: what rules are held against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crd.building import EXTENSION, ROOT, configured, coverage, hook, order, prefetch, searchset
from crd.policies import catalogue
from precert.crd.cards import SmartApp
from precert.fhir import json

EXAMPLES = sorted((ROOT / "examples" / "crd").glob("*.json"))

ALL_KINDS = """
facts:
  tried: {ask: {text: Was something else tried, type: boolean, who: clinical}}
criteria: {id: TRIED, text: Something else was tried, test: "%tried", cite: T, why_not: Nothing else was tried.}
alternatives:
  - {suggest: {system: hcpcs, code: E0130}, card: therapy-alternatives-opt, text: A walker}
  - {suggest: {system: cpt, code: '97161'}, card: clinical-reminder, text: Gait evaluation}
  - {card: off-guideline, text: Rent before you buy}
"""
APP = SmartApp("Check appropriate use", "https://apps.example/launch", ("test-policy",))


@dataclass(frozen=True)
class Given:
    """One answer and what it answers."""

    name: str
    version: str
    hook: str
    body: dict[str, Any]
    answer: dict[str, Any]
    raw: bytes

    @property
    def cards(self) -> list[dict[str, Any]]:
        return self.answer["cards"]

    @property
    def actions(self) -> list[dict[str, Any]]:
        return self.answer.get("systemActions", [])


def all_kinds(tmp_path: Path, make: Any) -> Any:
    """A world whose one policy (E0100) gives rise to all types of answer."""
    return make(catalogue=catalogue(tmp_path, ALL_KINDS), apps=(APP,))


def asking_for_all(version: str, name: str = "order-sign") -> dict[str, Any]:
    """A call that gets all eight types: forms and a corrected Coverage only because the client asks for them."""
    stale = searchset(coverage("MA-0001", period={"start": "2020-01-01"}))
    body = hook(order("E0100"), name=name, version=version, prefetch=prefetch(coverage=stale))
    return configured(body, insurance=True, appropriate_use=True)


async def everything(world: Any, kinds: Any) -> AsyncIterator[Given]:
    """Each example in both versions, and the call that gets all types."""
    for version in ("2.2", "2.0"):
        for path in EXAMPLES:
            body = json.loads(path.read_bytes())
            body["extension"]["davinci-crd.requestedVersion"] = version
            response = await world.hook(body)
            if response.status_code == 200:
                yield Given(path.stem, version, body["hook"], body, json.loads(response.content), response.content)
        body = asking_for_all(version)
        response = await kinds.hook(body)
        assert response.status_code == 200, response.text
        yield Given("all types", version, "order-sign", body, json.loads(response.content), response.content)


def covered(resource: dict[str, Any]) -> bool:
    return any(extension["url"] == EXTENSION for extension in resource.get("extension", []))
