"""``$next-question``: only questions that can change the result, repeatable, ended when decided; and bad answers."""

from __future__ import annotations

import copy
import itertools
from decimal import Decimal
from typing import Any

import pytest
from dtr_support import (
    ORIGIN,
    SHAPES,
    Driver,
    answer,
    answered_items,
    call,
    canonical,
    coverage,
    findings,
    order,
    questions,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.make_examples import cpap
from tools.requests import Json, request_bundle

from policy.support import policy
from precert.dtr import shape20, shape22
from precert.dtr.adaptive import bare_context, evaluation, next_step
from precert.dtr.form import Form
from precert.dtr.shape import Shape
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.library import PolicyLibrary
from precert.policy.types import Answer, LineContext, Outcome
from precert.policy.withheld import Withheld
from support.answers import bundle, faults, only_fault
from support.app import EXAMPLES, NOW

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
FORMS = [form for policy in LIBRARY.current if (form := Form(policy)).items]
TODAY = NOW.date()


def opened(answers: dict[str, Any], service: str | None = None) -> LineContext:
    return bare_context(
        service, {k: Answer(v, f"q#{k}", authored=TODAY.isoformat()) for k, v in answers.items()}, TODAY
    )


def add(response: Json, answers: dict[str, Any]) -> Json:
    """The response with answers to whatever its form asks, appended as the suites do."""
    made = copy.deepcopy(response)
    form = made["contained"][0]
    done = {item["linkId"] for group in made.get("item", []) for item in group.get("item", [])}
    for group in form.get("item", []):
        if given := answered_items(group, {id: value for id, value in answers.items() if id not in done}):
            found = next((g for g in made.get("item", []) if g["linkId"] == group["linkId"]), None)
            if found is None:
                found = {"linkId": group["linkId"], "text": group["text"]}
                made.setdefault("item", []).append(found)
            found.setdefault("item", []).extend(given)
    return made


def asked(response: Json) -> list[str]:
    return [q["linkId"] for q in questions(response["contained"][0])]


async def begin(driver: Driver, policy: str, shape: Shape, **more: Any) -> Json:
    return (await driver.package(call(canonical(f"{policy}-adaptive"), **more), shape)).draft


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_from_the_first_question_to_the_last(driver: Driver, shape: Shape) -> None:
    response = await begin(driver, "mri-lumbar", shape, coverages=[coverage("COM-0001")])
    assert findings(response, shape) == []
    answers = {
        "red_flag_dx": False,
        "progressive_deficit": False,
        "conservative_weeks": Decimal("7.5"),
        "improved": False,
        "candidate": True,
    }
    steps = []
    for _ in range(8):
        response = await driver.next(add(response, answers), shape)
        assert findings(response, shape) == []
        steps.append(asked(response))
        if response["status"] == "completed":
            break
    assert response["status"] == "completed"
    assert set(steps[-1]) <= set(answers)
    assert "changed_since" not in steps[-1]
    texts = [i["text"] for i in response["contained"][0]["item"] if i["type"] == "display"]
    assert texts == (["Complete. As answered, the coverage criteria are met."] if shape is shape22 else [])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_each_step_can_be_repeated(driver: Driver, shape: Shape) -> None:
    answers = {"osa_dx": True, "eval_before_test": True, "ahi": 3, "events": 12, "comorbid": True, "e0601_failed": True}
    response = await begin(driver, "pap-osa-initial", shape)
    for _ in range(8):
        response = add(response, answers)
        once = await driver.next(response, shape)
        assert await driver.next(response, shape) == once
        response = once
    assert response["status"] == "completed"  # and stays so, however often it is sent


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_the_address_that_2_0_1_spells(driver: Driver, shape: Shape) -> None:
    """DTR 2.0.1 has clients call ``[url]/$next-question``, without the type (rows 38, 39)."""
    response = add(await begin(driver, "pap-osa-continue", shape), {"days_on_therapy": 60})
    answer = await driver.post("$next-question", response, shape)
    assert answer.status_code == 200
    assert answer.json() == await driver.next(response, shape)


async def test_ends_early_when_the_answer_is_no(driver: Driver) -> None:
    response = await begin(driver, "pap-osa-continue", shape22)
    response = await driver.next(response)
    assert asked(response) == ["days_on_therapy", "benefiting", "adherent_nights_pct"]
    response = await driver.next(add(response, {"days_on_therapy": 12}))
    assert response["status"] == "completed"
    assert response["contained"][0]["item"][-1]["text"] == (
        "Complete. No further question can help; a reviewer will look at the request."
    )


async def test_what_hangs_on_an_open_question_waits_in_2_0_1(driver: Driver) -> None:
    response = await begin(driver, "pap-osa-continue", shape20)
    assert asked(response) == ["days_on_therapy"]
    response = await driver.next(add(response, {"days_on_therapy": 60}), shape20)
    assert asked(response) == ["days_on_therapy", "benefiting"]
    assert not any("enableWhen" in q for q in questions(response["contained"][0]))


async def test_2_2_asks_all_at_once_with_conditions(driver: Driver) -> None:
    response = await driver.next(await begin(driver, "pap-osa-continue", shape22))
    assert [len(q.get("enableWhen", [])) for q in questions(response["contained"][0])] == [0, 2, 3]


async def test_the_order_decides_what_is_asked(driver: Driver) -> None:
    cpap_only = await driver.next(await begin(driver, "pap-osa-initial", shape22, orders=(order("E0601"),)))
    bilevel = await driver.next(await begin(driver, "pap-osa-initial", shape22, orders=(order("E0470"),)))
    assert "e0601_failed" not in asked(cpap_only)
    assert "e0601_failed" in asked(bilevel)


async def test_opened_for_a_case_it_asks_what_the_case_lacks(driver: Driver) -> None:
    request = request_bundle("waits", "MA-0002", [cpap()], diagnoses=("G47.33",))
    sent = bundle(await driver.post("Claim/$submit", request))
    task = next(e["resource"] for e in sent["entry"] if e["resource"]["resourceType"] == "Task")
    context = next(i["valueString"] for i in task["input"] if "valueString" in i)
    response = await driver.next(
        await begin(driver, "pap-osa-initial", shape22, context=context, coverages=[coverage("MA-0002")])
    )
    assert "osa_dx" not in asked(response)  # the request brought the diagnosis
    done = {"eval_before_test": True, "ahi": 22, "events": 140}
    response = await driver.next(add(response, done))
    assert response["status"] == "completed"


async def test_answers_stay_as_they_were(driver: Driver) -> None:
    response = await driver.next(await begin(driver, "pap-osa-continue", shape22))
    response = add(response, {"days_on_therapy": 60, "benefiting": True, "adherent_nights_pct": Decimal("71.50")})
    after = await driver.next(
        {"resourceType": "Parameters", "parameter": [{"name": "questionnaire-response", "resource": response}]}
    )
    assert after["item"] == response["item"]
    assert after["extension"] == response["extension"]


async def test_a_form_named_only_by_url(driver: Driver) -> None:
    response = await begin(driver, "pap-osa-continue", shape22)
    form = response["contained"][0]
    form["url"], form["version"] = form.pop("derivedFrom")[0].split("|")
    assert asked(await driver.next(response)) == ["days_on_therapy", "benefiting", "adherent_nights_pct"]


def broken(name: str) -> tuple[dict[str, Any], str]:
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "type": ({"linkId": "benefiting", "answer": [{"valueString": "yes"}]}, "wrong-type"),
        "boolean": ({"linkId": "benefiting", "answer": [{"valueBoolean": "yes"}]}, "wrong-type"),
        "integer": ({"linkId": "days_on_therapy", "answer": [{"valueInteger": Decimal("1.5")}]}, "wrong-type"),
        "unknown": ({"linkId": "nobody", "answer": [{"valueBoolean": True}]}, "unknown-link-id"),
        "several": ({"linkId": "benefiting", "answer": [{"valueBoolean": True}] * 2}, "too-many-answers"),
        "empty": ({"linkId": "benefiting", "answer": [{}]}, "no-value"),
        "no link": ({"answer": [{"valueBoolean": True}]}, "link-id"),
        "a group": ({"linkId": "group-clinical", "answer": [{"valueBoolean": True}]}, "unknown-link-id"),
    }
    return wrong[name]


