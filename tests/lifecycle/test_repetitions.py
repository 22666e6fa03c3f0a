"""A service that is authorized already and is asked for again: one authorization, one number (docs/crd.md)."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tools.requests import NPI, OUT_OF_NETWORK_NPI, SUPPLIER_NPI, ext, uid

from cdex.cdex_support import attachment, parameters
from crd.building import CPT, hook, infos, order
from lifecycle.steps import (
    NEW,
    OLD,
    Driver,
    Json,
    actions,
    by_sequence,
    cancel,
    case_of,
    certify,
    chair,
    claim_of,
    cpap,
    inquiry,
    request,
    update,
)
from precert.authorization.record.case import Case
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.on_record import OnRecord, on_record
from precert.authorization.usecases.submit import submit
from precert.fhir import json
from precert.pas import shape22
from precert.pas.presenter import Presenter
from precert.security.identity import Client
from precert.workbench.explanations import explanation
from support.answers import claim_response, extension
from support.app import FrozenClock

BASES = pytest.mark.parametrize("base", [NEW, OLD])
CANCER = [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C50.911"}]}]
ORDER = "ServiceRequest/o1"
Edit = Callable[[Json], Any]


def signing(**changes: Any) -> Json:
    """The hook call in which the MRI is signed; its criteria are met."""
    given = {
        "reasonCode": CANCER,
        "occurrenceDateTime": "2026-12-01",
        "quantityQuantity": {"value": 1, "unit": "units"},
    }
    return hook(order("72148", "COM-0001", system=CPT, **(given | changes)), member="COM-0001", version="2.2")


async def signed(driver: Driver, body: Json | None = None) -> tuple[str, Json]:
    """Sign the order: the number it is satisfied with, and the order as the EHR keeps it then."""
    answer = (await driver.client.post("/cds-services/crd-order-sign", json=body or signing())).json()
    (info,) = infos(answer)
    assert info["pa-needed"] == "satisfied"
    return info["satisfied-pa-id"], answer["systemActions"][0]["resource"]


async def prepared(driver: Driver, body: Json | None = None, edit: Edit = lambda request: None) -> Json:
    """The order's PAS request, after ``edit``."""
    answer = await driver.client.post(f"/api/crd/request?order={ORDER}", json=body or signing())
    assert answer.status_code == 200, answer.text
    made: Json = json.loads(answer.content)
    edit(made)
    return made


def resource(bundle: Json, kind: str) -> Json:
    found: Json = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


def stored_elsewhere(carried: Json) -> Edit:
    """The EHR gave the saved order another id; what we wrote on it is there (``carried``)."""

    def edit(made: Json) -> None:
        kept = resource(made, "ServiceRequest")
        entry = next(e for e in made["entry"] if e["resource"] is kept)
        old, entry["fullUrl"] = entry["fullUrl"], "https://ehr.example/fhir/ServiceRequest/kept"
        kept |= {"id": "kept", "extension": carried["extension"]}
        text = json.dumps(made).replace(json.dumps({"reference": old}), json.dumps({"reference": entry["fullUrl"]}))
        made.clear()
        made.update(json.loads(text))

    return edit


def item_of(bundle: Json) -> Json:
    found: Json = claim_of(bundle)["item"][0]
    return found


def named(element: Json, number: str) -> None:
    """Give an item the number of a prior authorization."""
    element["extension"].append(ext("extension-authorizationNumber", "String", number))


async def authorizations(driver: Driver) -> list[str]:
    """The numbers of the authorizations in force, each as often as it is counted."""
    lines = [line for case in await driver.records() for line in case.ordered if line.state in ("approved", "active")]
    return [line.authorization.number for line in lines if line.authorization]


async def repetition(driver: Driver) -> Case:
    """The one record that only repeats what is authorized."""
    (found,) = [case for case in await driver.records() if any(line.state == "repeated" for line in case.ordered)]
    return found


# What is certain


