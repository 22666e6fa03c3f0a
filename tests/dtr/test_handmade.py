"""Forms that a plan wrote by hand: loaded and checked, served, asked page by page, their answers judged."""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dtr_support import SHAPES, SITE, VALIDATOR, call, coverage, findings, order
from tools.inferno_dtr import ANSWERS, PAGES, SAMPLER
from tools.inferno_dtr_parts import filled
from tools.requests import Json
from tools.sampler import FOLDER, written

from crd.building import infos, sent_example
from precert.dtr import shape20, shape22
from precert.dtr.handmade.answer_check import judged
from precert.dtr.handmade.conditions import enabled
from precert.dtr.handmade.loading import load_handmade_forms
from precert.dtr.handmade.pages import flat
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.runtime import Runtime
from support.answers import only_fault
from support.app import running

OWN = "https://forms.plan.test/Questionnaire/intake"


def errors(resource: Json, context: str) -> list[str]:
    found = VALIDATOR.validate(resource, context=context)
    return [f"{f.expression}: {f.text}" for f in found if f.severity in ("error", "fatal")]


def own_form(**changes: Any) -> Json:
    """A small form with a canonical of the plan's own."""
    return {
        "resourceType": "Questionnaire",
        "id": "intake",
        "url": OWN,
        "version": "3",
        "name": "Intake",
        "title": "Intake",
        "status": "active",
        "subjectType": ["Patient"],
        "date": "2026-05-01",
        "item": [{"linkId": "why", "text": "Why?", "type": "string"}],
    } | changes


@pytest.fixture
async def http(tmp_path: Path, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A server with the shipped forms and one of the plan's own, in two versions."""
    folder = tmp_path / "forms"
    shutil.copytree(FOLDER, folder)
    (folder / "own.json").write_bytes(json.dumps(own_form()))
    older = own_form(version="2", item=[{"linkId": "what", "text": "What?", "type": "string"}])
    (folder / "own-2.json").write_bytes(json.dumps(older))
    async with running(tmp_path / "data", runtime, forms=folder, validate_answers=True) as (_, client):
        yield client


async def post(http: httpx.AsyncClient, path: str, body: Json, shape: Shape = shape22) -> httpx.Response:
    return await http.post(f"{shape.PREFIX}/{path}", content=json.dumps(body))


async def package(http: httpx.AsyncClient, body: Json, shape: Shape = shape22) -> Json:
    answered = await post(http, "Questionnaire/$questionnaire-package", body, shape)
    assert answered.status_code == 200, answered.text
    made: Json = json.loads(answered.content)
    return made


def bundles(answer: Json, shape: Shape = shape22) -> list[Json]:
    return [p["resource"] for p in answer["parameter"] if p["name"] == shape.PACKAGE_PARAMETER]


def named(name: str, version: str = "2026.1") -> str:
    return f"{SITE.root}/fhir/Questionnaire/{name}|{version}"


# -- loading -------------------------------------------------------------------------------------------------------


def test_the_shipped_forms_are_what_the_generator_writes() -> None:
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == written(), "run python -m tools.sampler"


def test_the_shipped_forms_have_no_fault() -> None:
    handmade_forms = load_handmade_forms(FOLDER, errors)
    assert handmade_forms.problems == ()
    assert [(form.id, form.adaptive) for form in handmade_forms.forms] == [(SAMPLER, False), (PAGES, True)]


def test_no_folder_is_no_form_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    assert load_handmade_forms(None).forms == ()
    with pytest.raises(NotADirectoryError):
        load_handmade_forms(tmp_path / "nowhere")


def _twice(form: Json) -> Json:
    return form | {"item": [*form["item"], *form["item"]]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda form: form | {"resourceType": "Patient"}, "A Patient is none of"),
        (lambda form: {k: v for k, v in form.items() if k != "version"}, "It has no version"),
        (_twice, "linkId why is there twice"),
        (lambda form: form | {"item": []}, "It asks nothing"),
        (lambda form: form | {"subjectType": ["Patient", "Group"]}, "dtr-2.2.0: Questionnaire.subjectType"),
        (
            lambda form: form | {"item": [form["item"][0] | {"type": "choice", "answerValueSet": "https://x.test/vs"}]},
            "is named without a version",
        ),
        (
            lambda form: (
                form | {"item": [form["item"][0] | {"type": "choice", "answerValueSet": "https://x.test/vs|1"}]}
            ),
            "no file of this folder holds it",
        ),
    ],
)
def test_a_faulty_form_is_named_and_the_others_are_served(
    tmp_path: Path, change: Callable[[Json], Json], said: str
) -> None:
    (tmp_path / "good.json").write_bytes(json.dumps(own_form(id="good", url=f"{OWN}-good")))
    (tmp_path / "bad.json").write_bytes(json.dumps(change(own_form())))
    (tmp_path / "broken.json").write_text("{")
    handmade_forms = load_handmade_forms(tmp_path, errors)
    assert [form.id for form in handmade_forms.forms] == ["good"]
    assert any(said in problem for problem in handmade_forms.problems), handmade_forms.problems
    assert any(problem.startswith("broken.json: ") for problem in handmade_forms.problems)


