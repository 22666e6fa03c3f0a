"""Codings and their systems, in all the spellings seen in the wild."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from precert.fhir.systems import (
    ALIASES,
    CDT,
    CPT,
    HCPCS,
    ICD10CM,
    LOINC,
    NDC,
    NPI,
    PLACE_OF_SERVICE,
    RXNORM,
    SHORT_NAMES,
    SNOMED,
    UCUM,
    X12_SERVICE_TYPE,
)
from precert.fhir.types import Element, elements

__all__ = [
    "CPT",
    "HCPCS",
    "ICD10CM",
    "LOINC",
    "NDC",
    "NPI",
    "PLACE_OF_SERVICE",
    "RXNORM",
    "SHORT_NAMES",
    "SNOMED",
    "UCUM",
    "X12_SERVICE_TYPE",
    "Code",
    "CodePattern",
    "codes",
    "procedure",
    "system_url",
]


def _folded(url: str) -> str:
    """What of a URL is compared: no letter case, scheme, ``www.`` or trailing slash; an OID with or without ``urn:oid:``."""
    lower = url.strip().rstrip("/").lower()
    for prefix in ("https://", "http://", "urn:oid:"):
        lower = lower.removeprefix(prefix)
    return lower.removeprefix("www.")


_EXACT = {**{url: url for url in SHORT_NAMES.values()}, **SHORT_NAMES}
_FOLDED = {
    **SHORT_NAMES,
    **{_folded(written): url for url, aliases in ALIASES.items() for written in (url, *aliases)},
    **{_folded(url): url for url in SHORT_NAMES.values()},
}


def system_url(system: str) -> str:
    """The canonical URL of a system, however it is written: a short name, an alias, an OID, in other letter case.

    A system that is not known here comes back as it is, without blanks around it and without a trailing slash.
    """
    known = _EXACT.get(system)
    if known is not None:
        return known
    return _FOLDED.get(_folded(system)) or system.strip().rstrip("/")


class Code(NamedTuple):
    """A code in its canonical system."""

    system: str
    code: str

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"


def codes(concepts: object) -> Iterator[Code]:
    """Every usable coding of a CodeableConcept, a Coding, or a list of either; malformed ones are skipped."""
    for concept in elements(concepts):
        members: Iterable[Element] = elements(concept["coding"]) if "coding" in concept else (concept,)
        for coding in members:
            code, system = coding.get("code"), coding.get("system")
            if isinstance(code, str) and (code := code.strip()):
                yield Code(system_url(system) if isinstance(system, str) else "", code)


_PROCEDURE = re.compile(
    r"([A-EGHJ-MP-V]\d{4}|\d{4}[0-9AFMTU])((?:[-:, ]?[0-9A-Z]{2})*)", re.ASCII
)  # HCPCS level II letters; CPT categories I to III, proprietary laboratory (U), administrative (M) and vaccine (A) codes
_SECTIONS = (("00100", "01999"), ("10004", "69990"), ("70010", "79999"), ("80047", "89399"), ("90281", "99607"))
"""First and last code of the sections of CPT category I: anesthesia; surgery; radiology; pathology and laboratory; medicine with
evaluation and management (https://geratools.com/cpt-code-section-reference). Between them there is nothing."""
_MODIFIER = re.compile("[0-9A-Z]{2}")
_PROCEDURES = frozenset({HCPCS, CPT, CDT})


def procedure(code: Code) -> tuple[Code, tuple[str, ...]] | None:
    """A HCPCS, CPT or CDT code as the code of its own level and its modifiers; ``None`` if it has not the form of one.

    HCPCS level I is CPT and its D codes are CDT, so senders write either system; a code with a letter in front comes back as
    HCPCS, one of digits as CPT. A number outside of all sections is none either. Modifiers follow the code: ``97110:GP`` (CRD), ``97110-GP``, ``97110GP``.
    Source: CMS "HCPCS General Information" (a letter A to V and four digits).
    """
    if code.system not in _PROCEDURES or not code.code.isascii():
        return None
    found = _PROCEDURE.fullmatch(code.code.upper())
    if found is None:
        return None
    base, behind = found.groups()
    if (code.system == CDT and base[0] != "D") or not _in_a_section(base):
        return None
    return Code(HCPCS if base[0].isalpha() else CPT, base), tuple(_MODIFIER.findall(behind))


def _in_a_section(base: str) -> bool:
    """Whether there is a section that the code could stand in. CDT begins with D0100, the lettered codes of CPT with 0001."""
    if base.isdigit():
        return any(first <= base <= last for first, last in _SECTIONS)
    return base >= "D0100" if base[0] == "D" else base[:4] != "0000"


class CodePattern(NamedTuple):
    """``system|code``; a trailing ``*`` matches any code that starts so."""

    system: str
    code: str
    prefix: bool

    @classmethod
    def parse(cls, written: str) -> CodePattern:
        """Read ``hcpcs|E1390`` or ``icd10|I27*``. Raises ValueError without a bar or with an empty part."""
        system, bar, code = written.partition("|")
        if not bar or not system.strip() or not code.strip("* "):
            raise ValueError(f"{written!r} is not system|code")
        prefix = code.endswith("*")
        return cls(system_url(system), code.rstrip("*") if prefix else code, prefix)

    def matches(self, code: Code) -> bool:
        if code.system != self.system:
            return False
        return code.code.startswith(self.code) if self.prefix else code.code == self.code
