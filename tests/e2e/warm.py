"""Imported once by the process that servers are forked from: the policies' expressions are then compiled already."""

from datetime import UTC, datetime

from precert.policy.library import PolicyLibrary
from support.app import EXAMPLES

PolicyLibrary(EXAMPLES / "policies", datetime(2026, 11, 20, tzinfo=UTC))
