"""Da Vinci PAS: Claim bundles in, ClaimResponse bundles out. Parses and renders; decides nothing."""
