"""Policy files: YAML 1.2 without surprises, and errors that name file, line and key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from policy.support import document
from precert.policy.compiled import CompiledPolicy
from precert.policy.load import PolicyFileError, load_file, load_text, read_yaml

GOOD = b"""policy: small
version: "1"
title: Small
role: clinical
status: active
approved: {by: UM, date: 2026-01-01, next_review: 2028-01-01}
effective: {start: 2026-01-01}
basis: [{type: NCD, id: "1"}]
applies:
  services: [hcpcs|E0601]
facts:
  ok:
    ask: {text: "OK?", type: boolean, who: clinical}
criteria:
  all:
    - id: OK
      text: It is OK
      test: "%ok"
"""


def said(text: bytes) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        CompiledPolicy(load_text(text, "p.yaml"))
    return [str(problem) for problem in caught.value.problems]


def test_yaml_is_version_1_2() -> None:
    content, _ = read_yaml(b"a: on\nb: yes\nc: no\nd: true\ne: 1.50\nf: 012\ng: 2026-01-01\nh: ~\ni: 1:30\nj: '5'", "f")
    assert content == {
        "a": "on",
        "b": "yes",
        "c": "no",
        "d": True,
        "e": Decimal("1.50"),
        "f": 12,
        "g": "2026-01-01",
        "h": None,
        "i": "1:30",
        "j": "5",
    }
    assert str(content["e"]) == "1.50"


def test_a_good_file_loads_with_the_digest_of_its_bytes() -> None:
    loaded = load_text(GOOD, "p.yaml")
    assert loaded.policy.criteria is not None
    assert len(loaded.source.digest) == 64
    assert loaded.source.digest != load_text(GOOD + b"# a comment\n", "p.yaml").source.digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"role: clinical", b"role: clincal", "p.yaml:4: role: has to be 'benefit', 'exemption'"),
        (b"title: Small\n", b"", "p.yaml:1: title: this key is required"),
        (b"    ask: {", b"    aks: {", "p.yaml:13: facts.ok.aks: this key is not part of the format"),
        (b"type: boolean", b"type: bool", "p.yaml:13: facts.ok.ask.type: has to be 'boolean'"),
        (b'version: "1"', b"version: 2026.1", "p.yaml:2: version: write the version in quotes (\"2026.1\")"),
        (b"[hcpcs|E0601]", b"[E0601]", "p.yaml:10: applies.services: 'E0601' is not system|code"),
        (b"date: 2026-01-01", b"date: 1 May", "p.yaml:6: approved.date: "),
        (b"approved: {by: UM, date: 2026-01-01, next_review: 2028-01-01}\n", b"", "p.yaml:1: an active policy needs approved"),
        (b"start: 2026-01-01", b"start: 2026-01-01, end: 2025-01-01", "p.yaml:7: effective: end is before start"),
        (b'test: "%ok"', b'test: "%okay"', "p.yaml:18: criteria.all[0].test: %okay is not declared under facts; declared are ok"),
        (b'test: "%ok"', b'test: "%ok and ("', "p.yaml:18: criteria.all[0].test: not FHIRPath"),
        (b'      test: "%ok"', b'      any: [{id: A, test: "%ok"}]\n      test: "%ok"', "p.yaml:16: criteria.all[0]: a criterion has exactly one"),
        (b"    - id: OK\n      text", b"    - text", "p.yaml:16: criteria.all[0]: a leaf needs an id"),
        (b'      test: "%ok"', b'      test: "%ok"\n    - {id: OK, test: "%ok"}', "p.yaml:19: criteria.all[1].id: OK is already the id of line 16"),
        (b"  ok:\n", b"  ok:\n    within: 30 parsecs\n    from: Observation\n", "p.yaml:13: facts.ok.within: '30 parsecs' is not a span of time"),
        (b"  ok:\n", b"  ok:\n    within: 30d\n", "p.yaml:12: facts.ok: code, within, unit, where and value say how to search"),
        (b"  ok:\n", b"  ok:\n    from: Item\n", "p.yaml:12: facts.ok: value is needed with from: Item"),
        (b"  ok:\n", b"  OK:\n", "p.yaml:12: facts.OK"),
        (b"  all:", b"  at_least: 2\n  of:", "p.yaml:14: criteria: at_least: 2 of only 1"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(old: bytes, new: bytes, expected: str) -> None:
    assert old in GOOD
    found = said(GOOD.replace(old, new, 1))
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a: 1\nb: 2\na: 3\n", "p.yaml:3: a: the key is already there on line 1; keep one of them"),
        (b"a:\n  x: 1\n  x: 2\n", "p.yaml:3: a.x: the key is already there on line 2; keep one of them"),
        (b"a: &x [1]\nb: *x\n", "p.yaml:1: b: aliases (*name) are not allowed; write it out"),
        (b"a: !!python/object:os.system x\n", "p.yaml:1: a: the tag"),
        (b"a: [1\nb: 2\n", "p.yaml:"),
        (b"", "p.yaml:1: the file is empty"),
        (b"\xff\xfe", "p.yaml:1: the file is not UTF-8 text"),
        (b"- 1\n", "p.yaml:1: a policy file is a mapping"),
        (b"? [a]\n: 1\n", "p.yaml:1: a key has to be a word"),
    ],
)
def test_yaml_that_is_refused(text: bytes, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in said(text)), said(text)


@pytest.mark.parametrize("text", [b"a: " + b"[" * 900_000, b"{a: " * 200_000, b"- " * 400_000, b"[" * 65 + b"]" * 65])
def test_deep_nesting_is_an_error_and_not_a_crash(text: bytes) -> None:
    assert said(text) == ["p.yaml:1: nested too deeply"]


def test_all_problems_are_reported_at_once() -> None:
    text = GOOD.replace(b"role: clinical", b"role: x").replace(b"status: active", b"status: y")
    assert [p.split(":")[1] for p in said(text)] == ["4", "5"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="cannot be read"):
        load_file(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    "changes",
    [
        {"role": "exemption", "criteria": None},
        {"role": "exemption", "exempt": {"id": "A", "test": "%ok"}},
        {"role": "benefit"},
    ],
)
def test_roles_need_their_tree(changes: dict[str, object]) -> None:
    text = yaml.safe_dump(document(**changes)).encode()
    with pytest.raises(PolicyFileError, match="role"):
        load_text(text)