@BASES
async def test_a_satisfied_order_that_is_submitted_keeps_its_number(driver: Driver, base: str) -> None:
    number, _ = await signed(driver)
    answer = await driver.submit(await prepared(driver), base)
    assert by_sequence(answer)[1].action == "A1"
    assert by_sequence(answer)[1].number == number
    response = claim_response(answer)
    (item,) = response["item"]
    assert response["outcome"] == "complete"
    assert response["preAuthRef"] == number
    held = next(
        line.authorization for case in await driver.records() for line in case.ordered if line.state == "active"
    )
    assert held is not None
    assert held.end is not None
    assert extension(item, "extension-itemPreAuthIssueDate") == held.issued.isoformat()
    period = {"start": "2026-12-01", "end": held.end.isoformat()}
    assert extension(item, "extension-itemPreAuthPeriod") == period
    assert any("No second authorization" in note["text"] for note in response["processNote"])
    assert await authorizations(driver) == [number]


async def test_every_way_to_ask_shows_one(driver: Driver) -> None:
    number, _ = await signed(driver)
    (first,) = await driver.records()
    made = await prepared(driver)
    await driver.submit(made)
    again = await repetition(driver)

    (found,) = await driver.inquire(inquiry("ask", member="COM-0001"))
    assert (case_of(found), by_sequence(found)[1].number) == (first.number, number)
    (found,) = await driver.inquire(inquiry("by-number", member="COM-0001", numbers=(number,)))
    assert case_of(found) == first.number

    told = (await driver.client.get(f"/explain/{again.number}")).json()
    (line,) = told["lines"]
    assert (line["decision"], line["outcome"], line["authorization"]["number"]) == ("A1", "satisfied", number)
    assert line["reason"] == (
        f"Authorized already: {number}, given on 2026-11-20 (case {first.number}) for this very order. "
        "No second authorization was made."
    )
    (event,) = [e for e in line["events"] if e["event"] == "authorized_already"]
    assert (event["detail"]["number"], event["detail"]["case"]) == (number, first.number)
    page = await driver.client.get(f"/explain/{again.number}", headers={"Accept": "text/html"})
    assert "No second authorization was made." in page.text
    assert (await driver.client.get(f"/explain/{number}")).json()["case"] == first.number

    hooked, _ = await signed(driver)
    assert hooked == number
    answer = (await driver.client.post("/cds-services/crd-order-sign", json=signing(id="o2"))).json()
    (info,) = infos(answer)
    assert info["pa-needed"] == "auth-needed"  # the one unit is for the order that it was given for


async def test_the_metrics_tell_it_from_an_authorization(driver: Driver) -> None:
    number, _ = await signed(driver)
    await driver.submit(await prepared(driver))
    assert driver.app is not None
    page = await driver.app.state.server.store.search("default", "Exchange")
    (exchange,) = [json.loads(document.body) for document in page.documents]
    assert (exchange["itemDetail"][0]["result"], exchange["itemDetail"][0]["repeats"]) == ("approved", number)
    metrics = (await driver.client.get("/metrics")).text
    assert 'precert_decisions_total{channel="pas",outcome="satisfied"} 1.0' in metrics
    assert 'precert_decisions_total{channel="pas",outcome="approve"}' not in metrics


async def test_the_order_may_have_got_another_id_when_it_carries_our_number(driver: Driver) -> None:
    number, carried = await signed(driver)
    answer = await driver.submit(await prepared(driver, edit=stored_elsewhere(carried)))
    assert by_sequence(answer)[1].number == number
    assert await authorizations(driver) == [number]
    (line,) = (await repetition(driver)).ordered
    assert line.determination is not None
    assert "the order carries its number" in line.determination.reason


async def test_the_order_may_carry_the_assertion_alone(driver: Driver) -> None:
    number, carried = await signed(driver)
    for told in carried["extension"]:
        told["extension"] = [part for part in told["extension"] if part["url"] != "satisfied-pa-id"]
    answer = await driver.submit(await prepared(driver, edit=stored_elsewhere(carried)))
    assert by_sequence(answer)[1].number == number
    assert await authorizations(driver) == [number]


async def test_the_request_may_name_the_number(driver: Driver) -> None:
    """X12 REF*BB on the item; the order is not even there."""
    number, _ = await signed(driver)

    def edit(made: Json) -> None:
        item = item_of(made)
        item["extension"] = [e for e in item["extension"] if not e["url"].endswith("requestedService")]
        named(item, number)

    answer = await driver.submit(await prepared(driver, edit=edit))
    assert by_sequence(answer)[1].number == number
    assert await authorizations(driver) == [number]


