"""The rules that look at one policy; :mod:`precert.policy.lint` lists them and turns what they say into findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from precert.fhir.coding import Code, CodePattern
from precert.fhir.systems import VALUE_SET
from precert.policy.codecheck import format_problem
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy, nodes, sections
from precert.policy.evidence_rules import EVIDENCE_TYPES
from precert.policy.expression import variables
from precert.policy.item import RAW
from precert.policy.lint_scope import scope_rules
from precert.policy.load import KeyPath
from precert.policy.logic import leaves
from precert.policy.model import PAYER_SOURCES, REQUEST_SOURCES, Fact
from precert.policy.readability import grade, unexplained_acronyms
from precert.policy.trials import mutate, run_tests

CodeCheck = Callable[[Code], str | None]
"""Given a code, says what is wrong with it (retired, not in the system), or ``None``."""

Severity = Literal["error", "warning"]
Raw = tuple[KeyPath, str, Severity, str]
"""Key, rule, severity, sentence."""

_GRACE = timedelta(days=30)
_GRADE, _GRADE_LIMIT = 8, 10
_LEAST_TESTS = 3
_COLLAPSING = re.compile(
    r"\.(exists|empty|count|all|allTrue|anyTrue|allFalse|anyFalse|hasValue|isDistinct|subsetOf|supersetOf)\s*\("
    r"|\biif\s*\(|\bcontains\s(?!\()|!?~|&"
)
_COST = re.compile(r"\b(costs?|cheap\w*|expensive|prices?|pricing|budget\w*|savings?|dollars?)\b|\$", re.IGNORECASE)
_NO_INTERNAL_BENEFITS = frozenset({"inpatient", "inpatient-rehab", "irf", "snf", "home-health", "ltch"})
_NO_INTERNAL_SERVICES = frozenset({"48", "AB", "AG", "42"})
_TAKES = {
    "exists": ("boolean",),
    "count": ("integer", "decimal"),
    "sum": ("decimal", "integer"),
    "lowest": ("decimal", "integer"),
    "highest": ("decimal", "integer"),
}


def every_rule(
    policy: CompiledPolicy, today: date, value_sets: ValueSets | None, check_code: CodeCheck | None, mutation: bool
) -> Iterator[Raw]:
    """All rules on one policy; see :func:`precert.policy.lint.lint_policy`."""
    yield from scope_rules(policy)
    yield from _leaves(policy)
    yield from _facts(policy)
    yield from _raw_elements(policy)
    yield from _systems(policy)
    yield from _numbers(policy)
    yield from _closed_world(policy)
    yield from _medicare(policy)
    yield from _approval(policy, today)
    yield from _codes(policy, value_sets, check_code)
    yield from _tests(policy, value_sets, mutation)


def _leaves(policy: CompiledPolicy) -> Iterator[Raw]:
    for section, root in sections(policy.model):
        for path, node in nodes(root, (section,)):
            if node.test is None:
                continue
            if not node.cite:
                yield path, "cite", "error", f"{node.id} has no cite; say where the rule comes from"
            if section != "exempt" and not node.why_not:
                yield path, "why-not", "error", f"{node.id} has no why_not; write the reason the member will read"
            if node.why_not:
                yield from _readable((*path, "why_not"), node.why_not)
            collapsing = _COLLAPSING.search(re.sub(r"'[^']*'", "''", node.test))
            if collapsing and not node.closed_world:
                found = collapsing[0].strip(" .(")
                message = f"{found} makes a boolean of what is not known; use absent, or say closed_world: true"
                yield (*path, "test"), "open-world", "error", message


def _readable(path: KeyPath, text: str) -> Iterator[Raw]:
    reading = grade(text)
    if reading > _GRADE:
        severity: Severity = "error" if reading > _GRADE_LIMIT else "warning"
        message = f"reads like grade {reading}; at most {_GRADE} is wanted: shorter words, shorter sentences"
        yield path, "reading-grade", severity, message
    for acronym in unexplained_acronyms(text):
        yield path, "acronym", "warning", f"{acronym} is not explained; write it out, or explain it in parentheses"


def _read_facts(policy: CompiledPolicy) -> set[str]:
    read = {name for tree in policy.probe.classes for name in tree.facts}
    for rule in policy.model.alternatives:
        read.update(variables(rule.when or ""))
    fast_path = policy.model.grant.fast_path if policy.model.grant else None
    read.update(re.findall(r"\w+", fast_path or ""))
    return read


def _facts(policy: CompiledPolicy) -> Iterator[Raw]:
    read = _read_facts(policy)
    compared = {
        name for leaf in policy.probe.classes for name in leaf.facts if re.search(r"[<>=]|\bin\b", leaf.expression.text)
    }
    for name, fact in policy.model.facts.items():
        path: KeyPath = ("facts", name)
        if fact.implied_by is not None and fact.implied_by not in policy.model.facts:
            yield (*path, "implied_by"), "unknown-fact", "error", f"there is no fact {fact.implied_by}"
        if name not in read:
            if fact.ask is not None:
                yield path, "fact-unused", "error", f"{name} would be a question, but no criterion reads it"
            else:
                yield path, "fact-unused", "warning", f"no criterion reads {name}"
        fits = _TAKES.get(fact.take)
        if fact.ask is not None and fits is not None and fact.ask.type not in fits:
            message = f"take: {fact.take} delivers {fits[0]}, the question asks for {fact.ask.type}"
            yield (*path, "ask"), "ask-type", "error", message
        if _searched(fact) and fact.take == "any" and name in compared:
            message = f"{name} may have several values; say which one counts with take (latest, lowest ...)"
            yield path, "take-any", "warning", message


_RAW = re.compile(rf"\b({'|'.join(RAW)})\b")
_INSTEAD = {
    "modifier": "modifiers, a list of plain modifiers: modifiers contains 'NU'",
    "detail": "nothing: an item whose details ask for another service goes to a person",
    "revenue": "applies.services with the revenue code",
    "category": "applies.services with the service type (x12st|AG)",
    "programCode": "nothing: it does not say which service is asked for",
}


def _raw_elements(policy: CompiledPolicy) -> Iterator[Raw]:
    """The service is read once, for all policies; an expression that reads the sender's spelling can be got around."""
    for name, fact in policy.model.facts.items():
        if "Item" not in fact.sources:
            continue
        for key, expression in (("value", fact.value), ("where", fact.where)):
            found = _RAW.search(re.sub(r"'[^']*'", "''", expression or ""))
            if found is not None:
                instead = _INSTEAD.get(found[1], "code, the billing code in its one spelling, without modifiers")
                message = f"{found[1]} is what the sender wrote, in one of many spellings; read {instead}"
                yield ("facts", name, key), "raw-element", "error", message