@pytest.mark.parametrize("name", ["type", "boolean", "integer", "unknown", "several", "empty", "no link", "a group"])
async def test_a_wrong_answer_is_named(driver: Driver, name: str) -> None:
    item, rule = broken(name)
    response = await driver.next(await begin(driver, "pap-osa-continue", shape22))
    response["item"] = [{"linkId": "group-clinical", "item": [item]}] if name != "a group" else [item]
    fault = only_fault(await driver.post("Questionnaire/$next-question", response))
    assert fault.rule == rule
    assert (fault.expression or "").startswith("QuestionnaireResponse.item[0]")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({"valueQuantity": {"value": 180, "code": "[lb_av]"}}, "unit-mismatch"),
        ({"valueQuantity": {"value": 1800, "code": "kg"}}, "out-of-range"),
        ({"valueQuantity": {"value": 80, "code": "kg", "comparator": "<"}}, "comparator"),
        ({"valueQuantity": {"code": "kg"}}, "wrong-type"),
        ({"valueBoolean": True}, "wrong-type"),
    ],
)
async def test_a_wrong_quantity_is_named(driver: Driver, value: Json, rule: str) -> None:
    response = await driver.next(await begin(driver, "pmd-group2-standard", shape22))
    response["item"] = [{"linkId": "weight", "answer": [value]}]
    assert only_fault(await driver.post("Questionnaire/$next-question", response)).rule == rule


