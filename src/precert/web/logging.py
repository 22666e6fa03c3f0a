"""Structured logs: one JSON object a line (or readable on a terminal). No PHI at info level or above."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict


def _console() -> structlog.dev.ConsoleRenderer:
    """Plain tracebacks: structlog's own pretty ones print every local variable, which here are patients."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


class _Stderr(io.TextIOBase):
    """Whatever ``sys.stderr`` is when a line is written: loggers outlive redirections."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _without_messages(_: Any, __: str, event: EventDict) -> EventDict:
    """An exception as its type and frames. Its message may quote what a client sent, and that may be a patient's."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["exception"] = type(error).__qualname__
        event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
    return event


def configure(level: str = "info", *, json: bool | None = None) -> None:
    """Set structlog up for this process. ``json`` defaults to: not on a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer() if as_json else _console()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            _without_messages,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=False,  # a cached logger would keep the level of whoever came first
    )
