"""What an encounter itself stands in need of: its billable types, and the care the patient is discharged to (docs/crd.md)."""

from __future__ import annotations

from precert.authorization.deciding.billing_codings import billing_codings
from precert.crd import urls
from precert.fhir.coding import X12_SERVICE_TYPE, codes
from precert.fhir.types import Element, Resource, elements

# Nursing facility and swing bed, rehabilitation; from 81 on: with a readmission planned.
_NUBC = {"03": "AG", "61": "AG", "83": "AG", "89": "AG", "62": "AB", "90": "AB"}
_DISPOSITIONS = {
    urls.DISCHARGE_DISPOSITION: {"snf": "AG", "rehab": "AB"},
    urls.NUBC_DISCHARGE_STATUS: _NUBC,
    urls.NUBC_DISCHARGE_STATUS_OLD: _NUBC,
}
"""Discharge dispositions that are services themselves, as X12 service types. US Core wants the NUBC codes of the UB-04.
Home health is not among them: which visits are needed, and so whether they need authorization, stands in their orders."""


def encounter_needs(encounter: Resource) -> list[Element]:
    """The services that an encounter itself stands for: its own billable types, and where the patient is discharged to."""
    needs: list[Element] = []
    for concept in (*elements(encounter.get("type")), *elements(encounter.get("serviceType"))):
        if billing_codings(concept):
            needs.append(concept)
    for stay in elements(encounter.get("hospitalization")):
        for code in codes(stay.get("dischargeDisposition")):
            service = _DISPOSITIONS.get(code.system, {}).get(code.code)
            if service is not None:
                needs.append({"coding": [{"system": X12_SERVICE_TYPE, "code": service}]})
    return needs
