"""``$inquire``: what finds what, and what nobody else may find (spec-43..53)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tools.requests import MEMBERS, OUT_OF_NETWORK_NPI, concept

from lifecycle.steps import (
    ANY,
    NEW,
    OLD,
    Driver,
    Json,
    actions,
    by_sequence,
    case_of,
    chair,
    claim_of,
    cpap,
    inquiry,
    request,
    update,
)
from precert.fhir import json
from support.answers import claim_response

BASES = pytest.mark.parametrize("base", [NEW, OLD])


def cases_of(answers: Iterable[Json]) -> set[str]:
    return {case_of(answer) for answer in answers}


@BASES
async def test_by_member_and_provider_everything_comes(driver: Driver, base: str) -> None:
    one = await driver.submit(request("one", [cpap()]))
    two = await driver.submit(request("two", [chair(1)]))
    await driver.submit(request("other-member", [cpap()], member="MA-0002"))
    assert cases_of(await driver.inquire(inquiry("ask"), base)) == {case_of(one), case_of(two)}


@BASES
async def test_by_service(driver: Driver, base: str) -> None:
    one = await driver.submit(request("one", [cpap()]))
    await driver.submit(request("two", [chair(1)]))
    for items, wanted in (([cpap()], {case_of(one)}), ([cpap() | {"productOrService": concept("hcpcs|E1390")}], set())):
        assert cases_of(await driver.inquire(inquiry(f"ask-{len(wanted)}", items=items), base)) == wanted


async def test_several_items_are_a_union(driver: Driver) -> None:
    one, two = await driver.submit(request("one", [cpap()])), await driver.submit(request("two", [chair(1)]))
    found = await driver.inquire(inquiry("ask", items=[cpap(), chair(2)]))
    assert cases_of(found) == {case_of(one), case_of(two)}


@BASES
async def test_not_applicable_is_no_filter(driver: Driver, base: str) -> None:
    """spec-43."""
    one = await driver.submit(request("one", [cpap()]))
    found = await driver.inquire(inquiry("ask", items=[cpap() | {"productOrService": ANY}]), base)
    assert cases_of(found) == {case_of(one)}


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2027-01-04", "2027-01-04", True),
        ("2027-03-01", "2027-03-02", True),  # within what was granted
        ("2026-12-01", "2027-01-31", True),
        ("2027-04-15", "2027-04-20", False),
        ("2026-11-01", "2026-12-31", False),
    ],
)
async def test_by_dates(driver: Driver, start: str, end: str, found: bool) -> None:
    await driver.submit(request("one", [cpap()]))
    asked = cpap(start=start, end=end) | {"productOrService": ANY}
    assert bool(await driver.inquire(inquiry("ask", items=[asked]))) is found


@BASES
async def test_every_number_ever_issued_leads_to_the_record_as_it_is_now(driver: Driver, base: str) -> None:
    """spec-47, spec-48: certification numbers, references while pended, numbers of ours in old answers."""
    first = request("numbers", [cpap(2), chair(2)])
    answer = await driver.submit(first)
    issued = {line.number or line.reference for line in by_sequence(answer).values()}
    second = update(first, "more", lambda c: c["item"][0]["quantity"].update(value=3))
    answer = await driver.submit(second)
    issued |= {line.number or line.reference for line in by_sequence(answer).values()}
    await driver.approve(case_of(answer), 2)
    issued |= {case_of(answer)}
    assert len(issued) == 4  # two certification numbers, one reference, the case number
    for number in issued:
        assert number is not None
        for kind in ("extension-authorizationNumber", "extension-administrationReferenceNumber"):
            (found,) = await driver.inquire(inquiry(f"ask-{number}-{kind}", numbers=(number,), kind=kind), base)
            assert actions(found) == {1: "A1", 2: "A1"}


async def test_a_number_on_the_claim_itself_is_a_search_key_too(driver: Driver) -> None:
    answer = await driver.submit(request("root", [cpap()]))
    await driver.submit(request("other", [chair(1)]))
    number = by_sequence(answer)[1].number
    asked = inquiry("ask")
    url = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-authorizationNumber"
    claim_of(asked)["extension"] = [{"url": url, "valueString": number}]
    assert cases_of(await driver.inquire(asked)) == {case_of(answer)}


async def test_the_inquirys_own_identifier_is_no_search_key(driver: Driver) -> None:
    answer = await driver.submit(request("one", [cpap()]))
    asked = inquiry("ask")
    claim_of(asked)["identifier"][0]["value"] = "never seen before"
    assert cases_of(await driver.inquire(asked)) == {case_of(answer)}


@BASES
async def test_nothing_is_nothing(driver: Driver, base: str) -> None:
    """Not found and not yours are the same answer: an empty Parameters, or the error that 2.0.1 needs."""
    await driver.submit(request("one", [cpap()]))
    nobody = inquiry("ask-nobody", member="MA-0003")
    stranger = inquiry("ask-stranger", requester_npi=OUT_OF_NETWORK_NPI)
    told = []
    for asked in (nobody, stranger):
        answer = json.loads((await driver.post(asked, "$inquire", base)).content)
        if base == NEW:
            assert answer == {"resourceType": "Parameters"}
        else:
            response = claim_response(answer)
            told.append((response["outcome"], response["error"], response["disposition"]))
    assert base == NEW or told[0] == told[1]


async def test_the_right_number_does_not_help_a_stranger(driver: Driver) -> None:
    answer = await driver.submit(request("one", [cpap()]))
    number = by_sequence(answer)[1].number
    assert number is not None
    stranger = inquiry("ask", requester_npi=OUT_OF_NETWORK_NPI, numbers=(number,))
    assert await driver.inquire(stranger) == []
    other_member = inquiry("ask-2", member="MA-0002", numbers=(number,))
    assert await driver.inquire(other_member) == []


async def test_a_provider_on_the_care_team_may_ask(driver: Driver) -> None:
    """spec-52, spec-53: with the member's number and the NPI of an ordering or rendering provider."""
    body = request("team", [cpap() | {"careTeamSequence": [1]}])
    role, person = "urn:uuid:5d0a1f2e-0000-4000-8000-00000000a001", "urn:uuid:5d0a1f2e-0000-4000-8000-00000000a002"
    scope = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-careTeamClaimScope"
    member = {"extension": [{"url": scope, "valueBoolean": True}], "sequence": 1, "provider": {"reference": role}}
    claim = claim_of(body)
    claim |= {"careTeam": [member]}
    npi = {"system": "http://hl7.org/fhir/sid/us-npi", "value": OUT_OF_NETWORK_NPI}
    body["entry"] += [
        {
            "fullUrl": role,
            "resource": {
                "resourceType": "PractitionerRole",
                "practitioner": {"reference": person},
                "telecom": [{"system": "phone", "value": "+1-555-0150"}],
            },
        },
        {
            "fullUrl": person,
            "resource": {
                "resourceType": "Practitioner",
                "identifier": [npi],
                "name": [{"family": "Brandt", "given": ["Otto"]}],
            },
        },
    ]
    answer = await driver.submit(body)
    assert cases_of(await driver.inquire(inquiry("ask", requester_npi=OUT_OF_NETWORK_NPI))) == {case_of(answer)}


