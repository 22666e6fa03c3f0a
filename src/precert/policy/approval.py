"""What stands between "criteria met" and an approval by the machine alone. Source: docs/policies.md ("saying yes")."""

from __future__ import annotations

import hashlib

from precert.fhir.types import elements, text
from precert.policy.evidence import number
from precert.policy.logic import Leaf, leaves
from precert.policy.run import Run
from precert.policy.scope import service_codes
from precert.policy.types import Outcome

Verdict = tuple[Outcome, str, str | None]
"""Outcome, the sentence why, reason code."""

_UNITS = {
    **dict.fromkeys(("d", "da", "day", "days"), "days"),
    **dict.fromkeys(("wk", "week", "weeks"), "weeks"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("vs", "visit", "visits"), "visits"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "hours"),
}
"""Units that can be told apart. Anything else, units and UN included, is taken to be what the grant counts."""


def verdict(run: Run) -> Verdict:
    """For a run whose criteria are met: approve, or to whom it goes first and why."""
    model = run.policy.model
    over = _over_grant(run)
    if over is not None:
        return over
    conflicts = run.with_provenance((leaf for tree in run.trees for leaf in leaves(tree.tree)), "conflict")
    if conflicts:
        return Outcome.REFER_NURSE, f"The sources disagree about {', '.join(conflicts)}.", "conflict"
    attested = run.with_provenance(_carrying(run), "attested")
    if attested and model.auto_approve.attestation == "review":
        reason = f"The criteria are met, but by statement only: {', '.join(attested)}. A nurse confirms."
        return Outcome.REFER_NURSE, reason, "attested"
    old = [name for name in attested if run.facts[name].asked_in not in (None, run.policy.version)]
    if old:
        reason = (
            f"The criteria are met by answers to another version of the questions ({', '.join(old)}). A nurse confirms."
        )
        return Outcome.REFER_NURSE, reason, "attested"
    if not model.auto_approve.enabled:
        return Outcome.REFER_NURSE, "The criteria are met; this policy is always confirmed.", "auto-approve-off"
    if _sampled(run):
        return Outcome.REFER_NURSE, "The criteria are met; drawn for a quality check.", "sample"
    return Outcome.APPROVE, "The criteria are met.", None


def _carrying(run: Run) -> list[Leaf]:
    """The leaves that speak for a yes: those that are true in the criteria, those that are false in the exclusion."""
    found: list[Leaf] = []
    for evaluated, wanted in ((run.criteria, True), (run.exclude, False)):
        if evaluated is not None:
            found.extend(leaf for leaf in leaves(evaluated.tree) if evaluated.truths[leaf] is wanted)
    return found


def _over_grant(run: Run) -> Verdict | None:
    grant = run.policy.grant
    if grant is None or grant.max_quantity is None:
        return None
    quantity = next(iter(elements(run.context.item.get("quantity"))), {})
    asked = number(quantity.get("value"))
    if asked is None:
        return None
    said = _UNITS.get((text(quantity.get("unit")) or text(quantity.get("code")) or "").lower())
    granted = _UNITS.get((grant.unit or "").lower())
    if said and granted and said != granted:
        reason = f"The request counts in {said}, the grant in {granted}; a person compares them."
        return Outcome.REFER_NURSE, reason, "unit"
    if asked > grant.max_quantity:
        unit = f" {grant.unit}" if grant.unit else ""
        reason = (
            f"Asked for {asked}, the policy grants at most {grant.max_quantity}{unit}; only a clinician may cut it."
        )
        return Outcome.REFER, reason, "over-grant"
    return None


def _sampled(run: Run) -> bool:
    """Whether this line is in the percentage that a nurse sees anyway: by a hash, so the same line always is or is not."""
    share = run.policy.model.auto_approve.sample
    if share <= 0:
        return False
    context = run.context
    own = context.key or "|".join(
        (str(context.patient.get("id")), *map(str, service_codes(context.item)), context.service_date.isoformat())
    )
    digest = hashlib.sha256(f"{run.policy.id}@{run.policy.version}|{own}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000 < share * 100
