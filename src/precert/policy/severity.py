"""Which outcome is better for the member, and which is the stricter of two."""

from __future__ import annotations

from precert.policy.types import Outcome

_RANK = {
    Outcome.NOT_APPLICABLE: 0,
    Outcome.NO_AUTH: 0,
    Outcome.APPROVE: 1,
    Outcome.REFER_NURSE: 2,
    Outcome.PEND_INFO: 3,
    Outcome.REFER: 4,
    Outcome.DENY_ADMIN: 5,
}
_STRICT = (
    Outcome.NOT_APPLICABLE,
    Outcome.NO_AUTH,
    Outcome.APPROVE,
    Outcome.REFER_NURSE,
    Outcome.PEND_INFO,
    Outcome.REFER,
    Outcome.DENY_ADMIN,
)


def severity(outcome: Outcome) -> int:
    """0 is best for the member. "No authorization needed" and "no policy asks" are alike."""
    return _RANK[outcome]


def strictness(outcome: Outcome) -> int:
    """For combining policies that all apply; the highest decides.

    Not met beats unknown beats met, as in Kleene's ``all``: when one policy already needs a clinician, answers to
    another's questions cannot take that away. Met, but to be confirmed (``refer-nurse``) is stricter than approved and
    milder than unknown: the question comes first, the nurse afterwards.
    """
    return _STRICT.index(outcome)