async def test_the_practice_may_submit_what_its_physician_ordered(driver: Driver) -> None:
    """Claim.provider is the organization, the order's requester is who was authorized."""
    number, _ = await signed(driver)

    def practice(made: Json) -> None:
        organization = {
            "resourceType": "Organization",
            "id": "practice",
            "identifier": [{"system": NPI, "value": SUPPLIER_NPI}],
            "active": True,
            "name": "The practice",
        }
        made["entry"].append({"fullUrl": "https://ehr.example/fhir/Organization/practice", "resource": organization})
        claim_of(made)["provider"] = {"reference": "https://ehr.example/fhir/Organization/practice"}

    answer = await driver.submit(await prepared(driver, edit=practice))
    assert by_sequence(answer)[1].number == number
    assert await authorizations(driver) == [number]
    # the practice was never party to the first record, so it is shown its own; still the one number
    for numbers in ((), (number,)):
        asked = inquiry("practice", member="COM-0001", requester_npi=SUPPLIER_NPI, numbers=numbers)
        (found,) = await driver.inquire(asked)
        assert (case_of(found), by_sequence(found)[1].number) == ((await repetition(driver)).number, number)


async def test_less_than_was_authorized_is_authorized(driver: Driver) -> None:
    """The answer bears what is on record, not what was asked."""
    first = await driver.submit(request("one", [cpap(3)]))
    number = by_sequence(first)[1].number
    assert number
    asked = cpap(2, start="2027-02-01")
    named(asked, number)
    again = await driver.submit(request("two", [asked], studied=False))
    assert by_sequence(again)[1].number == number
    assert extension(claim_response(again)["item"][0], "extension-itemPreAuthPeriod")["start"] == "2027-01-04"
    assert await authorizations(driver) == [number]


# The same request in another envelope


def enveloped(body: Json, name: str) -> Json:
    """The same request under another bundle identifier."""
    made = copy.deepcopy(body)
    made |= {"id": uid(name), "identifier": {"system": "urn:precert:demo:transaction", "value": name}}
    made["timestamp"] = "2026-11-20T14:59:59Z"
    return made


async def test_the_same_request_in_another_envelope_is_the_same_case(driver: Driver) -> None:
    """An EHR that repeats a request renders its bundle anew: the Claim.identifier tells that it is the same."""
    first = request("first", [cpap()])
    numbers = {by_sequence(await driver.submit(body))[1].number for body in (first, enveloped(first, "second"))}
    assert len(numbers) == 1
    assert set(await authorizations(driver)) == numbers


async def test_many_envelopes_of_one_request_at_once_are_all_answered(driver: Driver) -> None:
    """None was signed: they are one case, and do not get in each other's way."""
    made = await prepared(driver)
    answers = await asyncio.gather(*(driver.submit(enveloped(made, f"envelope-{n}")) for n in range(60)))
    assert len({by_sequence(answer)[1].number for answer in answers}) == 1
    assert len(await authorizations(driver)) == 1


async def test_submitted_at_once_after_signing(driver: Driver) -> None:
    number, _ = await signed(driver)
    requests = [await prepared(driver) for _ in range(8)]
    answers = await asyncio.gather(*(driver.submit(made) for made in requests))
    assert {by_sequence(answer)[1].number for answer in answers} == {number}
    assert await authorizations(driver) == [number]


# What is not certain is decided as ever


def later(made: Json) -> None:
    item_of(made)["servicedPeriod"] = {"start": "2027-11-01"}


def earlier(made: Json) -> None:
    item_of(made)["servicedPeriod"] = {"start": "2026-11-25"}


def longer(made: Json) -> None:
    item_of(made)["servicedPeriod"] = {"start": "2026-12-01", "end": "2028-12-01"}


def more(made: Json) -> None:
    item_of(made)["quantity"] = {"value": 2, "unit": "units"}


def other_unit(made: Json) -> None:
    item_of(made)["quantity"] = {"value": 1, "unit": "months"}


def modified(made: Json) -> None:
    item_of(made)["modifier"] = [{"coding": [{"system": CPT, "code": "26"}]}]


def other_service(made: Json) -> None:
    item_of(made)["productOrService"] = {"coding": [{"system": CPT, "code": "72149"}]}


def other_requester(made: Json) -> None:
    resource(made, "Practitioner")["identifier"] = [{"system": NPI, "value": OUT_OF_NETWORK_NPI}]


def renewal(made: Json) -> None:
    certify(item_of(made), "R")


def other_order(made: Json) -> None:
    resource(made, "ServiceRequest")["id"] = "o2"


