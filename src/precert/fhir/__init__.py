"""FHIR R4 as plain dicts: JSON without loss, bundles and references, codings, OperationOutcome, FHIRPath, validation."""