@BASES
async def test_never_another_members_data(driver: Driver, base: str) -> None:
    """Whatever the inquiry for a member says, nothing in the answer is about anybody else."""
    for number, member in enumerate(("MA-0001", "MA-0002", "MA-0003", "COM-0001")):
        await driver.submit(request(f"r-{number}", [cpap(), chair(2)], member=member))
    for member in ("MA-0001", "MA-0002", "MA-0003", "COM-0001"):
        answer = await driver.post(inquiry(f"ask-{member}", member=member), "$inquire", base)
        said = answer.content.decode()
        assert member in said
        for other in ("MA-0001", "MA-0002", "MA-0003", "COM-0001"):
            if other != member:
                assert other not in said
                assert MEMBERS[other]["name"][1] not in said


@BASES
async def test_a_person_who_is_not_the_one_on_file_is_told_so(driver: Driver, base: str) -> None:
    """The same AAA error as for a request, and no record."""
    await driver.submit(request("one", [cpap()]))
    wrong = {**MEMBERS["MA-0001"], "birthDate": "1961-03-14"}
    answer = json.loads((await driver.post(inquiry("ask", member_data=wrong), "$inquire", base)).content)
    response = claim_response(answer["parameter"][0]["resource"] if base == NEW else answer)
    assert response["error"][0]["code"]["coding"][0]["code"] == "71"
    assert "item" not in response


async def test_each_match_is_a_bundle_or_all_stand_in_one(driver: Driver) -> None:
    for n in (1, 2, 3):
        await driver.submit(request(f"r-{n}", [cpap()]))
    new = json.loads((await driver.post(inquiry("ask"), "$inquire", NEW)).content)
    assert [p["name"] for p in new["parameter"]] == ["return"] * 3
    for part in new["parameter"]:
        kinds = [e["resource"]["resourceType"] for e in part["resource"]["entry"]]
        assert kinds.count("ClaimResponse") == 1
        assert kinds[0] == "ClaimResponse"
    old = json.loads((await driver.post(inquiry("ask"), "$inquire", OLD)).content)
    kinds = [e["resource"]["resourceType"] for e in old["entry"]]
    assert kinds[:3] == ["ClaimResponse"] * 3
    assert kinds.count("ClaimResponse") == 3


async def test_asking_changes_nothing(driver: Driver) -> None:
    answer = await driver.submit(request("one", [cpap()], studied=False))
    before = len((await driver.record(case_of(answer))).events)
    for n in range(3):
        await driver.inquire(inquiry(f"ask-{n}"))
    assert len((await driver.record(case_of(answer))).events) == before


async def test_an_inquiry_without_a_member_is_refused(driver: Driver) -> None:
    """Patient, requester and payer are compulsory; "everything of a day" is no query."""
    asked = inquiry("ask")
    del claim_of(asked)["patient"]
    answer = await driver.post(asked, "$inquire")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("by", ["service", "dates"])
async def test_what_does_not_fit_hides_nothing(driver: Driver, by: str) -> None:
    """Sixty newer requests for something else do not push the one that is asked about out of the answer."""
    one = await driver.submit(request("one", [cpap()]))
    for number in range(60):
        await driver.submit(request(f"other-{number}", [chair(1)], studied=False))
    asked = cpap() if by == "service" else cpap(start="2027-03-01", end="2027-03-02") | {"productOrService": ANY}
    assert cases_of(await driver.inquire(inquiry("ask", items=[asked]))) == {case_of(one)}
