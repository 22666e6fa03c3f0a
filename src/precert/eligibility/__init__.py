"""Eligibility: the members, coverages, plans, providers and claims history that the payer holds itself."""
