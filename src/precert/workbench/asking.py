"""What the form page needs to know about a line that waits for answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from precert.authorization.record.case import Case, Line
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir.types import Element, elements, text
from precert.workbench import labels


@dataclass(frozen=True, slots=True)
class Asked:
    """One line's open questions: ``context`` leads the DTR client to the form and is the tracking id of the answers."""

    context: str
    line: int
    service: str
    title: str | None
    due: datetime | None
    member: str
    system: str
    npi: str


def asked(service: AuthorizationService, case: Case, line: int | None) -> tuple[Asked | None, list[int]]:
    """The wanted line's open questions (else the first line's that has some), and the other lines that have some."""
    waiting = {each.sequence: each for each in case.ordered if each.questions is not None}
    chosen = line if line in waiting else next(iter(waiting), None)
    if chosen is None:
        return None, []
    return _asked(service, case, waiting[chosen]), [sequence for sequence in waiting if sequence != chosen]


def _asked(service: AuthorizationService, case: Case, line: Line) -> Asked:
    questions = line.questions
    assert questions is not None
    number = case.opened.member or next(iter(case.opened.member_numbers), "")
    member = service.directory().by_number(number) if number else None
    return Asked(
        context=questions.id,
        line=line.sequence,
        service=labels.code(line.requested.code),
        title=line.determination.title if line.determination else None,
        due=questions.due,
        member=number,
        system=member.system if member else "",
        npi=case.opened.requester.npi or "unknown",
    )


@dataclass(frozen=True, slots=True)
class AskedAtOrder:
    """What a hook's assertion still asks about one order. The order itself is the EHR's; only its codes are kept here."""

    context: str
    order: str
    policy: str
    service: str
    title: str | None


def asked_at_order(assertion: Element, order: str) -> AskedAtOrder | None:
    """The open questions about ``order`` (``Type/id``) in a stored assertion; ``None`` if nothing is asked about it."""
    for line in elements(assertion.get("lines")):
        if line.get("order") == order and line.get("policy") and line.get("missing"):
            service = labels.code(str(line.get("code")))
            return AskedAtOrder(str(assertion["id"]), order, str(line["policy"]), service, text(line.get("title")))
    return None
