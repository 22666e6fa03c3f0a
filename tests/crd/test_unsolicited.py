"""Criteria that are met when the order is placed: an authorization without a request, on record like any other."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crd.building import (
    CPT,
    configured,
    hook,
    infos,
    mri,
    order,
    practitioner,
    prefetch,
    searchset,
    sent_example,
    told,
)
from crd.conftest import World
from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.crd import deciding
from precert.eligibility.directory import Directory
from precert.fhir import json
from precert.fhir.hidden import DATA_ABSENT
from precert.fhir.validation import Validator
from precert.store.port import Commit, Conflict, Param, Put
from support.app import NOW, frozen_runtime

CLAIM = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/profile-claim"
PAP_AND_BED = searchset(
    told(osa_dx=True, eval_before_test=True, ahi=22.0, events=140),
    told(form="hospital-bed", id_="qr-bed", head_30=True, frequent_changes=True),
)
"""Answers that meet the criteria of a PAP device and of a hospital bed."""


async def cases(world: World) -> list[Case]:
    page = await world.store.search(world.consult.tenant, "Case", [])
    return [fold(decode(document.body)) for document in page.documents]


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_an_order_that_meets_the_criteria_is_authorized(world, version):
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version=version)))
    (case,) = await cases(world)
    (line,) = case.ordered
    assert (info["covered"], info["pa-needed"]) == ("covered", "satisfied")
    assert line.authorization is not None
    assert info["satisfied-pa-id"] == line.authorization.number
    assert line.authorization.start.isoformat() == "2026-12-01"
    if version == "2.2":
        assert line.authorization.end is not None
        assert info["expiry-date"] == line.authorization.end.isoformat()
    assert (case.opened.member, case.opened.requester.npi, line.state) == ("COM-0001", "1992817498", "active")
    assert line.requested.code == f"{CPT}|72148"


NOT_TO_BE_DONE: list[dict[str, Any]] = [
    {"doNotPerform": True},
    {"doNotPerform": "true"},
    *({"status": s} for s in ("on-hold", "revoked", "completed", "entered-in-error", "unknown", "Active", None)),
    *({"intent": i} for i in ("proposal", "plan", "directive", "option", "Order", None)),
    {"modifierExtension": [{"url": "http://x/not", "valueBoolean": True}]},
    {"implicitRules": "http://x/rules"},
    {"_status": {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}},
    {"note": [{"text": "x", "extension": [{"url": DATA_ABSENT, "valueCode": "masked"}]}]},
    {"requester": None},
    {"requester": {"reference": "Practitioner/gone"}},
    {"performer": [{"reference": "Practitioner/gone"}]},
    {"performer": [{"reference": "Practitioner/doc"}, {"reference": "Organization/gone"}]},
    {"performer": [{"display": "Somebody"}]},
]


@pytest.mark.parametrize("changes", NOT_TO_BE_DONE, ids=json.dumps)
async def test_what_is_no_order_to_be_done_is_neither_authorized_nor_satisfied(world, changes):
    changed = {
        k: v for k, v in (mri(quantityQuantity={"value": 1, "unit": "units"}) | changes).items() if v is not None
    }
    (info,) = infos(await world.ask(hook(changed, member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []
    whole = mri(quantityQuantity={"value": 1, "unit": "units"})
    (info,) = infos(await world.ask(hook(whole, member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "satisfied"
    (info,) = infos(await world.ask(hook(changed, member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
@pytest.mark.parametrize("status", ["draft", "active"])
async def test_orders_to_be_done_are_authorized(world, intent, status):
    (info,) = infos(await world.ask(hook(mri(intent=intent, status=status), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "satisfied"


async def test_an_order_that_does_not_say_whom_it_is_for_is_told_so(world):
    asked = {k: v for k, v in mri().items() if k != "subject"}
    (info,) = infos(await world.ask(hook(asked, member="COM-0001", version="2.2")))
    assert info["covered"] == "indeterminate"
    assert await cases(world) == []


@pytest.mark.parametrize("performer", ["Organization/nameless", "Organization/gone"])
async def test_nothing_is_authorized_for_a_performer_nobody_can_tell(world, performer):
    """Neither for him, nor for the one whom the order names itself, nor anew at each call."""
    asked = mri(status="active", performer=[{"reference": "Practitioner/doc"}])
    nameless = {"resourceType": "Organization", "id": "nameless", "name": "Somebody"}
    context = {"patientId": "pat-COM-0001", "dispatchedOrders": ["ServiceRequest/o1"], "performer": performer}
    sent = prefetch("COM-0001", orders=searchset(asked), performers=searchset(nameless))
    body = hook(name="order-dispatch", version="2.2", prefetch=sent, context=context)
    for _ in range(2):
        (info,) = infos(await world.ask(body))
        assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_an_authorization_of_one_unit_does_not_satisfy_two_orders(world):
    one = {"quantityQuantity": {"value": 1, "unit": "units"}}
    await world.ask(hook(mri(**one), member="COM-0001", version="2.2"))
    body = hook(mri(**one), mri(id_="o2", **one), member="COM-0001", version="2.2")
    first, second = infos(await world.ask(body))
    assert (first["pa-needed"], second["pa-needed"]) == ("satisfied", "auth-needed")
    assert "satisfied-pa-id" not in second
    assert [info["pa-needed"] for info in infos(await world.ask(body))] == ["satisfied", "auth-needed"]


async def test_orders_that_together_ask_for_more_than_the_policy_grants_are_authorized_neither(world):
    """As over PAS: who needs two units may not get them by asking twice for one."""
    one = {"quantityQuantity": {"value": 1, "unit": "units"}}
    body = hook(mri(**one), mri(id_="o2", **one), member="COM-0001", version="2.2")
    assert [info["pa-needed"] for info in infos(await world.ask(body))] == ["auth-needed", "auth-needed"]


async def test_the_assertion_the_case_and_the_call_are_one_thread(world):
    body = hook(mri(), member="COM-0001", version="2.2")
    (info,) = infos(await world.ask(body))
    (case,) = await cases(world)
    (explained,) = await world.stored("Assertion")
    assert explained["case"] == case.number
    assert explained["lines"][0]["authorization"] == {"number": info["satisfied-pa-id"], "case": case.number}
    note = next(event for event in case.events if event.ev == "note")
    assert note.detail == {
        "origin": "crd",
        "hook": "order-sign",
        "hookInstance": body["hookInstance"],
        "order": "ServiceRequest/o1",
    }
    page = await world.store.search(world.consult.tenant, "Case", [Param("number", [info["satisfied-pa-id"]])])
    assert [document.id for document in page.documents] == [case.id]


async def test_the_record_is_kept_as_a_request_that_fits_the_profile(world):
    """What was decided on can be read as the Claim that a provider would have sent, with its answer."""
    performer = practitioner("1245319599", "lab")
    sent = prefetch("COM-0001", practitioners=searchset(practitioner(), performer))
    asked = mri(performer=[{"reference": "Practitioner/lab"}], quantityQuantity={"value": 1, "unit": "units"})
    await world.ask(hook(asked, member="COM-0001", version="2.2", prefetch=sent))
    (case,) = await cases(world)
    (claim,) = await world.stored("Claim")
    found = Validator.load().validate(claim, profiles=[CLAIM], context="pas-2.2.1")
    wrong = [f"{f.expression}: {f.text}" for f in found if f.severity in ("error", "fatal")]
    assert wrong == []
    assert claim["item"][0]["productOrService"]["coding"][0]["code"] == "72148"
    assert case.ordered[0].requested.provider is not None
    assert case.ordered[0].requested.provider.npi == "1245319599"
    entries = [entry for bundle in await world.stored("Bundle") for entry in bundle["entry"]]
    (response,) = [e["resource"] for e in entries if e["resource"]["resourceType"] == "ClaimResponse"]
    assert response["outcome"] == "complete"
    assert response["preAuthRef"] == case.ordered[0].authorization.number  # type: ignore[union-attr]


async def test_only_the_data_that_the_decision_rests_on_are_kept(world):
    """CRD sec-6: the rest of the prefetch is not retained."""
    gossip = {
        "resourceType": "Observation",
        "id": "unrelated",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "72166-2"}]},
        "subject": {"reference": "Patient/pat-COM-0001"},
        "valueString": "private",
    }
    sent = prefetch("COM-0001", observations=searchset(gossip))
    await world.ask(hook(mri(), member="COM-0001", version="2.2", prefetch=sent))
    (case,) = await cases(world)
    document = await world.store.get(world.consult.tenant, "Bundle", case.submission)
    assert document is not None
    kinds = [entry["resource"]["resourceType"] for entry in json.loads(document.body)["entry"]]
    assert sorted(kinds) == [
        "Claim",
        "Coverage",
        "Organization",  # we ourselves, as payor and insurer
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "ServiceRequest",
    ]


def _more(claim: dict[str, Any]) -> None:
    claim["item"][0]["quantity"] = {"value": 7, "unit": "units"}


def _longer(claim: dict[str, Any]) -> None:
    claim["item"][0]["servicedPeriod"]["end"] = "2029-01-01"


def _other(claim: dict[str, Any]) -> None:
    claim["item"][0]["productOrService"] = {"coding": [{"system": CPT, "code": "72149"}]}


def _twice(claim: dict[str, Any]) -> None:
    claim["item"].append({**claim["item"][0], "sequence": 99})


def _nothing_known(claim: dict[str, Any]) -> None:
    del claim["diagnosis"]


@pytest.mark.parametrize("edit", [_more, _longer, _other, _twice, _nothing_known])
async def test_nothing_goes_on_record_that_says_something_else_than_the_order(world, monkeypatch, edit):
    """What is decided on is the order. If the request that is written of it said more, that would be on record as granted."""
    made = deciding.request_bundle

    def written(*given: Any) -> Any:
        bundle = made(*given)
        assert bundle is not None
        edit(bundle["entry"][0]["resource"])
        return bundle

    monkeypatch.setattr(deciding, "request_bundle", written)
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_an_order_that_no_claim_can_repeat_is_told_to_submit(world):
    """A last day without a first: the order is decided as of today, its request would be of another period."""
    asked = mri(occurrenceDateTime=None, occurrencePeriod={"end": "2027-03-01"})
    (info,) = infos(await world.ask(hook(asked, member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_it_is_decided_on_what_the_call_knew_and_no_request_is_parsed(world, monkeypatch):
    """The evidence is named as the call brought it; what is stored is that request, and reads the same when it is parsed."""

    def parse(self: AuthorizationService, raw: bytes, submitter: str) -> None:
        raise AssertionError("a request that was made here is not read again")

    with monkeypatch.context() as patch:
        patch.setattr(AuthorizationService, "read", parse)
        (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "satisfied"
    (case,) = await cases(world)
    (line,) = case.ordered
    assert line.determination is not None
    evidence = {reference for fact in line.determination.trace["facts"] for reference in fact["evidence"]}
    assert any(reference.startswith("ServiceRequest/o1#") for reference in evidence)
    assert not any(reference.startswith("Claim.") for reference in evidence)
    again = await world.answerer.unsolicited.service.submission_of(case)  # type: ignore[union-attr]
    assert [each.item for each in again.lines] == [line.requested.item]
    assert [each.diagnoses for each in again.lines] == [line.requested.diagnoses]


async def test_who_is_always_overtaken_is_told_to_submit(world):
    """The call is answered all the same, and nothing is on record."""
    stored = world.store.commit

    async def commit(commit: Commit) -> Any:
        if any(put.type == "Case" for put in commit.puts):
            raise Conflict("AuthorizationTurn", 0, 1)
        return await stored(commit)

    world.store.commit = commit  # type: ignore[method-assign]
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_signing_again_brings_the_same_authorization(world):
    body = hook(mri(), member="COM-0001", version="2.2")
    first = await world.ask(body)
    second = await world.ask(body)
    assert infos(first)[0]["satisfied-pa-id"] == infos(second)[0]["satisfied-pa-id"]
    assert len(await cases(world)) == 1
    carried = first["systemActions"][0]["resource"]
    assert "systemActions" not in await world.ask(hook(carried, member="COM-0001", version="2.2"))


async def test_calls_at_the_same_time_bring_one_authorization(world):
    body = hook(mri(), member="COM-0001", version="2.2")
    answers = await asyncio.gather(*(world.ask(body) for _ in range(12)))
    assert len({infos(answer)[0]["satisfied-pa-id"] for answer in answers}) == 1
    assert len(await cases(world)) == 1


async def test_each_order_of_a_call_gets_its_own(world):
    months = {"value": 3, "unit": "months"}
    body = hook(
        order("E0601", quantityQuantity=months),
        order("E0260", id_="o2", quantityQuantity={"value": 13, "unit": "months"}),
        version="2.2",
        prefetch=prefetch("MA-0001", responses=PAP_AND_BED),
    )
    found = infos(await world.ask(body))
    numbers = [info["satisfied-pa-id"] for info in found]
    assert len(set(numbers)) == 2
    held = [line.authorization for case in await cases(world) for line in case.ordered]
    assert sorted(a.number for a in held if a) == sorted(numbers)


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_a_what_if_question_authorizes_nothing(world, version):
    body = configured(hook(mri(), member="COM-0001", version=version), unsolicited_determ=False)
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] == "auth-needed"
    assert "doc-needed" not in info
    assert await cases(world) == []


async def test_who_does_not_want_coverage_information_gets_no_authorization(world):
    await world.ask(configured(hook(mri(), member="COM-0001", version="2.2"), coverage_info=False))
    assert await cases(world) == []


async def test_a_draft_that_is_only_selected_is_not_authorized(world):
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", name="order-select", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_facts_that_are_missing_bring_no_authorization(world):
    (info,) = infos(await world.ask(hook(mri(reasonCode=None), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert info["doc-needed"]
    assert await cases(world) == []


async def test_a_plan_can_keep_it_to_requests(make, directory):
    plans = {id_: plan.model_copy(update={"unsolicited": False}) for id_, plan in directory.plans.items()}
    members = [
        replace(m, coverages=tuple(replace(c, plan=plans[c.plan.id]) for c in m.coverages)) for m in directory.members
    ]
    changed = Directory(directory.payer, members, directory.providers.values(), plans, directory.mode)
    world = make(directory=changed)
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_nothing_is_promised_for_a_member_we_do_not_know(world):
    """A promise to pay needs a member on record. Here one of that name and birth date is, under another number: a person
    looks who it is."""
    body = hook(mri(), member="COM-0001", version="2.2")
    body = json.loads(json.dumps(body).replace(b'"COM-0001"', b'"ZZ-9999"'))
    (info,) = infos(await world.ask(body))
    assert (info["covered"], info["pa-needed"]) == ("conditional", "conditional")
    assert await cases(world) == []


async def test_an_order_of_nobody_is_told_to_submit(world):
    """Without a requester and without a user there is nobody to authorize."""
    sent = prefetch("COM-0001", practitioners=...)
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", version="2.2", prefetch=sent)))
    assert info["pa-needed"] == "auth-needed"
    assert await cases(world) == []


async def test_the_audit_says_who_got_it(world):
    await world.ask(hook(mri(), member="COM-0001", version="2.2"))
    actions = {entry.action: entry for entry in await world.store.audit(world.consult.tenant)}
    (case,) = await cases(world)
    assert actions["unsolicited-determination"].subject == case.number
    assert case.opened.received == NOW


async def test_the_whole_server_finds_it_by_its_number(client):
    """From the number in the order to the explanation, the ClaimResponse and the plan's own view of the case."""
    (info,) = infos(await sent_example(client, "order-sign-criteria-met"))
    number = info["satisfied-pa-id"]
    explained = (await client.get(f"/explain/{number}", headers={"Accept": "application/json"})).json()
    (line,) = explained["lines"]
    assert (line["policy"], line["decision"], line["authorization"]["number"]) == ("mri-lumbar", "A1", number)
    assert [e["detail"]["hook"] for e in explained["events"] if e["event"] == "note"] == ["order-sign"]
    response = await client.get(f"/fhir/ClaimResponse/{explained['claim_response']}")
    assert response.json()["preAuthRef"] == number
    assertion = (
        await client.get(f"/explain/{info['coverage-assertion-id']}", headers={"Accept": "application/json"})
    ).json()
    assert assertion["case"] == explained["case"]