def test_a_library_needs_both_languages_and_a_value_set_its_codes(tmp_path: Path) -> None:
    for name, content in written().items():
        (tmp_path / name).write_bytes(content)
    library = json.loads(written()["Library-conformance-sampler.json"])
    del library["content"][1]
    (tmp_path / "Library-conformance-sampler.json").write_bytes(json.dumps(library))
    states = json.loads(written()["ValueSet-sampler-states.json"])
    states["compose"]["include"] = [{"system": "https://www.usps.com/"}]
    (tmp_path / "ValueSet-sampler-states.json").write_bytes(json.dumps(states))
    problems = load_handmade_forms(tmp_path, errors).problems
    assert any("no content of type application/elm+json" in problem for problem in problems)
    assert any("lists no codes" in problem for problem in problems)


def test_the_same_version_twice_is_told(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(json.dumps(own_form()))
    handmade_forms = load_handmade_forms(tmp_path)
    assert len(handmade_forms.forms) == 1
    assert handmade_forms.problems == (f"b.json: {OWN}|3 stands in another file too.",)


async def test_readiness_names_the_problems(tmp_path: Path, runtime: Runtime) -> None:
    folder = tmp_path / "forms"
    folder.mkdir()
    (folder / "bad.json").write_bytes(json.dumps(own_form(item=[])))
    async with running(tmp_path / "data", runtime, forms=folder) as (_, client):
        ready = json.loads((await client.get("/readyz")).content)
    assert ready["ready"] is True
    assert ready["policies"]["loaded"] > 0
    assert ready["forms"]["loaded"] == 0
    assert "It asks nothing" in ready["forms"]["problems"][0]


# -- serving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_package_in_the_words_of_each_version(http: httpx.AsyncClient, shape: Shape) -> None:
    answer = await package(http, call(named(SAMPLER), named(PAGES), OWN, orders=(order(),)), shape)
    assert findings(answer, shape) == []
    assert [b["entry"][0]["resource"]["id"] for b in bundles(answer, shape)] == [SAMPLER, PAGES, "intake"]
    text = json.dumps(answer).decode()
    assert "{canonical}" not in text
    assert "{server}" not in text
    assert ("estimated-completion-time" in text) is (shape is shape22)
    assert ("us-ph-alternative-expression-extension" in text) is (shape is shape20)


async def test_a_canonical_of_the_plans_own(http: httpx.AsyncClient) -> None:
    """Without a version the newest; by search too."""
    (newest,) = bundles(await package(http, call(OWN)))
    assert newest["entry"][0]["resource"]["version"] == "3"
    (older,) = bundles(await package(http, call(f"{OWN}|2")))
    assert older["entry"][0]["resource"]["item"][0]["linkId"] == "what"
    assert older["entry"][1]["resource"]["questionnaire"] == f"{OWN}|2"
    assert older["entry"][0]["fullUrl"] == f"{SITE.root}/fhir/Questionnaire/intake"
    found = json.loads((await http.get("/fhir/Questionnaire", params={"url": f"{OWN}|2"})).content)
    assert [entry["resource"]["version"] for entry in found["entry"]] == ["2"]
    read = await http.get("/fhir/Questionnaire/intake|2")
    assert json.loads(read.content)["version"] == "2"
    unknown = await package(http, call(f"{OWN}|9"))
    assert bundles(unknown) == []


async def test_the_draft_remembers_the_context(http: httpx.AsyncClient) -> None:
    (info,) = infos(await sent_example(http, "order-sign-auth-needed-documents"))
    context = info["coverage-assertion-id"]
    (bundle,) = bundles(await package(http, call(OWN, context=context)))
    assert bundle["entry"][1]["resource"]["identifier"]["value"] == context


async def test_changed_since_is_compared_with_the_newest_part(http: httpx.AsyncClient) -> None:
    after = await package(http, call(named(SAMPLER), changedsince="2026-07-02T00:00:00Z"))
    assert bundles(after) == []
    before = await package(http, call(named(SAMPLER), changedsince="2026-06-30T00:00:00Z"))
    assert len(bundles(before)) == 1


async def test_a_value_set_is_expanded_here(http: httpx.AsyncClient) -> None:
    url = f"{SITE.root}/fhir/ValueSet/sampler-states|2026.1"
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "url", "valueUri": url}, {"name": "filter", "valueString": "M"}],
    }
    answer = json.loads((await post(http, "ValueSet/$expand", asked)).content)
    codes = [one["code"] for one in answer["expansion"]["contains"]]
    assert "MD" in codes
    assert "TX" not in codes
    by_id = json.loads((await http.get("/fhir/ValueSet/sampler-states/$expand")).content)
    assert by_id["expansion"]["total"] == 56
    small = json.loads((await http.get("/fhir/ValueSet/sampler-lengths")).content)
    assert [one["code"] for one in small["expansion"]["contains"]] == ["cm", "[in_i]"]


