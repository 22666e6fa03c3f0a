"""Codings and their systems, in all the spellings seen in the wild."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from precert.fhir.types import Element, elements

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
NPI = "http://hl7.org/fhir/sid/us-npi"
UCUM = "http://unitsofmeasure.org"
X12_SERVICE_TYPE = "https://codesystem.x12.org/005010/1365"
PLACE_OF_SERVICE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"

SHORT_NAMES = {
    "hcpcs": HCPCS,
    "cpt": CPT,
    "icd10": ICD10CM,
    "loinc": LOINC,
    "sct": SNOMED,
    "rxnorm": RXNORM,
    "ndc": NDC,
    "ucum": UCUM,
    "x12st": X12_SERVICE_TYPE,
    "pos": PLACE_OF_SERVICE,
    "vs": "urn:precert:value-set",
}
"""The prefixes that coverage policies may write instead of the full system URL."""

_ALIASES = {
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": HCPCS,
    "https://www.cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
    "http://www.cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
    "urn:oid:2.16.840.1.113883.6.285": HCPCS,
    "https://bluebutton.cms.gov/resources/codesystem/hcpcs": HCPCS,
    "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes": HCPCS,
    "https://www.ama-assn.org/go/cpt": CPT,
    "https://www.ama-assn.org/practice-management/cpt": CPT,
    "urn:oid:2.16.840.1.113883.6.12": CPT,
    "https://hl7.org/fhir/sid/icd-10-cm": ICD10CM,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "https://loinc.org": LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "https://snomed.info/sct": SNOMED,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.4.6": NPI,
    "https://hl7.org/fhir/sid/us-npi": NPI,
    "http://hl7.org/fhir/us-npi": NPI,
    "https://codesystem.x12.org/external/365": X12_SERVICE_TYPE,
    "http://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set": PLACE_OF_SERVICE,
}


_KNOWN = {**{url: url for url in SHORT_NAMES.values()}, **_ALIASES, **SHORT_NAMES}


def system_url(system: str) -> str:
    """The canonical URL of a system written as a short name, an alias, an OID or with a trailing slash."""
    known = _KNOWN.get(system)
    if known is not None:
        return known
    trimmed = system.strip().rstrip("/")
    return _KNOWN.get(trimmed, trimmed)


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


_PROCEDURE = re.compile(r"([A-Z]\d{4}|\d{4}[0-9A-Z])((?:[-:, ]?[0-9A-Z]{2})*)", re.ASCII)


def procedure(code: Code) -> tuple[Code, tuple[str, ...]] | None:
    """A HCPCS or CPT code as the code of its own level and its modifiers; ``None`` if it has not the form of one.

    HCPCS level I is CPT, so senders write either system. Modifiers follow the code: ``97110:GP`` (CRD), ``97110-GP``, ``97110GP``.
    """
    found = _PROCEDURE.fullmatch(code.code.upper()) if code.system in (HCPCS, CPT) else None
    if found is None:
        return None
    base, behind = found.groups()
    return Code(HCPCS if base[0].isalpha() else CPT, base), tuple(re.findall("[0-9A-Z]{2}", behind))


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