_CODED = re.compile(r"\b(?:coding|class)\b.*\bcode\b", re.DOTALL)


def _systems(policy: CompiledPolicy) -> Iterator[Raw]:
    """The same code means something else in another system (E1300: ICD-10-CM E13.00, or a whirlpool of HCPCS)."""
    for name, fact in policy.model.facts.items():
        if fact.sources == ("Item",):  # what a policy can read of an item is normalized
            continue
        for key, expression in (("value", fact.value), ("where", fact.where)):
            read = re.sub(r"'[^']*'", "''", expression or "")
            if _CODED.search(read) and not re.search(r"\bsystem\b", read):
                message = (
                    "reads a code of any system; compare its system as well: where(system = '...' and code = '...')"
                )
                yield ("facts", name, key), "code-system", "error", message


def _numbers(policy: CompiledPolicy) -> Iterator[Raw]:
    """Numbers need a unit and the ends of what is possible, or a slip of the pen decides."""
    for name, fact in policy.model.facts.items():
        path: KeyPath = ("facts", name)
        for source in fact.sources:
            if source not in EVIDENCE_TYPES and source not in REQUEST_SOURCES:
                known = ", ".join(sorted(EVIDENCE_TYPES))
                message = f"{source} is no type that counts as evidence; there are {known}"
                yield (*path, "from"), "source-type", "error", message
        literals = [x for x in policy.probe.literals[name] if isinstance(x, Decimal)]
        measured = _searched(fact) and fact.take not in ("exists", "count")
        asked = fact.ask is not None and fact.ask.type in ("decimal", "integer")
        if not asked and not (measured and (fact.unit or literals or fact.take in ("lowest", "highest", "sum"))):
            continue
        unit = (fact.ask.unit if fact.ask else None) or fact.unit
        if "Observation" in fact.sources and measured and fact.unit is None:
            message = f"{name} is a number; say in which unit (UCUM): unit: kg, or unit: '1' for a plain number"
            yield path, "unit", "error", message
        if fact.min is None or fact.max is None:
            lacking = " and ".join(key for key, end in (("min", fact.min), ("max", fact.max)) if end is None)
            message = f"{name} is a number; say what it can be at all{f' in {unit}' if unit else ''}: add {lacking}"
            yield path, "range", "error", message
            continue
        for literal in literals if fact.take != "sum" else ():
            if not fact.min <= literal <= fact.max:
                message = f"a criterion compares {name} with {literal}, which is not between min and max"
                yield path, "range", "error", message


