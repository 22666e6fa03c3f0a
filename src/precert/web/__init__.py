"""FHIR over HTTP, shared by the edges: reading bodies, negotiating formats, one OperationOutcome per fault, metrics."""
