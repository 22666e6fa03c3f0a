"""Names of Da Vinci CDex 2.1.0 that this room reads and writes."""

from __future__ import annotations

OPERATION = "http://hl7.org/fhir/us/davinci-cdex/OperationDefinition/submit-attachment"
SIGNATURE = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-signature"
"""The extension of a QuestionnaireResponse that holds its signature."""
ATTACHMENT_CONTROL = "urn:precert:attachment-control"
"""System of the tracking ids that this payer gives out (the id of a pended line's question list)."""
