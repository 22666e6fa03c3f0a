"""A PAS request, read and decided without an app or a store: for tables over what an item or its order may say."""

from __future__ import annotations

from typing import Any

from precert.authorization.deciding.decide import Rules, decide
from precert.authorization.usecases.dependencies import who_asks
from precert.authorization.usecases.submission import Submission
from precert.fhir import json
from precert.pas.intake import read_request
from precert.policy.catalogue import Catalogue
from precert.policy.types import Decision
from support.app import NOW
from support.three_edges import catalogue, directory


def read(body: dict[str, Any]) -> Submission:
    """The request as the PAS edge reads it. Raises FhirError."""
    raw = json.dumps(body)
    return read_request(raw, json.load_resource(raw), "ehr", directory())


def decided(body: dict[str, Any], policies: Catalogue | None = None) -> Decision:
    """What is decided about its first item, by the shipped policies unless others are given."""
    submission = read(body)
    who = who_asks(directory(), submission, NOW)
    rules = Rules(directory(), policies or catalogue())
    decision = decide(submission.ask(submission.lines[0]), submission.subject, who, rules, NOW.date()).decision
    assert decision is not None
    return decision
