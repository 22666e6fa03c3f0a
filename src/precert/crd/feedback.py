"""Feedback on cards: what clinicians accepted or overrode, kept append-only and linked to the card (docs/crd.md, H@148)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from precert.authorization.usecases.ask import ConsultService
from precert.crd.faults import malformed
from precert.crd.hooks import Hook
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.types import Element, JsonValue, elements, text
from precert.fhir.versions import STU_2_2
from precert.store.port import Audit, Commit, Param, Put

_OUTCOMES = ("accepted", "overridden")
_MOST = 200
_VERSION = STU_2_2.name
"""Feedback names no version; its faults break CDS Hooks, which is 400 by the rule of 2.2.1."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said about one card."""

    card: str
    outcome: str
    at: str | None
    accepted: tuple[str, ...]
    reason: Element | None


def read_feedback(body: JsonValue) -> list[Feedback]:
    """The entries. Raises FhirError(400) when the body is not a list of feedback under ``feedback``."""
    given = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given or len(given) > _MOST:
        text_ = f"Send an object with feedback, a list of 1 to {_MOST} entries: card, outcome, outcomeTimestamp."
        raise malformed(_VERSION, "feedback-shape", text_, "feedback")
    return [_entry(entry, position) for position, entry in enumerate(given)]


def _entry(entry: JsonValue, position: int) -> Feedback:
    where = f"feedback[{position}]"
    if not isinstance(entry, dict):
        raise malformed(_VERSION, "feedback-shape", "Each entry must be an object.", where)
    card, outcome = text(entry.get("card")), entry.get("outcome")
    if card is None or len(card) > 200:
        raise malformed(
            _VERSION, "feedback-card", "card is missing: the uuid of the card.", f"{where}.card", "required"
        )
    if outcome not in _OUTCOMES:
        raise malformed(
            _VERSION, "feedback-outcome", "outcome must be accepted or overridden.", f"{where}.outcome", "value"
        )
    reason = entry.get("overrideReason")
    chosen = [text(s.get("id")) for s in elements(entry.get("acceptedSuggestions"))]
    return Feedback(
        card=card.strip(),
        outcome=str(outcome),
        at=text(entry.get("outcomeTimestamp")),
        accepted=tuple(id_ for id_ in chosen if id_),
        reason=reason if isinstance(reason, dict) else None,
    )


async def keep_feedback(
    consult: ConsultService, hook: Hook, given: list[Feedback], client: str, received: datetime
) -> None:
    """Store all of it, durably; unknown cards are welcome (clients may repeat and outlive us). Raises the store's errors."""
    puts = []
    for one in given:
        card = await _card(consult, one.card)
        body: Element = {
            "service": hook.id,
            "card": one.card,
            "outcome": one.outcome,
            "outcomeTimestamp": one.at,
            "received": instant(received),
            "acceptedSuggestions": list(one.accepted),
            "overrideReason": one.reason,
            "topic": card.get("topic"),
            "policies": card.get("policies", []),
        }
        params = {"card": [one.card], "outcome": [one.outcome], "service": [hook.id], "submitter": [client]}
        puts.append(Put("CrdFeedback", consult.runtime.new_id(), json.dumps(body), params, expect=0))
    audit = Audit("feedback", client, hook.id, received, {"entries": str(len(given))})
    await consult.store.commit(Commit(tenant=consult.tenant, puts=puts, audit=[audit]))


async def _card(consult: ConsultService, uuid: str) -> Element:
    """The card as the call log knows it; empty if it is not there."""
    page = await consult.store.search(consult.tenant, "CrdCall", [Param("card", [uuid])], limit=1)
    for document in page.documents:
        logged: Element = json.loads(document.body)
        for card in elements(logged.get("cards")):
            if card.get("uuid") == uuid:
                return card
    return {}


async def overridden(consult: ConsultService) -> list[Element]:
    """The rules whose cards were answered, most overridden first: ``{policy, topic, accepted, overridden, reasons}``."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    page: str | None = None
    while True:
        found = await consult.store.search(consult.tenant, "CrdFeedback", [], limit=500, page=page)
        for document in found.documents:
            given: Element = json.loads(document.body)
            reason = given.get("overrideReason")
            coded = reason.get("reason") if isinstance(reason, dict) else None
            code = text(coded.get("code")) if isinstance(coded, dict) else None
            for policy in given.get("policies") or [""]:
                counter = counts.setdefault((policy, given.get("topic") or ""), Counter())
                counter[given["outcome"]] += 1
                if code:
                    counter[f"reason:{code}"] += 1
        page = found.next
        if page is None:
            break
    report = [
        {
            "policy": policy or None,
            "topic": topic or None,
            "accepted": counter["accepted"],
            "overridden": counter["overridden"],
            "reasons": {key[7:]: n for key, n in sorted(counter.items()) if key.startswith("reason:")},
        }
        for (policy, topic), counter in counts.items()
    ]
    return sorted(report, key=lambda row: (-row["overridden"], row["policy"] or ""))
