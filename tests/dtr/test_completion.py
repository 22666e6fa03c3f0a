"""coverage-information on a finished adaptive form: said where CRD had asked, kept as an assertion, never a number."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from dtr_support import SHAPES, Driver, answered_items, call, canonical, coverage, findings
from tools.make_examples import cpap
from tools.requests import Json, request_bundle

from crd.building import EXTENSION, infos, said_of, sent_example
from precert.dtr import shape20, shape22
from precert.dtr.completion import needed
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.policy.types import Outcome
from precert.store.port import Commit, Put
from support.answers import bundle

MET = {"tester_qualified": True, "spo2_rest": 86, "improves_with_o2": True}
HOOK = {shape22: "2.2", shape20: "2.0"}


async def asserted(driver: Driver, shape: Shape = shape22) -> str:
    """The assertion of an order-sign hook that asks for the oxygen form."""
    (said,) = infos(await sent_example(driver.client, "order-sign-auth-needed-documents", HOOK[shape]))
    assert said["pa-needed"] == "auth-needed"
    return str(said["coverage-assertion-id"])


async def finished(driver: Driver, shape: Shape, answers: dict[str, Any], **more: Any) -> Json:
    """The adaptive oxygen form from the package to the end."""
    package = await driver.package(call(canonical("oxygen-home-adaptive"), **more), shape)
    response = fill(package.draft, answers) if shape is shape20 else package.draft  # 2.0.1 asks in the package already
    for _ in range(12):
        response = await driver.next(response, shape)
        if response["status"] == "completed":
            return response
        response = fill(response, answers)
    raise AssertionError("the form did not end")


def fill(response: Json, answers: dict[str, Any]) -> Json:
    made = copy.deepcopy(response)
    groups = []
    for group in made["contained"][0].get("item", []):
        inner = answered_items(group, answers)
        groups.append({"linkId": group["linkId"], "text": group["text"], **({"item": inner} if inner else {})})
    return made | {"item": groups}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_form_that_crd_asked_for_says_what_it_came_to(driver: Driver, shape: Shape) -> None:
    opened = await asserted(driver, shape)
    done = await finished(driver, shape, MET, context=opened)
    (said,) = said_of(done)
    assert said["coverage"] == {"reference": "Coverage/cov-MA-0001"}
    assert (said["covered"], said["pa-needed"]) == ("covered", "auth-needed")
    (reason,) = said["reason"]
    assert "criteria are met" in reason["text"]
    assert said["coverage-assertion-id"] == f"{opened}.oxygen-home"
    assert not {"satisfied-pa-id", "doc-needed", "questionnaire"} & set(said)
    assert findings(done, shape) == []


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("policies", [[], ["own"], ["own", "other"], ["own", "other", "third"]])
def test_one_form_frees_nobody_from_what_other_policies_ask(outcome: Outcome, policies: list[str]) -> None:
    line = {"policy": "own", "considered": [{"policy": name} for name in policies]}
    free = outcome in (Outcome.NO_AUTH, Outcome.NOT_APPLICABLE) and len(policies) <= 1
    assert needed(outcome, line) == ("no-auth" if free else "auth-needed")


async def test_it_can_be_explained_and_opens_no_form_any_more(driver: Driver) -> None:
    opened = await asserted(driver)
    done = await finished(driver, shape22, MET, context=opened)
    id = said_of(done)[0]["coverage-assertion-id"]
    shown = await driver.client.get(f"/explain/{id}", headers={"Accept": "application/json"})
    assert shown.status_code == 200
    explained = json.loads(shown.content)
    assert (explained["id"], explained["completes"]) == (id, opened)
    (line,) = explained["lines"]
    assert (line["policy"], line["missing"], line["order"]) == ("oxygen-home", [], "ServiceRequest/o1")
    assert {f["name"]: f["value"] for f in line["facts"]}["spo2_rest"] == 86
    after = await driver.package(call(context=id))
    assert (after.bundles, after.issues) == ([], [("information", "nothing-needed")])


async def test_a_later_completion_takes_the_place_of_the_earlier(driver: Driver) -> None:
    """spec-45: one statement per order, in the response and in the store; and a step can be repeated."""
    opened = await asserted(driver)
    first = await finished(driver, shape22, MET, context=opened)
    assert await driver.next(first) == first
    second = await finished(driver, shape22, {**MET, "tester_qualified": False}, context=opened)
    (said,) = said_of(second)
    assert said["coverage-assertion-id"] == said_of(first)[0]["coverage-assertion-id"]
    (reason,) = said["reason"]
    assert "reviewer" in reason["text"]
    shown = await driver.client.get(f"/explain/{said['coverage-assertion-id']}", headers={"Accept": "application/json"})
    assert json.loads(shown.content)["lines"][0]["reasons"] == [reason["text"]]


async def test_what_is_said_of_another_coverage_stays(driver: Driver) -> None:
    opened = await asserted(driver)
    done = await finished(driver, shape22, MET, context=opened)
    other = copy.deepcopy(next(e for e in done["extension"] if e["url"] == EXTENSION))
    other["extension"][0]["valueReference"] = {"reference": "Coverage/other"}
    again = await driver.next(done | {"extension": [other, *done["extension"]]})
    assert [said["coverage"]["reference"] for said in said_of(again)] == ["Coverage/other", "Coverage/cov-MA-0001"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_open_questions_are_said_to_be_open(driver: Driver, shape: Shape) -> None:
    opened = await asserted(driver, shape)
    done = await finished(driver, shape, {"tester_qualified": True}, context=opened)
    (said,) = said_of(done)
    assert said["doc-needed"] == ["clinical"]
    assert said["questionnaire"] == [canonical("oxygen-home", "2026.2")]
    assert findings(done, shape) == []


async def test_a_completion_with_open_questions_can_be_taken_up_again(driver: Driver) -> None:
    """Its id opens the form too, and what that comes to takes its place."""
    opened = await asserted(driver)
    (open_,) = said_of(await finished(driver, shape22, {"tester_qualified": True}, context=opened))
    (said,) = said_of(await finished(driver, shape22, MET, context=open_["coverage-assertion-id"]))
    assert said["coverage-assertion-id"] == open_["coverage-assertion-id"]
    assert "doc-needed" not in said


async def test_nothing_is_said_where_crd_left_coverage_open(driver: Driver) -> None:
    """What is conditional stays so: a form answers the questions of its policy, not who is covered."""
    line = {"code": "hcpcs|E1390", "policy": "oxygen-home", "version": "2026.2", "missing": ["spo2_rest"]}
    kept = json.dumps({"id": "CA1", "coverage": "Coverage/c", "lines": [line | {"covered": "conditional"}]})
    await driver.service.store.commit(Commit(tenant=driver.service.tenant, puts=[Put("Assertion", "CA1", kept)]))
    assert said_of(await finished(driver, shape22, MET, context="CA1")) == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_nothing_is_said_where_crd_was_not_asked(driver: Driver, shape: Shape) -> None:
    assert said_of(await finished(driver, shape, MET)) == []


async def test_nothing_is_said_of_a_pended_request(driver: Driver) -> None:
    """spec-42: a form opened from PAS never carries an authorization; the answers decide when they are submitted."""
    asked = request_bundle("waits", "MA-0002", [cpap()], diagnoses=("G47.33",))
    response = await driver.post("Claim/$submit", asked)
    task = next(e["resource"] for e in bundle(response)["entry"] if e["resource"]["resourceType"] == "Task")
    context = next(i["valueString"] for i in task["input"] if "valueString" in i)
    package = await driver.package(
        call(canonical("pap-osa-initial-adaptive"), context=context, coverages=[coverage("MA-0002")])
    )
    answers = {"osa_dx": True, "eval_before_test": True, "ahi": 22, "events": 140, "comorbid": True}
    response = await driver.next(package.draft)
    response = await driver.next(fill(response, answers))
    assert response["status"] == "completed"
    assert said_of(response) == []


async def test_an_assertion_about_another_service_is_left_alone(driver: Driver) -> None:
    opened = await asserted(driver)
    package = await driver.package(call(canonical("mri-lumbar-adaptive"), context=opened))
    response = await driver.next(package.draft)
    response = await driver.next(fill(response, {"red_flag_dx": True}))
    assert (response["status"], said_of(response)) == ("completed", [])
