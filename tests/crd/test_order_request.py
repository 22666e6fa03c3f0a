"""The PAS request that an order of a hook call would become."""

from __future__ import annotations

import pytest

from crd.building import ROOT, bundle, hook, order, patient, prefetch, saturation, searchset
from precert.fhir import json
from precert.fhir.validation import Validator

SPO2 = saturation(90)


def call(**changes):
    sent = prefetch("MA-0001", observations=searchset(SPO2))
    return hook(order("E1390"), order("E0601", id_="o2"), version="2.2", **({"prefetch": sent} | changes))


async def test_the_request_is_the_order_with_its_chart(client):
    """The whole server takes it: what the hook asks for is what the submitted request waits for."""
    answer = await client.post("/api/crd/request?order=ServiceRequest/o1", json=call())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")
    request = answer.json()
    claim = request["entry"][0]["resource"]
    (item,) = claim["item"]
    assert item["productOrService"]["coding"][0]["code"] == "E1390"
    assert SPO2 in [entry["resource"] for entry in request["entry"]]
    submitted = await client.post(
        "/fhir/Claim/$submit", content=json.dumps(request), headers={"Content-Type": "application/fhir+json"}
    )
    assert submitted.status_code == 200
    (response,) = [e["resource"] for e in submitted.json()["entry"] if e["resource"]["resourceType"] == "ClaimResponse"]
    explained = (await client.get(f"/explain/{response['id']}", headers={"Accept": "application/json"})).json()
    (line,) = explained["lines"]
    assert (line["policy"], line["decision"]) == ("oxygen-home", "A4")
    (saturation,) = [fact for fact in line["facts"] if fact["name"] == "spo2_rest"]
    assert (saturation["value"], saturation["provenance"]) == (90, "structured")


async def test_nothing_is_stored(client, app):
    await client.post("/api/crd/request?order=ServiceRequest/o1", json=call())
    store = app.state.server.store
    for kind in ("Case", "Bundle", "Assertion", "CrdCall"):
        assert (await store.search("default", kind, [])).documents == ()


@pytest.mark.parametrize(
    ("reference", "changes", "status", "rule"),
    [
        ("ServiceRequest/other", {}, 404, "unknown-order"),
        ("ServiceRequest/o1", {"prefetch": prefetch("MA-0001", patient=...)}, 422, "request-incomplete"),
        ("ServiceRequest/o1", {"prefetch": prefetch("MA-0001", practitioners=...)}, 422, "request-incomplete"),
        ("ServiceRequest/o1", {"hook": "order-review"}, 404, "unknown-service"),
        ("ServiceRequest/o1", {"context": {"patientId": "pat-MA-0001"}}, 400, "context-required"),
    ],
)
async def test_what_cannot_be_a_request(client, reference, changes, status, rule):
    answer = await client.post(f"/api/crd/request?order={reference}", json=call(**changes))
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == rule


async def test_another_patients_order_is_none_of_this_request(client):
    other = order("E1390", "MA-0002")
    body = call(context={"userId": "Practitioner/doc", "patientId": "pat-MA-0001", "draftOrders": bundle(other)})
    body["prefetch"]["other"] = patient("MA-0002")
    answer = await client.post("/api/crd/request?order=ServiceRequest/o1", json=body)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "name", ["order-sign-criteria-met", "order-sign-auth-needed-documents", "order-sign-alternative"]
)
async def test_it_fits_the_profiles(client, name):
    """What the console submits for an order would pass a server that refuses every profile error."""
    body = json.loads((ROOT / "examples" / "crd" / f"{name}.json").read_bytes())
    order_ = body["context"]["draftOrders"]["entry"][0]["resource"]
    answer = await client.post(f"/api/crd/request?order={order_['resourceType']}/{order_['id']}", json=body)
    found = Validator.load().validate(json.loads(answer.content), context="pas-2.2.1")
    assert [f"{f.expression}: {f.text}" for f in found if f.severity in ("error", "fatal")] == []
