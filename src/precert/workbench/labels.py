"""Plain words for codes, states and values. Pages speak to nurses and clerks; programs read the JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from precert.fhir.dates import parse_instant
from precert.workbench import code_names

code = code_names.code

STATES = {
    "received": "received",
    "screening": "being checked",
    "auto_review": "being checked",
    "pended_info": "waiting for information",
    "nurse_review": "with a nurse",
    "md_review": "with a physician",
    "approved": "approved",
    "active": "approved",
    "repeated": "approved before",
    "modified": "approved in part",
    "denied": "denied",
    "denied_admin": "denied (administrative)",
    "exempt": "no authorization needed",
    "cancelled": "cancelled",
    "dismissed": "rejected: could not be processed",
}
_GOOD = frozenset({"approved", "active", "repeated", "exempt"})
_BAD = frozenset({"denied", "denied_admin", "dismissed"})
_PART = frozenset({"modified"})
_GONE = frozenset({"cancelled"})

REQUESTS = {
    "initial": "first request",
    "renewal": "renewal",
    "extension": "extension",
    "revision": "change of an earlier request",
    "cancel": "cancellation",
    "appeal": "appeal",
    "reconsideration": "reconsideration",
}
DECISIONS = {
    "A1": ("approved", "good"),
    "A2": ("approved in part", "part"),
    "A3": ("not approved", "bad"),
    "A4": ("pended", "wait"),
    "A6": ("approved with changes", "part"),
    "C": ("cancelled", "gone"),
    "CT": ("contact the payer", "wait"),
    "NA": ("no authorization needed", "good"),
    "error": ("rejected: could not be processed", "bad"),
    "no-auth": ("no authorization needed", "good"),
    "auth-needed": ("authorization needed", "wait"),
    "satisfied": ("authorization on file", "good"),
    "performpa": ("perform prior authorization", "wait"),
    "covered": ("covered", "good"),
    "not-covered": ("not covered", "bad"),
    "conditional": ("depends on more information", "wait"),
    "indeterminate": ("cannot be told", "wait"),
}
OUTCOMES = {
    "not-applicable": "No policy asks for authorization of this service",
    "no-auth": "A policy says: no authorization needed",
    "approve": "Approved: the criteria are met",
    "pend-info": "Information is missing that can still decide",
    "refer-nurse": "The criteria are met; a nurse confirms",
    "refer": "A clinician has to look",
    "deny-admin": "Administrative denial (benefit or eligibility)",
    "modify": "Granted in part by a physician",
    "deny": "Denied by a physician",
    "pend": "A reviewer asked for more information",
    "satisfied": "An authorization is on file already",
}
EVENTS = {
    "opened": "The request arrived",
    "requested": "The line was requested",
    "validated": "The member was found",
    "member_not_found": "The member was not found",
    "authorized_already": "It is authorized on record already",
    "evaluate": "The rules were applied",
    "not_required": "No authorization is needed",
    "not_eligible": "Coverage is not active",
    "criteria_met": "Approved by the rules",
    "criteria_unknown": "Information was asked for",
    "hand_over": "Handed to a nurse",
    "engine_error": "The rules failed; handed to a nurse",
    "answered": "The provider was answered",
    "updated": "The request was updated",
    "resubmitted": "The same request came again",
    "revised": "The line was changed by the provider",
    "evidence": "Documents arrived",
    "info_received": "The information arrived",
    "ask_more": "A nurse asked for more information",
    "ask_more_md": "A physician asked for more information",
    "nurse_takes_up": "A nurse decides on the file as it is",
    "md_takes_up": "A physician took the line up",
    "refer_up": "Referred to a physician",
    "nurse_approves": "A nurse approved",
    "md_approves": "A physician approved",
    "md_modifies": "A physician approved in part",
    "md_denies": "A physician denied",
    "notified": "The decision was announced",
    "cancel": "Cancelled by the provider",
    "narrowed": "The provider asks for less",
    "extend": "The provider asks for more",
    "note": "A note",
    "evidence_changed": "What is on file does not bear the answer as it did; a person looks at it",
    "evidence_reviewed": "Somebody looked at what changed on file",
}
PROVENANCE = {
    "structured": "from the record",
    "payer": "from the plan's own data",
    "attested": "stated by the provider",
    "request": "from the request",
    "closed-world": "nobody has said",
    "conflict": "the sources disagree",
    "missing": "not known",
}
ORIGINS = {
    "auto": "filled in from the chart",
    "override": "filled in from the chart, then changed by hand",
    "manual": "stated by hand",
}
WHO = {"clinical": "clinician", "admin": "office staff", "patient": "patient"}
LINES_OF_BUSINESS = {
    "medicare-advantage": "Medicare Advantage",
    "commercial": "commercial",
    "qhp": "marketplace (QHP)",
    "medicaid-mco": "Medicaid managed care",
    "medicaid-ffs": "Medicaid fee-for-service",
    "chip-mco": "CHIP managed care",
    "chip-ffs": "CHIP fee-for-service",
}
ROLES = {
    "benefit": "benefit rule",
    "exemption": "exemption",
    "clinical": "clinical criteria",
    "limit": "limit",
    "site-of-care": "site of care",
    "network": "network",
}


def state(name: str) -> str:
    return STATES.get(name, name.replace("_", " "))


def state_tone(name: str) -> str:
    """A colour class. Colour never stands alone: the words are always beside it."""
    for tone, members in (("good", _GOOD), ("bad", _BAD), ("part", _PART), ("gone", _GONE)):
        if name in members:
            return tone
    return "wait"


def decision(name: str | None) -> str:
    return DECISIONS[name][0] if name in DECISIONS else name or "undecided"


def decision_tone(name: str | None) -> str:
    return DECISIONS[name][1] if name in DECISIONS else "wait"


def outcome(name: str | None) -> str:
    return OUTCOMES.get(name or "", (name or "not decided").replace("-", " "))


def event(name: str) -> str:
    return EVENTS.get(name, name.replace("_", " ").replace("-", " "))


def lob(name: str) -> str:
    return LINES_OF_BUSINESS.get(name, name.replace("-", " "))


def value(known: Any) -> str:
    """A fact's value: yes and no for booleans, lists with commas."""
    if known is None or known == []:
        return "not known"
    if isinstance(known, bool):
        return "yes" if known else "no"
    if isinstance(known, list | tuple):
        return ", ".join(value(member) for member in known)
    if isinstance(known, Decimal | float):
        return f"{known:f}".rstrip("0").rstrip(".") if "." in f"{known:f}" else f"{known:f}"
    return str(known)