async def test_all_forms_are_listed(http: httpx.AsyncClient) -> None:
    found = json.loads((await http.get("/fhir/Questionnaire")).content)
    ids = [entry["resource"]["id"] for entry in found["entry"]]
    assert {"oxygen-home", "oxygen-home-adaptive", SAMPLER, PAGES, "intake"} <= set(ids)
    libraries = json.loads((await http.get("/fhir/Library")).content)
    assert {SAMPLER, PAGES} <= {entry["resource"]["id"] for entry in libraries["entry"]}


# -- page by page --------------------------------------------------------------------------------------------------


async def opened(http: httpx.AsyncClient, shape: Shape) -> Json:
    answer = await package(http, call(named(PAGES), coverages=[coverage()]), shape)
    draft: Json = bundles(answer, shape)[0]["entry"][1]["resource"]
    return draft


async def through(http: httpx.AsyncClient, shape: Shape, answers: dict[str, Json]) -> tuple[list[list[str]], Json]:
    """What the form asks after each step, and the completed response."""
    response, steps = await opened(http, shape), []
    for _ in range(10):
        answered = await post(http, "Questionnaire/$next-question", filled_now(response, answers), shape)
        assert answered.status_code == 200, answered.text
        response = json.loads(answered.content)
        assert findings(response, shape) == []
        asked = flat(response["contained"][0].get("item", []))
        steps.append([id for id, item in asked.items() if item["type"] not in ("group", "display")])
        if response["status"] == "completed":
            return steps, response
    raise AssertionError("the form did not end")


def filled_now(response: Json, answers: dict[str, Json]) -> Json:
    return filled(response, answers) if response["contained"][0].get("item") else response


