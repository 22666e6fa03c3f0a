"""``GET ClaimResponse``: the current answer, the earlier ones as they were sent, and search; on both bases, for its owner."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lifecycle.steps import NEW, OLD, Driver, Json, actions, case_of, claim_of, cpap, request, update
from lifecycle.test_chains import sent
from precert.fhir import json
from support.answers import claim_response, only_fault
from support.app import FrozenClock

BASES = pytest.mark.parametrize("base", [NEW, OLD])


@pytest.fixture
def driver(client: httpx.AsyncClient, app: Any) -> Driver:
    return Driver(client, app)


async def lived(driver: Driver, clock: FrozenClock, base: str) -> list[Json]:
    """A request that was asked about, answered by an update and cancelled: its three answers."""
    first = request("lived", [cpap()], studied=False)
    answers = [await driver.submit(first, base)]
    clock.forward(hours=1)
    told = request("lived", [cpap()])
    later = update(first, "study")
    claim_of(later)["supportingInfo"] = claim_of(told)["supportingInfo"]
    later["entry"].append(told["entry"][-1])
    answers.append(await driver.submit(later, base))
    clock.forward(hours=1)
    answers.append(await driver.submit(update(later, "two", lambda c: c["item"][0]["quantity"].update(value=2)), base))
    return answers


@BASES
async def test_the_current_answer_and_each_earlier_one_byte_for_byte(
    driver: Driver, clock: FrozenClock, base: str
) -> None:
    answers = await lived(driver, clock, base)
    sent = [claim_response(answer) for answer in answers]
    (id,) = {response["id"] for response in sent}
    now = await driver.client.get(f"{base}/ClaimResponse/{id}")
    assert (now.status_code, now.content) == (200, json.dumps(sent[2]))
    assert (now.headers["etag"], now.headers["last-modified"]) == ('W/"3"', "Fri, 20 Nov 2026 17:00:00 GMT")
    for number, response in enumerate(sent, start=1):
        version = await driver.client.get(f"{base}/ClaimResponse/{id}/_history/{number}")
        assert (version.content, version.headers["etag"]) == (json.dumps(response), f'W/"{number}"')
    history = (await driver.client.get(f"{base}/ClaimResponse/{id}/_history")).json()
    assert (history["type"], history["total"]) == ("history", 3)
    assert [e["response"]["etag"] for e in history["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [e["resource"] for e in history["entry"]] == list(reversed(sent))
    assert [e["request"]["method"] for e in history["entry"]] == ["PUT", "PUT", "POST"]


async def test_a_decision_by_a_person_is_the_current_answer(driver: Driver) -> None:
    answer = await driver.submit(request("denied", [cpap()], studied=False))
    await driver.deny(case_of(answer))
    id = claim_response(answer)["id"]
    for base in (NEW, OLD):
        now = await driver.client.get(f"{base}/ClaimResponse/{id}")
        assert now.headers["etag"] == 'W/"2"'
        assert actions({"resourceType": "Bundle", "entry": [{"resource": json.loads(now.content)}]}) == {1: "A3"}
    assert (await driver.client.get(f"/fhir/ClaimResponse/{id}/_history/1")).content == json.dumps(
        claim_response(answer)
    )


@pytest.mark.parametrize(("sent", "read"), [(NEW, OLD), (OLD, NEW)])
async def test_the_other_base_shows_it_in_its_own_shape(
    driver: Driver, clock: FrozenClock, sent: str, read: str
) -> None:
    answers = await lived(driver, clock, sent)
    id = claim_response(answers[0])["id"]
    outcomes = {NEW: "complete", OLD: "queued"}
    first = (await driver.client.get(f"{read}/ClaimResponse/{id}/_history/1")).json()
    assert (first["id"], first["outcome"]) == (id, outcomes[read])
    assert claim_response(answers[0])["outcome"] == outcomes[sent]
    now = (await driver.client.get(f"{read}/ClaimResponse/{id}")).json()
    assert now["created"] == claim_response(answers[2])["created"]
    assert now["preAuthRef"] == claim_response(answers[2])["preAuthRef"]


async def test_a_refused_update_changes_no_answer(driver: Driver) -> None:
    first = request("refused", [cpap()], studied=False)
    answer = await driver.submit(first)
    await driver.deny(case_of(answer))
    refused = claim_response(
        await driver.submit(update(first, "x", lambda c: c["item"][0]["quantity"].update(value=2)))
    )
    id = claim_response(answer)["id"]
    assert refused["id"] != id
    assert (await driver.client.get(f"/fhir/ClaimResponse/{id}")).headers["etag"] == 'W/"2"'
    again = await driver.client.get(f"/fhir/ClaimResponse/{refused['id']}")
    assert (again.status_code, again.content) == (200, json.dumps(refused))


async def test_not_modified(driver: Driver) -> None:
    id = claim_response(await driver.submit(request("same", [cpap()])))["id"]
    url = f"/fhir/ClaimResponse/{id}"
    for given in ('W/"1"', 'W/"7", W/"1"', "*"):
        same = await driver.client.get(url, headers={"If-None-Match": given})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", 'W/"1"')
    assert (await driver.client.get(url, headers={"If-None-Match": 'W/"2"'})).status_code == 200


async def test_nobody_else_reads_or_finds_it(driver: Driver) -> None:
    answer = await sent(driver, request("theirs", [cpap()]), "another client")
    id = claim_response(answer)["id"]
    missing = (await driver.client.get("/fhir/ClaimResponse/none")).text
    for path in (id, f"{id}/_history", f"{id}/_history/1"):
        hidden = await driver.client.get(f"/fhir/ClaimResponse/{path}")
        assert (hidden.status_code, hidden.text.replace(id, "none")) == (404, missing)
    found = (await driver.client.get("/fhir/ClaimResponse?patient.identifier=MA-0001")).json()
    assert "entry" not in found


@pytest.mark.parametrize("number", ["0", "2", "x", "1.0", ""])
async def test_a_version_that_is_not_there(driver: Driver, number: str) -> None:
    id = claim_response(await driver.submit(request("v", [cpap()])))["id"]
    assert (await driver.client.get(f"/fhir/ClaimResponse/{id}/_history/{number}")).status_code in (404, 307)


async def test_no_other_number_is_a_claim_response(driver: Driver) -> None:
    answer = await driver.submit(request("n", [cpap()]))
    record = await driver.record(case_of(answer))
    for id in (case_of(answer), answer["id"], record.submission, claim_response(answer)["preAuthRef"]):
        assert (await driver.client.get(f"/fhir/ClaimResponse/{id}")).status_code == 404


# Search


async def found(driver: Driver, query: str, base: str = NEW, **headers: str) -> Json:
    answer = await driver.client.get(f"{base}/ClaimResponse?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    bundle: Json = json.loads(answer.content)
    assert bundle["type"] == "searchset"
    assert bundle["link"][0]["relation"] == "self"
    return bundle


def ids(bundle: Json) -> list[str]:
    return [e["resource"]["id"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"]


@BASES
async def test_search(driver: Driver, clock: FrozenClock, base: str) -> None:
    known = {}
    for name, member in (("one", "MA-0001"), ("two", "MA-0001"), ("three", "MA-0002")):
        start = {"two": "2027-08-04"}.get(name, "2027-01-04")
        known[name] = await driver.submit(request(name, [cpap(start=start)], member=member), base)
        clock.forward(days=1)
    id = {name: claim_response(answer)["id"] for name, answer in known.items()}
    everything = [id["three"], id["two"], id["one"]]
    case = case_of(known["one"])
    for query, wanted in {
        "": everything,
        f"identifier=urn:precert:case|{case}": [id["one"]],
        f"identifier={case}": [id["one"]],
        f"identifier=urn:elsewhere|{case}": [],
        "identifier=urn:precert:demo:claim|one-claim": [id["one"]],
        f"identifier=one-claim,urn:precert:case|{case_of(known['two'])}": [id["two"], id["one"]],
        "identifier=one-claim&identifier=two-claim": [],
        "patient.identifier=urn:precert:demo:member|MA-0001": [id["two"], id["one"]],
        "patient.identifier=urn:other|MA-0001": [],
        "patient.identifier=MA-0002": [id["three"]],
        "created=2026-11-20": [id["one"]],
        "created=2026-11": everything,
        "created=ge2026-11-21": [id["three"], id["two"]],
        "created=gt2026-11-21": [id["three"]],
        "created=lt2026-11-21T15:00:00Z": [id["one"]],
        "created=ge2026-11-20&created=le2026-11-21": [id["two"], id["one"]],
        "created=ne2026-11-21": [id["three"], id["one"]],
        "patient.identifier=MA-0001&created=ge2026-11-21": [id["two"]],
    }.items():
        assert ids(await found(driver, query, base)) == wanted, query
    first = await found(driver, "patient.identifier=MA-0001&_count=1", base)
    assert ids(first) == [id["two"]]
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = (await driver.client.get(following)).json()
    assert ids(second) == [id["one"]]
    entry = first["entry"][0]
    assert entry["resource"] == (await driver.client.get(entry["fullUrl"])).json()


async def test_what_is_unknown_is_refused_or_said(driver: Driver) -> None:
    await driver.submit(request("u", [cpap()]))
    refused = await driver.client.get("/fhir/ClaimResponse?colour=red&status=active")
    assert refused.status_code == 400
    assert [i["details"]["coding"][0]["code"] for i in refused.json()["issue"]] == ["search-parameter"] * 2
    assert "'colour'" in refused.text
    lenient = await found(driver, "colour=red", Prefer="handling=lenient")
    assert len(ids(lenient)) == 1
    (outcome,) = [e["resource"] for e in lenient["entry"] if e["search"]["mode"] == "outcome"]
    assert "'colour'" in outcome["issue"][0]["details"]["text"]
    assert "colour" not in lenient["link"][0]["url"]


@pytest.mark.parametrize(
    "query",
    [
        "created=soon",
        "created=2026-13",
        "identifier=",
        "identifier=x|",
        "_count=0",
        "_count=x",
        "page=x",
        "created=9999",
    ],
)
async def test_what_cannot_be_read_is_refused(driver: Driver, query: str) -> None:
    answer = await driver.client.get(f"/fhir/ClaimResponse?{query}")
    if query == "created=9999":  # the last year there is
        assert answer.status_code in (200, 400)
        return
    only_fault(answer, 400)
