"""From a request to each kind of decision, by the rules and by people, in both shapes."""

from __future__ import annotations

from datetime import date

import pytest

from lifecycle.steps import (
    NEW,
    NO_APNEA,
    NURSE,
    OLD,
    PHYSICIAN,
    Driver,
    actions,
    by_sequence,
    case_of,
    cpap,
    inquiry,
    request,
)
from support.answers import claim_response, extension


async def current(driver: Driver, base: str = NEW, member: str = "MA-0001") -> dict[str, object]:
    """The one answer that an inquiry for the member gets."""
    (answer,) = await driver.inquire(inquiry(f"ask-{base.count('/')}", member=member), base)
    return answer


async def test_approved_by_the_rules(driver: Driver) -> None:
    answer = await driver.submit(request("r", [cpap()]))
    (line,) = by_sequence(answer).values()
    assert (line.action, line.reason) == ("A1", None)
    assert line.number is not None
    assert line.number.startswith("PA")
    response = claim_response(answer)
    assert response["preAuthRef"] == line.number
    granted = extension(response["item"][0], "extension-itemPreAuthPeriod")
    assert granted == {"start": "2027-01-04", "end": "2027-03-28"}  # the policy grants 12 weeks
    assert response["preAuthPeriod"] == granted
    reviewer = extension(response, "extension-claimResponseReviewer")
    assert extension(reviewer, "wasHumanReviewedFlag") is False


async def test_denied_by_the_plan_and_by_no_machine_otherwise(driver: Driver) -> None:
    """An administrative denial where the plan allows it; clinical doubt goes to a person."""
    ended = await driver.submit(request("ended", [cpap()], member="MA-0009"))
    (line,) = by_sequence(ended).values()
    assert (line.action, line.number) == ("A3", None)
    assert line.reason is not None
    assert any("2025-12-31" in note for note in line.notes)
    too_much = await driver.submit(request("too-much", [cpap(13)]))
    assert actions(too_much) == {1: "A4"}


@pytest.mark.parametrize("base", [NEW, OLD])
async def test_pended_then_approved_by_a_nurse(driver: Driver, base: str) -> None:
    answer = await driver.submit(request("r", [cpap()], studied=False), base)
    (line,) = by_sequence(answer).values()
    assert line.action == "A4"
    assert line.reference is not None
    assert line.reference.startswith("RN")
    assert claim_response(answer)["outcome"] == {NEW: "complete", OLD: "queued"}[base]
    decided = await driver.decide(case_of(answer), outcome="approve", rationale="Seen the study.", **NURSE)
    assert decided.status_code == 200, decided.text
    now = await current(driver, base)
    (line,) = by_sequence(now).values()
    assert (line.action, line.reference) == ("A1", None)
    assert claim_response(now)["outcome"] == "complete"


async def test_denied_by_a_physician_with_reason_note_and_reviewer(driver: Driver) -> None:
    answer = await driver.submit(request("r", [cpap()], studied=False))
    await driver.deny(case_of(answer))
    now = await current(driver)
    (line,) = by_sequence(now).values()
    assert (line.action, line.number) == ("A3", None)
    assert line.reason is not None
    assert NO_APNEA in line.notes
    assert any("appeal" in note for note in line.notes)
    reviewer = extension(claim_response(now), "extension-claimResponseReviewer")
    assert extension(reviewer, "wasHumanReviewedFlag") is True
    assert extension(reviewer, "reviewerNPI")["value"] == PHYSICIAN["npi"]
    assert extension(reviewer, "reviewerSpecialty") == {"text": PHYSICIAN["specialty"]}


@pytest.mark.parametrize("outcome", ["deny", "modify"])
async def test_a_nurse_neither_denies_nor_cuts(driver: Driver, outcome: str) -> None:
    answer = await driver.submit(request("r", [cpap()], studied=False))
    refused = await driver.decide(case_of(answer), outcome=outcome, rationale="No.", license="RN-1234", **NURSE)
    assert refused.status_code == 403
    assert actions(await current(driver)) == {1: "A4"}


async def test_cut_by_a_physician_in_both_shapes(driver: Driver) -> None:
    """spec-36, spec-37: the item keeps A6 and what was asked; what was granted stands where the version puts it."""
    answer = await driver.submit(request("r", [cpap(13)]))
    assert actions(answer) == {1: "A4"}
    await driver.modify(case_of(answer), 6)
    new, old = claim_response(await current(driver, NEW)), claim_response(await current(driver, OLD))
    numbers = set()
    for response in (new, old):
        (item,) = response["item"]
        action = extension(item["adjudication"][0], "extension-reviewAction")
        assert extension(action, "extension-reviewActionCode")["coding"][0]["code"] == "A6"
        numbers.add(extension(action, "number"))
    (added,) = new["addItem"]
    assert added["quantity"]["value"] == 6
    assert extension(new["item"][0], "extension-itemAuthorizedDetail")["extension"][-1]["valueQuantity"]["value"] == 13
    assert "addItem" not in old
    assert extension(old["item"][0], "extension-itemAuthorizedDetail")["extension"][-1]["valueQuantity"]["value"] == 6
    numbers.add(extension(extension(added["adjudication"][0], "extension-reviewAction"), "number"))
    assert len(numbers) == 1


async def test_one_case_two_shapes_one_decision(driver: Driver) -> None:
    """The decision is the core's; the version is rendering only (conf-1)."""
    await driver.submit(request("r", [cpap(), cpap(13, 2)]))
    new, old = await current(driver, NEW), await current(driver, OLD)
    assert by_sequence(new) == by_sequence(old)
    assert (claim_response(new)["outcome"], claim_response(old)["outcome"]) == ("complete", "queued")
    identifiers = [claim_response(a)["identifier"] for a in (new, old)]
    assert identifiers[0] == identifiers[1]


async def test_a_closed_line_is_decided_once(driver: Driver) -> None:
    answer = await driver.submit(request("r", [cpap()], studied=False))
    await driver.approve(case_of(answer))
    again = await driver.decide(case_of(answer), outcome="approve", rationale="Again.", **PHYSICIAN)
    assert again.status_code == 409


async def test_not_known_is_neither_granted_nor_refused(driver: Driver) -> None:
    """A request that is cancelled at once, and one that a machine cannot judge."""
    answer = await driver.submit(request("r", [cpap(start=None)], studied=False))
    response = claim_response(answer)
    assert "preAuthPeriod" not in response
    assert "preAuthRef" not in response
    record = await driver.record(case_of(answer))
    assert record.ordered[0].authorization is None
    assert record.opened.received.date() == date(2026, 11, 20)
