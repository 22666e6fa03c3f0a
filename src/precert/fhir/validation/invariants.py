"""Invariants: by hand, through the FHIRPath subset, or through the full engine; in this order of preference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from precert.fhir.validation.fastfunctions import Undecided, Unsupported
from precert.fhir.validation.fastpath import Frame, compile_fast
from precert.fhir.validation.known import KnownError, known_error
from precert.fhir.validation.natives import BY_KEY, NATIVES

Way = Literal["native", "subset", "engine", "unchecked"]
Test = Callable[[Any, Frame], bool | None]
"""Whether a value satisfies the invariant; ``None`` if that cannot be said."""

_NEEDS_SERVICES = ("resolve()", "memberOf(", "htmlChecks", "%context")
"""The engine has no access to the document index and the value sets: such expressions are not given to it."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant of one profile. ``test`` is ``None`` if the full engine has to be asked (see ``deferred``)."""

    key: str
    severity: str
    expression: str
    way: Way
    test: Test | None
    known: KnownError | None


def _collapse(expression: str) -> str:
    return " ".join(expression.split())


@lru_cache(maxsize=2048)
def _compiled(key: str, expression: str) -> tuple[Way, Test | None]:
    native = NATIVES.get(_collapse(expression)) or BY_KEY.get(key)
    if native is not None:
        return "native", _guarded(native)
    try:
        run = compile_fast(expression)
    except (Unsupported, TypeError):  # TypeError: a known function with arguments it does not take here
        return ("unchecked" if any(need in expression for need in _NEEDS_SERVICES) else "engine"), None

    return "subset", _guarded(lambda value, frame: satisfied(run([value], [value], frame)))


def _guarded(judge: Callable[[Any, Frame], bool]) -> Test:
    """``judge``, undecided on values so malformed that it fails; their structure is reported where it stands."""

    def test(value: Any, frame: Frame) -> bool | None:
        try:
            return judge(value, frame)
        except (Undecided, TypeError, AttributeError, ValueError, RecursionError):
            return None

    return test


def satisfied(result: list[Any]) -> bool:
    """A result as a verdict. Nothing counts as broken, as in the reference validator."""
    return bool(result) and result[0] is not False


@lru_cache(maxsize=8192)
def invariant(key: str, severity: str, expression: str, profile: str) -> Invariant:
    """The invariant ``key`` of ``profile``, compiled."""
    way, test = _compiled(key, expression)
    return Invariant(key, severity, expression, way, test, known_error(key, profile))
