"""Whose record a request may continue: the same member, requester, payer and client; whatever name it gives."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tools.requests import NPI, OUT_OF_NETWORK_NPI, SUPPLIER_NPI, ext, uid

from lifecycle.steps import (
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
    request,
    update,
)
from lifecycle.test_repetitions import signed
from precert.authorization.usecases.submit import submit
from precert.fhir import json
from precert.pas import shape22
from precert.pas.presenter import Presenter
from precert.store.port import Param
from support.answers import claim_response

Edit = Callable[[Json], Any]
STRANGER = {"name": ("June", "Lindqvist"), "gender": "female", "birthDate": "1950-01-01"}


def resource(body: Json, kind: str) -> Json:
    found: Json = next(e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == kind)
    return found


def requester(body: Json) -> Json:
    wanted = claim_of(body)["provider"]["reference"]
    found: Json = next(e["resource"] for e in body["entry"] if e["fullUrl"] == wanted)
    return found


# Who it is from and about


def nobody_else(body: Json) -> None:
    """The same in every respect."""


def other_member(body: Json) -> None:
    for kind in ("Patient", "Coverage"):
        resource(body, kind)["identifier"][0]["value"] = "MA-0002"
    resource(body, "Coverage")["subscriberId"] = "MA-0002"
    resource(body, "Patient").pop("birthDate")


def other_coverage(body: Json) -> None:
    resource(body, "Coverage")["subscriberId"] = "X-4711"


def other_requester(body: Json) -> None:
    requester(body)["identifier"] = [{"system": NPI, "value": OUT_OF_NETWORK_NPI}]


def nameless_requester(body: Json) -> None:
    requester(body)["identifier"] = [{"system": "urn:practice", "value": "7"}]


def other_payer(body: Json) -> None:
    claim_of(body)["insurer"] = {"identifier": {"system": NPI, "value": SUPPLIER_NPI}}


WHO: dict[str, tuple[Edit, str]] = {
    "same": (nobody_else, "open"),
    "member": (other_member, "open"),
    "coverage": (other_coverage, "open"),
    "requester": (other_requester, "open"),
    "requester without NPI": (nameless_requester, "open"),
    "payer": (other_payer, "open"),
    "client": (nobody_else, "another client"),
}


# What is asked


def more(claim: Json) -> None:
    claim["item"].append(chair(9, trace="trace-9"))


def take_back(claim: Json) -> None:
    cancel(claim["item"][0])


def extend(claim: Json) -> None:
    certify(claim["item"][0], "4")
    claim["item"][0]["quantity"]["value"] = 2


WHAT: dict[str, Edit] = {"update": more, "cancel": take_back, "extension": extend}


# How the earlier request is named


def by_url(body: Json, earlier: Json, number: str) -> None:
    claim_of(body)["related"] = [{"claim": {"reference": earlier["entry"][0]["fullUrl"]}}]


def by_identifier(body: Json, earlier: Json, number: str) -> None:
    claim_of(body)["related"] = [{"claim": {"identifier": claim_of(earlier)["identifier"][0]}}]


def by_trace(body: Json, earlier: Json, number: str) -> None:
    claim_of(body)["related"] = [{"relationship": {"text": "the request before"}}]


def by_number(body: Json, earlier: Json, number: str) -> None:
    claim_of(body)["related"] = [{"relationship": {"text": "the request before"}}]
    claim_of(body)["item"][0]["extension"].append(ext("extension-administrationReferenceNumber", "String", number))


HOW: dict[str, Callable[[Json, Json, str], None]] = {
    "url": by_url,
    "identifier": by_identifier,
    "trace": by_trace,
    "number": by_number,
}
_NAMES = itertools.count(1)


async def sent(driver: Driver, body: Json, client: str) -> Json:
    """The answer to ``body`` from ``client``, as the use case gives it."""
    assert driver.app is not None
    service = driver.app.state.service
    presenter = Presenter(service.runtime, lambda change: [])
    raw = json.dumps(body)
    submission = service.read(raw, client)
    answered = await submit(service, submission, presenter.renderer(shape22, "http://precert.test"))
    found: Json = json.loads(answered.body)
    return found


async def stored(driver: Driver) -> dict[str, bytes]:
    """Every record as it is kept."""
    assert driver.app is not None
    page = await driver.app.state.server.store.search("default", "Case", limit=1000)
    return {document.id: document.body for document in page.documents}


async def test_only_who_asked_may_continue(driver: Driver) -> None:
    """The whole table: what differs x what is asked x how the earlier request is named."""
    for who, what, how in itertools.product(WHO, WHAT, HOW):
        said = f"{who}, {what}, by {how}"
        name = f"chain-{next(_NAMES)}"
        earlier = request(name, [chair(1, trace=f"{name}-trace")])
        answer = await sent(driver, earlier, "open")
        before = await stored(driver)
        number = by_sequence(answer)[1].reference
        assert number is not None
        later = copy.deepcopy(earlier)
        later["identifier"]["value"] = f"{name}-later"
        claim = claim_of(later)
        claim["identifier"][0]["value"] = f"{name}-later"
        later["entry"][0]["fullUrl"] = f"urn:uuid:{uid(f'{name}-later')}"
        edit, client = WHO[who]
        WHAT[what](claim)
        HOW[how](later, earlier, number)
        edit(later)
        response = await sent(driver, later, client)
        after = await stored(driver)
        untouched = all(after[id] == body for id, body in before.items())
        if who == "same":
            # a number with a cancellation names the authorization; the cancellation is a record of its own
            own = what == "cancel" and how == "number"
            assert (case_of(response) == case_of(answer)) is not own, said
            assert not untouched, said
            assert (actions(response)[1] == "C") is (what == "cancel"), said
            continue
        assert untouched, said
        assert case_of(response) != case_of(answer), said
        written = json.dumps(response).decode()
        assert case_of(answer) not in written, said
        assert "A1" not in written, said
        assert "C" not in actions(response).values(), said


@pytest.mark.parametrize(
    ("who", "text", "code"),
    [
        ("member", "is not the one on file for this member number", "73"),
        ("coverage", "not on record for this member", "33"),
        ("requester", "this requester did not send", "33"),
    ],
)
async def test_the_refusal_says_why(driver: Driver, who: str, text: str, code: str) -> None:
    first = request("why", [cpap()])
    before = await driver.submit(first)
    later = update(first, "more", more)
    WHO[who][0](later)
    response = claim_response(await driver.submit(later))
    assert response["outcome"] == "error"
    assert text in response["disposition"]
    assert response["error"][0]["code"]["coding"][0]["code"] == code
    assert case_of(before) not in json.dumps(response).decode()


async def test_people_the_directory_does_not_know_must_agree_in_number_birth_date_and_name(driver: Driver) -> None:
    known = request("known", [chair(1)], member="ZZ-1", member_data=STRANGER)
    case = case_of(await driver.submit(known))
    edits: dict[str, Edit] = {
        "number": lambda p: p["identifier"][0].update(value="ZZ-2"),
        "birth date": lambda p: p.update(birthDate="1951-01-01"),
        "no birth date": lambda p: p.pop("birthDate"),
        "part of a birth date": lambda p: p.update(birthDate="1950"),
        "family name": lambda p: p["name"][0].update(family="Other"),
        "given name": lambda p: p["name"][0].update(given=["Jane"]),
        "no name": lambda p: p.pop("name"),
    }
    for what, edit in edits.items():
        later = update(known, what, more)
        patient = resource(later, "Patient")
        edit(patient)
        if what == "number":
            resource(later, "Coverage")["identifier"] = patient["identifier"]
            resource(later, "Coverage")["subscriberId"] = "ZZ-2"
        assert case_of(await sent(driver, later, "open")) != case, what
    spelled = update(known, "spelled", more)
    resource(spelled, "Patient")["name"][0].update(family="LINDQVIST", given=["june", "M"])
    assert case_of(await driver.submit(spelled)) == case


async def test_a_role_in_the_same_organization_may_continue(driver: Driver) -> None:
    first = request("role", [chair(1)])
    case = case_of(await driver.submit(first))
    later = update(first, "role", more)
    claim = claim_of(later)
    role = {"resourceType": "PractitionerRole", "id": "role", "organization": claim["provider"]}
    later["entry"].append({"fullUrl": "urn:uuid:5d0a1f2e-0000-4000-8000-00000000c001", "resource": role})
    claim["provider"] = {"reference": "urn:uuid:5d0a1f2e-0000-4000-8000-00000000c001"}
    assert case_of(await driver.submit(later)) == case


async def test_the_newest_of_several_is_continued(driver: Driver) -> None:
    """The identifier was used twice: what was received last is meant, not what was changed last."""
    numbers = []
    for month in ("01", "05"):
        body = request(f"twice-{month}", [chair(1, start=f"2027-{month}-04", trace=f"t-{month}")])
        claim_of(body)["identifier"][0]["value"] = "used-twice"
        numbers.append(case_of(await driver.submit(body)))
    later = request("later", [chair(1, start="2027-05-04"), chair(2)])
    by_identifier(later, body, "")
    assert case_of(await driver.submit(later)) == numbers[1]


# What was never seen


async def test_an_update_of_nothing_says_so_and_is_a_new_request(driver: Driver) -> None:
    answer = await driver.submit(update(request("unknown", [cpap()]), "later"))
    assert actions(answer) == {1: "A1"}
    assert "Nothing was found to update" in claim_response(answer)["disposition"]


@pytest.mark.parametrize("base", ["/fhir", OLD])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("related", [False, True])
async def test_a_cancellation_of_nothing_cancels_nothing(driver: Driver, base: str, whole: bool, related: bool) -> None:
    body = request("never", [cpap()])
    if related:
        claim_of(body)["related"] = [{"claim": {"identifier": {"system": "urn:x", "value": "never-seen"}}}]
    certify(claim_of(body), "3") if whole else cancel(claim_of(body)["item"][0])
    response = claim_response(await driver.submit(body, base))
    assert response["outcome"] == "error"
    assert "Nothing was found to cancel" in response["disposition"]
    assert "1 cancelled" not in response["disposition"]


async def test_a_line_that_was_never_asked_for_is_not_cancelled(driver: Driver) -> None:
    lines = [cpap(), chair(2)]
    cancel(lines[1])
    answer = await driver.submit(request("differential", lines))
    assert actions(answer) == {1: "A1", 2: "C"}
    response = claim_response(answer)
    assert "1 approved, 1 not found to cancel" in response["disposition"]
    assert any("Nothing was found to cancel" in note["text"] for note in response["processNote"])


# Cancelling by number


def given(element: Json, number: str) -> None:
    element["extension"] = [
        *element.get("extension", ()),
        ext("extension-authorizationNumber", "String", number),
    ]


async def granted(driver: Driver, number: str) -> str:
    """The state of the line that an authorization number was given to."""
    assert driver.app is not None
    page = await driver.app.state.server.store.search("default", "Case", [Param("number", [number])])
    assert page.documents
    record = await driver.record(number)
    return next(x.state for x in record.ordered if x.authorization and x.authorization.number == number)


@pytest.mark.parametrize("whole", [False, True])
async def test_a_cancellation_by_number_ends_the_authorization(driver: Driver, whole: bool) -> None:
    first = await driver.submit(request("to-cancel", [chair(1), cpap(sequence=2)]))
    number = by_sequence(first)[2].number
    assert number is not None
    lower = number.lower()
    body = request("by-number", [cpap()])
    if whole:
        certify(claim_of(body), "3")
        given(claim_of(body), lower)
    else:
        cancel(claim_of(body)["item"][0])
        given(claim_of(body)["item"][0], lower)
    answer = await driver.submit(body)
    assert actions(answer) == {1: "C"}
    assert f"{number} is cancelled" in by_sequence(answer)[1].notes[0]
    assert await granted(driver, number) == "cancelled"
    assert (await driver.record(case_of(first))).lines[1].state == "pended_info"
    again = copy.deepcopy(body)
    again["identifier"]["value"] = "second-try"
    claim_of(again)["identifier"][0]["value"] = "second-try"
    assert claim_response(await driver.submit(again))["outcome"] == "error"


async def test_what_a_hook_authorized_can_be_cancelled_by_number(driver: Driver) -> None:
    number, _ = await signed(driver)
    body = request("hooked", [cpap() | {"sequence": 3}], member="COM-0001")
    requester(body)["identifier"] = [{"system": NPI, "value": (await driver.record(number)).opened.requester.npi}]
    cancel(claim_of(body)["item"][0])
    given(claim_of(body)["item"][0], number)
    assert actions(await driver.submit(body)) == {3: "C"}
    assert await granted(driver, number) == "cancelled"


@pytest.mark.parametrize("who", ["member", "requester"])
async def test_nobody_else_cancels_by_number(driver: Driver, who: str) -> None:
    number = by_sequence(await driver.submit(request("mine", [cpap()])))[1].number
    assert number is not None
    body = request("theirs", [cpap()])
    cancel(claim_of(body)["item"][0])
    given(claim_of(body)["item"][0], number)
    WHO[who][0](body)
    assert claim_response(await driver.submit(body))["outcome"] == "error"
    assert await granted(driver, number) == "active"


# What is on file counts


async def test_an_update_keeps_the_answers_on_the_case(driver: Driver) -> None:
    """The sleep study came with the first version; the second asks for a month more and does not send it again."""
    first = request("forgets", [cpap(2)])
    before = by_sequence(await driver.submit(first))[1]
    later = update(first, "more", lambda claim: claim["item"][0]["quantity"].update(value=3))
    later["entry"] = [e for e in later["entry"] if e["resource"]["resourceType"] != "QuestionnaireResponse"]
    claim_of(later).pop("supportingInfo")
    line = by_sequence(await driver.submit(later))[1]
    assert (before.action, line.action) == ("A1", "A1")


async def test_what_an_update_takes_back_counts_no_more(driver: Driver) -> None:
    first = request("withdrawn", [cpap(), chair(2)])
    await driver.submit(first)

    def without(claim: Json) -> None:
        for info in claim["supportingInfo"]:
            info["modifierExtension"] = [
                {
                    "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/modifierextension-infoCancelled",
                    "valueBoolean": True,
                }
            ]
        claim["item"].append(cpap(3, 4, start="2027-08-04"))

    assert actions(await driver.submit(update(first, "without", without)))[4] == "A4"


async def test_two_updates_at_once_are_both_applied(driver: Driver) -> None:
    first = request("both", [chair(1)])
    case = case_of(await driver.submit(first))
    bodies = [update(first, f"add-{n}", lambda c, n=n: c["item"].append(chair(n))) for n in (2, 3)]
    await asyncio.gather(*(driver.submit(body) for body in bodies))
    assert sorted((await driver.record(case)).lines) == [1, 2, 3]
