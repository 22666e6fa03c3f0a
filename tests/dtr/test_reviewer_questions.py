"""What a reviewer asks in their own words reaches the requester's form, comes back with the answers, and is read by a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tools.requests import request_bundle

from dtr.dtr_support import SHAPES, Driver, findings
from dtr.test_package import call, pended
from lifecycle.steps import NURSE, cpap
from precert.dtr.origin import find_origin
from precert.dtr.reviewer_questions import asked_in_words
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.security.identity import OPEN_CLIENT
from support.answers import bundle

WORDS = 'Please tell since when she snores, and send the "report" <b>of</b> 2 November.'


async def asked(driver: Driver, context: str) -> str:
    """A nurse asks in words; the new context."""
    case = await driver.service.find_case(context)
    assert case is not None
    body = {"outcome": "pend", "note": WORDS, **NURSE}
    answer = await driver.client.post(f"/api/cases/{case.number}/lines/1/determination", json=body)
    assert answer.status_code == 200, answer.text
    again = await driver.service.find_case(case.number)
    assert again is not None
    questions = again.lines[1].questions
    assert questions is not None
    return questions.id


def forms(body: Any) -> list[Any]:
    """The Questionnaires of a package answer."""
    bundles = [p["resource"] for p in body["parameter"] if p["resource"]["resourceType"] == "Bundle"]
    return [e["resource"] for b in bundles for e in b["entry"] if e["resource"]["resourceType"] == "Questionnaire"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_the_question_is_in_the_package_of_its_request_and_the_answer_goes_to_a_person(
    driver: Driver, shape: Shape
) -> None:
    before = await pended(driver)
    assert len((await driver.package(call(context=before, coverages=[]), shape)).bundles) == 1
    context = await asked(driver, before)
    package = await driver.package(call(context=context, coverages=[]), shape)
    ours, words = forms(package.body)
    assert ours["title"].startswith("PAP device")
    (group,) = words["item"]
    assert [(item["type"], item["text"]) for item in group["item"]] == [("text", WORDS)]
    assert words["url"].endswith(f"/reviewer-question-{context}")
    assert findings(package.body, shape) == []

    draft = next(
        e["resource"] for e in package.bundles[1]["entry"] if e["resource"]["resourceType"] == "QuestionnaireResponse"
    )
    assert draft["identifier"]["value"] == context
    assert draft["questionnaire"] == f"{words['url']}|{words['version']}"
    link = group["item"][0]["linkId"]
    said = draft | {
        "status": "completed",
        "item": [{"linkId": group["linkId"], "item": [{"linkId": link, "answer": [{"valueString": "For years."}]}]}],
    }
    sent = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "TrackingId", "valueIdentifier": {"value": context}},
            {"name": "AttachTo", "valueCode": "preauthorization"},
            {"name": "ProviderId", "valueIdentifier": {"value": "1"}},
            {"name": "MemberId", "valueIdentifier": {"value": "MA-0002"}},
            {"name": "Attachment", "part": [{"name": "Content", "resource": said}]},
        ],
    }
    answer = await driver.post("$submit-attachment", sent)
    assert answer.status_code == 200, answer.text
    assert "No form of this payer" not in answer.text
    assert await driver.states(context) == ["nurse_review"]
    case = await driver.service.find_case(context)
    assert case is not None
    page = (await driver.client.get(f"/workbench/cases/{case.number}", headers={"Accept": "text/html"})).text
    assert "For years." in page
    assert page.count("since when she snores") > 1  # in the history of questions, and beside the answer
    after = await driver.package(call(context=context, coverages=[]), shape)
    assert not any("reviewer-question" in form["url"] for form in forms(after.body))


async def test_a_question_in_words_alone_is_something_to_fill_in(driver: Driver) -> None:
    """About a service that cannot be identified: no policy decided, so there is no other form."""
    body = request_bundle("unclear", "MA-0002", [cpap()], diagnoses=("G47.33",))
    body["entry"][0]["resource"]["item"][0]["productOrService"]["coding"][0]["code"] = "E06O1"
    number = bundle(await driver.post("Claim/$submit", body))["entry"][0]["resource"]["identifier"][0]["value"]
    assert await driver.states(number) == ["nurse_review"]
    context = await asked(driver, number)
    package = await driver.package(call(context=context, coverages=[]))
    (only,) = forms(package.body)
    assert only["url"].endswith(f"/reviewer-question-{context}")
    assert ("information", "nothing-needed") not in package.issues


async def test_nobody_else_gets_to_read_it(driver: Driver) -> None:
    """Neither by the context, nor by guessing the form's name: a question may speak of the patient."""
    context = await asked(driver, await pended(driver))
    origin = await find_origin(driver.service, context)
    assert [each.id for each in asked_in_words(origin, OPEN_CLIENT)] == [context]
    stranger = replace(OPEN_CLIENT, id="another-client")
    assert list(asked_in_words(origin, stranger)) == []
    name = f"reviewer-question-{context}"
    assert (await driver.get(f"Questionnaire/{name}")).status_code == 404
    found = await driver.get("Questionnaire", url=f"http://precert.test/fhir/Questionnaire/{name}")
    assert json.loads(found.content)["total"] == 0
