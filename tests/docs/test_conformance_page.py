"""The conformance page says what the list of statements says."""

from __future__ import annotations

from tools import conformance


def test_the_page_is_current() -> None:
    assert conformance.PAGE.read_text("utf-8") == conformance.render(), "run python -m tools.conformance"