def _searched(fact: Fact) -> bool:
    return any(source not in REQUEST_SOURCES for source in fact.sources)


def _closed_world(policy: CompiledPolicy) -> Iterator[Raw]:
    """Whether "not found in what the provider sent" could, by itself, make a criterion fail or an exclusion hold."""
    own = (*REQUEST_SOURCES, *PAYER_SOURCES)
    closed = {
        name: fact.absent
        for name, fact in policy.model.facts.items()
        if fact.absent is not None and (not fact.sources or any(source not in own for source in fact.sources))
    }
    if not closed:
        return
    for tree, harm in ((policy.criteria, False), (policy.exclude, True)):
        for leaf in leaves(tree) if tree is not None else ():
            env = {name: closed.get(name) for name in leaf.facts}
            if leaf.truth({**env, "asof": "2000-01-01"})[0] is harm:
                for name in leaf.facts:
                    if name in closed:
                        message = f"when {name} is not found, {leaf.node.id} fails on missing data; use absent: unknown"
                        yield ("facts", name, "absent"), "absent-clinical", "error", message


def _medicare(policy: CompiledPolicy) -> Iterator[Raw]:
    model = policy.model
    if "medicare-advantage" not in model.applies.lob:
        return
    service_types = {p.partition("|")[2] for p in model.applies.services if p.startswith("x12st|")}
    protected = model.auth.benefit in _NO_INTERNAL_BENEFITS or bool(service_types & _NO_INTERNAL_SERVICES)
    for index, basis in enumerate(model.basis):
        if basis.type != "internal" or model.role != "clinical":
            continue
        path: KeyPath = ("basis", index)
        lacking = [
            key
            for key, value in (
                ("public_url", basis.public_url),
                ("evidence", basis.evidence),
                ("rationale", basis.rationale or basis.justification),
                ("gap", basis.gap),
            )
            if not value
        ]
        if lacking:
            yield path, "ma-internal", "error", f"internal criteria in Medicare Advantage need {', '.join(lacking)}"
        if protected:
            message = "Medicare Advantage may not use internal criteria for this kind of care (42 CFR 422.101(b)(2))"
            yield path, "ma-no-internal", "error", message
    if model.criteria is None:
        return
    for path, node in nodes(model.criteria, ("criteria",)):
        for key, text in (("text", node.text), ("test", node.test), ("why_not", node.why_not)):
            word = _COST.search(text or "")
            if word:
                yield (*path, key), "cost-words", "error", f"{word[0]!r}: cost is no criterion in Medicare Advantage"


