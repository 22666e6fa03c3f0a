"""The decision-code table as values. The only place that turns a line's state into X12 and FHIR codes."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from precert.fhir.versions import VersionName

OutcomeKind = Literal["decided", "pended", "error"]


class ReviewCode(BaseModel):
    """``action`` is X12 306, ``reason`` X12 886; ``result`` is what the metrics count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["A1", "A2", "A3", "A4", "A6", "C", "CT", "NA"]
    reason: str | None = None
    result: Literal["approved", "denied", "pended", "modified", "cancelled", "not-required"]


class Reject(BaseModel):
    """An AAA-style error: ``code`` is X12 901, ``followup`` X12 889, ``text`` says how to mend it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    followup: str
    text: str


class CodeTable(BaseModel):
    """The whole table; see ``codes.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    review: dict[str, ReviewCode]
    outcome: dict[VersionName, dict[OutcomeKind, str]]
    reject: dict[str, Reject]


@cache
def code_table() -> CodeTable:
    """The table shipped with precert."""
    raw = resources.files("precert.authorization.record").joinpath("codes.yaml").read_text("utf-8")
    return CodeTable.model_validate(yaml.safe_load(raw))
