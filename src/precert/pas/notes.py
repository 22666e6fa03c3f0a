"""The sentences of a response: process notes for each line and the disposition of the whole.

A note never hints at the likely result of a review that has not ended.
"""

from __future__ import annotations

from precert.authorization.deciding.decide import ITEM_UNCLEAR, SERVICE_UNKNOWN
from precert.authorization.deciding.standing import describe
from precert.authorization.record.case import Case, Line
from precert.authorization.record.codes import code_table
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.give_up import NOTHING_TO_CANCEL
from precert.fhir.billing import SYSTEMS_READ
from precert.fhir.coding import codes
from precert.policy.catalogue import NO_RULE
from precert.policy.withheld import RULES_UNAVAILABLE

_REVIEW = frozenset({"screening", "auto_review", "nurse_review", "md_review"})
_APPEAL = "You or the member may appeal this decision to the health plan."
_UNKNOWN_PRIOR = (
    " Nothing was found to update: no earlier request of this member and requester is on file under what the request "
    "names, so it was taken as a new one."
)
_SAID = frozenset({SERVICE_UNKNOWN, ITEM_UNCLEAR, NO_RULE, RULES_UNAVAILABLE})
"""Reason codes of what is pended for no clinical reason: the note says why, because the provider can mend it."""


def line_notes(line: Line, base: str) -> list[str]:
    """What the provider should read about this line."""
    determination, service = line.determination, _service(line)
    notes: list[str] = []
    if line.state in ("approved", "active", "repeated") and determination is not None:
        notes.append(_approved(line, service))
        notes += [determination.reason] if line.state == "repeated" else []
    elif line.state == "pended_info" and line.questions is not None:
        asked = "; ".join(str(question["text"]) for question in line.questions.questions)
        due = f" by {line.questions.due.date().isoformat()}" if line.questions.due else ""
        notes.append(f"More information is needed to decide on {service}. Please answer{due}: {asked}")
    elif line.state in _REVIEW:
        trace = determination.trace if determination is not None else {}
        if determination is not None and trace.get("reason_code") in _SAID:
            notes.append(f"{determination.reason} A reviewer will look at the request.")
        else:
            notes.append(
                f"A clinical reviewer will decide on {service}. You will be notified; nothing more is needed now."
            )
    elif line.state == "exempt" and determination is not None:
        notes.append(determination.reason or f"No authorization is needed for {service}.")
    elif line.state == "cancelled":
        return [_cancelled(line, service)]
    elif determination is not None:
        if line.state == "modified":
            notes.append(_in_part(line, service))
        notes.extend(determination.notes or ([determination.reason] if determination.reason else []))
        table = lifecycle()
        if line.state in table.adverse or line.state in table.adverse_admin:
            notes.append(_APPEAL)
    if determination is not None:
        notes += map(str, determination.trace.get("remarks", ()))
    if line.state in (_REVIEW | {"pended_info"}) and line.authorization is not None:
        notes.append(f"Authorization {line.authorization.number} stands meanwhile, for what it was given for.")
    if determination is not None and determination.policy:
        notes.append(f"Coverage policy: {determination.title}, {base}/policies/{determination.policy}")
    return notes


def _service(line: Line) -> str:
    """The service by its billing code, else by what code there is. The sender's words may say something else than the code
    that is decided on, so that they name it only where there is no code, and as theirs."""
    concept = line.requested.item.get("productOrService")
    sent = list(codes(concept))
    if sent:
        return next((code.code for code in sent if code.system in SYSTEMS_READ), sent[0].code)
    return f'the service sent as "{describe(concept)}"' if concept else "the service"


def _in_part(line: Line, service: str) -> str:
    """What was granted of what was asked."""
    asked = line.requested
    amount = f" {asked.quantity} {asked.unit or ''}".rstrip() if asked.quantity is not None else ""
    several = (
        asked.service_end is not None and asked.service_start is not None and asked.service_end > asked.service_start
    )
    until = f" to {asked.service_end.isoformat()}" if several and asked.service_end is not None else ""
    wanted = f" Asked for:{amount}{until}." if amount or until else ""
    return f"In part. {_approved(line, service)}{wanted}"


def _cancelled(line: Line, service: str) -> str:
    """What came of a cancellation: what was decided before is no longer of interest."""
    determination = line.determination
    if determination is not None and (line.rests_on is not None or determination.outcome == "cancelled"):
        return determination.reason
    ended = f" Authorization {line.authorization.number} is no longer valid." if line.authorization is not None else ""
    return f"Cancelled at the provider's request: {service}.{ended}"


def _approved(line: Line, service: str) -> str:
    authorization = line.authorization
    if authorization is None:
        return f"{service}: approved."
    until = f" to {authorization.end.isoformat()}" if authorization.end else ""
    amount = (
        f", {authorization.quantity} {authorization.unit or ''}".rstrip() if authorization.quantity is not None else ""
    )
    return (
        f"Approved: {service}, {authorization.start.isoformat()}{until}{amount}. Authorization {authorization.number}."
    )


def disposition(case: Case) -> str:
    """One sentence for the whole response."""
    review = code_table().review
    results = [
        "nothing-to-cancel"
        if line.determination is not None and line.determination.reason == NOTHING_TO_CANCEL
        else review[line.state].result
        if line.state in review
        else line.state
        for line in case.ordered
    ]
    gone = [str(event.detail["cancelled"]) for event in case.events if "cancelled" in event.detail]
    if not results:
        return f"Case {case.number}: cancelled {', '.join(gone)}." if gone else "Nothing to decide."
    words = {
        "approved": "approved",
        "denied": "not approved",
        "pended": "pending",
        "modified": "approved with changes",
        "cancelled": "cancelled",
        "not-required": "without need of authorization",
        "nothing-to-cancel": "not found to cancel",
    }
    counted = [f"{results.count(r)} {words.get(r, r)}" for r in dict.fromkeys(results)]
    return f"Case {case.number}: " + ", ".join(counted) + "." + (_UNKNOWN_PRIOR if case.unknown_prior else "")
