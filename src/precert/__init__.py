"""precert: the payer's side of prior authorization, as a FHIR server."""

__version__ = "0.1.0"
