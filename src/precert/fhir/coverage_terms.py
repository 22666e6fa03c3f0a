"""The closed vocabularies by which a plan and a coverage policy must mean the same: lines of business and states.

Plans (docs: ``plans.yaml``) and policies (docs/policies.md, ``applies``) are compared by these words letter by letter, so
a word that is in neither list can only be a typing error: it would make every rule of that plan or policy silent.
Lines of business follow the impacted payers of CMS-0057-F (45 CFR 156.221, 42 CFR 422.119, 431.60, 438.242, 457.730)
and commercial insurance; states are the codes of the US Postal Service, territories included.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LINES_OF_BUSINESS = (
    "medicare-advantage",
    "commercial",
    "qhp",
    "medicaid-mco",
    "medicaid-ffs",
    "chip-mco",
    "chip-ffs",
)
STATES = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL",
    "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE",
    "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD",
    "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "AS", "GU", "MP", "PR", "VI",
)  # fmt: skip
_ENOUGH = 0.5
"""How alike two words must be (0 to 1) to be offered as what was meant."""


def unknown_word(written: str, known: Iterable[str], kind: str) -> str | None:
    """Why ``written`` cannot be right, with the nearest known word; ``None`` if it is one of ``known``.

    ``kind`` names the list in the sentence: "line of business", "state".
    """
    words = tuple(known)
    if written in words:
        return None
    alike = {word.lower(): word for word in words}
    near = get_close_matches(written.strip().lower(), alike, n=1, cutoff=_ENOUGH)
    starts = [word for word in words if word.lower().startswith(written.strip().lower()[:4])]
    meant = alike[near[0]] if near else starts[0] if starts else None
    hint = f"did you mean {meant}?" if meant else f"known are {', '.join(words)}"
    return f"{written!r} is no {kind} that precert knows; {hint}"
