"""Code systems in all their spellings; codes out of concepts however they are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from precert.fhir import coding
from precert.fhir.coding import CPT, HCPCS, ICD10CM, LOINC, NPI, SNOMED, Code, CodePattern, codes, procedure, system_url
from precert.fhir.systems import ALIASES
from support.strategies import JSON_VALUES


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("hcpcs", HCPCS),
        (HCPCS, HCPCS),
        (HCPCS + "/", HCPCS),
        (f"  {HCPCS} ", HCPCS),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", HCPCS),
        ("https://www.cms.gov/medicare/coding/hcpcsreleasecodesets", HCPCS),
        ("urn:oid:2.16.840.1.113883.6.285", HCPCS),
        ("urn:oid:2.16.840.1.113883.6.12", CPT),
        ("https://www.ama-assn.org/go/cpt", CPT),
        ("urn:oid:2.16.840.1.113883.6.90", ICD10CM),
        ("icd10", ICD10CM),
        ("https://loinc.org/", LOINC),
        ("urn:oid:2.16.840.1.113883.6.96", SNOMED),
        ("urn:oid:2.16.840.1.113883.4.6", NPI),
        ("urn:something:else", "urn:something:else"),
        ("", ""),
    ],
)
def test_system_aliases(written: str, canonical: str) -> None:
    assert system_url(written) == canonical


def test_every_canonical_system_is_its_own_alias() -> None:
    for target in {*coding.SHORT_NAMES.values(), *ALIASES}:
        assert system_url(target) == target


def test_codes_of_a_concept_a_coding_and_lists() -> None:
    e1390, e0601 = {"system": HCPCS, "code": "E1390"}, {"system": "https://loinc.org", "code": " 1-1 "}
    expected = [Code(HCPCS, "E1390"), Code(LOINC, "1-1")]
    assert list(codes({"coding": [e1390, e0601]})) == expected
    assert list(codes([{"coding": [e1390]}, e0601])) == expected
    assert list(codes({"coding": [{"code": ""}, {"display": "x"}, 7, None, {"code": 3}, e1390]})) == expected[:1]
    assert list(codes({"text": "only words"})) == []
    assert list(codes({"coding": [{"code": "X"}]})) == [Code("", "X")]
    assert str(expected[0]) == f"{HCPCS}|E1390"


@given(JSON_VALUES)
def test_codes_takes_anything(value: Any) -> None:
    for found in (*codes(value), *codes({"coding": value}), *codes([{"coding": value}])):
        assert found.code.strip()


@pytest.mark.parametrize(
    ("sent", "code", "modifiers"),
    [
        (Code(HCPCS, "E1390"), Code(HCPCS, "E1390"), ()),
        (Code(HCPCS, "E1390-RR"), Code(HCPCS, "E1390"), ("RR",)),
        (Code(HCPCS, "E1390RRKH"), Code(HCPCS, "E1390"), ("RR", "KH")),
        (Code(HCPCS, "e1390 rr"), Code(HCPCS, "E1390"), ("RR",)),
        (Code(CPT, "97110:GP:59"), Code(CPT, "97110"), ("GP", "59")),
        (Code(CPT, "0001U"), Code(CPT, "0001U"), ()),
        (Code(HCPCS, "72148"), Code(CPT, "72148"), ()),
        (Code(CPT, "E1390"), Code(HCPCS, "E1390"), ()),
        (Code(CPT, "7214"), None, ()),
        (Code(HCPCS, "E13901"), None, ()),
        (Code(HCPCS, "E1390:RENT1"), None, ()),
        (Code(HCPCS, "wheelchair"), None, ()),
        (Code(SNOMED, "72148"), None, ()),
    ],
    ids=str,
)
def test_a_billed_procedure_is_a_code_of_its_level_and_modifiers(sent, code, modifiers) -> None:
    """HCPCS level I is CPT; modifiers are written behind the code in several ways."""
    assert procedure(sent) == ((code, modifiers) if code else None)


@pytest.mark.parametrize(
    ("pattern", "system", "code", "fits"),
    [
        ("hcpcs|E1390", HCPCS, "E1390", True),
        ("hcpcs|E1390", HCPCS, "E13901", False),
        ("hcpcs|E1390", CPT, "E1390", False),
        ("icd10|I27*", ICD10CM, "I27.20", True),
        ("icd10|I27*", ICD10CM, "I27", True),
        ("icd10|I27*", ICD10CM, "I2", False),
        ("urn:oid:2.16.840.1.113883.6.285|E1390", HCPCS, "E1390", True),
    ],
)
def test_patterns(pattern: str, system: str, code: str, fits: bool) -> None:
    assert CodePattern.parse(pattern).matches(Code(system, code)) is fits


@pytest.mark.parametrize("written", ["E1390", "hcpcs|", "|E1390", "hcpcs|*", "hcpcs| "])
def test_patterns_that_would_match_too_much_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not system"):
        CodePattern.parse(written)
