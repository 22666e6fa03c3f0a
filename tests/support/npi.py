"""National Provider Identifiers."""

from __future__ import annotations


def luhn(npi: str) -> bool:
    """The check digit of a National Provider Identifier (its number is prefixed with 80840)."""
    digits = [int(c) for c in reversed("80840" + npi)]
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)]
    return len(npi) == 10 and sum(doubled) % 10 == 0
