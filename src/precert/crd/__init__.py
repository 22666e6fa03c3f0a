"""Coverage requirements discovery: CDS Hooks for the clinician who orders (Da Vinci CRD 2.0.1 and 2.2.1)."""
