"""Canonical URLs and code systems of Da Vinci CRD, in one place. Source: the CRD 2.2.1 and 2.0.1 packages."""

from __future__ import annotations

ALTERNATE_REFERENCE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"

CARD_TYPE = "http://terminology.hl7.org/CodeSystem/cdshooks-card-type"
SDC_TEMP = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp"
COVERAGE_CLASS = "http://terminology.hl7.org/CodeSystem/coverage-class"
DISCHARGE_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
NUBC_DISCHARGE_STATUS = "https://www.nubc.org/CodeSystem/PatDischargeStatus"  # US Core 6.1 and 7.0
NUBC_DISCHARGE_STATUS_OLD = "http://www.nubc.org/patient-discharge"  # US Core 3.1.1
OVERRIDE_REASONS = "urn:precert:override-reason"

VERSION_EXTENSION = "davinci-crd.version"
OPTIONS_EXTENSION = "davinci-crd.configuration-options"
REQUESTED_VERSION = "davinci-crd.requestedVersion"
CONFIGURATION = "davinci-crd.configuration"
ASSOCIATED_RESOURCE = "davinci-crd.associated-resource"

_PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
PAS_CLAIM = _PAS + "profile-claim"
PAS_REQUEST_BUNDLE = _PAS + "profile-pas-request-bundle"
PAS_REQUESTED_SERVICE = _PAS + "extension-requestedService"
PAS_REQUEST_TYPE = _PAS + "extension-serviceItemRequestType"
PAS_CERTIFICATION = _PAS + "extension-certificationType"
PAS_TRACE_NUMBER = _PAS + "extension-itemTraceNumber"
PAS_CARE_TEAM_SCOPE = _PAS + "extension-careTeamClaimScope"
