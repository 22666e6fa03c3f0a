"""Our own JavaScript: it parses, and the Markdown of cards comes out as data in which nothing is markup."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

STATIC = Path(__file__).resolve().parents[2] / "src" / "precert" / "workbench" / "static"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


@needs_node
@pytest.mark.parametrize("script", sorted(STATIC.glob("*.mjs")), ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    assert NODE is not None
    checked = subprocess.run([NODE, "--check", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("script", sorted(STATIC.glob("*.mjs")), ids=lambda path: path.name)
def test_scripts_never_write_markup(script: Path) -> None:
    source = script.read_text()
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert dangerous not in source


def parsed(text: str) -> Any:
    """What markdown.mjs makes of ``text``."""
    assert NODE is not None
    program = f"import {{ blocks }} from {json.dumps((STATIC / 'markdown.mjs').as_uri())}; console.log(JSON.stringify(blocks(process.argv[1])));"
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", program, "--", text], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


FORM = {
    "item": [
        {
            "linkId": "group",
            "type": "group",
            "item": [
                {"linkId": "a", "type": "boolean", "required": True},
                {
                    "linkId": "b",
                    "type": "decimal",
                    "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": True}],
                    "item": [{"linkId": "b-help", "type": "display", "text": "why"}],
                },
                {
                    "linkId": "c",
                    "type": "quantity",
                    "enableWhen": [
                        {"question": "b", "operator": ">=", "answerDecimal": 5},
                        {"question": "a", "operator": "exists", "answerBoolean": False},
                    ],
                    "enableBehavior": "any",
                    "extension": [
                        {"url": "x/questionnaire-unitOption", "valueCoding": {"system": "u", "code": "kg"}},
                        {"url": "x/sdc-questionnaire-maxQuantity", "valueQuantity": {"value": 100}},
                    ],
                },
            ],
        }
    ]
}
MANUAL = [
    {
        "url": "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/information-origin",
        "extension": [
            {"url": "source", "valueCode": "manual"},
            {
                "url": "author",
                "extension": [
                    {
                        "url": "role",
                        "valueCodeableConcept": {
                            "coding": [{"system": "http://nucc.org/provider-taxonomy", "code": "174400000X"}]
                        },
                    }
                ],
            },
        ],
    }
]


def questionnaire(expression: str, *arguments: Any) -> Any:
    """The value of a JavaScript expression over questionnaire.mjs (as ``q``) and the arguments (as ``given``)."""
    assert NODE is not None
    module = json.dumps((STATIC / "questionnaire.mjs").as_uri())
    program = f"import * as q from {module}; const given = JSON.parse(process.argv[1]); console.log(JSON.stringify({expression}));"
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", program, "--", json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize(
    ("values", "visible"),
    [
        ({}, ["a", "c", "group"]),
        ({"a": True}, ["a", "b", "b-help", "group"]),
        ({"a": True, "b": 4}, ["a", "b", "b-help", "group"]),
        ({"a": True, "b": 5}, ["a", "b", "b-help", "c", "group"]),
        ({"a": False, "b": 5}, ["a", "group"]),  # the answer of a hidden question counts as not given
    ],
)
def test_only_questions_that_can_matter_are_shown(values: Any, visible: list[str]) -> None:
    found = questionnaire("[...q.shown(given[0].item, new Map(Object.entries(given[1])))].sort()", FORM, values)
    assert found == visible


@needs_node
@pytest.mark.parametrize(
    ("place", "written", "expected"),
    [
        (0, "", "This question needs an answer."),
        (0, "true", None),
        (1, "", None),
        (1, "many", "Write a number, with a point for decimals."),
        (1, "2.5", None),
        (2, "101", "At most 100."),
    ],
)
def test_answers_that_do_not_fit(place: int, written: str, expected: str | None) -> None:
    assert questionnaire("q.fault(given[0], given[1])", FORM["item"][0]["item"][place], written) == expected


@needs_node
def test_answers_go_back_with_their_origin() -> None:
    kept = {"extension": [{"url": "from-the-chart"}], "valueBoolean": True}
    draft = {"resourceType": "QuestionnaireResponse", "item": [{"linkId": "a", "answer": [kept]}]}
    call = "q.completed(given[0], given[1], new Map(Object.entries(given[2])), 'now')"
    made = questionnaire(call, FORM, draft, {"a": True, "b": 7, "c": 82.5, "gone": 1})
    assert made["status"] == "completed"
    group = made["item"][0]
    assert [item["linkId"] for item in group["item"]] == ["a", "b", "c"]
    assert group["item"][0]["answer"] == [kept]
    assert group["item"][1]["answer"] == [{"extension": MANUAL, "valueDecimal": 7}]
    assert group["item"][2]["answer"][0]["valueQuantity"] == {"value": 82.5, "unit": "kg", "system": "u", "code": "kg"}
    changed = questionnaire(call, FORM, draft, {"a": False})
    override = changed["item"][0]["item"][0]["answer"][0]
    assert override["valueBoolean"] is False
    assert override["extension"][0]["extension"][0]["valueCode"] == "override"


@needs_node
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [{"type": "p", "items": [[{"type": "text", "text": "plain"}]]}]),
        (
            "**bold** and `code`",
            [
                {
                    "type": "p",
                    "items": [
                        [
                            {"type": "strong", "children": [{"type": "text", "text": "bold"}]},
                            {"type": "text", "text": " and "},
                            {"type": "code", "text": "code"},
                        ]
                    ],
                }
            ],
        ),
        (
            "- one\n- two",
            [{"type": "ul", "items": [[{"type": "text", "text": "one"}], [{"type": "text", "text": "two"}]]}],
        ),
        (
            "[criteria](https://plan.example/p)",
            [
                {
                    "type": "p",
                    "items": [
                        [
                            {
                                "type": "link",
                                "children": [{"type": "text", "text": "criteria"}],
                                "href": "https://plan.example/p",
                            }
                        ]
                    ],
                }
            ],
        ),
    ],
)
def test_markdown(text: str, expected: Any) -> None:
    assert parsed(text) == expected


@needs_node
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        (r"a \*star\* and \[no link\]", "a *star* and [no link]"),
        ("5 &lt; 6 &amp;amp;", "5 < 6 &amp;"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("spo2_rest and pao2_rest", None),
    ],
)
def test_everything_else_is_text(text: str, shown: str | None) -> None:
    def flat(parts: list[dict[str, Any]]) -> str:
        return "".join(part["text"] if "text" in part else flat(part["children"]) for part in parts)

    found = parsed(text)
    assert {block["type"] for block in found} == {"p"}
    assert flat(found[0]["items"][0]) == (shown or text)
