"""Answers that arrive in ``$submit``: counted only for the form they are to, and only as that form allows.

What does not count is told in the answer, and asked again; the request is never refused for it.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from dtr_support import ORIGIN, Driver, canonical
from tools.make_examples import cpap
from tools.requests import Json, item, questionnaire_response, request_bundle

from precert.authorization.deciding.answers import answers
from precert.fhir.bundle import BundleIndex
from support.answers import bundle

GOOD: dict[str, Any] = {"osa_dx": True, "eval_before_test": True, "ahi": 22.5, "events": 140}
FORM = canonical("pap-osa-initial", "2026.1")


def response(questionnaire: str | None = FORM, given: dict[str, Any] | None = None, **more: Any) -> Json:
    made = questionnaire_response("q", questionnaire or "", given or GOOD, "2026-11-20T14:30:00Z") | more
    return made if questionnaire else {k: v for k, v in made.items() if k != "questionnaire"}


_SENT = itertools.count()  # each request is one of its own


async def submitted(driver: Driver, *evidence: Json, line: Json | None = None) -> tuple[str, list[str], list[str]]:
    """(outcome, missing, rules of the warnings) of a request with ``evidence``."""
    number = len(evidence[0].get("item", [])) if evidence else 0
    sent = request_bundle(
        f"told-{number}-{next(_SENT)}", "MA-0002", [line or cpap()], diagnoses=("G47.33",), evidence=evidence
    )
    return await decided(driver, sent)


async def decided(driver: Driver, sent: Json) -> tuple[str, list[str], list[str]]:
    answer = bundle(await driver.post("Claim/$submit", sent))
    said = [e["resource"] for e in answer["entry"] if e["resource"]["resourceType"] == "OperationOutcome"]
    rules = [issue["details"]["coding"][0]["code"] for outcome in said for issue in outcome["issue"]]
    case = await driver.service.find_case(answer["id"])
    assert case is not None
    determination = case.ordered[0].determination
    assert determination is not None
    return determination.outcome, list(determination.trace["missing"]), rules


@pytest.mark.parametrize(
    "named",
    [
        FORM,
        canonical("pap-osa-initial-adaptive", "2026.1"),
        "https://old.address.test/fhir/Questionnaire/pap-osa-initial|2026.1",
        "urn:precert:questionnaire:pap-osa-initial",
    ],
)
async def test_answers_to_the_policys_form_count(driver: Driver, named: str) -> None:
    assert (await submitted(driver, response(named)))[0] == "approve"


@pytest.mark.parametrize("named", ["http://other.test/Questionnaire/x|1", canonical("oxygen-home", "2026.2")])
async def test_answers_to_another_form_mean_something_else(driver: Driver, named: str) -> None:
    """The same linkId in somebody else's form is another question."""
    outcome, missing, rules = await submitted(driver, response(named))
    assert (outcome, missing) == ("pend-info", ["eval_before_test", "ahi", "events", "comorbid"])
    assert "unknown-form" in rules or "unknown-link-id" in rules


@pytest.mark.parametrize("named", [None, "#form"])
async def test_answers_that_name_no_form_do_not_count(driver: Driver, named: str | None) -> None:
    outcome, missing, rules = await submitted(driver, response(named))
    assert (outcome, missing) == ("pend-info", ["eval_before_test", "ahi", "events", "comorbid"])
    assert "form-not-named" in rules


async def test_a_draft_is_no_answer(driver: Driver) -> None:
    outcome, _, rules = await submitted(driver, response(status="in-progress"))
    assert outcome == "pend-info"
    assert "response-not-completed" in rules


async def test_answers_about_somebody_else_are_not_used(driver: Driver) -> None:
    sent = request_bundle("other", "MA-0002", [cpap()], diagnoses=("G47.33",), evidence=(response(),))
    patient = next(e["resource"] for e in sent["entry"] if e["resource"]["resourceType"] == "Patient")
    other = "urn:uuid:7d0a3b3e-6c1e-4b58-9c0f-0a4a5f7b1c11"
    sent["entry"].append({"fullUrl": other, "resource": patient | {"id": "other"}})
    next(e["resource"] for e in sent["entry"] if e["resource"].get("id") == "q")["subject"] = {"reference": other}
    outcome, _, rules = await decided(driver, sent)
    assert outcome == "pend-info"
    assert "other-subject" in rules


@pytest.mark.parametrize(
    ("item_", "rule"),
    [
        ({"linkId": "ahi", "answer": [{"valueString": "many"}]}, "wrong-type"),
        ({"linkId": "ahi", "answer": [{"valueDecimal": 22.5}, {"valueDecimal": 2}]}, "too-many-answers"),
        ({"linkId": "nobody", "answer": [{"valueDecimal": 22.5}]}, "unknown-link-id"),
    ],
)
async def test_a_bad_answer_is_told_and_asked_again(driver: Driver, item_: Json, rule: str) -> None:
    made = response(given={k: v for k, v in GOOD.items() if k != "ahi"})
    made["item"].append(item_)
    outcome, missing, rules = await submitted(driver, made)
    assert outcome == "pend-info"
    assert "ahi" in missing
    assert rule in rules


