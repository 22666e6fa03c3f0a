"""Codes with the name of their system, as people say them."""

from __future__ import annotations

from precert.fhir.coding import PLACE_OF_SERVICE, SHORT_NAMES, system_url

_SYSTEMS = {
    "hcpcs": "HCPCS",
    "cpt": "CPT",
    "cdt": "CDT",
    "icd10pcs": "ICD-10-PCS",
    "revenue": "Revenue code",
    "icd10": "ICD-10",
    "loinc": "LOINC",
    "sct": "SNOMED CT",
    "rxnorm": "RxNorm",
    "ndc": "NDC",
    "ucum": "UCUM",
    "x12st": "X12 service type",
    "pos": "place of service",
    "vs": "value set",
}
_NAMES = {url: _SYSTEMS[short] for short, url in SHORT_NAMES.items()}
_PLACES = {
    "01": "pharmacy",
    "02": "telehealth, not in the patient's home",
    "10": "telehealth in the patient's home",
    "11": "office",
    "12": "home",
    "13": "assisted living facility",
    "14": "group home",
    "19": "outpatient hospital, off campus",
    "20": "urgent care facility",
    "21": "inpatient hospital",
    "22": "outpatient hospital, on campus",
    "23": "emergency room",
    "24": "ambulatory surgical center",
    "31": "skilled nursing facility",
    "32": "nursing facility",
    "33": "custodial care facility",
    "34": "hospice",
    "49": "independent clinic",
    "51": "inpatient psychiatric facility",
    "61": "inpatient rehabilitation facility",
    "62": "outpatient rehabilitation facility",
    "65": "end-stage renal disease facility",
    "72": "rural health clinic",
    "81": "independent laboratory",
}
"""CMS place of service codes (https://www.cms.gov/medicare/coding-billing/place-of-service-codes), the commoner ones."""


def code(written: str | None) -> str:
    """``http://…/HCPCSReleaseCodeSets|E0601`` or ``hcpcs|E0601`` → ``HCPCS E0601``; ``any`` stays a word."""
    if not written:
        return "no code"
    system, bar, value = written.rpartition("|")
    if not bar:
        return "any service" if written == "any" else written
    url = system_url(system)
    if url == PLACE_OF_SERVICE and value in _PLACES:
        return f"{_PLACES[value]} (place of service {value})"
    return f"{_NAMES.get(url, url)} {value}".strip()
