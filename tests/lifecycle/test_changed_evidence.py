"""Evidence that is withdrawn or contradicted after a yes: what was granted stands, and a person is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tools.make_examples import answered
from tools.requests import concept, observation

from lifecycle.steps import NURSE, Driver, Json, actions, by_sequence, cancel, case_of, claim_of, cpap, request, update
from precert.authorization.record.case import EVIDENCE_CHANGED

RECLINED = {"eval_before_test": True, "events": 140}


def studied(name: str = "first", **more: Any) -> Json:
    """Approved: the index comes as an Observation, the rest as answers."""
    ahi = observation("ahi", "loinc|69990-0", 22, "{events}/h", "2026-11-02")
    return request(name, [cpap()], evidence=(ahi, answered(name, "pap-osa-initial", RECLINED)), **more)


def resource(body: Json, type_: str) -> Json:
    found: Json = next(e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == type_)
    return found


def later(earlier: Json, edit: Callable[[Json], None], step: str = "second") -> Json:
    made = update(earlier, step)
    edit(made)
    return made


def error(body: Json) -> None:
    resource(body, "Observation")["status"] = "entered-in-error"


def cancelled(body: Json) -> None:
    resource(body, "Observation")["status"] = "cancelled"


def lower(body: Json) -> None:
    resource(body, "Observation").update({"status": "corrected", "valueQuantity": {"value": 3, "unit": "{events}/h"}})


def taken_back(body: Json) -> None:
    response = resource(body, "QuestionnaireResponse")
    response["status"] = "entered-in-error"


def says_no(body: Json) -> None:
    response = resource(body, "QuestionnaireResponse")
    response["authored"] = "2026-11-20T14:30:00Z"
    for each in response["item"]:
        if each["linkId"] == "eval_before_test":
            each["answer"] = [{"valueBoolean": False}]


def second_measurement(body: Json) -> None:
    entry = copy.deepcopy(next(e for e in body["entry"] if e["resource"]["resourceType"] == "Observation"))
    entry["fullUrl"] += "-2"
    entry["resource"] |= {
        "id": "ahi-2",
        "effectiveDateTime": "2026-11-19",
        "valueQuantity": {"value": 2, "unit": "{events}/h"},
    }
    body["entry"].append(entry)


def other_diagnosis(body: Json) -> None:
    claim_of(body)["diagnosis"][0]["diagnosisCodeableConcept"] = concept("icd10|R06.83")


def withdrawn(body: Json) -> None:
    info = next(i for i in claim_of(body)["supportingInfo"] if "Observation" in str(_target(body, i)))
    url = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/modifierextension-infoCancelled"
    info["modifierExtension"] = [{"url": url, "valueBoolean": True}]


def _target(body: Json, info: Json) -> Any:
    url = info["valueReference"]["reference"]
    return next(e["resource"]["resourceType"] for e in body["entry"] if e["fullUrl"] == url)


WEAKER = [error, cancelled, lower, taken_back, says_no, second_measurement, other_diagnosis, withdrawn]


@pytest.mark.parametrize("edit", WEAKER, ids=lambda edit: edit.__name__)
async def test_an_approval_whose_evidence_changes_stands_and_waits_for_a_person(driver: Driver, edit: Any) -> None:
    first = studied()
    before = await driver.submit(first)
    after = await driver.submit(later(first, edit))
    case = case_of(before)
    assert (actions(before), actions(after)) == ({1: "A1"}, {1: "A1"})
    assert by_sequence(after)[1].number == by_sequence(before)[1].number
    record = await driver.record(case)
    assert list(record.to_review) == [1]
    for queue in ("open", "changed", "all"):
        rows = (await driver.client.get("/api/worklist", params={"queue": queue})).json()["rows"]
        assert [row["case"] for row in rows] == [case], queue
    (told,) = (await driver.client.get(f"/explain/{case}", headers={"Accept": "application/json"})).json()["lines"]
    assert told["evidence_changed"]["changed"]
    page = (await driver.client.get(f"/workbench/cases/{case}")).text
    assert "evidence-review" in page
    assert "The evidence changed after the answer" in page


def nothing(body: Json) -> None: ...


def more_of_the_same(body: Json) -> None:
    entry = copy.deepcopy(next(e for e in body["entry"] if e["resource"]["resourceType"] == "Observation"))
    entry["fullUrl"] += "-2"
    entry["resource"] |= {
        "id": "ahi-2",
        "effectiveDateTime": "2026-11-19",
        "valueQuantity": {"value": 30, "unit": "{events}/h"},
    }
    body["entry"].append(entry)


def left_out(body: Json) -> None:
    body["entry"] = [e for e in body["entry"] if e["resource"]["resourceType"] != "Observation"]
    for claim in (e["resource"] for e in body["entry"] if e["resource"]["resourceType"] == "Claim"):
        claim["supportingInfo"] = claim["supportingInfo"][1:]


def less(body: Json) -> None:
    claim_of(body)["item"][0]["quantity"]["value"] = 2


def gone(body: Json) -> None:
    error(body)
    cancel(claim_of(body)["item"][0])


@pytest.mark.parametrize("edit", [nothing, more_of_the_same, left_out, less, gone], ids=lambda edit: edit.__name__)
async def test_no_alarm_when_it_is_borne_as_before_or_gone(driver: Driver, edit: Any) -> None:
    """What an update leaves out is on file still."""
    first = studied()
    case = case_of(await driver.submit(first))
    await driver.submit(later(first, edit))
    assert (await driver.record(case)).to_review == {}
    rows = (await driver.client.get("/api/worklist", params={"queue": "changed"})).json()["rows"]
    assert rows == []


async def test_an_older_version_that_comes_late_brings_nothing_back(driver: Driver) -> None:
    """The study was entered in error; an EHR's queue sends an earlier version of it afterwards."""
    first = studied()
    resource(first, "Observation").update(
        {"status": "entered-in-error", "meta": {"lastUpdated": "2026-11-10T10:00:00Z"}}
    )
    assert actions(await driver.submit(first)) == {1: "A4"}

    def final(body: Json, at: str) -> None:
        resource(body, "Observation").update({"status": "final", "meta": {"lastUpdated": at}})

    second = later(first, lambda body: final(body, "2026-11-09T10:00:00Z"))
    assert actions(await driver.submit(second)) == {1: "A4"}
    third = later(second, lambda body: final(body, "2026-11-11T10:00:00Z"), "third")
    assert actions(await driver.submit(third)) == {1: "A1"}


