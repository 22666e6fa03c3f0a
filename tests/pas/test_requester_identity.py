"""A requester without any identifier: nobody is known to ask, so nothing is approved; with one of any kind it may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.answers import bundle, decisions
from support.pas import CLAIM, Json, changed, part, submit

NPI, TAX = "http://hl7.org/fhir/sid/us-npi", "urn:oid:2.16.840.1.113883.4.4"
ROLE, PERSON = "urn:uuid:5d0a1f2e-0000-4000-8000-00000000c001", "urn:uuid:5d0a1f2e-0000-4000-8000-00000000c002"
NAMED = {"resourceType": "Practitioner", "name": [{"family": "Fuentes", "given": ["Nadia"]}]}


def _entry(body: Json) -> Json:
    wanted = part(body, CLAIM)["provider"]["reference"]
    found: Json = next(entry for entry in body["entry"] if entry["fullUrl"] == wanted)
    return found


def identified(*identifiers: Json | None) -> Callable[[Json], Any]:
    """The requesting organization with these identifiers; with none at all for ``None``."""

    def edit(body: Json) -> None:
        _entry(body)["resource"].pop("identifier")
        if identifiers != (None,):
            _entry(body)["resource"]["identifier"] = list(identifiers)

    return edit


def person(*identifiers: Json) -> Callable[[Json], Any]:
    def edit(body: Json) -> None:
        _entry(body)["resource"] = {**NAMED, **({"identifier": list(identifiers)} if identifiers else {})}

    return edit


def role(body: Json) -> None:
    """A role without an identifier, of a person without one."""
    body["entry"].remove(_entry(body))
    made = {"resourceType": "PractitionerRole", "practitioner": {"reference": PERSON}}
    body["entry"] += [{"fullUrl": ROLE, "resource": made}, {"fullUrl": PERSON, "resource": NAMED}]
    part(body, CLAIM)["provider"] = {"reference": ROLE}


def logical(identifier: Json) -> Callable[[Json], Any]:
    def edit(body: Json) -> None:
        body["entry"].remove(_entry(body))
        part(body, CLAIM)["provider"] = {"identifier": identifier, "display": "Fuentes Internal Medicine"}

    return edit


NOBODY: dict[str, Callable[[Json], Any]] = {
    "organization without identifier": identified(None),
    "no value": identified({"system": NPI}),
    "empty value": identified({"system": NPI, "value": ""}),
    "blank value": identified({"system": NPI, "value": "  "}),
    "value that is no text": identified({"system": NPI, "value": 1992817498}),
    "identifier that is none": identified({}),
    "practitioner without identifier": person(),
    "role of a person without identifier": role,
    "logical without value": logical({"system": NPI}),
    "logical with a blank value": logical({"system": NPI, "value": " "}),
}
SOMEBODY: dict[str, Callable[[Json], Any]] = {
    "as the example": lambda body: None,
    "tax number": identified({"system": TAX, "value": "12-3456789"}),
    "practitioner with an NPI": person({"system": NPI, "value": "1992817498"}),
}


@pytest.mark.parametrize("edit", [pytest.param(edit, id=name) for name, edit in NOBODY.items()])
async def test_nothing_is_approved_for_a_requester_without_identifier(
    client: httpx.AsyncClient, edit: Callable[[Json], Any]
) -> None:
    answer = await submit(client, changed(edit))
    if answer.status_code == 400:
        assert "Claim.provider" in answer.text or "identifier" in answer.text
        return
    (line,) = decisions(bundle(answer))
    assert line.action == "A4"
    assert line.number is None


@pytest.mark.parametrize("edit", [pytest.param(edit, id=name) for name, edit in SOMEBODY.items()])
async def test_any_identifier_is_one(client: httpx.AsyncClient, edit: Callable[[Json], Any]) -> None:
    (line,) = decisions(bundle(await submit(client, changed(edit))))
    assert line.action == "A1"
