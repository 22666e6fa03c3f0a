"""The call that a DTR context comes from: a pended case, or an assertion of a CRD hook.

The context is the id of a pended line's question list (= tracking id = Task id), any number of a case, or a
coverage-assertion-id. Source: DTR spec-108..110, PAS "questionnaire-context".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from precert.authorization.record.case import Case, Line, OpenQuestions, is_note
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir import json
from precert.fhir.coding import Code, codes, system_url
from precert.fhir.types import Element, elements, text

_KNOWN = ("structured", "payer", "attested")


@dataclass(frozen=True, slots=True)
class OriginLine:
    """One service: its codes, the policies that asked about it, and what is known (fact to plain value)."""

    codes: tuple[Code, ...]
    policies: tuple[tuple[str, str], ...]
    known: Mapping[str, Any] = field(default_factory=dict)
    worded: OpenQuestions | None = None  # the open list, if a reviewer's question in their own words is on it


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a context leads. ``case`` is set for a case; ``name`` is what to call it to people."""

    id: str
    name: str
    lines: tuple[OriginLine, ...]
    case: Case | None = None
    numbers: tuple[str, ...] = ()  # the member's, best first; empty when nobody is known

    @property
    def member(self) -> str | None:
        """What to call the member by, if anything."""
        return next(iter(self.numbers), None)


async def find_origin(service: AuthorizationService, context: str) -> Origin | None:
    """The case or assertion behind ``context``; ``None`` if it was never given out."""
    found = await service.case(context)
    if found is not None:
        return _of_case(found[0], context)
    document = await service.store.get(service.tenant, "Assertion", context)
    if document is None:
        return None
    body = json.loads(document.body)
    lines = tuple(_asserted(line) for line in elements(body.get("lines")))
    return Origin(context, f"Assertion {context}", lines)


def _of_case(case: Case, context: str) -> Origin:
    """The line whose question list it is; any other number means all lines that wait."""
    own = [line for line in case.ordered if line.questions is not None and line.questions.id == context]
    lines = own or case.ordered
    opened = case.opened
    numbers = tuple(dict.fromkeys(n for n in (opened.member, *opened.member_numbers) if n))
    return Origin(context, f"Case {case.number}", tuple(map(_waiting, lines)), case, numbers)


def _waiting(line: Line) -> OriginLine:
    found = tuple(codes(line.requested.item.get("productOrService")))
    trace = line.determination.trace if line.determination is not None else {}
    policies: dict[tuple[str, str], None] = {}
    if line.questions is not None:
        if line.questions.policy:
            policies[line.questions.policy, line.questions.version] = None
        for considered in elements(trace.get("considered")):
            if considered.get("outcome") == "pend-info":
                policies[str(considered.get("policy")), str(considered.get("version"))] = None
    worded = line.questions if line.questions is not None and any(map(is_note, line.questions.questions)) else None
    return OriginLine(found, tuple(policies), _facts(trace), worded)


def _facts(trace: Element) -> dict[str, Any]:
    return {
        str(fact["name"]): fact["value"]
        for fact in elements(trace.get("facts"))
        if fact.get("provenance") in _KNOWN and isinstance(fact.get("value"), bool | int | float | str | Decimal)
    }


def _asserted(line: Element) -> OriginLine:
    """What the chart held then is the client's to fill in again, so nothing is known here."""
    system, _, code = (text(line.get("code")) or "").rpartition("|")
    policy, version = text(line.get("policy")), text(line.get("version"))
    asking = bool(line.get("questions") or line.get("missing"))
    policies = ((policy, version),) if policy and version and asking else ()
    return OriginLine((Code(system_url(system), code),) if code else (), policies)