async def test_nobody_is_told_twice_and_a_review_settles_it(driver: Driver) -> None:
    first = studied()
    case = case_of(await driver.submit(first))
    second = later(first, error)
    await driver.submit(second)
    await driver.submit(later(second, error, "third"))
    record = await driver.record(case)
    assert sum(event.ev == EVIDENCE_CHANGED for event in record.events) == 1
    url = f"/api/cases/{case}/lines/1/evidence-review"
    said = NURSE | {"reason": "The laboratory sends the corrected report tomorrow."}
    for lacking, status in (({"reason": "ok"}, 422), ({"role": "clerk"}, 403), ({"reason": ""}, 400)):
        assert (await driver.client.post(url, json=said | lacking)).status_code == status
    answer = await driver.client.post(url, json=said)
    assert answer.status_code == 200, answer.text
    assert answer.json()["line"]["evidence_changed"]["reviewed"]["by"] == NURSE["by"]
    assert (await driver.client.post(url, json=said)).status_code == 409
    after = await driver.record(case)
    assert (after.to_review, after.lines[1].state) == ({}, "active")
    assert (await driver.client.get("/api/worklist")).json()["rows"] == []
    assert "evidence-review" not in (await driver.client.get(f"/workbench/cases/{case}")).text


async def test_an_approval_by_a_person_is_looked_at_again_as_well(driver: Driver) -> None:
    """The rules never said yes to it; what they found then is not to be found any more."""
    first = studied(diagnoses=())
    case = case_of(await driver.submit(first))
    await driver.approve(case)
    await driver.submit(later(first, error))
    assert list((await driver.record(case)).to_review) == [1]


async def test_the_time_windows_are_those_of_the_decision(driver: Driver) -> None:
    """A year later the study is too old for a new request, which is no news; that it was an error is."""
    first = studied()
    case = case_of(await driver.submit(first))
    driver.forward(days=370)
    await driver.submit(later(first, nothing))
    assert (await driver.record(case)).to_review == {}
    await driver.submit(later(first, error, "third"))
    assert list((await driver.record(case)).to_review) == [1]
