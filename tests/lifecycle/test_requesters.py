"""Whoever asks, and however they are named: the answer and its information request are valid and resolve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.steps import NEW, OLD, Driver, Json, actions, claim_of, cpap, request
from precert.fhir.bundle import BundleIndex

ROLE, PERSON = "urn:uuid:5d0a1f2e-0000-4000-8000-00000000b001", "urn:uuid:5d0a1f2e-0000-4000-8000-00000000b002"
NPI = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1992817498"}
PRACTITIONER = {
    "resourceType": "Practitioner",
    "identifier": [NPI],
    "name": [{"family": "Fuentes", "given": ["Nadia"]}],
}


def organization_of(body: Json) -> Json:
    """The entry of the requesting organization."""
    wanted = claim_of(body)["provider"]["reference"]
    found: Json = next(entry for entry in body["entry"] if entry["fullUrl"] == wanted)
    return found


def as_role(body: Json, *, organization: bool) -> None:
    role: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": PERSON},
        "telecom": [{"system": "phone", "value": "+1-555-0150"}],
    }
    if organization:
        role["organization"] = claim_of(body)["provider"]
    else:
        body["entry"].remove(organization_of(body))
    body["entry"] += [{"fullUrl": ROLE, "resource": role}, {"fullUrl": PERSON, "resource": PRACTITIONER}]
    claim_of(body)["provider"] = {"reference": ROLE}


def as_contained(body: Json) -> None:
    entry = organization_of(body)
    body["entry"].remove(entry)
    claim_of(body)["contained"] = [{**entry["resource"], "id": "us"}]
    claim_of(body)["provider"] = {"reference": "#us"}


def as_identifier(body: Json) -> None:
    entry = organization_of(body)
    body["entry"].remove(entry)
    claim_of(body)["provider"] = {"identifier": entry["resource"]["identifier"][0]}


REQUESTERS: dict[str, tuple[Callable[[Json], Any], bool]] = {
    "organization": (lambda body: None, True),
    "role in an organization": (lambda body: as_role(body, organization=True), True),
    "role alone": (lambda body: as_role(body, organization=False), False),
    "contained": (as_contained, True),
    "identifier only": (as_identifier, True),
}


@pytest.mark.parametrize("base", [NEW, OLD])
@pytest.mark.parametrize("who", REQUESTERS)
async def test_the_information_request_names_who_is_asked(driver: Driver, who: str, base: str) -> None:
    edit, has_sender = REQUESTERS[who]
    body = request("who", [cpap()], studied=False)
    edit(body)
    answer = await driver.submit(body, base)
    assert actions(answer) == {1: "A4"}
    index = BundleIndex(answer)
    kinds = {entry.type for entry in index.entries}
    assert {"Task", "CommunicationRequest"} <= kinds
    for entry in index.entries:
        if entry.type != "CommunicationRequest":
            continue
        (recipient,) = entry.resource["recipient"]
        assert ("sender" in entry.resource) is has_sender
        for reference in (recipient, entry.resource.get("sender", recipient)):
            if "reference" in reference:
                target = index.resolve(reference, entry)
                assert target is not None
                assert target.type in ("Organization", "Practitioner")
            else:
                assert reference["identifier"]["value"]
