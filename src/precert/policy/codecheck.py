"""Does a code look like a code of its system? Catches typing errors; whether it is still in use, only a table can say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from precert.fhir.billing import billed, ndc_forms
from precert.fhir.coding import (
    CPT,
    HCPCS,
    ICD10CM,
    LOINC,
    NDC,
    PLACE_OF_SERVICE,
    RXNORM,
    SHORT_NAMES,
    SNOMED,
    Code,
    CodePattern,
    codes,
)
from precert.policy.codeset import normal

_FORMATS = {
    HCPCS: (re.compile(r"[A-EGHJ-MP-V]\d{4}"), "a letter from A to V and four digits"),
    CPT: (re.compile(r"\d{4}[0-9AFMTU]"), "five characters such as 72148"),
    ICD10CM: (re.compile(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?"), "for example I27 or I27.20"),
    LOINC: (re.compile(r"\d{1,7}-\d"), "digits, a hyphen and a check digit"),
    SNOMED: (re.compile(r"\d{6,18}"), "6 to 18 digits"),
    RXNORM: (re.compile(r"\d{1,8}"), "digits"),
    PLACE_OF_SERVICE: (re.compile(r"\d{2}"), "two digits"),
    NDC: (re.compile(r"\d{5}-?\d{4}-?\d{2}|\d{4,5}-\d{3,4}-\d{1,2}"), "for example 57894-030-01"),
}
_CHECKED = {LOINC, SNOMED}

_MULTIPLY = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (LOINC)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Whether the last digit is the Verhoeff check digit of the others (SNOMED CT)."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(position % 8):
            value = _PERMUTE[value]
        check = _MULTIPLY[check][value]
    return check == 0


_SENT = {
    ICD10CM: re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?", re.ASCII),  # the dot is often left out
    LOINC: re.compile(r"(L[AGLP])?\d{1,7}-\d", re.ASCII),  # a part, an answer or a list of answers has letters in front
    SNOMED: re.compile(r"\d{6,18}", re.ASCII),
    RXNORM: re.compile(r"\d{1,8}", re.ASCII),
}
_BILLED = frozenset({HCPCS, CPT})


@lru_cache(maxsize=8192)
def well_formed(code: Code) -> bool:
    """Whether ``code`` is written as its system writes codes; so is any code of a system of which the form is not known here.

    ``C50.911 ruled out`` and ``C5`` are no codes of ICD-10-CM, and a prefix of a policy must not find them.
    """
    if code.system in _BILLED:
        return billed(code) is not None
    if code.system == NDC:
        return bool(ndc_forms(code.code))
    shape = _SENT.get(code.system)
    return shape is None or shape.fullmatch(code.code.upper()) is not None


def normal_codes(concepts: object) -> Iterator[Code]:
    """The well-formed codings of what was sent (a CodeableConcept, a Coding, or a list of either), normalized."""
    return (normal(code) for code in codes(concepts) if well_formed(code))


def format_problem(written: str) -> str | None:
    """Why a pattern such as ``hcpcs|E139`` cannot be right, or ``None``. In: a pattern that parses."""
    system = written.partition("|")[0].strip()
    pattern = CodePattern.parse(written)
    if pattern.system == system and "://" not in system and not system.startswith("urn:"):
        return f"{system} is neither a URL nor one of {', '.join(sorted(SHORT_NAMES))}"
    known = _FORMATS.get(pattern.system)
    if known is None or pattern.prefix:
        return None
    regex, looks = known
    if regex.fullmatch(pattern.code) is None:
        return f"{written} does not look like a code of its system ({looks})"
    if pattern.system in _CHECKED:
        digits = pattern.code.replace("-", "")
        if not (luhn(digits) if pattern.system == LOINC else verhoeff(digits)):
            return f"the check digit of {written} is wrong; look the code up again"
    return None
