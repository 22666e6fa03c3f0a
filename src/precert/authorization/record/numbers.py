"""Case and authorization numbers: unique for ever, not guessable, with a check character.

Sixty random bits in a human alphabet (no I, L, O, U) and an ISO 7064 MOD 37,2 check character, which finds every single
wrong character and every swap of neighbours. Uniqueness is the store's: each number is reserved in the same
commit that uses it, so two processes cannot issue the same one.
"""

from __future__ import annotations

from enum import StrEnum

from precert.runtime import Runtime

_HUMAN = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: digits and letters that are not mistaken
_ALL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BITS = 60


class NumberKind(StrEnum):
    """The first two letters say what a number is."""

    CASE = "CN"
    AUTHORIZATION = "PA"
    REFERENCE = "RN"  # administration reference number of a pended line
    ASSERTION = "CA"  # coverage-assertion-id


_KINDS = frozenset(kind.value for kind in NumberKind)


def check_character(body: str) -> str | None:
    """ISO 7064 MOD 37,2 over digits and capital letters; ``None`` when the check value has no character in the human
    alphabet (such a number is not issued). Raises ValueError on any other character."""
    product = 0
    for character in body:
        product = (product + _ALL.index(character)) * 2 % 37
    value = (38 - product) % 37
    return _ALL[value] if value < len(_ALL) and _ALL[value] in _HUMAN else None


def issue(kind: NumberKind, runtime: Runtime) -> str:
    """A new number such as ``PA4T7X0K2M9QWE3``. Reserve it (:func:`reservation`) before showing it to anybody."""
    while True:
        bits = runtime.random_bits(_BITS)
        body = kind.value + "".join(_HUMAN[(bits >> shift) & 31] for shift in range(_BITS - 5, -1, -5))
        if (check := check_character(body)) is not None:
            return body + check


def is_valid(number: str) -> bool:
    """Whether ``number`` has the form of ours and its check character fits; no look-up."""
    plain = number.strip().upper().replace("-", "")
    if len(plain) != 15 or plain[:2] not in _KINDS or any(c not in _HUMAN for c in plain[2:14]):
        return False
    return check_character(plain[:14]) == plain[14]


def reservation(number: str) -> str:
    """The name under which the store keeps ``number`` taken for ever."""
    return f"number:{number}"