def unrelated(made: Json) -> None:
    item = item_of(made)
    item["extension"] = [e for e in item["extension"] if not e["url"].endswith("requestedService")]


def wrong_number(made: Json) -> None:
    unrelated(made)
    named(item_of(made), "1122445")  # what the published presets carry


@pytest.mark.parametrize(
    "edit",
    [
        later,
        earlier,
        longer,
        more,
        other_unit,
        modified,
        other_service,
        other_requester,
        renewal,
        other_order,
        unrelated,
        wrong_number,
    ],
)
async def test_what_is_not_certain_is_decided_as_ever(driver: Driver, edit: Edit) -> None:
    number, _ = await signed(driver)
    answer = await driver.submit(await prepared(driver, edit=edit))
    assert by_sequence(answer)[1].number != number
    assert not any(line.state == "repeated" for case in await driver.records() for line in case.ordered)


async def test_a_second_course_is_a_persons_matter_while_the_first_lasts_and_soon_after(driver: Driver) -> None:
    """The same service and evidence under another identifier of the provider's: on the same days a possible duplicate, soon
    after them a continuation, which is a renewal; later a request of its own."""
    one = by_sequence(await driver.submit(request("one", [cpap()])))[1].number
    for name, start in (("two", "2027-01-04"), ("three", "2027-04-05")):
        assert by_sequence(await driver.submit(request(name, [cpap(start=start)])))[1].action == "A4"
    later = by_sequence(await driver.submit(request("later", [cpap(start="2027-08-04")])))[1].number
    assert later is not None
    assert sorted(await authorizations(driver)) == sorted([one or "", later])


async def test_one_authorization_is_repeated_by_one_line(driver: Driver) -> None:
    """Two lines that name the same number are two services: the second may be a duplicate, so a person decides."""
    first = await driver.submit(request("one", [cpap()]))
    number = by_sequence(first)[1].number
    assert number
    lines = [cpap(), cpap(3, 2)]
    for line in lines:
        named(line, number)
    after = by_sequence(await driver.submit(request("two", lines)))
    assert [after[n].action for n in (1, 2)] == ["A1", "A4"]
    assert after[1].number == number
    assert after[2].number is None


async def test_another_member_has_nothing_of_it(driver: Driver) -> None:
    number = by_sequence(await driver.submit(request("one", [cpap()])))[1].number
    assert number
    asked = cpap()
    named(asked, number)
    answer = await driver.submit(request("two", [asked], member="MA-0002"))
    assert by_sequence(answer)[1].number not in (None, number)


async def test_another_plan_owes_nothing_of_it(driver: Driver) -> None:
    """The member changed plans: what the old one authorized is decided by the new one."""
    assert driver.app is not None
    service: AuthorizationService = driver.app.state.service
    number, _ = await signed(driver)
    again = service.read(json.dumps(await prepared(driver)), "open")
    seen = await on_record(service, again)
    moved = replace(seen.who, plan=next(p for p in service.directory().plans.values() if p != seen.who.plan))
    assert OnRecord(again, moved, seen.today, seen.ties, seen.found).repeated(again.lines[0]) is None
    found = seen.repeated(again.lines[0])
    assert found is not None
    assert found.authorization.number == number


async def test_what_is_cancelled_is_decided_afresh(driver: Driver) -> None:
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)

    def give_up(claim: Json) -> None:
        named(claim["item"][0], number)
        cancel(claim["item"][0])

    await driver.submit(update(made, "cancel", give_up))
    assert await authorizations(driver) == []
    again = by_sequence(await driver.submit(await prepared(driver)))[1]
    assert again.action == "A1"
    assert again.number not in (None, number)


async def test_what_has_expired_is_decided_afresh(driver: Driver, clock: FrozenClock) -> None:
    number, _ = await signed(driver)
    clock.at = clock.at.replace(year=2027, month=11)
    again = by_sequence(await driver.submit(await prepared(driver)))[1]
    assert again.number != number


# What becomes of a repetition


async def test_cancelling_the_repetition_leaves_the_authorization(driver: Driver) -> None:
    """It was given for the order, not for this request; the answer says so and how to give it up."""
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)
    answer = await driver.submit(update(made, "cancel", lambda claim: cancel(claim["item"][0])))
    assert actions(answer) == {1: "C"}
    (note,) = by_sequence(answer)[1].notes[:1]
    assert f"Authorization {number} itself stands" in note
    assert await authorizations(driver) == [number]
    assert (await signed(driver))[0] == number


