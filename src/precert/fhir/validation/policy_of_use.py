"""What follows from findings: refuse the request, warn, or say nothing. Set per class of rules.

The guides are clear that a server must not turn requests away for form alone: missing optional data is no error, and
unknown content that is not a modifier is ignored. ``lenient``, the default, refuses only what cannot be processed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import get_args

from precert.fhir.outcome import Issue
from precert.fhir.validation.findings import Finding, RuleClass, rule_class

RULE_CLASSES: tuple[RuleClass, ...] = get_args(RuleClass)


class Mode(StrEnum):
    """How seriously a class of rules is taken."""

    STRICT = "strict"
    LENIENT = "lenient"
    OFF = "off"


NEEDED = frozenset(
    [
        "Bundle.entry",
        "Bundle.entry.resource",
        "Claim.status",
        "Claim.use",
        "Claim.patient",
        "Claim.insurer",
        "Claim.provider",
        "Claim.insurance",
        "Claim.insurance.coverage",
        "Claim.item",
        "Claim.item.sequence",
        "Claim.item.productOrService",
        "Subscription.criteria",
        "Subscription.channel",
        "Subscription.channel.type",
        "Task.status",
        "Task.intent",
        "Parameters.parameter.name",
    ]
)
"""Elements without which a request cannot be decided: missing or malformed, they refuse also in lenient mode."""

CODES = frozenset(["Bundle.type", "Claim.status", "Claim.use", "Subscription.status", "Subscription.channel.type"])
"""Elements whose code steers the processing: a wrong one refuses also in lenient mode."""

LINKS = frozenset(
    [
        "Claim.patient.reference",
        "Claim.insurer.reference",
        "Claim.provider.reference",
        "Claim.insurance.coverage.reference",
    ]
)
"""References that have to lead somewhere: unresolved, they refuse also in lenient mode."""

_ALWAYS = frozenset(
    [
        "unknown-resource-type",
        "wrong-resource-type",
        "not-an-object",
        "expected-array",
        "unexpected-array",
        "choice-twice",
        "too-deep",
        "wrong-json-type",
        "unknown-modifier-extension",
        "full-url-duplicate",
        "invariant:ClaimFirst",
        "invariant:dtr-1",
    ]
)
"""Rules whose breach makes a document unreadable or ambiguous, wherever it is."""
_MISSING = frozenset({"base-required", "required", "too-few", "empty-array", "empty-object", "null-value"})
_MALFORMED = frozenset({"bad-format", "no-such-date", "out-of-range", "too-long"})
_WRONG_CODE = frozenset({"binding", "fixed-value", "pattern-value", "bad-format"})


@dataclass(frozen=True, slots=True)
class Policy:
    """The mode of each rule class, and the elements that matter in lenient mode."""

    modes: Mapping[RuleClass, Mode] = field(default_factory=dict)
    default: Mode = Mode.LENIENT
    needed: frozenset[str] = NEEDED
    codes: frozenset[str] = CODES
    links: frozenset[str] = LINKS

    def mode(self, of: RuleClass) -> Mode:
        """The mode of the rule class ``of``."""
        return self.modes.get(of, self.default)


STRICT = Policy(default=Mode.STRICT)
LENIENT = Policy()
OFF = Policy(default=Mode.OFF)


@dataclass(frozen=True, slots=True)
class Assessment:
    """``refuse`` turns the request away if it is not empty; ``warn`` goes along with the answer."""

    refuse: list[Issue]
    warn: list[Issue]


def assess(findings: Iterable[Issue], policy: Policy = LENIENT) -> Assessment:
    """Sort ``findings`` by what follows from them; in lenient mode errors that do not refuse become warnings."""
    refuse: list[Issue] = []
    warn: list[Issue] = []
    for found in findings:
        mode = policy.mode(rule_class(found.rule or ""))
        serious = found.severity in ("error", "fatal")
        if mode is Mode.OFF:
            continue
        if mode is Mode.STRICT:
            (refuse if serious else warn).append(found)
        elif _unprocessable(found, policy):
            refuse.append(found if serious else replace(found, severity="error"))
        else:
            warn.append(replace(found, severity="warning") if serious else found)
    return Assessment(refuse, warn)


def _unprocessable(found: Issue, policy: Policy) -> bool:
    rule = found.rule or ""
    if found.severity == "information":
        return False
    if rule in _ALWAYS:
        return True
    element = found.element if isinstance(found, Finding) else ""
    if rule in _MISSING or rule in _MALFORMED:
        return element in policy.needed or (rule in _WRONG_CODE and element in policy.codes)
    if rule in _WRONG_CODE:
        return element in policy.codes
    return rule == "reference-unresolved" and element in policy.links
