"""What is kept of a call and what it does later: assertions and explanations, real authorizations, what-if, a full store."""

from __future__ import annotations

import asyncio
import copy
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from crd.building import CPT, EXTENSION, configured, hook, infos, mri, order, prefetch, searchset
from crd.conftest import World
from precert.authorization.record.case import Authorization, Determination, Event, LineRequest, Party
from precert.authorization.record.chain import Recorder, decode, encode, fold
from precert.authorization.usecases import on_record
from precert.fhir import json
from precert.store.port import Busy, Commit, Param, Put, StorageFull
from support.app import NOW, frozen_runtime
from support.records import EXPLAINED_LINE, opened


async def authorize(
    world: World, code: str = "72148", provider: str | None = None, case: str = "case-1", units: int = 1
) -> str:
    """An authorization for COM-0001 on record: so many units for 60 days from 2026-11-20; its number."""
    line = LineRequest(
        sequence=1,
        code=f"{CPT}|{code}",
        provider=Party(npi=provider) if provider else None,
        service_start=date(2026, 11, 20),
        item={"productOrService": {"coding": [{"system": CPT, "code": code}]}},
    )
    by = Party(npi="1992817498")
    opening = opened(case=case, received=NOW, requester=by, member="COM-0001", plan="com-choice")
    granted = Authorization(
        number="PA000000000000A",
        issued=date(2026, 11, 20),
        start=date(2026, 11, 20),
        end=date(2027, 1, 18),
        quantity=Decimal(units),
        unit="units",
    )
    determination = Determination(id="d1", at=NOW, outcome="approve")
    recorder = Recorder()
    recorder.append(Event(seq=0, at=NOW, ev="opened", actor="system", by="precert", opened=opening))
    recorder.append(Event(seq=0, at=NOW, ev="requested", actor="system", by="precert", line=1, requested=line))
    for ev in ("validated", "evaluate"):
        recorder.append(Event(seq=0, at=NOW, ev=ev, actor="system", by="precert", line=1))
    met = Event(
        seq=0,
        at=NOW,
        ev="criteria_met",
        actor="system",
        by="precert",
        line=1,
        determination=determination,
        authorization=granted,
    )
    recorder.append(met)
    recorder.append(Event(seq=0, at=NOW, ev="notified", actor="system", by="precert", line=1))
    put = Put("Case", case, encode(recorder.events), fold(recorder.events).tokens(), expect=0)
    await world.store.commit(Commit(tenant=world.consult.tenant, puts=[put]))
    return granted.number


async def test_the_assertion_leads_to_the_explanation(world):
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2")))
    found = await world.store.get(world.consult.tenant, "Assertion", info["coverage-assertion-id"])
    assert found is not None
    explained = json.loads(found.body)
    assert explained["id"] == explained["assertion"] == info["coverage-assertion-id"]
    assert explained["case"] is None
    (line,) = explained["lines"]
    wanted = {*EXPLAINED_LINE, "events"}
    assert wanted <= set(line)
    assert (line["policy"], line["version"], line["outcome"]) == ("oxygen-home", "2026.2", "pend-info")
    assert {"spo2_rest", "tester_qualified"} <= set(line["missing"])
    assert {"id", "text", "result", "cite"} <= set(line["criteria"][0])
    assert {"name", "value", "evidence", "provenance"} <= set(line["facts"][0])


async def test_the_call_log_holds_the_metric_data_and_no_secrets(world):
    body = hook(order("E1390"), version="2.2", fhirServer="https://ehr.example/fhir")
    body["fhirAuthorization"] = {"access_token": "very-secret-token", "token_type": "Bearer"}
    await world.ask(body)
    (logged,) = await world.stored("CrdCall", Param("instance", [body["hookInstance"]]))
    assert logged["hookType"] == "order-sign"
    assert logged["providerId"] == "1992817498"
    assert logged["payerId"] == "1234567893"
    assert logged["tokenUse"] == "not-used"
    assert {"type": "Coverage", "count": 1, "prefetch": True} in logged["resources"]
    said = logged["request"][0]["response"][0]["coverageInfo"]
    assert (said["covered"], said["paNeeded"], said["businessLine"]) == ("covered", "auth-needed", "ma-classic")
    everything = json.dumps([logged, *await world.stored("Assertion")])
    for secret in (b"very-secret-token", b"Reyes", b"1951-03-14"):
        assert secret not in everything
    (entry,) = await world.store.audit(world.consult.tenant)
    assert (entry.action, entry.subject) == ("hook", body["hookInstance"])


