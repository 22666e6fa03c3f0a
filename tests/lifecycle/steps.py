"""What a provider, a payer's reviewer and a curious third party do, as calls; used by all life-cycle tests."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from tools.make_examples import SLEEP_STUDY, answered
from tools.requests import SD, item, request_bundle, uid

from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.fhir import json
from support.answers import Decided, bundle, claim_response, decisions
from support.app import FrozenClock

Json = dict[str, Any]
NEW, OLD = "/fhir", "/fhir/v2.0"
PRIOR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "code": "prior"}]}
ANY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-applicable"}]}
PHYSICIAN = {
    "by": "dr.lind",
    "role": "physician",
    "npi": "1500000009",
    "license": "MD-12345",
    "specialty": "sleep medicine",
}
NO_APNEA = "No sleep study came for this member, and without one no apnea is shown."
SHORTER = "A shorter trial comes first for this member; the rest can be asked for afterwards."
NURSE = {"by": "nurse.hale", "role": "nurse"}
HEADERS = {"Content-Type": "application/fhir+json"}


@dataclass
class Driver:
    """A client of one precert."""

    client: httpx.AsyncClient
    app: FastAPI | None = None

    async def post(self, body: Json, operation: str = "$submit", base: str = NEW) -> httpx.Response:
        return await self.client.post(f"{base}/Claim/{operation}", content=json.dumps(body), headers=HEADERS)

    async def submit(self, body: Json, base: str = NEW) -> Json:
        """The response bundle."""
        return bundle(await self.post(body, "$submit", base))

    async def inquire(self, body: Json, base: str = NEW) -> list[Json]:
        """The response bundles of the matches, however the version wraps them. An error counts as no match."""
        answer = await self.post(body, "$inquire", base)
        assert answer.status_code == 200, answer.text
        found: Json = json.loads(answer.content)
        if found["resourceType"] == "Parameters":
            return [p["resource"] for p in found.get("parameter", ()) if decisions(p["resource"])]
        responses = [e for e in found["entry"] if e["resource"]["resourceType"] == "ClaimResponse"]
        return [{**found, "entry": [entry]} for entry in responses if entry["resource"]["outcome"] != "error"]

    async def criteria(self, case: str, line: int = 1) -> list[str]:
        """The ids of the criteria behind a line."""
        told = (await self.client.get(f"/api/cases/{case}")).json()
        return [c["id"] for entry in told["lines"] if entry["sequence"] == line for c in entry["criteria"]]

    async def decide(self, case: str, line: int = 1, **determination: Any) -> httpx.Response:
        return await self.client.post(f"/api/cases/{case}/lines/{line}/determination", json=determination)

    async def approve(self, case: str, line: int = 1) -> None:
        answer = await self.decide(case, line, outcome="approve", rationale="Confirmed by telephone.", **PHYSICIAN)
        assert answer.status_code == 200, answer.text

    def forward(self, **by: float) -> None:
        """Move the server's clock on, for example ``forward(days=3)``."""
        assert self.app is not None
        clock = self.app.state.service.runtime.now
        assert isinstance(clock, FrozenClock)
        clock.forward(**by)

    async def deny(self, case: str, line: int = 1) -> None:
        """Deny for want of what was asked, once the answer is overdue."""
        self.forward(days=6)
        asked = (await self.record(case)).lines[line].questions
        assert asked is not None
        reasons = sorted({c for question in asked.questions for c in question["criteria"]})
        answer = await self.decide(case, line, outcome="deny", rationale=NO_APNEA, reasons=reasons, **PHYSICIAN)
        assert answer.status_code == 200, answer.text

    async def modify(self, case: str, units: float, line: int = 1) -> None:
        answer = await self.decide(
            case, line, outcome="modify", rationale=SHORTER, authorized={"units": units}, **PHYSICIAN
        )
        assert answer.status_code == 200, answer.text

    async def record(self, case: str) -> Case:
        """The whole record, from the store."""
        assert self.app is not None
        found: Case | None = await self.app.state.service.find_case(case)
        assert found is not None
        return found

    async def records(self) -> list[Case]:
        assert self.app is not None
        page = await self.app.state.server.store.search("default", "Case", limit=1000)
        return [fold(decode(document.body)) for document in page.documents]


