"""Subscriptions: R4 topic-based subscriptions (backport IG) to the answers of Da Vinci PAS, delivered as rest-hooks."""