async def test_what_was_answered_is_kept_word_for_word(world):
    """found-37, found-11: for a dispute the assertions and cards must be there as they were sent."""
    answer = await world.ask(hook(order("E1390"), version="2.2"))
    (extension,) = answer["systemActions"][0]["resource"]["extension"]
    (explained,) = await world.stored("Assertion")
    assert explained["lines"][0]["coverageInformation"] == extension
    (logged,) = await world.stored("CrdCall")
    (kept,), (card,) = logged["cards"], answer["cards"]
    assert {key: kept[key] for key in ("uuid", "summary", "detail", "indicator", "links")} == {
        key: card[key] for key in ("uuid", "summary", "detail", "indicator", "links")
    }


@pytest.mark.parametrize(
    ("changes", "status", "rule"),
    [
        ({"context": {}}, 400, "context-required"),
        ({"prefetch": ...}, 412, "coverage-unobtainable"),
        ({"extension": {"davinci-crd.requestedVersion": "9.9"}}, 422, "crd-version"),
    ],
    ids=["400", "412", "422"],
)
async def test_a_call_that_is_refused_is_on_record_too(world, changes, status, rule):
    body = {key: value for key, value in (hook(order("E1390"), version="2.2") | changes).items() if value is not ...}
    assert (await world.hook(body)).status_code == status
    (logged,) = await world.stored("CrdCall", Param("instance", [body["hookInstance"]]))
    assert (logged["httpResponse"], logged["hookType"]) == (status, "order-sign")
    assert logged["issue"][0]["details"]["coding"][0]["code"] == rule
    (entry,) = await world.store.audit(world.consult.tenant)
    assert (entry.action, entry.detail["status"]) == ("hook", str(status))


async def test_a_what_if_question_that_is_refused_leaves_no_trace_either(world):
    body = configured(hook(order("E1390"), version="2.2", prefetch=...), unsolicited_determ=False)
    assert (await world.hook(body)).status_code == 412
    assert await world.stored("CrdCall") == []
    assert await world.store.audit(world.consult.tenant) == ()


async def test_decisions_are_counted(world):
    await world.ask(hook(order("E1390"), order("E0100", id_="o2"), version="2.2"))
    text = world.metrics.render().decode()
    assert 'precert_decisions_total{channel="crd",outcome="pend-info"} 1.0' in text
    assert 'precert_decisions_total{channel="crd",outcome="not-applicable"} 1.0' in text


@pytest.fixture
def advising(make):
    """A server that authorizes nothing unasked."""
    return make(unsolicited=None)


async def test_criteria_met_without_an_authorization_is_not_satisfied(advising):
    world = advising
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")
    assert "doc-needed" not in info
    assert "will be approved when it is submitted" in info["reason"][0]["text"]
    assert await world.stored("Case") == [], "asking creates no case"


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_an_authorization_in_force_satisfies(world, version):
    number = await authorize(world)
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version=version)))
    assert (info["covered"], info["pa-needed"], info["satisfied-pa-id"]) == ("covered", "satisfied", number)
    assert number in info["reason"][0]["text"]
    if version == "2.2":
        assert info["expiry-date"] == "2027-01-18", "60 days from the first day of service"
    (explained,) = await world.stored("Assertion")
    assert explained["lines"][0]["authorization"]["number"] == number


