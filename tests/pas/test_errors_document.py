"""docs/errors.md names every rule id that an answer can carry, and none that no answer can."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from precert.authorization.record.codes import code_table
from precert.fhir.validation.findings import RULES
from support.app import ROOT

SOURCE = ROOT / "src" / "precert"
DOCUMENT = ROOT / "docs" / "errors.md"


@cache
def trees() -> dict[str, ast.Module]:
    return {str(f.relative_to(SOURCE)): ast.parse(f.read_text("utf-8")) for f in SOURCE.rglob("*.py")}


def positions() -> dict[str, int]:
    """Where functions of the source take a rule: name of the function to place of its parameter ``rule``."""
    found = {
        "Issue": 4,
        "Forbidden": 0,
        "Incomplete": 2,
        "Impossible": 1,
        "Fault": 0,
        "report": 1,
    }  # report: either of fault and warn
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
                if "rule" in names:
                    found[node.name] = names.index("rule")
    return found


def literals(node: ast.expr) -> Iterator[str]:
    """The strings that an expression can be, as patterns: ``claim-*`` for an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(v.value if isinstance(v, ast.Constant) and isinstance(v.value, str) else "*" for v in node.values)
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from literals(value)


@cache
def used() -> dict[str, str]:
    """Every rule id (or pattern) in the source, and a file that uses it. The profile validator keeps its own list."""
    where = positions()
    found: dict[str, str] = dict.fromkeys(RULES, "fhir/validation")
    for file, tree in trees().items():
        if file.startswith("fhir/validation"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [k.value for k in node.keywords if k.arg == "rule"]
            if name in where and len(node.args) > where[name]:
                given.append(node.args[where[name]])
            for rule in given:
                found.update(dict.fromkeys(literals(rule), file))
    return {rule: file for rule, file in found.items() if re.fullmatch(r"[a-z][a-z0-9*-]*", rule)}


def documented() -> set[str]:
    """The ids in the first column of the document's tables."""
    return set(re.findall(r"^\| `([a-z][a-z0-9-]*)`", DOCUMENT.read_text("utf-8"), re.MULTILINE))


def test_every_rule_is_documented() -> None:
    rules = documented()
    missing = {
        rule: file
        for rule, file in used().items()
        if not any(re.fullmatch(rule.replace("*", "[a-z-]+"), known) for known in rules)
    }
    assert missing == {}, "add these to docs/errors.md"


def test_no_rule_is_made_up() -> None:
    patterns = [rule.replace("*", "[a-z-]+") for rule in used()]
    spare = {rule for rule in documented() if not any(re.fullmatch(pattern, rule) for pattern in patterns)}
    assert spare == set(), "take these out of docs/errors.md"


def test_enough_is_found_to_mean_something() -> None:
    assert {"claim-first", "json-depth", "claim-*", "busy", "adverse-needs-physician", "item-date"} <= set(used())
    assert len(used()) > 100


def test_every_rejection_is_documented_with_its_code() -> None:
    written = DOCUMENT.read_text("utf-8")
    for key, reject in code_table().reject.items():
        assert re.search(rf"^\| {reject.code} \| {key} \| {reject.followup} \|", written, re.MULTILINE), key
