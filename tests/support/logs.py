"""Logs in tests: plain lines on the captured stdout, never pretty tracebacks with locals."""

from __future__ import annotations

import structlog


def configure() -> None:
    """As JSON lines of every level; not cached, so that ``structlog.testing.capture_logs`` works."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=False,
    )
