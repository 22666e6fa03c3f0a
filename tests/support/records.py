"""Records by values, for tests of the core."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from precert.authorization.record.case import CaseOpened, Party

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)


def opened(**changes: Any) -> CaseOpened:
    """What a record opens with: a standard request of nobody in particular, with ``changes``."""
    plain: dict[str, Any] = {
        "case": "c",
        "number": "CN1",
        "submitter": "open",
        "received": AT,
        "track": "standard",
        "identifiers": (),
        "claim": "urn:uuid:claim",
        "submission": "sub-1",
        "patient": {},
        "insurer": {},
        "requester": Party(),
    }
    return CaseOpened(**{**plain, **changes})


EXPLAINED_LINE = frozenset(
    {"sequence", "code", "policy", "version", "outcome", "decision", "facts", "criteria", "missing", "reasons"}
)
"""The members of a line in every explanation (``/explain/{id}``; a promise to clients)."""
