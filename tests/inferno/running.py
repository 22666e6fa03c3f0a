"""Runs a preset like the suite does, in this process: groups in order, the reviewer's script in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
from tools.inferno import FOLDER, inputs
from tools.review_driver import Driver, read_rules

from precert.fhir import json

Json = dict[str, Any]
RULES = read_rules((FOLDER / "reviewer.json").read_text("utf-8"))
WORKFLOWS = (
    "approval_pa_submit_request_payload",
    "denial_pa_submit_request_payload",
    "pended_pa_submit_request_payload",
)
UPDATES = (
    "claim_update_initial_submit_payload",
    "claim_update_add_item_submit_payload",
    "claim_update_modify_cancel_submit_payload",
    "claim_update_cancel_all_submit_payload",
)


@dataclass
class Run:
    """What was sent and answered, by input name."""

    edition: str
    sent: dict[str, list[Json]] = field(default_factory=dict)
    answered: dict[str, list[Json]] = field(default_factory=dict)
    decided: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return "/fhir" if self.edition == "2.2.1" else "/fhir/v2.0"

    def answers(self, operation: str) -> list[Json]:
        """The response bundles of ``submit`` or ``inquire``, those in Parameters unwrapped."""
        found = []
        for name, bodies in self.answered.items():
            if f"pa_{operation}" in name or (operation == "submit" and name in UPDATES):
                for body in bodies:
                    found += (
                        [body]
                        if body["resourceType"] == "Bundle"
                        else [p["resource"] for p in body.get("parameter", ())]
                    )
        return found

    def requests(self, operation: str) -> list[Json]:
        """The request bundles of an operation."""
        return [
            body
            for name, bodies in self.sent.items()
            if f"pa_{operation}" in name or (operation == "submit" and name in UPDATES)
            for body in bodies
        ]


async def send(client: httpx.AsyncClient, url: str, body: Json) -> Json:
    """One POST, which must be answered with 200."""
    answer = await client.post(url, content=json.dumps(body), headers={"Content-Type": "application/fhir+json"})
    assert answer.status_code == 200, answer.text
    found: Json = json.loads(answer.content)
    return found


async def run(client: httpx.AsyncClient, edition: str) -> Run:
    """The whole preset."""
    made = Run(edition)
    preset = {name: value for name, value in inputs(edition).items() if name.endswith("_payload")}
    driver = Driver(client, RULES)
    for name in sorted(preset, key=_turn):
        given = preset[name]
        for bundle in given if isinstance(given, list) else [given]:
            assert isinstance(bundle, dict)
            operation = "$inquire" if "inquire" in name else "$submit"
            made.sent.setdefault(name, []).append(bundle)
            made.answered.setdefault(name, []).append(await send(client, f"{made.base}/Claim/{operation}", bundle))
        made.decided += await driver.step()
    return made


def _turn(name: str) -> tuple[int, int]:
    order = [*WORKFLOWS, "pended_pa_inquire_request_payload", *UPDATES]
    if name in order:
        return 0, order.index(name)
    return (1, 0) if "submit" in name else (2, 0)
