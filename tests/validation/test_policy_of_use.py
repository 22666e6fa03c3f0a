"""What follows from findings, per mode and per class of rules."""

from __future__ import annotations

import pytest

from precert.fhir.outcome import Issue
from precert.fhir.validation import LENIENT, OFF, STRICT, Mode, Policy, Validator, assess
from precert.fhir.validation.findings import RULES
from precert.fhir.validation.policy_of_use import RULE_CLASSES
from validation import builders as b
from validation.seeds import SEEDS

REFUSED_LENIENTLY = {
    "bundle without entries",
    "bundle of another type",
    "bundle type unknown",
    "claim not first",
    "claim missing",
    "fullUrl twice",
    "fullUrl twice, as invariant",
    "claim without items",
    "claim without patient",
    "claim with another use",
    "status not in value set",
    "item as object",
    "patient as array",
    "insurer as text",
    "sequence as text",
    "sequence zero",
    "focal as text",
    "empty object",
    "serviced twice",
    "unknown modifier extension",
    "patient cannot be found",
    "unknown resource type",
}


@pytest.mark.parametrize("seed", [s for s in SEEDS if s.document == "request"], ids=lambda seed: seed.name)
def test_lenient_refuses_what_cannot_be_processed(validator: Validator, seed: object) -> None:
    findings = validator.validate(seed.plant())  # type: ignore[attr-defined]
    outcome = assess(findings, LENIENT)
    assert bool(outcome.refuse) is (seed.name in REFUSED_LENIENTLY), outcome.refuse  # type: ignore[attr-defined]
    assert all(issue.severity == "error" for issue in outcome.refuse)
    assert all(issue.severity in ("warning", "information") for issue in outcome.warn)
    assert len(outcome.refuse) + len(outcome.warn) == len(findings)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_strict_refuses_every_seed_and_off_none(validator: Validator, seed: object) -> None:
    findings = validator.validate(seed.plant(), context="pas-2.2.1")  # type: ignore[attr-defined]
    errors = [f for f in findings if f.severity == "error"]
    assert assess(findings, STRICT).refuse == errors
    assert assess(findings, OFF) == assess([])


def test_optional_and_unknown_content_never_refuses_leniently(validator: Validator) -> None:
    document = b.request_bundle()
    claim = document["entry"][0]["resource"]
    claim["favouriteColour"] = "green"
    del claim["priority"], claim["created"]
    document["entry"][1]["resource"].pop("name")
    outcome = assess(validator.validate(document))
    assert outcome.refuse == []
    assert {"unknown-element", "base-required", "required"} <= {issue.rule for issue in outcome.warn}


def test_each_class_has_its_own_mode(validator: Validator) -> None:
    document = b.request_bundle()
    claim = document["entry"][0]["resource"]
    claim["type"]["coding"][0]["code"] = "vision"
    claim["extra"] = 1
    findings = validator.validate(document)
    only_codes = Policy({"binding": Mode.STRICT, "structure": Mode.OFF})
    assert [issue.rule for issue in assess(findings, only_codes).refuse] == ["binding"]
    assert assess(findings, only_codes).warn == []
    assert {issue.rule for issue in assess(findings).warn} == {"binding", "unknown-element"}


def test_issues_of_others_are_sorted_too() -> None:
    issue = Issue("error", "invalid", "Something else.", rule="not-ours")
    assert assess([issue]).warn[0].severity == "warning"
    assert assess([issue], STRICT).refuse == [issue]


def test_every_rule_belongs_to_a_known_class() -> None:
    assert {kind for kind, _ in RULES.values()} == set(RULE_CLASSES)