async def test_two_answers_that_differ_are_none(driver: Driver) -> None:
    made = response()
    made["item"].append({"linkId": "ahi", "answer": [{"valueDecimal": 3}]})
    outcome, missing, rules = await submitted(driver, made)
    assert (outcome, "ahi" in missing, "answered-twice" in rules) == ("pend-info", True, True)


async def test_what_cannot_be_is_not_counted(driver: Driver) -> None:
    """A saturation of 860 % is a slip of the pen, whatever way it came in."""
    told = {"linkId": "spo2_rest", "answer": [{"valueQuantity": {"value": 860, "code": "%"}}]}
    made = response(canonical("oxygen-home", "2026.2"), {"tester_qualified": True})
    made["item"].append(told)
    outcome, missing, rules = await submitted(driver, made, line=item(1, "hcpcs|E1390", quantity=12, unit="months"))
    assert (outcome, "spo2_rest" in missing, "out-of-range" in rules) == ("pend-info", True, True)


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        ("auto", "auto", "filled in from the chart"),
        ("auto-client", "auto", "filled in from the chart"),
        ("override", "override", "changed by hand"),
        ("manual", "manual", "stated by hand"),
        (None, None, "stated by the provider"),
    ],
)
async def test_how_an_answer_came_about_is_kept(driver: Driver, code: str | None, said: str | None, words: str) -> None:
    made = response()
    for each in made["item"]:
        source = {"url": "source", "valueCode": code}
        each["answer"][0] |= {"extension": [{"url": ORIGIN, "extension": [source]}]} if code else {}
    sent = request_bundle("origin", "MA-0002", [cpap()], diagnoses=("G47.33",), evidence=(made,))
    answer = bundle(await driver.post("Claim/$submit", sent))
    shown = await driver.client.get(f"/explain/{answer['id']}", headers={"Accept": "application/json"})
    (ahi,) = [fact for fact in shown.json()["lines"][0]["facts"] if fact["name"] == "ahi"]
    assert (ahi["provenance"], ahi.get("origin")) == ("attested", said)
    page = await driver.client.get(f"/explain/{answer['id']}", headers={"Accept": "text/html"})
    assert words in page.text


async def test_answers_to_another_version_are_confirmed_by_a_person(driver: Driver) -> None:
    """They may have been asked otherwise then: they count, but the machine does not approve on them alone."""
    outcome, missing, rules = await submitted(driver, response(canonical("pap-osa-initial", "2025.1")))
    assert (outcome, missing) == ("refer-nurse", [])
    assert "form-retired" in rules


async def test_an_answer_against_the_chart_goes_to_a_person(driver: Driver) -> None:
    """The diagnosis is on the request; the answer says that there is none."""
    outcome, _, _ = await submitted(driver, response(given=GOOD | {"osa_dx": False}))
    assert outcome == "refer-nurse"


def test_each_form_has_its_own_answers() -> None:
    """Two forms may use one linkId for two questions."""
    two = [
        {"fullUrl": f"urn:uuid:{n}", "resource": response(form, {"improved": said}, id=str(n))}
        for n, (form, said) in enumerate([(canonical("a"), True), (canonical("b"), False)])
    ]
    found = answers(BundleIndex({"resourceType": "Bundle", "entry": two}).entries)
    assert {key: answer.value for key, answer in found.items()} == {"a#improved": True, "b#improved": False}


CONFIRMED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
TYPES = "http://terminology.hl7.org/CodeSystem/ex-diagnosistype"


def sleep_study(**more: Any) -> Json:
    made: Json = {
        "resourceType": "Observation",
        "id": "study",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "69990-0"}]},
        "subject": {"reference": "patient"},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": {"value": 22, "system": "http://unitsofmeasure.org", "code": "{events}/h"},
    }
    return {key: value for key, value in (made | more).items() if value is not None}


@pytest.mark.parametrize(
    ("study", "outcome"),
    [
        ({}, "approve"),
        ({"effectiveDateTime": "2026-11-01T23:00:00-05:00"}, "approve"),
        ({"status": "preliminary"}, "pend-info"),
        ({"status": None}, "pend-info"),
        ({"dataAbsentReason": {"text": "broken"}}, "pend-info"),
        ({"valueQuantity": {"value": 99999, "code": "{events}/h"}}, "pend-info"),
        ({"valueQuantity": {"value": 22, "code": "{events}/h", "comparator": "<"}}, "pend-info"),
        ({"valueQuantity": {"value": 22, "code": "kg"}}, "pend-info"),
        ({"valueQuantity": {"value": 22}}, "pend-info"),
        ({"valueQuantity": None, "valueString": "22"}, "pend-info"),
        ({"effectiveDateTime": "2025-11-19"}, "pend-info"),
        ({"effectiveDateTime": "2026-11-21"}, "pend-info"),
        ({"effectiveDateTime": None}, "pend-info"),
        ({"effectiveDateTime": "2026-11"}, "pend-info"),
    ],
)
async def test_a_result_decides_only_if_it_counts(driver: Driver, study: Json, outcome: str) -> None:
    told = response(given={k: v for k, v in GOOD.items() if k != "ahi"})
    found = await submitted(driver, told, sleep_study(**study))
    assert (found[0], "ahi" in found[1]) == (outcome, outcome == "pend-info")


