"""FHIRPath, compiled once per expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import fhirpathpy
from fhirpathpy.models import models as _models

_R4 = _models["r4"]

Compiled = Callable[[Any, Mapping[str, Any]], list[Any]]


class PathSyntaxError(ValueError):
    """The expression is not FHIRPath."""


@lru_cache(maxsize=4096)
def compile_path(expression: str) -> Compiled:
    """Compile ``expression`` against the R4 model. The result takes (resource, variables) and returns a list.

    Raises PathSyntaxError. Evaluation errors surface as whatever the library raises; callers decide what that means
    (for a coverage criterion: unknown, never false).
    """
    try:
        compiled = fhirpathpy.compile(expression, _R4)
    except Exception as error:  # the library raises bare Exceptions of several kinds
        raise PathSyntaxError(f"not FHIRPath: {expression!r}: {error}") from error

    def run(resource: Any, variables: Mapping[str, Any]) -> list[Any]:
        result = compiled(resource, dict(variables))
        return list(result) if isinstance(result, list) else [result]

    return run


def evaluate(expression: str, resource: Any, variables: Mapping[str, Any] | None = None) -> list[Any]:
    """Evaluate once; the compilation is cached."""
    return compile_path(expression)(resource, variables or {})