async def test_a_needed_answer_that_is_missing(driver: Driver) -> None:
    response = await driver.next(await begin(driver, "pap-osa-continue", shape22))
    refused = await driver.post("Questionnaire/$next-question", response)
    assert refused.status_code == 400
    assert {f.rule for f in faults(refused)} == {"missing-answer"}


@pytest.mark.parametrize(
    ("change", "status", "rule"),
    [
        ({"resourceType": "Patient"}, 400, "no-response"),
        ({"contained": []}, 400, "no-form"),
        ({"status": "stopped"}, 400, "status"),
    ],
)
async def test_a_response_that_cannot_go_on(driver: Driver, change: Json, status: int, rule: str) -> None:
    response = await begin(driver, "pap-osa-continue", shape22)
    assert only_fault(await driver.post("Questionnaire/$next-question", response | change), status).rule == rule


async def test_a_form_of_somebody_else(driver: Driver) -> None:
    response = await begin(driver, "pap-osa-continue", shape22)
    response["contained"][0]["derivedFrom"] = ["http://other.test/fhir/Questionnaire/other|1"]
    refused = await driver.post("Questionnaire/$next-question", response)
    assert only_fault(refused, 404).rule == "unknown-questionnaire"


@pytest.mark.parametrize("form", FORMS, ids=lambda f: str(f.id))
@given(data=st.data())
@settings(max_examples=6)
def test_a_form_always_ends(form: Form, data: st.DataObject) -> None:
    """Whatever is answered or skipped: every step asks something new, or it is the last."""
    answers: dict[str, Any] = {}
    shown: list[str] = []
    for shape in SHAPES:
        answers, shown = {}, []
        for _ in range(len(form.items) + 2):
            step = next_step(form, opened(answers), shown, shape)
            if step.ended is not None:
                break
            assert not set(step.ask) & set(shown)
            shown += step.ask
            for name in step.ask or step.unanswered:
                item = form.items[name]
                if item.required or data.draw(st.booleans()):
                    answers[name] = data.draw(values(form, name))
        assert step.ended is not None