def _approval(policy: CompiledPolicy, today: date) -> Iterator[Raw]:
    model = policy.model
    if model.status == "approved" and model.approved is None:
        yield ("status",), "approval", "error", "status approved needs approved: by, date and next_review"
    if model.status != "active" or model.approved is None:
        return
    late = today - model.approved.next_review
    if late > timedelta(0):
        severity: Severity = "warning" if late <= _GRACE else "error"
        message = f"the review was due on {model.approved.next_review}, {late.days} days ago"
        yield ("approved", "next_review"), "review-overdue", severity, message
    if model.criteria is not None and ("alternatives",) not in policy.file.source.lines:
        message = (
            "the reviewer is offered nothing instead; name alternatives, or write alternatives: [] if there are none"
        )
        yield ("policy",), "no-alternative", "warning", message


def written_codes(policy: CompiledPolicy) -> Iterator[tuple[KeyPath, str]]:
    """Every code pattern of the policy, with its place in the file."""
    applies = policy.model.applies
    if not applies.any_service:
        yield from ((("applies", "services", n), written) for n, written in enumerate(applies.services))
    yield from ((("applies", "diagnosis", n), written) for n, written in enumerate(applies.diagnosis))
    yield from ((("applies", "place", n), written) for n, written in enumerate(applies.place))
    for name, fact in policy.model.facts.items():
        for key, patterns in (("code", fact.code), ("unless", fact.unless)):
            yield from ((("facts", name, key, n), written) for n, written in enumerate(patterns))


def _codes(policy: CompiledPolicy, value_sets: ValueSets | None, check_code: CodeCheck | None) -> Iterator[Raw]:
    for path, written in written_codes(policy):
        problem = format_problem(written)
        pattern = CodePattern.parse(written)
        if problem is None and check_code is not None and not pattern.prefix and pattern.system != VALUE_SET:
            problem = check_code(Code(pattern.system, pattern.code))
        if problem is not None:
            yield path, "code-format", "error", problem
        if pattern.system == VALUE_SET and value_sets is not None and pattern.code not in value_sets:
            yield from _unexpanded(policy, path, pattern.code, value_sets)


def _unexpanded(policy: CompiledPolicy, path: KeyPath, name: str, value_sets: ValueSets) -> Iterator[Raw]:
    """A set without members is harmless only where what it stands for then stays unknown, and is asked for."""
    fact = policy.model.facts.get(str(path[1])) if path[0] == "facts" else None
    if fact is not None and fact.absent is None and not any(_usable(written, value_sets) for written in fact.code):
        yield path, "value-set", "warning", f"there is no expansion of {name}; nothing real will match it"
        return
    message = f"there is no expansion of {name}, so what belongs to it would be overlooked; add it to value-sets/"
    yield path, "value-set", "error", message


def _usable(written: str, value_sets: ValueSets) -> bool:
    pattern = CodePattern.parse(written)
    return pattern.system != VALUE_SET or pattern.code in value_sets


def _tests(policy: CompiledPolicy, value_sets: ValueSets | None, mutation: bool) -> Iterator[Raw]:
    count = len(policy.model.tests)
    if count < _LEAST_TESTS:
        yield ("tests",), "tests", "error", f"{count} embedded tests; {_LEAST_TESTS} are the least"
    for index, result in enumerate(run_tests(policy)):
        if not result.passed:
            yield ("tests", index), "test-fails", "error", f"{result.name}: {'; '.join(result.differences)}"
    if mutation and count:
        for mutant in mutate(policy, value_sets):
            if mutant.killed_by is None:
                message = f"{mutant.leaf} could be {mutant.replacement} and every embedded test would still pass"
                yield ("tests",), "mutant-alive", "error", message