def cpap(quantity: float = 3, sequence: int = 1, **more: Any) -> Json:
    """A CPAP for so many months; approved when a sleep study came along, asked about when not."""
    given = {"start": "2027-01-04", "place": "12", "trace": f"trace-{sequence}"} | more
    return item(sequence, "hcpcs|E0601", quantity=quantity, unit="months", **given)


def chair(sequence: int, **more: Any) -> Json:
    """A power wheelchair, about which nothing is known."""
    given = {"start": "2027-01-18", "place": "12", "trace": f"trace-{sequence}"} | more
    return item(sequence, "hcpcs|K0823", quantity=1, **given)


def request(name: str, items: list[Json], *, member: str = "MA-0001", studied: bool = True, **more: Any) -> Json:
    """A first submission."""
    evidence = (answered(name, "pap-osa-initial", SLEEP_STUDY),) if studied else ()
    given = {"diagnoses": ("G47.33",), "evidence": evidence} | more
    return request_bundle(name, member, items, **given)


def claim_of(body: Json) -> Json:
    found: Json = body["entry"][0]["resource"]
    return found


def case_of(answer: Json) -> str:
    """The case number of an answer."""
    return str(claim_response(answer)["identifier"][0]["value"])


def update(earlier: Json, step: str, edit: Callable[[Json], Any] = lambda claim: None) -> Json:
    """The next version of a request: the whole Claim again after ``edit``, related to the one before, which comes along."""
    made = copy.deepcopy(earlier)
    before = copy.deepcopy(made["entry"][0])
    made["entry"] = [e for e in made["entry"] if e["resource"]["resourceType"] != "Claim"]
    claim = copy.deepcopy(before["resource"])
    name = f"{made['id']}/{step}"
    claim |= {"id": uid(name), "meta": {"profile": [SD + "profile-claim-update"]}}
    claim["related"] = [{"claim": {"reference": before["fullUrl"]}, "relationship": PRIOR}]
    edit(claim)
    made["id"] = uid(f"{name}/bundle")
    made["identifier"] = {"system": "urn:precert:demo:transaction", "value": uid(f"{name}/transaction")}
    made["entry"] = [{"fullUrl": f"urn:uuid:{claim['id']}", "resource": claim}, before, *made["entry"]]
    return made


def flag(value: bool) -> list[Json]:
    """``infoCancelled`` with a value."""
    return [{"url": SD + "modifierextension-infoCancelled", "valueBoolean": value}]


def certify(element: Json, code: str) -> None:
    """Set the certification type of an item or a whole Claim."""
    url = SD + "extension-certificationType"
    kept = [e for e in element.get("extension", ()) if e["url"] != url]
    coding = {"system": "https://codesystem.x12.org/005010/1322", "code": code}
    element["extension"] = [*kept, {"url": url, "valueCodeableConcept": {"coding": [coding]}}]


def cancel(element: Json) -> None:
    """Take an item back, the way PAS wants it said."""
    element["modifierExtension"] = flag(True)
    certify(element, "3")


def by_sequence(answer: Json) -> dict[int, Decided]:
    return {decided.sequence: decided for decided in decisions(answer)}


def actions(answer: Json) -> dict[int, str]:
    """X12 306 by sequence."""
    return {decided.sequence: decided.action for decided in decisions(answer)}


def inquiry(
    name: str,
    *,
    member: str = "MA-0001",
    items: list[Json] | None = None,
    numbers: tuple[str, ...] = (),
    kind: str = "extension-authorizationNumber",
    **more: Any,
) -> Json:
    """A query by example for a member by who asked (or ``requester_npi``); ``numbers`` stand on the first item."""
    asked = copy.deepcopy(items) if items is not None else [item(1, "hcpcs|E0601") | {"productOrService": ANY}]
    for number in numbers:
        asked[0]["extension"].append({"url": SD + kind, "valueString": number})
    made = request_bundle(name, member, asked, **({"diagnoses": ("G47.33",)} | more))
    made["meta"] = {"profile": [SD + "profile-pas-inquiry-request-bundle"]}
    claim_of(made)["meta"] = {"profile": [SD + "profile-claim-inquiry"]}
    return made