@pytest.mark.parametrize("whole", [False, True])
async def test_cancelling_it_by_its_number_cancels_the_authorization(driver: Driver, whole: bool) -> None:
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)

    def give_up(claim: Json) -> None:
        named(claim["item"][0], number)
        certify(claim, "3") if whole else cancel(claim["item"][0])

    answer = await driver.submit(update(made, "cancel", give_up))
    assert actions(answer) == {1: "C"}
    assert f"Authorization {number} is cancelled with it" in by_sequence(answer)[1].notes[0]
    assert await authorizations(driver) == []
    found = await driver.inquire(inquiry("ask", member="COM-0001"))
    assert {action for answer in found for action in actions(answer).values()} == {"C"}


async def test_the_number_can_be_given_afterwards(driver: Driver) -> None:
    """As the answer to the first cancellation says."""
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)
    first = update(made, "cancel", lambda claim: cancel(claim["item"][0]))
    await driver.submit(first)
    assert await authorizations(driver) == [number]
    answer = await driver.submit(update(first, "number", lambda claim: named(claim["item"][0], number)))
    assert actions(answer) == {1: "C"}
    assert f"Authorization {number} is cancelled with it" in by_sequence(answer)[1].notes[0]
    assert await authorizations(driver) == []


async def test_an_update_that_is_refused_gives_nothing_up(driver: Driver) -> None:
    number = by_sequence(await driver.submit(request("one", [cpap()])))[1].number
    assert number
    asked = cpap()
    named(asked, number)
    second = request("two", [asked, chair(2)])
    await driver.deny(case_of(await driver.submit(second)), 2)

    def both(claim: Json) -> None:
        for item in claim["item"]:
            cancel(item)

    answer = await driver.submit(update(second, "both", both))
    assert claim_response(answer)["outcome"] == "error"
    assert await authorizations(driver) == [number]


async def test_a_stranger_cannot_cancel_by_number(driver: Driver) -> None:
    """A number of somebody else's is no more than a word."""
    other = by_sequence(await driver.submit(request("other", [cpap()], member="MA-0002")))[1].number
    assert other
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)

    def give_up(claim: Json) -> None:
        named(claim["item"][0], other)
        cancel(claim["item"][0])

    await driver.submit(update(made, "cancel", give_up))
    assert sorted(await authorizations(driver)) == sorted([number, other])


async def test_an_update_that_asks_for_more_is_decided_afresh(driver: Driver) -> None:
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)

    def twice(claim: Json) -> None:
        claim["item"][0]["quantity"] = {"value": 2, "unit": "units"}

    answer = await driver.submit(update(made, "more", twice))
    assert by_sequence(answer)[1].number != number
    assert number in await authorizations(driver)


async def test_an_update_that_changes_nothing_keeps_it(driver: Driver) -> None:
    number, _ = await signed(driver)
    made = await prepared(driver)
    await driver.submit(made)
    assert by_sequence(await driver.submit(update(made, "same")))[1].number == number
    assert await authorizations(driver) == [number]


async def test_an_update_after_the_authorization_ended_is_decided_afresh(driver: Driver) -> None:
    """What a request was told holds as long as the authorization behind it does."""
    first = request("one", [cpap()])
    number = by_sequence(await driver.submit(first))[1].number
    assert number
    asked = cpap()
    named(asked, number)
    second = request("two", [asked])
    assert by_sequence(await driver.submit(second))[1].number == number
    third = update(second, "same", lambda claim: claim["item"][0]["extension"].pop())  # the number is not repeated
    assert by_sequence(await driver.submit(third))[1].number == number
    await driver.submit(update(first, "cancel", lambda claim: cancel(claim["item"][0])))
    again = by_sequence(await driver.submit(update(third, "again")))[1]
    assert again.action == "A1"
    assert again.number not in (None, number)
    assert await authorizations(driver) == [again.number]


async def test_an_added_line_can_be_authorized_already(driver: Driver) -> None:
    number = by_sequence(await driver.submit(request("one", [cpap()])))[1].number
    assert number
    second = request("two", [cpap(2, start="2027-06-01")])
    await driver.submit(second)
    added = cpap(3, 2)
    named(added, number)
    answer = await driver.submit(update(second, "add", lambda claim: claim["item"].append(added)))
    assert by_sequence(answer)[2].number == number
    assert (await authorizations(driver)).count(number) == 1


