"""FHIRPath, compiled once per expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import RLock
from typing import Any, NoReturn

import fhirpathpy
from antlr4 import CommonTokenStream, InputStream, ParseTreeWalker, Token  # type: ignore[import-untyped]
from antlr4.error.ErrorListener import ErrorListener  # type: ignore[import-untyped]
from fhirpathpy.engine.util import set_paths
from fhirpathpy.models import models as _models
from fhirpathpy.parser.ASTPathListener import ASTPathListener
from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

_R4 = _models["r4"]

_ONE_AT_A_TIME = RLock()
"""The library keeps what must not change during an evaluation (now, today) in a module, for all threads."""
Compiled = Callable[[Any, Mapping[str, Any]], list[Any]]


class PathSyntaxError(ValueError):
    """The expression is not FHIRPath."""


class _Strict(ErrorListener):  # type: ignore[misc]
    def syntaxError(  # noqa: N802 (the parser's name)
        self, recognizer: Any, symbol: Any, line: int, column: int, message: str, error: Any
    ) -> NoReturn:
        raise PathSyntaxError(f"at column {column + 1}: {message.partition(' expecting ')[0]}")


def _parse(expression: str) -> Any:
    """The library's own parser guesses its way past ``a..b`` and ignores what follows ``a)``; this one refuses both."""
    lexer = FHIRPathLexer(InputStream(expression))
    tokens = CommonTokenStream(lexer)
    parser = FHIRPathParser(tokens)
    for recognizer in (lexer, parser):
        recognizer.removeErrorListeners()
        recognizer.addErrorListener(_Strict())
    tree = parser.expression()
    following = tokens.LT(1)
    if following.type != Token.EOF:
        raise PathSyntaxError(f"at column {following.column + 1}: {following.text!r} is one too many")
    listener = ASTPathListener()  # type: ignore[no-untyped-call]
    ParseTreeWalker().walk(listener, tree)
    return listener.parentStack[0]


@lru_cache(maxsize=4096)
def compile_path(expression: str) -> Compiled:
    """Compile ``expression`` against the R4 model. The result takes (resource, variables) and returns a list.

    Raises PathSyntaxError. Evaluation errors surface as whatever the library raises; callers decide what that means
    (for a coverage criterion: unknown, never false).
    """
    try:
        with _ONE_AT_A_TIME:  # the parser's tables are shared too
            parsed = _parse(expression)
        compiled = set_paths(  # type: ignore[no-untyped-call]
            fhirpathpy.apply_parsed_path, parsedPath=parsed, model=_R4, options=None
        )
    except Exception as error:  # the library raises bare Exceptions of several kinds
        raise PathSyntaxError(f"not FHIRPath: {expression!r}: {error}") from error

    def run(resource: Any, variables: Mapping[str, Any]) -> list[Any]:
        with _ONE_AT_A_TIME:
            result = compiled(resource, dict(variables))
        return list(result) if isinstance(result, list) else [result]

    return run


def evaluate(expression: str, resource: Any, variables: Mapping[str, Any] | None = None) -> list[Any]:
    """Evaluate once; the compilation is cached."""
    return compile_path(expression)(resource, variables or {})
