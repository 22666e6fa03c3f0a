"""One validator for all tests: its tables are immutable."""

from __future__ import annotations

import pytest

from precert.fhir.validation import Validator


@pytest.fixture(scope="session")
def validator() -> Validator:
    return Validator.load()
