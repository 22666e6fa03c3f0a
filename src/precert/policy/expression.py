"""One FHIRPath expression of a policy, compiled once: natively where possible, by the interpreter otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from precert.fhir.path import compile_path
from precert.policy.closures import FOCUS, Closure, ExpressionError, Fallback
from precert.policy.native import NotNative, compile_native

_STRING = re.compile(r"'(?:[^'\\]|\\.)*'")
_VARIABLE = re.compile(r"%(?:`([^`]+)`|(\w+))")
BUILT_IN = frozenset({"asof", "context", "resource", "rootResource", "ucum", "sct", "loinc"})
"""Variables that FHIRPath or the engine defines; ``%asof`` is the day of receipt as text."""


def variables(expression: str) -> tuple[str, ...]:
    """The names after ``%`` in order of appearance, each once; text in quotes does not count."""
    bare = _STRING.sub("''", expression)
    return tuple(dict.fromkeys(match[1] or match[2] for match in _VARIABLE.finditer(bare)))


class Expression:
    """A compiled expression. In: FHIRPath text. Raises precert.fhir.path.PathSyntaxError for text that is not FHIRPath.

    ``names`` are the facts it reads, ``native`` says whether it runs without the interpreter.
    """

    __slots__ = ("_interpreted", "_native", "names", "text")

    def __init__(self, text: str, *, facts_only: bool = True) -> None:
        self.text = text
        self.names = tuple(name for name in variables(text) if name not in BUILT_IN)
        self._interpreted = compile_path(text)
        self._native: Closure | None = None
        if not any(name in BUILT_IN for name in variables(text)):
            try:
                self._native = compile_native(text, facts_only=facts_only)
            except NotNative:
                self._native = None

    @property
    def native(self) -> bool:
        return self._native is not None

    def value(self, env: Mapping[str, Any]) -> Any:
        """The result as ``None`` (empty), one value, or a tuple.

        In: ``env`` has every name used (``None`` = empty) and, for paths, the resource under ``FOCUS``. Raises
        ExpressionError for whatever goes wrong in evaluating.
        """
        if self._native is not None:
            try:
                return self._native(env)
            except Fallback:
                return self.interpreted(env)
        return self.interpreted(env)

    def interpreted(self, env: Mapping[str, Any]) -> Any:
        """The same by fhirpathpy alone."""
        given = {
            name: [] if value is None else list(value) if isinstance(value, tuple) else value
            for name, value in env.items()
            if name != FOCUS
        }
        try:
            result = self._interpreted(env.get(FOCUS, {}), given)
        except Exception as error:  # the library raises bare Exceptions; here they all mean "cannot be evaluated"
            raise ExpressionError(str(error) or type(error).__name__) from error
        members = [member for member in result if member is not None]
        if not members:
            return None
        return members[0] if len(members) == 1 else tuple(members)

    def truth(self, env: Mapping[str, Any]) -> bool | None:
        """The result as true, false or unknown. Raises ExpressionError, also for a result that is not a boolean."""
        result = self.value(env)
        if result is None or isinstance(result, bool):
            return result
        raise ExpressionError(f"the result is not true or false: {result!r}")