def values(form: Form, name: str) -> st.SearchStrategy[Any]:
    tried = form.policy.probe.values[name][1:]
    return st.sampled_from(list(tried))


def small_policy(draw: st.DrawFn) -> CompiledPolicy:
    """A policy of up to four questions, booleans and numbers, in a tree of up to three levels."""
    count = draw(st.integers(2, 4))
    kinds = [draw(st.sampled_from(["boolean", "integer"])) for _ in range(count)]
    facts = {
        f"f{n}": {"ask": {"text": f"Question {n}?", "type": kind, "who": draw(st.sampled_from(["clinical", "admin"]))}}
        for n, kind in enumerate(kinds)
    }
    ids = itertools.count()

    def leaf() -> dict[str, Any]:
        n = draw(st.integers(0, count - 1))
        if kinds[n] == "boolean":
            test = draw(st.sampled_from([f"%f{n}", f"%f{n}.not()"]))
        else:
            test = f"%f{n} {draw(st.sampled_from(['<=', '>', '=']))} {draw(st.sampled_from([3, 7]))}"
        return {"id": f"L{next(ids)}", "text": "A leaf", "test": test}

    def tree(depth: int) -> dict[str, Any]:
        if depth == 0 or draw(st.booleans()):
            return leaf()
        operator = draw(st.sampled_from(["all", "any", "none"]))
        return {operator: [tree(depth - 1) for _ in range(draw(st.integers(1, 3)))]}

    return policy(facts=facts, criteria={"all": [tree(2)]})


@given(data=st.data())
@settings(max_examples=40)
def test_no_question_is_asked_that_cannot_matter(data: st.DataObject) -> None:
    """Brute force: a question is asked exactly when some completion without it differs from one with it."""
    form = Form(data.draw(st.composite(small_policy)()))
    names = list(form.items)
    answered = {n: data.draw(values(form, n)) for n in names if data.draw(st.booleans())}
    step = next_step(form, opened(answered), list(answered), shape22)
    open_ = [name for name in names if name not in answered]
    for name in open_:
        others = [other for other in open_ if other != name]
        matters = False
        for row in itertools.product(*(form.policy.probe.values[other] for other in others)):
            rest = answered | {o: v for o, v in zip(others, row, strict=True) if v is not None}
            results = {
                met(form, rest | ({name: value} if value is not None else {}))
                for value in form.policy.probe.values[name]
            }
            if len(results) > 1:
                matters = True
                break
        assert (name in step.ask) == matters, (name, answered, step)


@given(data=st.data())
@settings(max_examples=20)
def test_a_form_promises_nothing_while_rules_are_lacking(data: st.DataObject) -> None:
    form = Form(data.draw(st.composite(small_policy)()))
    answers = {name: data.draw(values(form, name)) for name in form.items}
    lacking = Catalogue([form.policy], None, [Withheld("lost", policy=form.id)])
    assert evaluation(form, opened(answers), lacking).outcome in (Outcome.REFER, Outcome.REFER_NURSE)
    ended = next_step(form, opened(answers), list(form.items), shape22, lacking).ended
    assert ended == "Complete. No further question can help; a reviewer will look at the request."


def met(form: Form, answers: dict[str, Any]) -> str:
    """What a completed form comes to: met, not met, or open."""
    result = evaluation(form, opened(answers)).outcome
    if result in (Outcome.APPROVE, Outcome.REFER_NURSE):
        return "met"
    return "unmet" if result is Outcome.REFER else "open"


def test_answers_have_an_origin_here() -> None:
    question = {"linkId": "x", "type": "boolean"}
    assert answer(question, True)["extension"][0]["url"] == ORIGIN