async def test_an_older_case_that_moves_on_keeps_nobody_from_an_authorization(make):
    """What was changed last need not be what was opened last."""
    ticks = itertools.count()
    world = make(runtime=replace(frozen_runtime(), now=lambda: NOW + timedelta(milliseconds=next(ticks))))
    sent = prefetch("MA-0001", responses=PAP_AND_BED)

    async def signed(code: str, months: int, id_: str, day: str = "2026-12-01") -> dict[str, Any]:
        months_ = {"value": months, "unit": "months"}
        asked = order(code, id_=id_, quantityQuantity=months_, occurrenceDateTime=day)
        (info,) = infos(await world.ask(hook(asked, version="2.2", prefetch=sent)))
        return info

    async def touched(case: Case) -> None:
        found = await world.store.get(world.consult.tenant, "Case", case.id)
        assert found is not None
        put = Put("Case", case.id, found.body, case.tokens(), expect=found.version)
        await world.store.commit(Commit(tenant=world.consult.tenant, puts=[put]))

    assert (await signed("E0601", 3, "o1"))["pa-needed"] == "satisfied"
    (first,) = await cases(world)
    await touched(first)
    assert (await signed("E0260", 13, "o3"))["pa-needed"] == "satisfied"
    assert len(await cases(world)) == 2
