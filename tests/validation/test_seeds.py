"""Every seeded defect is found where it is; the documents they are planted in are clean."""

from __future__ import annotations

import pytest

from precert.fhir.validation import Validator
from precert.fhir.validation.findings import RULES
from validation.seeds import BUILD, CONTEXT, SEEDS, Seed


@pytest.mark.parametrize("document", BUILD)
def test_own_documents_have_no_findings(validator: Validator, document: str) -> None:
    assert validator.validate(BUILD[document](), context=CONTEXT[document]) == []


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_a_seeded_defect_is_found_where_it_is(validator: Validator, seed: Seed) -> None:
    findings = validator.validate(seed.plant(), context=CONTEXT[seed.document])
    found = [(f.expression, f.rule, f.severity) for f in findings]
    assert (seed.expression, seed.rule, "error") in found, found


def test_the_catalogue_is_wide() -> None:
    assert len(SEEDS) >= 60
    assert len({seed.name for seed in SEEDS}) == len(SEEDS)
    assert {seed.document for seed in SEEDS} == set(BUILD)


def test_every_rule_reported_is_in_the_register(validator: Validator) -> None:
    reported = {
        finding.rule or ""
        for seed in SEEDS
        for finding in validator.validate(seed.plant(), context=CONTEXT[seed.document])
    }
    assert {rule for rule in reported if not rule.startswith("invariant:")} <= set(RULES)


def test_findings_say_how_to_mend_and_carry_no_data(validator: Validator) -> None:
    secret = "Okafor-4711-secret"
    seed = next(s for s in SEEDS if s.name == "status not in value set")
    document = seed.plant()
    document["entry"][0]["resource"]["status"] = secret
    document["entry"][1]["resource"]["gender"] = secret
    document["entry"][1]["resource"]["birthDate"] = secret
    for finding in validator.validate(document):
        assert finding.text.endswith((".", "…"))
        assert secret not in f"{finding.text} {finding.diagnostics}"
