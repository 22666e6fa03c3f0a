"""Why each line was answered as it was: the stored trace, in the shape that ``/explain/{id}`` promises."""

from __future__ import annotations

from collections.abc import Sequence

from precert.authorization.record.case import (
    ASKED_BY_PEOPLE,
    EVIDENCE_CHANGED,
    EVIDENCE_REVIEWED,
    Case,
    Determination,
    Event,
    Line,
)
from precert.authorization.record.codes import code_table
from precert.fhir.dates import instant
from precert.fhir.types import Element


def explain_case(case: Case, id: str, claim_response: str | None = None) -> Element:
    """The explanation of a record, asked for under ``id`` (any number or id that leads to it)."""
    explained: Element = {"id": id, "case": case.number, "assertion": next(iter(case.opened.assertions), None)}
    if claim_response:
        explained["claim_response"] = claim_response
    explained |= {
        "received": instant(case.opened.received),
        "track": case.opened.track,
        "member": case.opened.member,
        "plan": case.opened.plan,
        "lines": [explain_line(line, case.events) for line in case.ordered],
        "events": [explain_event(event) for event in case.events if event.line is None],
    }
    return explained


def explain_line(line: Line, events: Sequence[Event]) -> Element:
    """One line: what was asked, what was decided, on which facts and criteria, and what happened to it."""
    determination = line.determination
    trace = determination.trace if determination else {}
    review = code_table().review.get(line.state)
    explained: Element = {
        "sequence": line.sequence,
        "code": line.requested.code,
        "policy": determination.policy if determination else None,
        "version": determination.version if determination else None,
        "outcome": determination.outcome if determination else None,
        "decision": review.action if review else "error" if line.state == "dismissed" else None,
        "state": line.state,
        "reason": determination.reason if determination else None,
        "by": _by(determination) if determination else None,
        "facts": trace.get("facts", []),
        "criteria": trace.get("criteria", []),
        "missing": trace.get("missing", []),
        "reasons": list(determination.reasons) if determination else [],
    }
    explained |= {key: value for key, value in trace.items() if key not in explained}
    if asked := _asked_by_people(events, line.sequence):
        own = {question["link_id"] for question in asked}
        explained["questions"] = [*(q for q in trace.get("questions", ()) if q.get("link_id") not in own), *asked]
        waiting = [q["link_id"] for q in asked if q["state"] == "asked"] if line.state == "pended_info" else []
        explained["missing"] = list(dict.fromkeys([*explained["missing"], *waiting]))
    if line.authorization is not None:
        authorization = line.authorization
        explained["authorization"] = {
            "number": authorization.number,
            "issued": authorization.issued.isoformat(),
            "start": authorization.start.isoformat(),
            "end": authorization.end.isoformat() if authorization.end else None,
            "quantity": authorization.quantity,
            "unit": authorization.unit,
        }
    if referred := _referral(events, line.sequence):
        explained["referral"] = referred
    if changed := _changed_evidence(events, line.sequence):
        explained["evidence_changed"] = changed
    if line.reference:
        explained["reference"] = line.reference
    explained["events"] = [explain_event(event) for event in events if event.line == line.sequence]
    return explained


def _by(determination: Determination) -> Element:
    """Who decided; of a person also what they said of themselves, as far as they did."""
    said = {"license": determination.license, "specialty": determination.specialty, "npi": determination.npi}
    who: Element = {"id": determination.by, "role": determination.role, "human": determination.human}
    return who | {name: value for name, value in said.items() if value and determination.human}


def _asked_by_people(events: Sequence[Event], sequence: int) -> list[Element]:
    """What a reviewer asked last, and whether something arrived since (``state``: ``asked`` or ``answered``)."""
    own = [event for event in events if event.line == sequence]
    last = max((n for n, event in enumerate(own) if event.ev in ASKED_BY_PEOPLE and event.questions), default=None)
    if last is None:
        return []
    event = own[last]
    answered = next((later for later in own[last:] if later.ev in ("info_received", "revised")), None)
    more: Element = {"asked": instant(event.at), "by": event.by, "role": event.actor}
    more |= {"state": "answered", "answered": instant(answered.at)} if answered else {"state": "asked"}
    questions = event.questions.questions if event.questions is not None else ()
    return [
        {"link_id": q.get("linkId"), **{key: value for key, value in q.items() if key != "linkId"}, **more}
        for q in questions
    ]


def _referral(events: Sequence[Event], sequence: int) -> Element | None:
    """The newest referral of the line to a physician: who referred it, when, why and with which question."""
    referred = [event for event in events if event.line == sequence and event.ev == "refer_up"]
    if not referred:
        return None
    last = referred[-1]
    return {"by": last.by, "role": last.actor, "at": instant(last.at), **last.detail}


def _changed_evidence(events: Sequence[Event], sequence: int) -> Element | None:
    """What changed on file after the line was answered with a yes, and who has looked at it since, with what they said."""
    own = [event for event in events if event.line == sequence and event.ev in (EVIDENCE_CHANGED, EVIDENCE_REVIEWED)]
    if not own:
        return None
    last = next(event for event in reversed(own) if event.ev == EVIDENCE_CHANGED)
    told: Element = {"at": instant(last.at), "changed": list(last.detail.get("changed", ()))}
    if own[-1].ev == EVIDENCE_REVIEWED:
        seen = own[-1]
        told["reviewed"] = {"at": instant(seen.at), "by": seen.by, "role": seen.actor, **seen.detail}
    return told


def explain_event(event: Event) -> Element:
    """One event, without the content that stands elsewhere in the explanation."""
    shown: Element = {
        "seq": event.seq,
        "at": instant(event.at),
        "event": event.ev,
        "actor": event.actor,
        "by": event.by,
    }
    if event.detail:
        shown["detail"] = event.detail
    return shown