async def test_a_pended_line_is_answered_with_what_the_hook_gave_meanwhile(driver: Driver) -> None:
    """Submitted too early, then signed with the reason: the evidence that comes last brings no second number."""
    bare = signing(reasonCode=None)
    made = await prepared(driver, bare)
    assert actions(await driver.submit(made)) == {1: "A4"}
    number, _ = await signed(driver)

    def complete(claim: Json) -> None:
        claim["diagnosis"] = [{"sequence": 1, "diagnosisCodeableConcept": CANCER[0]}]
        claim["item"][0]["diagnosisSequence"] = [1]

    answer = await driver.submit(update(made, "complete", complete))
    assert by_sequence(answer)[1].number == number
    assert await authorizations(driver) == [number]


async def test_an_attachment_brings_no_second_authorization(driver: Driver) -> None:
    """What a request waits for comes after the hook has authorized its order."""
    answer = await driver.submit(await prepared(driver, signing(reasonCode=None)))
    (task,) = [e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "Task"]
    number, _ = await signed(driver)
    told = {
        "resourceType": "Condition",
        "id": "late",
        "code": CANCER[0],
        "subject": {"reference": "Patient/pat-COM-0001"},
    }
    sent = parameters(task["id"], attachment(told), member="COM-0001")
    response = await driver.client.post("/fhir/$submit-attachment", content=json.dumps(sent))
    assert response.status_code == 200, response.text
    assert [line.state for case in await driver.records() for line in case.ordered if line.rests_on] == ["repeated"]
    assert await authorizations(driver) == [number]


async def test_what_is_inquired_follows_the_authorization(driver: Driver) -> None:
    """The practice is shown its own record, as the authorization stands now."""
    number = by_sequence(await driver.submit(request("one", [cpap()])))[1].number
    assert number
    asked = cpap()
    named(asked, number)
    cane = cpap(2, 2, start="2027-06-01")
    await driver.submit(request("two", [asked, cane]))
    first = request("one", [cpap()])
    await driver.submit(update(first, "cancel", lambda claim: cancel(claim["item"][0])))
    found = await driver.inquire(inquiry("ask"))
    by_case = {case_of(answer): actions(answer) for answer in found}
    assert sorted(by_case.values(), key=len) == [{1: "C"}, {1: "C", 2: "A4"}]


async def test_the_request_may_come_from_another_client_than_the_hook(driver: Driver) -> None:
    """CRD and PAS are two logins of one EHR. Our number on the order ties them; each is told of its own record."""
    assert driver.app is not None
    service: AuthorizationService = driver.app.state.service
    number, carried = await signed(driver)
    (first,) = await driver.records()
    raw = json.dumps(await prepared(driver, edit=stored_elsewhere(carried)))
    presenter = Presenter(service.runtime, announce=lambda change: [])
    answered = await submit(
        service, service.read(raw, "pas-client"), presenter.renderer(shape22, "http://precert.test")
    )
    assert answered.case is not None
    assert answered.case.repetition
    assert await authorizations(driver) == [number]
    told = await explanation(service, number, Client("pas-client"))
    assert (told["case"], told["lines"][0]["authorization"]["number"]) == (answered.case.number, number)
    assert (await explanation(service, number, Client("open")))["case"] == first.number


async def test_the_order_alone_does_not_tie_another_client(driver: Driver) -> None:
    """Two systems may call different orders by one id."""
    assert driver.app is not None
    service: AuthorizationService = driver.app.state.service
    number, _ = await signed(driver)
    raw = json.dumps(await prepared(driver))
    presenter = Presenter(service.runtime, announce=lambda change: [])
    answered = await submit(service, service.read(raw, "another"), presenter.renderer(shape22, "http://precert.test"))
    assert answered.case is not None
    assert [line.state for line in answered.case.ordered] == ["nurse_review"]  # possibly a duplicate; nothing is tied
    assert await authorizations(driver) == [number]


async def test_the_reviewers_page_says_it(driver: Driver) -> None:
    number, _ = await signed(driver)
    await driver.submit(await prepared(driver))
    again = await repetition(driver)
    page = (await driver.client.get(f"/workbench/cases/{again.number}", headers={"Accept": "text/html"})).text
    assert "approved before" in page
    assert number in page
    assert "It is authorized on record already" in page
