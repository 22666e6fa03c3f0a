"""What is wrong or unwise in policy files, beyond what the format itself refuses.

=====================  ==============================================================================================
``format``             the file cannot be used at all (from loading)
``cite`` ``why-not``   a leaf without its source, or without its plain-language reason
``fact-unused``        a fact that nothing reads (an error if it would be asked for)
``open-world``         a test that turns "not known" into true or false
``absent-clinical``    a clinical fact whose ``absent`` value alone makes a criterion fail
``raw-element``        an expression that reads the item's service as the sender wrote it, not as it was understood
``code-system``        an expression that reads a code without its system
``ask-type``           the question's answer cannot be what the fact delivers
``range``              a number without ``min`` and ``max``, or compared with what lies outside them
``unit``               a number read from an Observation without its unit
``source-type``        ``from`` a type that can never count as evidence
``take-any``           several values where a comparison needs one
``ma-internal``        Medicare Advantage, internal criteria: basis without public_url, evidence, rationale and gap
``ma-no-internal``     internal criteria where Medicare Advantage may have none
``cost-words``         cost in the criteria of a Medicare Advantage policy
``approval``           approved without a signature
``review-overdue``     past ``next_review``: a warning for 30 days, then an error
``reading-grade``      ``why_not`` above grade 8 (an error above 10)
``acronym``            an acronym in ``why_not`` that is not explained
``code-format``        a code that cannot be one of its system, or that a code table does not know
``scope``              a line of business or state that does not exist, an age range that holds nobody
``value-set``          a value set without an expansion (a warning where the fact then stays unknown)
``no-alternative``     nothing said about alternatives (``alternatives: []`` says: none)
``tests``              fewer than three embedded tests
``test-fails``         an embedded test that does not pass
``mutant-alive``       a leaf that no embedded test guards
``overlap``            two active clinical policies for the same lines with the same rank
``version``            the same version of a policy in two files
=====================  ==============================================================================================

An active policy with an error is not put into force by a server (:func:`blocking`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.lint_rules import CodeCheck, Severity, every_rule
from precert.policy.load import PolicyFileError, Problem, load_file
from precert.policy.overlap import overlaps

NOT_BLOCKING = frozenset({"review-overdue", "tests", "mutant-alive", "range", "unit"})
"""Errors that keep no policy out of force. A review that is overdue does not change what the committee has signed, and how
much the embedded tests cover is judged by ``precert policy check``; that those which are there pass is obligatory. Ranges and
units came later than policies in force: a result in a unit that is not named stays unknown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``str()`` gives ``file:line: severity [rule] key: sentence``."""

    file: str
    line: int
    key: str
    rule: str
    severity: Severity
    message: str

    @classmethod
    def of(cls, problem: Problem, check: str, severity: Severity) -> Finding:
        return cls(problem.file, problem.line, problem.key, check, severity, problem.message)

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {self.severity} [{self.rule}] {key}{self.message}"


def lint_policy(
    policy: CompiledPolicy,
    today: date,
    *,
    value_sets: ValueSets | None = None,
    check_code: CodeCheck | None = None,
    mutation: bool = True,
) -> tuple[Finding, ...]:
    """All findings about one policy, by line. ``today`` is what ``next_review`` is compared with."""
    source = policy.file.source
    findings = []
    for path, rule, severity, message in every_rule(policy, today, value_sets, check_code, mutation):
        findings.append(Finding.of(source.problem(path, message), rule, severity))
    return tuple(sorted(findings, key=lambda finding: (finding.line, finding.rule)))


def blocking(policy: CompiledPolicy, value_sets: ValueSets) -> tuple[Problem, ...]:
    """The errors for which a server does not put the policy into force, by line; of one that is not active: none.

    The day does not matter: a policy does not go out of force overnight. Mutation coverage is left to ``precert policy check``: it takes a hundred times as long as everything else.
    """
    if policy.model.status != "active":
        return ()
    findings = lint_policy(policy, policy.model.effective.start, value_sets=value_sets, mutation=False)
    return tuple(
        Problem(found.file, found.line, found.key, f"[{found.rule}] {found.message}")
        for found in findings
        if found.severity == "error" and found.rule not in NOT_BLOCKING
    )


def lint_catalogue(
    policies: Iterable[CompiledPolicy],
    today: date,
    *,
    value_sets: ValueSets | None = None,
    check_code: CodeCheck | None = None,
    mutation: bool = True,
) -> tuple[Finding, ...]:
    """Every policy on its own, then all of them beside each other."""
    known = list(policies)
    findings: list[Finding] = []
    for policy in known:
        findings.extend(lint_policy(policy, today, value_sets=value_sets, check_code=check_code, mutation=mutation))
    first: dict[tuple[str, str], CompiledPolicy] = {}
    for policy in known:
        twin = first.setdefault((policy.id, policy.version), policy)
        if twin is not policy:
            why = f"{policy.id} {policy.version} is already in {twin.file.source.file}"
            findings.append(Finding.of(policy.file.source.problem(("version",), why), "version", "error"))
    for one, other, why in overlaps(known):
        for policy in (other, one):
            findings.append(Finding.of(policy.file.source.problem(("applies",), why), "overlap", "error"))
    return tuple(findings)


def lint_files(
    paths: Iterable[Path],
    today: date,
    *,
    value_sets: ValueSets | None = None,
    check_code: CodeCheck | None = None,
    mutation: bool = True,
) -> tuple[Finding, ...]:
    """The same for files; one that cannot be loaded becomes findings of the rule ``format``."""
    findings: list[Finding] = []
    policies: list[CompiledPolicy] = []
    for path in paths:
        try:
            policies.append(CompiledPolicy(load_file(path), value_sets))
        except PolicyFileError as error:
            findings.extend(Finding.of(problem, "format", "error") for problem in error.problems)
    rest = lint_catalogue(policies, today, value_sets=value_sets, check_code=check_code, mutation=mutation)
    return (*findings, *rest)
