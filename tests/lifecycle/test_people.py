"""Persons are bound by the same checks as the rules, over HTTP: amounts, reasons, roles, referral, and what A6 is worth."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.make_examples import answered
from tools.requests import REQUESTER_NPI

from cdex.cdex_support import answered as filled_in
from cdex.cdex_support import attachment, parameters
from crd.building import hook, infos, order
from lifecycle.steps import (
    HEADERS,
    NEW,
    NO_APNEA,
    NURSE,
    OLD,
    PHYSICIAN,
    SHORTER,
    Driver,
    Json,
    actions,
    by_sequence,
    cancel,
    case_of,
    chair,
    claim_of,
    cpap,
    inquiry,
    request,
    update,
)
from precert.authorization.deciding.determination_rules import PersonDecides, PersonRefers
from precert.authorization.record.case import Line
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir import json
from precert.fhir.outcome import FhirError
from precert.policy.catalogue import Catalogue
from precert.security.identity import OPEN_CLIENT, Client
from precert.workbench.api import check_person, parse
from support.answers import claim_response
from support.app import frozen_runtime, running

NUMBERED = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-authorizationNumber"
CRITERION_MET, CRITERION_UNMET = "PAP-DX", "PAP-AHI-15"
MILD = {"eval_before_test": True, "ahi": 3.0, "events": 12, "comorbid": False}


async def pended(driver: Driver, name: str = "r", months: float = 3, **more: Any) -> str:
    """A case that waits for information."""
    return case_of(await driver.submit(request(name, [cpap(months)], studied=False, **more)))


async def unmet(driver: Driver, name: str = "mild") -> str:
    """A case in review whose study shows no apnea."""
    evidence = (answered(name, "pap-osa-initial", MILD),)
    answer = await driver.submit(request(name, [cpap()], evidence=evidence))
    assert actions(answer) == {1: "A4"}
    return case_of(answer)


async def line_of(driver: Driver, case: str) -> Line:
    return (await driver.record(case)).lines[1]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """(status, rule) of a refusal."""
    if answer.status_code == 200:
        return 200, ""
    (issue,) = answer.json()["issue"]
    return answer.status_code, issue["details"]["coding"][0]["code"]


PHYSICIAN_DENIES = {"outcome": "deny", "rationale": NO_APNEA, **PHYSICIAN}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"outcome": "approve", "authorized": {"units": 1}, **NURSE}, (403, "adverse-needs-physician")),
        ({"outcome": "approve", "authorized": {"period": "1 weeks"}, **NURSE}, (403, "adverse-needs-physician")),
        ({"outcome": "approve", "authorized": {"period": "2020-01-01/2020-01-02"}, **NURSE}, (422, "impossible-period")),
        ({"outcome": "approve", "authorized": {"units": 700}, **NURSE}, (422, "impossible-units")),
        ({"outcome": "approve", "authorized": {"units": 9}, **NURSE}, (403, "exception-needs-physician")),
        ({"outcome": "approve", "authorized": {"units": 0}, **NURSE}, (422, "impossible-units")),
        ({"outcome": "approve", "authorized": {"units": 9999, "period": "10 years"}, **PHYSICIAN}, (422, "impossible-period")),
        ({"outcome": "approve", "authorized": {"units": 1}, **PHYSICIAN}, (422, "use-modify")),
        ({**PHYSICIAN_DENIES, "reasons": ["PAP-F2F"]}, (422, "question-open")),
        ({**PHYSICIAN_DENIES, "reasons": ["PAP-DX"]}, (422, "criterion-met")),
        ({**PHYSICIAN_DENIES, "reasons": ["PAP-F2F"], "rationale": "."}, (422, "rationale")),
        ({**PHYSICIAN_DENIES, "reasons": ["PAP-F2F"], "license": "x"}, (422, "license")),
        ({"outcome": "approve", "rationale": "Seen by me.", **PHYSICIAN, "npi": REQUESTER_NPI}, (403, "conflict-of-interest")),
        ({"outcome": "approve", "rationale": "Seen by me.", **NURSE, "by": REQUESTER_NPI}, (403, "conflict-of-interest")),
        # the directory's name for the requester's NPI
        ({"outcome": "approve", "rationale": "Seen by me.", **NURSE, "by": "Dr. Nadia Fuentes"}, (403, "conflict-of-interest")),
        ({"outcome": "pend", "note": "Since when?", **NURSE, "by": "fuentes, nadia"}, (403, "conflict-of-interest")),
        ({"outcome": "pend", "reasons": ["PAP-DX"], **NURSE}, (422, "incomplete")),
    ],
)  # fmt: skip
async def test_what_persons_may_not_do(driver: Driver, body: Json, expected: tuple[int, str]) -> None:
    case = await pended(driver)
    before = await driver.record(case)
    assert refusal(await driver.decide(case, **body)) == expected
    assert (await driver.record(case)).events == before.events


async def test_a_denial_cites_what_the_study_shows_and_the_notes_say_it(driver: Driver) -> None:
    case = await unmet(driver)
    assert refusal(await driver.decide(case, **PHYSICIAN_DENIES, reasons=[CRITERION_MET])) == (422, "criterion-met")
    decided = await driver.decide(case, **PHYSICIAN_DENIES, reasons=[CRITERION_UNMET])
    assert decided.status_code == 200, decided.text
    (now,) = await driver.inquire(inquiry("ask"))
    (line,) = by_sequence(now).values()
    assert line.action == "A3"
    assert any("breathing stops" in note for note in line.notes)
    assert not any("the notice" in note for note in line.notes)  # there is none yet


async def test_a_denial_for_want_of_information_says_what_was_asked_and_when(driver: Driver) -> None:
    case = await pended(driver)
    denial = {**PHYSICIAN_DENIES, "reasons": ["PAP-F2F"]}
    for days, expected in ((4, (422, "question-open")), (1, (200, ""))):
        driver.forward(days=days)
        assert refusal(await driver.decide(case, **denial)) == expected
    (now,) = await driver.inquire(inquiry("ask"))
    notes = by_sequence(now)[1].notes
    assert any(
        "Asked on 2026-11-20, to be answered by 2026-11-25" in note and "No answer came" in note for note in notes
    )


async def test_a_nurse_cannot_ask_her_way_to_an_exception(driver: Driver) -> None:
    """What the rules found stays what they found, whatever people asked since."""
    case = await unmet(driver)
    approve = {"outcome": "approve", "rationale": "Looks fine to me.", **NURSE}
    assert refusal(await driver.decide(case, **approve)) == (403, "exception-needs-physician")
    assert (await driver.decide(case, outcome="pend", note="Anything else?", **NURSE)).status_code == 200
    assert refusal(await driver.decide(case, **approve)) == (403, "exception-needs-physician")


# What is granted comes from the policy


async def test_an_approval_without_an_amount_grants_the_policys(driver: Driver) -> None:
    item = cpap()
    del item["quantity"]
    case = case_of(await driver.submit(request("none", [item], studied=False)))
    assert (await driver.decide(case, outcome="approve", rationale="Seen the study.", **NURSE)).status_code == 200
    granted = (await line_of(driver, case)).authorization
    assert granted is not None
    assert (granted.quantity, granted.unit, str(granted.end)) == (3, "months", "2027-03-28")


async def test_when_the_policy_version_is_gone_the_person_says_what_is_granted(driver: Driver) -> None:
    case = await pended(driver)
    assert driver.app is not None
    service: AuthorizationService = driver.app.state.service
    service.catalogue = Catalogue
    approve = {"outcome": "approve", "rationale": "Seen the study.", **NURSE}
    assert refusal(await driver.decide(case, **approve)) == (422, "grant-unknown")
    assert refusal(await driver.decide(case, **approve, authorized={"units": 3})) == (422, "grant-unknown")
    assert (await driver.decide(case, **approve, authorized={"units": 3, "period": "3 months"})).status_code == 200


# A6


async def cut(driver: Driver, name: str = "cut", months: float = 13, granted: float = 6) -> tuple[Json, str, str]:
    """A request of which less was granted: what was sent, the case, the number."""
    body = request(name, [cpap(months)])
    case = case_of(await driver.submit(body))
    await driver.modify(case, granted)
    authorization = (await line_of(driver, case)).authorization
    assert authorization is not None
    return body, case, authorization.number


@pytest.mark.parametrize("base", [NEW, OLD])
async def test_a6_says_what_was_cut_and_how_to_appeal(driver: Driver, base: str) -> None:
    _, _, number = await cut(driver)
    (now,) = await driver.inquire(inquiry("ask"), base)
    (line,) = by_sequence(now).values()
    assert (line.action, line.number) == ("A6", number)
    assert SHORTER in line.notes
    assert any("appeal" in note for note in line.notes)
    assert any("6 months" in note and "Asked for: 13 months" in note for note in line.notes)


@pytest.mark.parametrize(("months", "satisfied"), [(3, True), (6, True), (7, False), (13, False)])
async def test_a6_satisfies_orders_within_what_was_granted(driver: Driver, months: int, satisfied: bool) -> None:
    _, _, number = await cut(driver)
    asked = order("E0601", occurrenceDateTime="2027-01-10", quantityQuantity={"value": months, "unit": "months"})
    answer = (await driver.client.post("/cds-services/crd-order-sign", json=hook(asked, version="2.2"))).json()
    (info,) = infos(answer)
    assert (info.get("satisfied-pa-id") == number) is satisfied
    assert (info["pa-needed"] == "satisfied") is satisfied


async def test_a6_is_found_and_repeated_by_its_number(driver: Driver) -> None:
    _, case, number = await cut(driver)
    (found,) = await driver.inquire(inquiry("number", numbers=(number,)))
    assert case_of(found) == case
    again = cpap(6)
    again["extension"].append({"url": NUMBERED, "valueString": number})
    answer = await driver.submit(request("again", [again]))
    (line,) = by_sequence(answer).values()
    assert (line.action, line.number) == ("A1", number)
    more = cpap(13)
    more["extension"].append({"url": NUMBERED, "valueString": number})
    assert actions(await driver.submit(request("more", [more]))) == {1: "A4"}


async def test_the_days_that_were_cut_are_not_repeated(driver: Driver) -> None:
    """A request in the very dates of the first one does not rest on an authorization that ends earlier."""
    dates = {"servicedPeriod": {"start": "2027-01-04", "end": "2027-03-26"}}
    item = cpap()
    item.pop("servicedDate", None)
    item |= dates
    case = case_of(await driver.submit(request("first", [item], studied=False)))
    cutting = {"outcome": "modify", "authorized": {"period": "4 weeks"}, "rationale": SHORTER, **PHYSICIAN}
    assert (await driver.decide(case, **cutting)).status_code == 200
    granted = (await line_of(driver, case)).authorization
    assert granted is not None
    item["extension"].append({"url": NUMBERED, "valueString": granted.number})
    answer = await driver.submit(request("second", [item], studied=False))
    assert actions(answer) == {1: "A4"}


async def test_a6_is_narrowed_under_its_number(driver: Driver) -> None:
    body, case, number = await cut(driver)
    answer = await driver.submit(update(body, "less", lambda c: c["item"][0]["quantity"].update(value=4)))
    (line,) = by_sequence(answer).values()
    assert (line.action, line.number) == ("A6", number)
    granted = (await line_of(driver, case)).authorization
    assert granted is not None
    assert granted.quantity == 4


@pytest.mark.parametrize("months", [3, 7, 12])
async def test_no_machine_grants_again_what_a_physician_cut(driver: Driver, months: int) -> None:
    body, case, _ = await cut(driver)
    answer = await driver.submit(
        update(
            body,
            "more",
            lambda c: c["item"][0].update(servicedDate="2027-01-05", quantity={"value": months, "unit": "months"}),
        )
    )
    assert actions(answer) == {1: "A4"}
    assert refusal(await driver.decide(case, outcome="approve", rationale="Looks fine to me.", **NURSE))[0] == 403


async def test_nor_when_the_answer_to_a_question_comes_afterwards(driver: Driver) -> None:
    """Cut, asked for otherwise, asked about, and then answered well enough for the rules."""
    body, case, _ = await cut(driver)
    item = {"servicedDate": "2027-01-05", "quantity": {"value": 3, "unit": "months"}}
    await driver.submit(update(body, "otherwise", lambda c: c["item"][0].update(item)))
    assert (await driver.decide(case, outcome="pend", note="Since when?", **PHYSICIAN)).status_code == 200
    assert (await line_of(driver, case)).state == "pended_info"
    task = (await driver.inquire(inquiry("ask")))[0]
    assert actions(task) == {1: "A4"}
    study = parameters(case, attachment(filled_in()), member="MA-0001")
    sent = await driver.client.post("/fhir/$submit-attachment", content=json.dumps(study), headers=HEADERS)
    assert sent.status_code == 200, sent.text
    assert (await line_of(driver, case)).state == "nurse_review"
    assert refusal(await driver.decide(case, outcome="approve", rationale="Looks fine to me.", **NURSE))[0] == 403


async def test_a6_can_be_cancelled(driver: Driver) -> None:
    body, case, _ = await cut(driver)
    answer = await driver.submit(update(body, "cancel", lambda c: cancel(c["item"][0])))
    (line,) = by_sequence(answer).values()
    assert line.action == "C"
    (said,) = line.notes
    assert said.startswith(f"Cancelled at the provider's request: {_service(body)}. Authorization PA")
    assert said.endswith(" is no longer valid.")
    assert (await line_of(driver, case)).state == "cancelled"


def _service(body: Json) -> str:
    coding = claim_of(body)["item"][0]["productOrService"]["coding"][0]
    return str(coding.get("display") or coding["code"])


async def test_what_was_approved_and_cancelled_does_not_speak_of_its_criteria(driver: Driver) -> None:
    body = request("approved", [cpap()])
    await driver.submit(body)
    answer = await driver.submit(update(body, "cancel", lambda c: cancel(c["item"][0])))
    assert not any("criteria" in note for note in by_sequence(answer)[1].notes)


# Referral


async def refer(driver: Driver, case: str, **body: Any) -> httpx.Response:
    given = {"reason": "The study is hard to read.", **NURSE} | body
    return await driver.client.post(f"/api/cases/{case}/lines/1/referral", json=given)


async def queue(driver: Driver, name: str) -> list[str]:
    answer = await driver.client.get("/api/worklist", params={"queue": name})
    assert answer.status_code == 200, answer.text
    return [row["case"] for row in answer.json()["rows"]]


@pytest.mark.parametrize("make", [pended, unmet])
async def test_a_nurse_refers_and_a_physician_decides(driver: Driver, make: Any) -> None:
    case = await make(driver)
    answer = await refer(driver, case, question="Is a shorter trial enough?")
    assert answer.status_code == 200, answer.text
    assert answer.json()["states"] == {"1": "md_review"}
    assert (await queue(driver, "physician"), await queue(driver, "nurse"), await queue(driver, "info")) == (
        [case],
        [],
        [],
    )
    told = (await driver.client.get(f"/api/cases/{case}")).json()["lines"][0]["referral"]
    assert told == {
        "by": NURSE["by"],
        "role": "nurse",
        "at": "2026-11-20T15:00:00.000Z",
        "reason": "The study is hard to read.",
        "question": "Is a shorter trial enough?",
    }
    (now,) = await driver.inquire(inquiry("ask"))
    assert actions(now) == {1: "A4"}
    for body in ({"outcome": "approve", "rationale": "Seen the study."}, {"outcome": "pend", "note": "Which study?"}):
        assert refusal(await driver.decide(case, **body, **NURSE)) == (403, "physician-review")
    assert refusal(await refer(driver, case)) == (409, "line-closed")
    await driver.approve(case)
    assert await queue(driver, "physician") == []
    assert refusal(await refer(driver, case)) == (409, "line-closed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": "."}, (422, "rationale")),
        ({"role": "physician"}, (403, "role-may-not-refer")),
        ({"role": "clerk"}, (403, "role-may-not-refer")),
        ({"npi": REQUESTER_NPI}, (403, "conflict-of-interest")),
        ({"reason": None}, (400, "determination")),
        ({"outcome": "approve"}, (400, "determination")),
    ],
)
async def test_a_referral_that_is_none(driver: Driver, body: Json, expected: tuple[int, str]) -> None:
    case = await pended(driver)
    assert refusal(await refer(driver, case, **body)) == expected


async def test_a_referral_of_what_has_moved_on(driver: Driver) -> None:
    case = await pended(driver)
    etag = (await driver.client.get(f"/api/cases/{case}")).headers["etag"]
    assert (await driver.decide(case, outcome="pend", note="Which study?", **NURSE)).status_code == 200
    late = await driver.client.post(
        f"/api/cases/{case}/lines/1/referral", json={"reason": "Hard to read.", **NURSE}, headers={"If-Match": etag}
    )
    assert refusal(late) == (412, "stale")
    missing = await driver.client.post(f"/api/cases/{case}/lines/9/referral", json={"reason": "Hard to read.", **NURSE})
    assert refusal(missing) == (404, "no-line")


async def test_a_version_or_a_page_that_cannot_be_read_is_refused(driver: Driver) -> None:
    case = await pended(driver)
    before = await driver.record(case)
    url, body = f"/api/cases/{case}/lines/1/determination", {"outcome": "pend", "note": "Which study?", **NURSE}
    for said in ("garbage", "", "3", 'W/"x"', '"1", "2"', 'W/"-1"'):
        answer = await driver.client.post(url, json=body, headers={"If-Match": said})
        assert refusal(answer) == (400, "if-match"), said
    assert (await driver.record(case)).events == before.events
    assert (await driver.client.post(url, json=body, headers={"If-Match": "*"})).status_code == 200
    for page in ("-1", "x", "0", "1.5", "", "9" * 30):
        assert refusal(await driver.client.get("/api/worklist", params={"page": page})) == (400, "worklist-filter")
    assert (await driver.client.get("/api/worklist", params={"page": "1"})).status_code == 200


@pytest.mark.parametrize("field", ["by", "role", "rationale"])
async def test_an_empty_field_is_named(driver: Driver, field: str) -> None:
    case = await pended(driver)
    answer = await driver.decide(case, **{"outcome": "approve", "rationale": "Seen by me.", **NURSE, field: "  "})
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["expression"]) == (400, [field])
    assert field in issue["details"]["text"] + issue.get("diagnostics", "")


# Who it was


async def test_the_audit_names_the_person_and_the_client(driver: Driver) -> None:
    case = await pended(driver)
    assert (await refer(driver, case)).status_code == 200
    await driver.approve(case)
    assert driver.app is not None
    entries = await driver.app.state.server.store.audit("default", limit=1000)
    made = [(e.action, e.actor, e.detail) for e in entries if e.subject == case and e.action != "submit"]
    assert made == [
        ("referral", NURSE["by"], {"line": "1", "role": "nurse", "client": "open"}),
        ("determination-approve", PHYSICIAN["by"], {"line": "1", "role": "physician", "client": "open"}),
    ]


STAFF = Client("um-driver", roles=frozenset({"nurse", "physician"}))
NURSES = Client("nurse-nell", roles=frozenset({"nurse"}))


@pytest.mark.parametrize(
    ("client", "body", "expected"),
    [
        (OPEN_CLIENT, {"by": "anybody", "role": "physician"}, "anybody"),
        (NURSES, {"by": "nurse-nell", "role": "nurse"}, "nurse-nell"),
        (NURSES, {}, "nurse-nell"),
        (NURSES, {"by": "dr.lind", "role": "nurse"}, "by-not-login"),
        (NURSES, {"by": "Nurse-Nell", "role": "nurse"}, "by-not-login"),
        (NURSES, {"by": "nurse-nell", "role": "physician"}, "role-not-registered"),
        (STAFF, {"role": "physician"}, "um-driver"),
        (STAFF, {"by": "dr.lind", "role": "physician"}, "by-not-login"),
        (STAFF, {}, "determination"),  # which of its roles?
        (Client("provider"), {"role": "nurse"}, "role-not-registered"),
    ],
)
@pytest.mark.parametrize(("kind", "rest"), [(PersonDecides, {"outcome": "approve"}), (PersonRefers, {"reason": "why"})])
def test_by_and_role_come_from_the_login(
    client: Client, body: Json, expected: str, kind: type[Any], rest: Json
) -> None:
    def answer() -> str:
        try:
            said = parse(json.dumps(body | rest), kind, client)
            check_person(client, said)
        except FhirError as error:
            return str(error.issues[0].rule)
        return str(said.by)

    assert answer() == expected


# Whatever a nurse tries

UNITS = st.none() | st.sampled_from([0, 1, 2, 3, 4, 6, 12, 13, 36, 700, 9999, "3.0", "2.99", "1e3"])
PERIODS = st.none() | st.sampled_from(
    ["1 weeks", "12 weeks", "3 months", "12 months", "10 years", "2027-01-04/2027-03-28", "2027-01-04/2027-01-05",
     "2020-01-01/2020-01-02", "2027-03-01/2027-03-28", "2026-11-01/2028-01-01"]
)  # fmt: skip
ACTIONS = st.fixed_dictionaries(
    {
        "outcome": st.sampled_from(["approve", "approve", "modify", "deny", "pend", "refer"]),
        "units": UNITS,
        "period": PERIODS,
        "reasons": st.lists(st.sampled_from([CRITERION_MET, CRITERION_UNMET, "PAP-F2F", "PAP-AHI"]), max_size=2),
        "rationale": st.sampled_from([None, ".", NO_APNEA]),
        "license": st.sampled_from([None, "RN-12345"]),
        "days": st.sampled_from([0, 0, 6]),
    }
)
_NAMES = itertools.count()


@settings(max_examples=20)
@given(
    months=st.sampled_from([1, 3, 12, 13]),
    shown=st.sampled_from([None, MILD]),
    tries=st.lists(ACTIONS, min_size=1, max_size=6),
)
def test_no_nurse_ends_with_less_than_asked_more_than_granted_or_a_denial(
    tmp_path_factory: Any, months: int, shown: Json | None, tries: list[Json]
) -> None:
    async def play(folder: Path) -> None:
        async with running(folder, frozen_runtime()) as (app, client):
            driver = Driver(client, app)
            name = f"r{next(_NAMES)}"
            evidence = (answered(name, "pap-osa-initial", shown),) if shown else ()
            case = case_of(await driver.submit(request(name, [cpap(months)], evidence=evidence)))
            for one in tries:
                driver.forward(days=one["days"])
                await act(driver, case, one)
            line = await line_of(driver, case)
            assert line.state in ("pended_info", "nurse_review", "md_review", "active")
            if line.state == "active":
                granted = line.authorization
                assert granted is not None
                assert months <= 3
                assert shown is None
                assert granted.quantity == months
                assert str(granted.start) == "2027-01-04"
                assert granted.end is not None
                assert str(granted.end) >= ("2027-02-03" if months == 1 else "2027-03-28")
                assert str(granted.end) <= "2027-04-03"

    asyncio.run(play(tmp_path_factory.mktemp("nurse")))


async def act(driver: Driver, case: str, one: Json) -> None:
    given = {key: one[key] for key in ("rationale", "license") if one[key]}
    if one["outcome"] == "refer":
        answer = await refer(driver, case, reason=one["rationale"] or "x")
    else:
        authorized = {key: one[key] for key in ("units", "period") if one[key] is not None}
        body = {"outcome": one["outcome"], "reasons": one["reasons"], **given}
        answer = await driver.decide(case, **body, **({"authorized": authorized} if authorized else {}), **NURSE)
    assert answer.status_code in (200, 403, 409, 422), answer.text


async def test_one_line_of_several_is_decided_alone(driver: Driver) -> None:
    case = case_of(await driver.submit(request("two", [cpap(), chair(2)], studied=False)))
    assert (await refer(driver, case)).status_code == 200
    assert {n: line.state for n, line in (await driver.record(case)).lines.items()} == {
        1: "md_review",
        2: "pended_info",
    }
    (now,) = await driver.inquire(inquiry("ask"))
    assert claim_response(now)["outcome"] == "complete"