async def test_pages_come_one_after_the_other(http: httpx.AsyncClient) -> None:
    steps, done = await through(http, shape22, ANSWERS[PAGES])
    first, second, third = (
        ["weight", "oxygen"],
        ["weight", "oxygen", "flow", "night_flow"],
        ["weight", "oxygen", "flow", "night_flow", "seen_by", "attested"],
    )
    assert steps == [first, second, third, third]
    assert done["contained"][0]["item"][-1]["linkId"] == "closing"


async def test_2_0_1_asks_what_hangs_on_an_answer_after_it(http: httpx.AsyncClient) -> None:
    """No enableWhen there: the question about the night comes when the flow is known."""
    steps, done = await through(http, shape20, ANSWERS[PAGES])
    assert [len(step) for step in steps] == [3, 4, 6, 6]
    assert "enableWhen" not in json.dumps(done["contained"]).decode()
    low = ANSWERS[PAGES] | {"flow": {"valueQuantity": {"value": 1, "unit": "L/min", "code": "L/min"}}}
    low["flow"]["valueQuantity"]["system"] = "http://unitsofmeasure.org"
    steps, _ = await through(http, shape20, low)
    assert "night_flow" not in steps[-1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_page_whose_condition_does_not_hold_is_skipped(http: httpx.AsyncClient, shape: Shape) -> None:
    steps, _ = await through(http, shape, ANSWERS[PAGES] | {"oxygen": {"valueBoolean": False}})
    assert steps[-1] == ["weight", "oxygen", "seen_by", "attested"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_a_step_can_be_repeated(http: httpx.AsyncClient, shape: Shape) -> None:
    body = filled_now(await opened(http, shape), ANSWERS[PAGES])
    once, again = [(await post(http, "Questionnaire/$next-question", body, shape)).content for _ in range(2)]
    assert once == again


@pytest.mark.parametrize(
    ("answers", "rule"),
    [
        ({"oxygen": {"valueBoolean": True}}, "missing-answer"),
        ({"weight": {"valueString": "heavy"}, "oxygen": {"valueBoolean": True}}, "wrong-type"),
    ],
)
async def test_a_page_has_to_be_answered_well(http: httpx.AsyncClient, answers: dict[str, Json], rule: str) -> None:
    first = json.loads((await post(http, "Questionnaire/$next-question", await opened(http, shape22))).content)
    refused = await post(http, "Questionnaire/$next-question", filled(first, answers))
    assert only_fault(refused, 400).rule == rule


async def test_a_response_needs_its_form_and_a_status_that_goes_on(http: httpx.AsyncClient) -> None:
    draft = await opened(http, shape22)
    bare = {key: value for key, value in draft.items() if key != "contained"} | {"questionnaire": named(PAGES)}
    assert only_fault(await post(http, "Questionnaire/$next-question", bare), 400).rule == "no-form"
    over = draft | {"status": "stopped"}
    assert only_fault(await post(http, "Questionnaire/$next-question", over), 400).rule == "status"


async def test_answers_to_a_form_under_an_earlier_address(http: httpx.AsyncClient) -> None:
    draft = copy.deepcopy(await opened(http, shape22))
    inside = draft["contained"][0]
    inside["derivedFrom"] = [f"https://old.payer.test/fhir/Questionnaire/{PAGES}|2026.1"]
    answered = await post(http, "Questionnaire/$next-question", draft)
    assert answered.status_code == 200
    assert json.loads(answered.content)["contained"][0]["derivedFrom"] == [named(PAGES)]


# -- answers and conditions ----------------------------------------------------------------------------------------

ITEMS: dict[str, Json] = {
    "place": {
        "linkId": "place",
        "type": "choice",
        "repeats": True,
        "answerOption": [{"valueCoding": {"system": "s", "code": "a"}}, {"valueString": "elsewhere"}],
    },
    "set": {"linkId": "set", "type": "choice", "answerValueSet": "vs|1"},
    "open": {"linkId": "open", "type": "open-choice", "answerOption": [{"valueCoding": {"code": "a"}}]},
    "count": {"linkId": "count", "type": "integer"},
    "group": {"linkId": "group", "type": "group"},
    "day": {"linkId": "day", "type": "date"},
    "file": {"linkId": "file", "type": "attachment"},
}


def read(*answers: tuple[str, Any]) -> tuple[dict[str, list[Any]], list[str | None]]:
    items = [{"linkId": id, "answer": given} for id, given in answers]
    found = judged(ITEMS, {"item": items}, "QuestionnaireResponse", lambda url: [{"system": "v", "code": "x"}])
    return found.values, [fault.rule for fault in found.faults]


@pytest.mark.parametrize(
    ("link_id", "given", "rules"),
    [
        ("place", [{"valueCoding": {"system": "s", "code": "a", "display": "A"}}, {"valueString": "elsewhere"}], []),
        ("place", [{"valueCoding": {"system": "t", "code": "a"}}], ["not-an-option"]),
        ("place", [{"valueString": "nowhere"}], ["not-an-option"]),
        ("set", [{"valueCoding": {"system": "v", "code": "x"}}], []),
        ("set", [{"valueCoding": {"system": "v", "code": "y"}}], ["not-an-option"]),
        ("open", [{"valueString": "something else"}], []),
        ("count", [{"valueInteger": 3}], []),
        ("count", [{"valueInteger": True}], ["wrong-type"]),
        ("count", [{"valueInteger": 3}, {"valueInteger": 4}], ["too-many-answers"]),
        ("count", [{}], ["no-value"]),
        ("group", [{"valueInteger": 3}], ["no-question"]),
        ("day", [{"valueDate": "2026-02-30"}], ["wrong-type"]),
        ("file", [{"valueAttachment": {"contentType": "application/pdf"}}], []),
        ("nobody", [{"valueInteger": 3}], ["unknown-link-id"]),
        ("closing", [], []),
    ],
)
def test_an_answer_is_held_against_its_question(link_id: str, given: Any, rules: list[str]) -> None:
    values, found = read((link_id, given))
    assert found == rules
    assert bool(values) is (not rules and bool(given))


def test_a_question_that_is_answered_in_two_places() -> None:
    assert read(("count", [{"valueInteger": 3}]), ("count", [{"valueInteger": 4}]))[1] == ["answered-twice"]


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "met"),
    [
        ("=", {"answerBoolean": True}, [True], True),
        ("=", {"answerBoolean": True}, [], False),
        ("!=", {"answerBoolean": True}, [False], True),
        (">", {"answerInteger": 2}, [3], True),
        (">", {"answerInteger": 2}, ["many"], False),
        ("<=", {"answerQuantity": {"value": 2, "code": "h"}}, [{"value": 2, "code": "h"}], True),
        ("=", {"answerCoding": {"code": "a"}}, [{"system": "s", "code": "a"}], True),
        ("=", {"answerCoding": {"system": "t", "code": "a"}}, [{"system": "s", "code": "a"}], False),
        ("!=", {"answerCoding": {"code": "a"}}, [{"system": "s", "code": "b"}], True),
        (">", {"answerCoding": {"code": "a"}}, [{"code": "b"}], False),
        ("exists", {"answerBoolean": True}, [0], True),
        ("exists", {"answerBoolean": False}, [], True),
        ("about", {"answerBoolean": True}, [True], False),
    ],
)
def test_conditions(operator: str, wanted: Json, given: list[Any], met: bool) -> None:
    item = {"enableWhen": [{"question": "q", "operator": operator, **wanted}]}
    assert enabled(item, {"q": given} if given else {}) is met


def test_several_conditions() -> None:
    one, other = (
        {"question": "a", "operator": "=", "answerBoolean": True},
        {"question": "b", "operator": "=", "answerBoolean": True},
    )
    answers = {"a": [True], "b": [False]}
    assert enabled({"enableWhen": [one, other], "enableBehavior": "any"}, answers)
    assert not enabled({"enableWhen": [one, other], "enableBehavior": "all"}, answers)
