"""Code systems: the URL by which each is known here, and the other URLs and OIDs under which senders write it.

Sources: https://terminology.hl7.org ("external code systems", OIDs), the PAS 2.2.1 and CRD 2.2.1 value sets. A URL is compared
without regard to letter case, scheme, ``www.`` and a trailing slash; so only what differs otherwise stands in the tables.
"""

from __future__ import annotations

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
CDT = "http://www.ada.org/cdt"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
NPI = "http://hl7.org/fhir/sid/us-npi"
UCUM = "http://unitsofmeasure.org"
REVENUE = "https://www.nubc.org/CodeSystem/RevenueCodes"
X12_SERVICE_TYPE = "https://codesystem.x12.org/005010/1365"
PLACE_OF_SERVICE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
CRD_TEMP = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp"
CRD_COVERAGE_DETAIL = "http://terminology.hl7.org/CodeSystem/crd-coverage-detail"
DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
VALUE_SET = "urn:precert:value-set"

SHORT_NAMES = {
    "hcpcs": HCPCS,
    "cpt": CPT,
    "cdt": CDT,
    "icd10": ICD10CM,
    "icd10pcs": ICD10PCS,
    "loinc": LOINC,
    "sct": SNOMED,
    "rxnorm": RXNORM,
    "ndc": NDC,
    "ucum": UCUM,
    "revenue": REVENUE,
    "x12st": X12_SERVICE_TYPE,
    "pos": PLACE_OF_SERVICE,
    "vs": VALUE_SET,
}
"""The prefixes that coverage policies and crosswalks may write instead of the full system URL."""

ALIASES = {
    HCPCS: (
        "http://www.cms.gov/Medicare/Coding/HCPCS",
        "http://terminology.hl7.org/CodeSystem/HCPCS",
        "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes",
        "http://terminology.hl7.org/CodeSystem/hcpcs-Level-II",
        "http://bluebutton.cms.gov/resources/codesystem/hcpcs",
        "urn:oid:2.16.840.1.113883.6.14",
        "urn:oid:2.16.840.1.113883.6.285",
    ),
    CPT: (
        "http://www.ama-assn.org/practice-management/cpt",
        "http://terminology.hl7.org/CodeSystem/CPT",
        "http://terminology.hl7.org/CodeSystem/C4",
        "urn:oid:2.16.840.1.113883.6.12",
    ),
    CDT: (
        "http://terminology.hl7.org/CodeSystem/CDT",
        "http://terminology.hl7.org/CodeSystem/CD2",
        "http://www.ada.org/en/publications/cdt",
        "urn:oid:2.16.840.1.113883.6.13",
    ),
    ICD10CM: ("http://terminology.hl7.org/CodeSystem/icd10CM", "urn:oid:2.16.840.1.113883.6.90"),
    ICD10PCS: (
        "http://hl7.org/fhir/sid/icd-10-pcs",
        "http://terminology.hl7.org/CodeSystem/icd10PCS",
        "urn:oid:2.16.840.1.113883.6.4",
    ),
    LOINC: ("urn:oid:2.16.840.1.113883.6.1",),
    SNOMED: ("urn:oid:2.16.840.1.113883.6.96",),
    RXNORM: ("urn:oid:2.16.840.1.113883.6.88",),
    NDC: ("http://terminology.hl7.org/CodeSystem/NDC", "urn:oid:2.16.840.1.113883.6.69"),
    NPI: ("urn:oid:2.16.840.1.113883.4.6", "http://hl7.org/fhir/us-npi"),
    REVENUE: (
        "http://terminology.hl7.org/CodeSystem/nubc-UB92",
        "http://www.nubc.org/CodeSystem/RevenueCode",
        "urn:oid:2.16.840.1.113883.6.301.3",
    ),
    PLACE_OF_SERVICE: (
        "https://www.cms.gov/Medicare/Coding/place-of-service-codes",
        "http://terminology.hl7.org/CodeSystem/CMSPlaceofServiceCodes",
        "urn:oid:2.16.840.1.113883.6.50",
    ),
    X12_SERVICE_TYPE: ("https://codesystem.x12.org/external/365", "https://x12.org/codes/service-type-codes"),
}