def reason(sentence: str, *, outcome: str | None, code: str | None, human: bool, open_questions: int) -> str:
    """The sentence why, for readers. The engine's own lists facts by name; people see the facts and questions beside it."""
    if human:
        return sentence
    if outcome == "pend-info" and open_questions:
        answers = "One answer is" if open_questions == 1 else f"{open_questions} answers are"
        return f"{answers} missing that can still decide."
    if code == "attested":
        return "The criteria are met, but by statement only. A nurse confirms."
    return sentence


def evidence(reference: str) -> str:
    """``QuestionnaireResponse/1#ahi`` → ``form answer``; the exact reference stays in the tooltip and in the JSON."""
    kind, _, id = reference.partition("/")
    if kind == "QuestionnaireResponse":
        return "form answer"
    if kind == "PayerClaim":
        return f"paid claim {id}"
    if kind == "PayerAuth":
        return f"authorization {id}"
    if reference.startswith(("Item.", "Claim.item")):
        return "request line"
    if reference.startswith(("Claim.diagnosis", "diagnosis[")):
        return "diagnosis in the request"
    if reference.startswith(("Patient.", "Coverage.", "Requester.")):
        return {"P": "member data", "C": "coverage", "R": "provider data"}[reference[0]]
    return f"{kind} {id}" if id else reference


def day(at: date | datetime | str | None) -> str:
    """``20 Nov 2026``."""
    if isinstance(at, str):
        try:
            at = date.fromisoformat(at[:10])
        except ValueError:
            return str(at)
    return f"{at.day} {at:%b %Y}" if at else ""


def when(at: datetime | str | None) -> str:
    """``20 Nov 2026, 15:00 UTC``; text that is no instant comes back as it is."""
    if isinstance(at, str):
        parsed = parse_instant(at)
        if parsed is None:
            return at
        at = parsed
    if at is None:
        return ""
    at = at.astimezone(UTC)
    return f"{day(at)}, {at:%H:%M} UTC"


def anchor(reference: str) -> str:
    """``Observation/o1`` → ``Observation-o1``, fit for an element id."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", reference).strip("-")


def listed(parts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def clipped(sentence: str, most: int = 120) -> str:
    """At most ``most`` characters, cut at a word."""
    if len(sentence) <= most:
        return sentence
    return sentence[:most].rsplit(" ", 1)[0] + " …"