@pytest.mark.parametrize(
    "asked",
    [
        {"code": {"coding": [{"system": CPT, "code": "72149"}]}},
        {"occurrenceDateTime": "2026-11-19"},
        {"occurrenceDateTime": "2027-01-19"},
        {"quantityQuantity": {"value": 2}},
    ],
    ids=["another service", "before it begins", "after it ends", "more than authorized"],
)
async def test_an_authorization_for_something_else_does_not(advising, asked):
    world = advising
    await authorize(world)
    (info,) = infos(await world.ask(hook(mri() | asked, member="COM-0001", version="2.2")))
    assert info["pa-needed"] != "satisfied"


async def test_an_authorization_for_one_of_the_codes_of_an_order_counts(world):
    number = await authorize(world)
    snomed = {"system": "http://snomed.info/sct", "code": "241646009"}
    both = {"code": {"coding": [snomed, {"system": CPT, "code": "72148"}]}}
    (info,) = infos(await world.ask(hook(mri() | both, member="COM-0001", version="2.2")))
    assert info["satisfied-pa-id"] == number


async def test_an_authorization_does_not_hold_for_an_order_of_several_services(world):
    """An order with two billing codes may be billed under the one that is not authorized: which is meant has to be said."""
    await authorize(world)
    options = {"code": {"coding": [{"system": CPT, "code": code} for code in ("97110", "72148")]}}
    (info,) = infos(await world.ask(hook(mri() | options, member="COM-0001", version="2.2")))
    assert (info["covered"], info["pa-needed"], info["info-needed"]) == ("conditional", "conditional", ["detail-code"])


@pytest.mark.parametrize("performer", ["Organization/nameless", "Organization/gone"])
async def test_an_authorization_does_not_hold_for_a_performer_nobody_can_tell(advising, performer):
    """Neither one without NPI nor one that leads nowhere is the provider authorized, whoever the order itself names."""
    world = advising
    await authorize(world, provider="1992817498")
    asked = mri(performer=[{"reference": "Practitioner/doc"}])
    nameless = {"resourceType": "Organization", "id": "nameless", "name": "Somebody"}
    context = {"patientId": "pat-COM-0001", "dispatchedOrders": ["ServiceRequest/o1"]}
    sent = prefetch("COM-0001", orders=searchset(asked), performers=searchset(nameless))
    said = []
    for one in (performer, "Practitioner/doc"):
        body = hook(name="order-dispatch", version="2.2", prefetch=sent, context=context | {"performer": one})
        said.append(infos(await world.ask(body))[0]["pa-needed"])
    assert said == ["auth-needed", "satisfied"]


async def test_an_authorization_for_another_performer_does_not(advising):
    world = advising
    await authorize(world, provider="1245319599")
    body = hook(mri(performer=[{"reference": "Practitioner/doc"}]), member="COM-0001", version="2.2")
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] == "auth-needed"


async def test_an_authorization_is_found_behind_any_number_of_others(world, monkeypatch):
    """Newer authorizations of other services are not read at all: the time to answer does not grow with them."""
    monkeypatch.setattr(on_record, "_MOST_RECORDS", 2)
    number = await authorize(world)
    for n in range(2, 6):
        await authorize(world, code="99213", case=f"case-{n}")
    read = []
    monkeypatch.setattr(on_record, "decode", lambda body: read.append(body) or decode(body))
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["satisfied-pa-id"] == number
    assert len(read) == 1


async def test_of_very_many_for_one_service_the_newest_are_read(world, monkeypatch):
    monkeypatch.setattr(on_record, "_MOST_RECORDS", 2)
    read = []
    monkeypatch.setattr(on_record, "decode", lambda body: read.append(body) or decode(body))
    for n in range(1, 6):
        number = await authorize(world, case=f"case-{n}")
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["satisfied-pa-id"] == number
    assert [fold(decode(body)).id for body in read] == ["case-5", "case-4"]


