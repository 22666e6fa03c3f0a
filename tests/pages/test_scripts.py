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
