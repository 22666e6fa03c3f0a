"""What is not written like a code of its system is no code: no prefix of a policy finds it, in no place."""

from __future__ import annotations

import pytest

from policy.support import condition, line, policy
from precert.fhir.coding import CPT, HCPCS, ICD10CM, LOINC, NDC, RXNORM, SNOMED, Code
from precert.policy.codecheck import well_formed
from precert.policy.evaluate import evaluate
from precert.policy.types import EvidenceItem, Outcome

GOOD = [
    *((ICD10CM, code) for code in ("C50.911", "C50911", "c50.911", "C50", "Z3A.00", "C4A.9", "S72.001A", "U07.1")),
    *((HCPCS, code) for code in ("E0250", "e0250", "E0250:NU", "72148")),
    *((CPT, code) for code in ("72148", "0042T", "E0250")),
    *((LOINC, code) for code in ("69409-1", "8867-4", "LA6576-8")),
    (SNOMED, "73430006"),
    (RXNORM, "274783"),
    *((NDC, code) for code in ("57894-030-01", "57894003001", "5789403001")),
    ("urn:local", "C50.911 ruled out"),
]
BAD = [
    *(
        (ICD10CM, code)
        for code in (
            "C50.911 ruled out",
            "C5",
            "C9",
            "C",
            "C50.",
            "C50.91111",
            "C50..911",
            "C50-C59",
            "C50.911?",
            "C50 911",
            "not C50",
            "C５0",
            "CX0.1",
        )
    ),
    *((HCPCS, code) for code in ("E025 none", "E025", "E0", "E02500", "E0250?", "not E0250")),
    *((CPT, code) for code in ("7214", "72148 not done", "721480", "721XX")),
    *((LOINC, code) for code in ("69409", "69409-1 pending", "69409-12", "x69409-1")),
    *((SNOMED, code) for code in ("73430", "73430006|apnea|", "7" * 19)),
    *((RXNORM, code) for code in ("274783?", "rx274783", "123456789")),
    *((NDC, code) for code in ("57894", "57894-030-01 none")),
]


@pytest.mark.parametrize(("system", "code", "good"), [(*c, True) for c in GOOD] + [(*c, False) for c in BAD])
def test_a_code_is_well_formed_or_none(system: str, code: str, good: bool) -> None:
    assert well_formed(Code(system, code)) is good


MATCHED = [(*sent, True) for sent in GOOD if sent[0] != "urn:local"] + [(*sent, False) for sent in BAD]


@pytest.mark.parametrize(("system", "code", "found"), MATCHED)
def test_a_prefix_finds_no_evidence_that_has_no_code(system: str, code: str, found: bool) -> None:
    patterns = sorted({f"{system}|{code.strip()[:1].upper()}*", f"{HCPCS}|E*", f"{CPT}|7*", f"{CPT}|0*"})
    wanted = policy(facts={"ok": {"from": "Condition", "code": patterns}})
    sent = [condition(f"{system}|{code}", clinicalStatus={"coding": [{"code": "active"}]})]
    assert isinstance(sent[0], EvidenceItem)
    assert (evaluate(wanted, line(evidence=sent)).outcome is Outcome.APPROVE) is found
    named = [{"coding": [{"system": system, "code": code}]}]
    assert (evaluate(wanted, line(diagnoses=named)).outcome is Outcome.APPROVE) is found


@pytest.mark.parametrize(
    ("code", "known"),
    [(code, True) for s, code in GOOD if s == ICD10CM] + [(code, False) for s, code in BAD if s == ICD10CM],
)
def test_a_scope_takes_a_malformed_diagnosis_as_not_said(code: str, known: bool) -> None:
    wanted = policy(applies={"services": ["hcpcs|E0601"], "diagnosis": ["icd10|F*"]})
    named = [{"coding": [{"system": ICD10CM, "code": code}]}]
    found = evaluate(wanted, line(diagnoses=named, answers={"ok": True}))
    assert (found.outcome is Outcome.NOT_APPLICABLE) is known
    assert (found.scope_unknown == ("diagnosis",)) is not known