@pytest.mark.parametrize("calls", [1, 3], ids=["in one call", "in three calls"])
async def test_what_orders_use_up_is_gone_for_others(advising, calls):
    """Two units on record, three orders of one unit: however they come, two of them are satisfied, again and again."""
    world = advising
    await authorize(world, units=2)
    orders = [mri(id_=f"o{n}", quantityQuantity={"value": 1, "unit": "units"}) for n in (1, 2, 3)]
    for _ in range(2):
        together = [orders] if calls == 1 else [[each] for each in orders]
        said = [
            info["pa-needed"]
            for each in together
            for info in infos(await world.ask(hook(*each, member="COM-0001", version="2.2")))
        ]
        assert said == ["satisfied", "satisfied", "auth-needed"]


async def test_calls_at_once_do_not_share_one_unit(advising):
    world = advising
    await authorize(world)
    one = {"quantityQuantity": {"value": 1, "unit": "units"}}
    bodies = [hook(mri(id_=f"o{n}", **one), member="COM-0001", version="2.2") for n in range(8)]
    answers = await asyncio.gather(*(world.ask(body) for body in bodies))
    assert sorted(infos(answer)[0]["pa-needed"] for answer in answers) == ["auth-needed"] * 7 + ["satisfied"]


async def test_a_drafted_order_uses_nothing_up(advising):
    world = advising
    await authorize(world)
    one = {"quantityQuantity": {"value": 1, "unit": "units"}}
    drafted = hook(mri(id_="draft", **one), member="COM-0001", version="2.2", name="order-select")
    for body in (drafted, hook(mri(id_="signed", **one), member="COM-0001", version="2.2")):
        assert infos(await world.ask(body))[0]["pa-needed"] == "satisfied"


async def test_an_authorization_of_another_member_does_not(advising):
    world = advising
    await authorize(world)
    (info,) = infos(
        await world.ask(hook(mri(subject={"reference": "Patient/pat-COM-0002"}), member="COM-0002", version="2.2"))
    )
    assert info["pa-needed"] == "auth-needed"


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_an_assertion_that_the_order_carries_is_not_repeated(world, version):
    body = hook(order("E1390"), order("E0100", id_="o2"), version=version)
    first = await world.ask(body)
    again = copy.deepcopy(body)
    for entry, action in zip(again["context"]["draftOrders"]["entry"], first["systemActions"], strict=True):
        entry["resource"] = action["resource"]
    assert "systemActions" not in await world.ask(again)
    (latest, _) = await world.stored("CrdCall")
    assert latest["request"][0]["response"][0]["engagement"] == "ignore"


async def test_a_changed_answer_replaces_the_old_one_and_keeps_other_payers(world):
    body = hook(order("E1390"), version="2.2")
    carried = (await world.ask(body))["systemActions"][0]["resource"]
    other = copy.deepcopy(carried["extension"][0])
    for part in other["extension"]:
        if part["url"] == "coverage":
            part["valueReference"] = {"reference": "Coverage/x"}
        elif part["url"] == "coverage-assertion-id":
            part["valueString"] = "another payer's"
    foreign = {"url": "https://ehr.example/own", "valueString": "kept"}
    carried["extension"] = [foreign, other, *carried["extension"]]
    carried["code"]["coding"][0]["code"] = "E0100"
    changed = await world.ask(hook(carried, version="2.2"))
    extensions = changed["systemActions"][0]["resource"]["extension"]
    assert extensions[:2] == [foreign, other]
    assert len(extensions) == 3
    assert infos({"systemActions": [{"resource": {"extension": extensions[2:]}}]})[0]["pa-needed"] == "no-auth"


STORED = [
    {"reference": "https://ehr.example/fhir/Coverage/cov-MA-0001"},
    {"reference": "Coverage/cov-MA-0001/_history/2"},
    {"reference": "Coverage/cov-MA-0001", "type": "Coverage", "display": "Classic"},
]
"""How a client's server may give back the coverage of an assertion that was sent as ``Coverage/cov-MA-0001``."""


