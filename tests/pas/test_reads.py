"""Reading again what was answered, and why, by any number or id that was printed in an answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from precert.fhir import json
from support.answers import bundle, claim_response, decisions, only_fault
from support.app import FrozenClock
from support.pas import example, submit

Json = dict[str, Any]


@pytest.fixture
async def sent(client: httpx.AsyncClient) -> httpx.Response:
    return await submit(client, example("mixed"))


async def test_the_answer_reads_back_byte_for_byte(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    answer = bundle(sent)
    again = await client.get(f"/fhir/Bundle/{answer['id']}")
    assert (again.status_code, again.content) == (200, sent.content)
    assert again.headers["content-type"] == "application/fhir+json"
    assert again.headers["etag"] == 'W/"1"'
    assert again.headers["last-modified"] == "Fri, 20 Nov 2026 15:00:00 GMT"


async def test_each_part_of_ours_can_be_read_where_its_url_says(
    sent: httpx.Response, client: httpx.AsyncClient
) -> None:
    read = 0
    for entry in bundle(sent)["entry"]:
        if entry["fullUrl"].startswith("http://precert.test/"):
            again = await client.get(entry["fullUrl"])
            assert again.content == json.dumps(entry["resource"])
            read += 1
    assert read >= 1


async def test_not_modified(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    url = f"/fhir/Bundle/{bundle(sent)['id']}"
    same = await client.get(url, headers={"If-None-Match": 'W/"1"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", 'W/"1"')
    assert (await client.get(url, headers={"If-None-Match": 'W/"2"'})).status_code == 200


async def test_pretty_reads(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    again = await client.get(f"/fhir/Bundle/{bundle(sent)['id']}?_pretty=true")
    assert b"\n  " in again.content
    assert json.loads(again.content) == bundle(sent)


async def test_the_request_can_be_read_through_the_record(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    assert only_fault(await client.get("/fhir/Patient/MA-0001"), 404).rule == "unknown-type"


@pytest.mark.parametrize("id", ["none", "..", "%2e%2e", "a b", "x" * 500, "'; DROP TABLE rows;--", "\u00e9"])
async def test_what_is_not_there(id: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"/fhir/ClaimResponse/{id}")
    fault = only_fault(response, 404)
    assert fault.rule in ("unknown-id", "http")
    assert len(response.content) < 1000


async def test_what_another_client_sent_is_not_there_either(
    sent: httpx.Response, app: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from precert.security.identity import Client
    from precert.web import reads

    answer = bundle(sent)
    missing = await client.get("/fhir/Bundle/none")
    original = reads._mine

    async def as_somebody(store: Any, tenant: str, document: Any, _: Client) -> bool:
        return await original(store, tenant, document, Client("somebody else"))

    monkeypatch.setattr(reads, "_mine", as_somebody)
    hidden = await client.get(f"/fhir/Bundle/{answer['id']}")
    assert hidden.status_code == 404
    assert hidden.text.replace(answer["id"], "none") == missing.text


def ids_of(answer: Json) -> dict[str, str]:
    response = claim_response(answer)
    found = {
        "case number": response["identifier"][0]["value"],
        "ClaimResponse id": response["id"],
        "bundle id": answer["id"],
        "authorization number": response["preAuthRef"],
    }
    reference = next(d.reference for d in decisions(answer) if d.reference)
    return {**found, "reference number": reference}


async def test_every_id_in_the_answer_leads_to_the_explanation(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    answer = bundle(sent)
    ids = ids_of(answer)
    told = {}
    for kind, id in ids.items():
        response = await client.get(f"/explain/{id}", headers={"Accept": "application/json"})
        assert response.status_code == 200, (kind, response.text)
        assert response.headers["content-type"] == "application/json"
        told[kind] = response.json()
        assert told[kind].pop("id") == id
    assert len({json.dumps(t) for t in told.values()}) == 1
    assert told["bundle id"]["case"] == ids["case number"]
    assert told["bundle id"]["claim_response"] == ids["ClaimResponse id"]


async def test_an_explanation_has_the_promised_shape(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    told = (await client.get(f"/explain/{ids_of(bundle(sent))['case number']}")).json()
    assert {"id", "case", "claim_response", "assertion", "lines"} <= set(told)
    approved, pended, exempt = told["lines"]
    for line in told["lines"]:
        assert {
            "sequence", "code", "policy", "version", "outcome", "decision",
            "facts", "criteria", "missing", "reasons", "events",
        } <= set(line)  # fmt: skip
        for fact in line["facts"]:
            assert {"name", "value", "evidence", "provenance"} <= set(fact)
        for criterion in line["criteria"]:
            assert {"id", "text", "result", "cite"} <= set(criterion)
    assert (approved["sequence"], approved["policy"], approved["decision"]) == (1, "pap-osa-initial", "A1")
    facts = {fact["name"]: fact for fact in approved["facts"]}
    assert (facts["ahi"]["value"], facts["ahi"]["provenance"]) == (22, "attested")
    assert facts["ahi"]["evidence"] == ["QuestionnaireResponse/mixed-answers#ahi"]
    assert [e["event"] for e in approved["events"]] == [
        "requested",
        "validated",
        "evaluate",
        "criteria_met",
        "notified",
    ]
    assert pended["missing"]
    assert pended["decision"] == "A4"
    assert (exempt["policy"], exempt["decision"], exempt["outcome"]) == (None, "NA", "not-applicable")


async def test_a_mistyped_number_explains_nothing(sent: httpx.Response, client: httpx.AsyncClient) -> None:
    number = ids_of(bundle(sent))["case number"]
    fault = only_fault(await client.get(f"/explain/{number[:-1]}{'A' if number[-1] != 'A' else 'B'}"), 404)
    assert (fault.code, fault.rule) == ("not-found", "unknown-id")


async def test_the_explanation_is_the_same_later(
    sent: httpx.Response, client: httpx.AsyncClient, clock: FrozenClock
) -> None:
    url = f"/explain/{ids_of(bundle(sent))['case number']}"
    before = await client.get(url)
    clock.forward(days=400)
    assert (await client.get(url)).content == before.content
