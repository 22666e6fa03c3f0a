"""Reading, changing, searching and asking: scoping, versions, formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from subscriptions.world import BASE, Receiver, World, response_bundle, subscription

OTHER = {"x-client": "another"}


async def test_another_clients_subscription_does_not_exist(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    url = f"/fhir/Subscription/{id}"
    body = {**subscription("https://ehr.test/"), "id": id}
    answers = [
        await server.http.get(url, headers=OTHER),
        await server.http.put(url, json=body, headers=OTHER),
        await server.http.delete(url, headers=OTHER),
        await server.http.get(f"{url}/$status", headers=OTHER),
        await server.http.get(f"{url}/$events", headers=OTHER),
    ]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["issue"][0]["code"] == "not-found"
    unknown = await server.http.get("/fhir/Subscription/unknown", headers=OTHER)
    assert unknown.json()["issue"][0]["details"]["text"] == answers[0].json()["issue"][0]["details"]["text"].replace(
        id, "unknown"
    )
    assert (await server.http.get("/fhir/Subscription", headers=OTHER)).json()["total"] == 0
    assert (await server.http.get("/fhir/Subscription/$status", headers=OTHER)).json()["total"] == 0
    assert (await server.record(id)).status == "requested"


async def test_each_base_has_its_own(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    assert (await server.http.get(f"/fhir/v2.0/Subscription/{id}")).status_code == 404
    assert (await server.http.get("/fhir/v2.0/Subscription")).json()["total"] == 0


async def test_delete(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    url = f"/fhir/Subscription/{id}"
    assert (await server.http.delete(url)).status_code == 204
    gone = await server.http.get(url)
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")
    assert (await server.http.delete(url)).status_code == 204
    assert (await server.http.delete(url, headers=OTHER)).status_code == 404
    assert (await server.http.delete("/fhir/Subscription/unknown")).status_code == 404
    assert (await server.put(id, subscription("https://ehr.test/"))).status_code == 410
    assert (await server.http.get("/fhir/Subscription")).json()["total"] == 0
    assert [e.action for e in await server.store.audit("default")] == ["subscription-create", "subscription-delete"]


async def test_if_match(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    body = subscription("https://ehr.test/", filters=["org-identifier=1"])
    stale = await server.put(id, body, **{"If-Match": 'W/"7"'})
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (412, "conflict")
    assert (await server.http.delete(f"/fhir/Subscription/{id}", headers={"If-Match": '"7"'})).status_code == 412
    for tag in ('W/"1"', '"2"', 'W/"8", W/"3"', "*"):
        answer = await server.put(id, body, **{"If-Match": tag})
        assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"5"'
    assert (await server.http.delete(f"/fhir/Subscription/{id}", headers={"If-Match": 'W/"5"'})).status_code == 204


async def test_if_none_match_and_prefer(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    same = await server.http.get(f"/fhir/Subscription/{id}", headers={"If-None-Match": 'W/"1"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", 'W/"1"')
    answer = await server.http.post(
        "/fhir/Subscription", json=subscription("https://ehr.test/"), headers={"Prefer": "return=minimal"}
    )
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["location"]


async def test_update_keeps_what_is_new_and_nothing_else(server: World) -> None:
    id = await server.create(subscription("https://ehr.test/") | {"contact": [{"system": "email", "value": "a@b"}]})
    body = subscription("https://ehr.test/two")
    server.clock.tick(60)
    answer = (await server.put(id, body)).json()
    meta = {"versionId": "2", "lastUpdated": "2026-11-22T12:01:00.000Z"}
    assert answer == {**body, "id": id, "meta": meta, "status": "requested"}


async def test_update_refusals(server: World) -> None:
    body = subscription("https://ehr.test/")
    id = await server.create(body)
    url = f"/fhir/Subscription/{id}"
    assert (await server.http.put(url, json=body)).status_code == 400  # no id
    assert (await server.http.put(url, json={**body, "id": "another"})).status_code == 400
    assert (await server.put("unknown", body)).status_code == 404
    bad = await server.put(id, {**body, "criteria": "x"})
    assert (bad.status_code, (await server.record(id)).revision) == (422, 1)


async def found(server: World, query: str, **headers: str) -> list[str]:
    answer = await server.http.get(f"/fhir/Subscription{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


async def test_search(server: World, receiver: Receiver) -> None:
    a = await server.active(subscription(f"{receiver.url}/a?x=1,2"))
    server.clock.tick()
    b = await server.create(subscription("https://ehr.test/b"))
    assert await found(server, "") == [b, a]
    assert await found(server, "?url=https://ehr.test/b") == [b]
    assert await found(server, f"?url={receiver.url}/a%3Fx%3D1,2") == [a]
    assert await found(server, "?status=active") == [a]
    assert await found(server, "?status=http://hl7.org/fhir/subscription-status|requested,off") == [b]
    assert await found(server, "?status=active,requested&url=https://ehr.test/b") == [b]
    assert await found(server, f"?_id={a},{b}&status=active") == [a]
    assert await found(server, "?unknown=1&_format=json") == [b, a]
    assert await found(server, "?status=nonsense") == []
    form = await server.http.post("/fhir/Subscription/_search", data={"status": "active"})
    (entry,) = form.json()["entry"]
    assert entry["fullUrl"] == f"{BASE}/fhir/Subscription/{a}"
    assert entry["resource"]["status"] == "active"
    assert entry["search"] == {"mode": "match"}
    bundle = (await server.http.get("/fhir/Subscription?unknown=1&status=active")).json()
    assert (bundle["type"], bundle["total"]) == ("searchset", 1)
    assert bundle["link"] == [{"relation": "self", "url": f"{BASE}/fhir/Subscription?status=active"}]


async def test_pages(server: World) -> None:
    made = []
    for n in range(5):
        made.append(await server.create(subscription(f"https://ehr.test/{n}")))
        server.clock.tick()
    url: str | None = "/fhir/Subscription?_count=2&status=requested"
    seen: list[str] = []
    while url:
        bundle = (await server.http.get(url)).json()
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    assert seen == made[::-1]
    assert (await server.http.get("/fhir/Subscription?_count=0")).json()["type"] == "searchset"


@pytest.mark.parametrize(
    "query",
    ["?_count=x", "?_count=-1", "?_page=x", "?status:not=active", "?url:below=http", "/$status?status=gone"],
)
async def test_searches_that_make_no_sense(server: World, query: str) -> None:
    answer = await server.http.get(f"/fhir/Subscription{query}")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


async def test_strict_handling(server: World) -> None:
    answer = await server.http.get("/fhir/Subscription?nonsense=1", headers={"Prefer": "handling=strict"})
    assert answer.status_code == 400


async def test_form_of_another_type(server: World) -> None:
    answer = await server.http.post("/fhir/Subscription/_search", json={})
    assert answer.status_code == 415


def parts(parameters: dict[str, Any]) -> dict[str, Any]:
    return {p["name"]: next(v for k, v in p.items() if k != "name") for p in parameters["parameter"]}


async def test_status_of_one(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    await server.emit(1)
    await server.dispatcher.drain()
    for answer in (
        await server.http.get(f"/fhir/Subscription/{id}/$status?id=another&status=off"),  # both ignored here
        await server.http.post(f"/fhir/Subscription/{id}/$status"),
        await server.http.post(f"/fhir/Subscription/{id}/$status", json={"resourceType": "Parameters"}),
    ):
        bundle = answer.json()
        assert (bundle["type"], bundle["total"], len(bundle["entry"])) == ("searchset", 1, 1)
        entry = bundle["entry"][0]
        assert entry["search"] == {"mode": "match"}
        assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
        assert parts(entry["resource"]) == {
            "subscription": {"reference": f"{BASE}/fhir/Subscription/{id}"},
            "topic": "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic",
            "status": "active",
            "type": "query-status",
            "events-since-subscription-start": "1",
        }


async def test_status_of_several(server: World, receiver: Receiver) -> None:
    a = await server.active(subscription(f"{receiver.url}/a"))
    b = await server.create(subscription(f"{receiver.url}/b"))
    await server.create(subscription(f"{receiver.url}/c"), client="another")

    async def ids(query: str, body: Any = None) -> set[str]:
        url = f"/fhir/Subscription/$status{query}"
        answer = await (server.http.get(url) if body is None else server.http.post(url, json=body))
        assert answer.status_code == 200
        return {parts(e["resource"])["subscription"]["reference"].rpartition("/")[2] for e in answer.json()["entry"]}

    assert await ids("") == {a, b}
    assert await ids(f"?id={a}") == {a}
    assert await ids(f"?id={a}&id={b}&status=requested") == {b}
    assert await ids(f"?id={a},{b}&status=requested,active") == {a, b}
    assert await ids("?status=off") == set()
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "id", "valueId": a}, {"name": "status", "valueCode": "active"}],
    }
    assert await ids("", body) == {a}
    wrong = await server.http.post("/fhir/Subscription/$status", json={"resourceType": "Patient"})
    assert wrong.status_code == 400
    wrong = await server.http.post("/fhir/Subscription/$status", json={"resourceType": "Parameters", "parameter": [{}]})
    assert wrong.status_code == 400
    xml = await server.http.post(
        "/fhir/Subscription/$status", content="<a/>", headers={"content-type": "application/xml"}
    )
    assert xml.status_code == 415


async def test_events(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    for n in range(1, 6):
        await server.emit(n)
    await server.dispatcher.drain()
    url = f"/fhir/Subscription/{id}/$events"

    async def numbers(query: str) -> list[str]:
        parameters = (await server.http.get(url + query)).json()["entry"][0]["resource"]["parameter"]
        events = [p["part"] for p in parameters if p["name"] == "notification-event"]
        return [part["valueString"] for event in events for part in event if part["name"] == "event-number"]

    assert await numbers("") == ["1", "2", "3", "4", "5"]
    assert await numbers("?eventsSinceNumber=2&eventsUntilNumber=4") == ["2", "3", "4"]  # both included
    assert await numbers("?eventsSinceNumber=5") == ["5"]
    assert await numbers("?eventsSinceNumber=6") == []
    assert await numbers("?eventsSinceNumber=0&eventsUntilNumber=999999999999999") == ["1", "2", "3", "4", "5"]
    answer = await server.http.get(f"{url}?eventsSinceNumber=2&eventsUntilNumber=2")
    bundle = answer.json()
    assert bundle["type"] == "history"
    state = parts(bundle["entry"][0]["resource"])
    assert (state["type"], state["status"], state["events-since-subscription-start"]) == ("query-event", "active", "5")
    assert bundle["entry"][1]["resource"] == json.loads(response_bundle("bundle22-2", 2))
    assert bundle["entry"][1]["request"] == {"method": "GET", "url": "Bundle/bundle22-2"}
    by_id = (await server.http.get(f"{url}?content=id-only")).json()
    assert [e["fullUrl"] for e in by_id["entry"][1:]] == [
        f"{BASE}/fhir/ClaimResponse/response-{n}" for n in range(1, 6)
    ]
    assert all("resource" not in e for e in by_id["entry"][1:])
    empty = (await server.http.get(f"{url}?content=empty")).json()
    assert len(empty["entry"]) == 1
    assert "focus" not in json.dumps(empty)
    body = {"resourceType": "Parameters", "parameter": [{"name": "eventsSinceNumber", "valueString": "5"}]}
    assert len((await server.http.post(url, json=body)).json()["entry"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "?eventsSinceNumber=x",
        "?eventsSinceNumber=-1",
        "?eventsUntilNumber=1e9",
        "?eventsSinceNumber=5&eventsUntilNumber=4",
        "?content=all",
        "?eventsSinceNumber=1&eventsSinceNumber=2",
    ],
)
async def test_events_that_make_no_sense(server: World, query: str) -> None:
    id = await server.create(subscription("https://ehr.test/"))
    answer = await server.http.get(f"/fhir/Subscription/{id}/$events{query}")
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


async def test_no_more_than_a_hundred_events_at_once(server: World, receiver: Receiver) -> None:
    id = await server.active(subscription(f"{receiver.url}/hook"))
    for n in range(1, 106):
        await server.emit(n)
    await server.dispatcher.drain()
    bundle = (await server.http.get(f"/fhir/Subscription/{id}/$events")).json()
    assert len(bundle["entry"]) == 101
    assert (await server.http.get(f"/fhir/Subscription/{id}/$events?eventsSinceNumber=101")).json()["entry"][5]


async def test_a_full_or_busy_store_says_so(server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from precert.store.port import Busy, Conflict, StorageFull

    for error, status in ((Busy(3), 503), (StorageFull("x"), 507), (Conflict("k", 0, 1), 503)):

        async def fail(*_: Any, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(server.store, "commit", fail)
            answer = await server.http.post("/fhir/Subscription", json=subscription("https://ehr.test/"))
        assert answer.status_code == status
        assert answer.headers["retry-after"]