@pytest.mark.parametrize("reference", STORED, ids=["absolute", "versioned", "with display"])
async def test_an_assertion_is_known_again_however_the_client_stored_it(world, reference):
    carried = (await world.ask(hook(order("E1390"), version="2.2")))["systemActions"][0]["resource"]
    for part in carried["extension"][0]["extension"]:
        if part["url"] == "coverage":
            part["valueReference"] = reference
    carried["extension"][0]["extension"].sort(key=lambda part: part["url"])
    assert "systemActions" not in await world.ask(hook(carried, version="2.2")), "nothing new (resp-35)"
    carried["code"]["coding"][0]["code"] = "E0100"
    (info,) = infos(await world.ask(hook(carried, version="2.2")))
    assert info["pa-needed"] == "no-auth", "what the old code brought does not stay beside it"


@pytest.mark.parametrize("odd", [["Coverage/cov-MA-0001"], {}, 5, "Coverage", "#c", "https://x"], ids=str)
async def test_an_assertion_about_no_coverage_that_can_be_read_stays(world, odd):
    junk = {"url": EXTENSION, "extension": [{"url": "coverage", "valueReference": {"reference": odd}}]}
    response = await world.client.post(
        "/cds-services/crd-order-sign", json=hook(order("E0100", extension=[junk]), version="2.2")
    )
    assert response.status_code == 200
    assert response.json()["systemActions"][0]["resource"]["extension"][0] == junk


async def test_an_assertion_that_was_not_issued_here_is_not_taken_for_ours(world):
    carried = (await world.ask(hook(order("E1390"), version="2.2")))["systemActions"][0]["resource"]
    for part in carried["extension"][0]["extension"]:
        if part["url"] == "coverage-assertion-id":
            part["valueString"] = "CA00000000000000"
    assert (await world.ask(hook(carried, version="2.2")))["systemActions"]


async def test_nothing_but_the_extension_changes(world):
    """Unknown elements, contained resources, decimals and the order of elements come back as they were sent."""
    raw = json.dumps(hook(version="2.2"))
    sent = (
        b'{"zzz":{"b":1,"a":[1.10,2.00]},"resourceType":"ServiceRequest","id":"o1","status":"draft",'
        b'"contained":[{"resourceType":"Device","id":"d"}],"quantityQuantity":{"value":12.50,"unit":"months"},'
        b'"_status":{"id":"s"},"intent":"order","code":{"coding":[{"system":"http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets","code":"E1390"}]},'
        b'"subject":{"reference":"Patient/pat-MA-0001"}}'
    )
    body = raw.replace(b'"entry":[]', b'"entry":[{"resource":' + sent + b"}]", 1)
    response = await world.client.post(
        "/cds-services/crd-order-sign", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 200
    assert sent[:-1] + b',"extension":[' in response.content


async def test_a_what_if_question_leaves_no_trace(world):
    body = configured(hook(order("E1390"), version="2.2"), unsolicited_determ=False)
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] == "auth-needed"
    for kind in ("Assertion", "CrdCall", "Case"):
        assert await world.stored(kind) == []
    assert await world.store.audit(world.consult.tenant) == ()


async def test_a_what_if_question_sees_authorizations_that_exist(world):
    number = await authorize(world)
    body = configured(hook(mri(), member="COM-0001", version="2.2"), unsolicited_determ=False)
    assert infos(await world.ask(body))[0]["satisfied-pa-id"] == number


@pytest.mark.parametrize("trouble", [Busy(3), StorageFull("no space")], ids=["busy", "full"])
async def test_an_answer_that_cannot_be_kept_is_not_given(world, trouble):
    async def refuse(commit: Any) -> Any:
        raise trouble

    world.store.commit = refuse
    response = await world.hook(hook(order("E1390"), version="2.2"))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json()["resourceType"] == "OperationOutcome"
    assert "cards" not in response.json()


async def test_an_id_that_was_drawn_before_is_drawn_again(make):
    runtime = frozen_runtime()
    numbers = random.Random(5)
    world = make(runtime=replace(runtime, random_bits=numbers.getrandbits))
    first = infos(await world.ask(hook(order("E1390"))))[0]["coverage-assertion-id"]
    numbers.seed(5)
    second = infos(await world.ask(hook(order("E1390"))))[0]["coverage-assertion-id"]
    assert first != second
