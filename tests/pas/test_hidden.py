"""A request, an attachment or a form with something hidden in it is refused, with the path of it, and changes nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx
import pytest

from precert.fhir.hidden import DATA_ABSENT
from support import shared
from support.answers import faults
from support.app import EXAMPLES

pytestmark = shared.in_one_loop
precert, client = shared.precert, shared.client

UNKNOWN = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
MODIFIER = {"modifierExtension": [{"url": "http://x.test/not", "valueBoolean": True}]}
RULES = {"implicitRules": "http://x.test/rules"}
SUBMIT, ATTACH, NEXT = "Claim/$submit", "$submit-attachment", "Questionnaire/$next-question"
DOORS = {SUBMIT: "pas/approve", ATTACH: "dtr/submit-attachment-early", NEXT: "dtr/next-question-last"}


def resources(value: Any, path: str) -> dict[str, Any]:
    """Every resource in a document, by its FHIRPath."""
    found = {path: value} if isinstance(value, dict) and "resourceType" in value else {}
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found |= resources(member, f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}")
    return found


def _document(door: str) -> Any:
    return json.loads((EXAMPLES / f"{DOORS[door]}.json").read_text("utf-8"))


def _places() -> list[tuple[str, str, str]]:
    found = []
    for door in DOORS:
        document = _document(door)
        for path, resource in resources(document, document["resourceType"]).items():
            forms = ["rules", "modifier"] if resource["resourceType"] not in ("Bundle", "Parameters") else ["rules"]
            forms += [key for key in ("status", "authored", "birthDate") if key in resource]
            found += [(door, path, form) for form in forms]
    return found


@pytest.mark.parametrize(("door", "path", "form"), _places())
@pytest.mark.parametrize("base", ["/fhir", "/fhir/v2.0"])
async def test_it_is_refused_with_its_path(
    client: httpx.AsyncClient, base: str, door: str, path: str, form: str
) -> None:
    document = copy.deepcopy(_document(door))
    spoil = resources(document, document["resourceType"])[path]
    spoil |= RULES if form == "rules" else MODIFIER if form == "modifier" else {f"_{form}": UNKNOWN}
    where = {"rules": "implicitRules", "modifier": "modifierExtension[0]"}.get(form, form)
    answer = await client.post(f"{base}/{door}", json=document)
    assert answer.status_code == 400, answer.text
    named = [fault.expression for fault in faults(answer)]
    assert named.count(f"{path}.{where}") == 1, named


@pytest.mark.parametrize("part", ["answer", "item", "value"])
@pytest.mark.parametrize("door", [ATTACH, NEXT])
async def test_in_an_answer_too(client: httpx.AsyncClient, door: str, part: str) -> None:
    document = _document(door)
    everything = resources(document, document["resourceType"])
    path, response = next((p, r) for p, r in everything.items() if r["resourceType"] == "QuestionnaireResponse")
    path, items = f"{path}.item[0]", response["item"]
    while "answer" not in items[0]:
        path, items = f"{path}.item[0]", items[0]["item"]
    item = items[0]
    key = next(key for key in item["answer"][0] if key.startswith("value"))
    match part:
        case "item":
            item |= UNKNOWN
        case "answer":
            item["answer"][0] |= MODIFIER
            path += ".answer[0].modifierExtension[0]"
        case _ if isinstance(item["answer"][0][key], dict):
            item["answer"][0][key] |= UNKNOWN
            path += f".answer[0].{key}"
        case _:
            item["answer"][0][f"_{key}"] = UNKNOWN
            path += f".answer[0].{key}"
    answer = await client.post(f"/fhir/{door}", json=document)
    assert answer.status_code == 400, answer.text
    assert path in [fault.expression for fault in faults(answer)]