@pytest.mark.parametrize(
    ("authored", "rule", "outcome"),
    [
        ("2026-11-20T14:30:00Z", None, "approve"),
        ("2019-01-01T00:00:00Z", "answer-too-old", "pend-info"),
        ("2030-01-01T00:00:00Z", "authored-future", "pend-info"),
        (None, "authored-missing", "pend-info"),
    ],
)
async def test_answers_are_of_their_time(driver: Driver, authored: str | None, rule: str | None, outcome: str) -> None:
    made = {key: value for key, value in response(authored=authored).items() if value is not None}
    found, missing, rules = await submitted(driver, made)
    assert (found, "events" in missing) == (outcome, outcome == "pend-info")
    assert rule is None or rule in rules


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"valueString": "22"}, "wrong-type"),
        ({"valueString": "1e1"}, "wrong-type"),
        ({"valueString": "２２"}, "wrong-type"),
        ({"valueCoding": {"code": "22"}}, "wrong-type"),
        ({"valueQuantity": {"value": 22, "comparator": "<"}}, "comparator"),
        ({"valueQuantity": {"value": 22, "code": "kg"}}, "unit-mismatch"),
        ({"valueDecimal": 99999}, "out-of-range"),
    ],
)
async def test_what_the_answer_warns_of_does_not_decide(driver: Driver, told: Json, rule: str) -> None:
    made = response(given={k: v for k, v in GOOD.items() if k != "ahi"})
    made["item"].append({"linkId": "ahi", "answer": [told]})
    outcome, missing, rules = await submitted(driver, made)
    assert (outcome, "ahi" in missing, rule in rules) == ("pend-info", True, True)


async def test_two_forms_of_one_time_that_differ_go_to_a_person(driver: Driver) -> None:
    other = response(given=GOOD | {"ahi": 3.0}, id="q2")
    for pair in ((response(), other), (other, response())):
        assert (await submitted(driver, *pair))[0] == "refer-nurse"
    later = other | {"authored": "2026-11-20T14:40:00Z"}
    assert (await submitted(driver, response(), later))[0] == "refer"  # 3 an hour, says the newer one


@pytest.mark.parametrize(
    ("diagnosis", "outcome"),
    [
        ({"type": [{"coding": [{"system": TYPES, "code": "principal"}]}]}, "approve"),
        ({"type": [{"text": "main"}]}, "pend-info"),  # words may say "rule out"
        ({"type": [{"coding": [{"system": TYPES, "code": "differential"}]}]}, "pend-info"),
        ({"type": [{"coding": [{"system": TYPES, "code": "self"}]}]}, "pend-info"),
        ({"type": [{"coding": [{"system": "http://other.test", "code": "7"}]}]}, "pend-info"),
        ({"as": "confirmed"}, "approve"),
        ({"as": "provisional"}, "pend-info"),
        ({"as": "refuted"}, "pend-info"),
    ],
)
async def test_a_diagnosis_of_the_claim_is_as_certain_as_it_says(driver: Driver, diagnosis: Json, outcome: str) -> None:
    told = response(given={k: v for k, v in GOOD.items() if k != "osa_dx"})
    sent = request_bundle("dx", "MA-0002", [cpap()], diagnoses=("G47.33",), evidence=(told,))
    (named,) = sent["entry"][0]["resource"]["diagnosis"]
    if "as" in diagnosis:
        condition = {
            "resourceType": "Condition",
            "id": "c",
            "code": named.pop("diagnosisCodeableConcept"),
            "verificationStatus": {"coding": [{"system": CONFIRMED, "code": diagnosis["as"]}]},
            "subject": sent["entry"][0]["resource"]["patient"],
        }
        url = "urn:uuid:5f0a3b3e-6c1e-4b58-9c0f-0a4a5f7b1c55"
        sent["entry"].append({"fullUrl": url, "resource": condition})
        named["diagnosisReference"] = {"reference": url}
    else:
        named |= diagnosis
    found, missing, _ = await decided(driver, sent)
    assert (found, "osa_dx" in missing) == (outcome, outcome == "pend-info")


async def test_a_refuted_condition_beside_the_claims_diagnosis_goes_to_a_person(driver: Driver) -> None:
    refuted = {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "G4733"}]},
        "verificationStatus": {"coding": [{"system": CONFIRMED, "code": "refuted"}]},
        "subject": {"reference": "patient"},
    }
    told = response(given={k: v for k, v in GOOD.items() if k != "osa_dx"})
    assert (await submitted(driver, told, refuted))[0] == "refer-nurse"
