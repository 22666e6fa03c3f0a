"""What stands between "criteria met" and an approval by the machine alone. Source: docs/policies.md ("saying yes")."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

from precert.fhir.types import elements
from precert.policy.amounts import MOST, Amount, read, total, unit_of
from precert.policy.beside import at_once, of_same_grant, of_same_service, overlaps, same_days
from precert.policy.logic import Leaf, leaves
from precert.policy.periods import Window
from precert.policy.run import Run
from precert.policy.scope import service_codes
from precert.policy.spans import TIMES
from precert.policy.types import Counted, LineContext, Outcome

Verdict = tuple[Outcome, str, str | None]
"""Outcome, the sentence why, reason code."""
_PURCHASE = frozenset({"NU", "UE"})
"""HCPCS modifiers of what is bought, new or used; what is rented counts in the time that it is rented for."""
_CONTINUES = timedelta(days=90)
"""For so long after an authorization ended, the same service asked for again goes on rather than begins."""


def verdict(run: Run) -> Verdict:
    """For a run whose criteria are met: approve, or to whom it goes first and why."""
    model = run.policy.model
    for stop in (_out_of_time, _over_grant, _beyond_period, _asked_twice, _goes_on):
        found = stop(run)
        if found is not None:
            return found
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


def uncountable(run: Run) -> Verdict | None:
    """An amount that is written and cannot be read, or not be compared with what the policy counts in, or a limit on what
    could not be read whole: no machine says yes to it, whatever the yes would be."""
    if run.policy.model.role == "limit" and not run.context.counted_complete:
        return Outcome.REFER_NURSE, "What is on record could not be counted; a person does.", "amount"
    quantity = run.context.item.get("quantity")
    if quantity is None:
        return None
    asked = read(quantity)
    if asked is None:
        return Outcome.REFER_NURSE, f"The amount asked for ({_written(quantity)}) cannot be read.", "amount"
    grant = run.policy.grant
    unit = unit_of(grant.unit) if grant is not None else None
    bought = _PURCHASE & frozenset(run.context.item.get("modifiers", ()))
    if unit in TIMES and asked.unit == "units" and bought:
        reason = f"The request is for a purchase ({', '.join(sorted(bought))}), the grant counts {unit}; a person compares them."
        return Outcome.REFER_NURSE, reason, "unit"
    if unit is not None and asked.within(Amount(MOST, unit)) is None:
        reason = f"The request counts in {asked.unit}, the grant in {unit}; a person compares them."
        return Outcome.REFER_NURSE, reason, "unit"
    return None


def _over_grant(run: Run) -> Verdict | None:
    """What this line asks for, with the other lines of the request and what is on record, against the policy's maximum."""
    trouble = uncountable(run)
    grant = run.policy.grant
    if trouble is not None or grant is None or grant.max_quantity is None:
        return trouble
    unit = unit_of(grant.unit) or "units"
    most = Amount(grant.max_quantity, unit)
    context = run.context
    counted = [c for c in of_same_grant(run) if c.same_request or overlaps(run, c)]
    quantity = context.item.get("quantity")
    # who names no amount asks for all that the grant gives
    own = read(quantity) if quantity is not None else most
    others = [read(each.quantity) if each.quantity is not None else most for each in counted]
    if not context.counted_complete or None in others:
        reason = "What is authorized on record or asked for beside it cannot be counted; a person does."
        return Outcome.REFER_NURSE, reason, "amount"
    asked = total([own, *(o for o in others if o is not None)]) if own is not None else None
    fits = asked.within(most) if asked is not None else None
    if asked is None or fits is None:
        return Outcome.REFER_NURSE, f"The amounts asked for cannot be compared with {_said(most)}.", "unit"
    if fits:
        return None
    beside = f" ({', '.join(each.reference for each in counted)} included)" if counted else ""
    reason = f"Asked for {_said(asked)}{beside}, the policy grants at most {_said(most)}; only a clinician may cut it."
    return Outcome.REFER, reason, "over-grant"


def _beyond_period(run: Run) -> Verdict | None:
    """A service that is asked for longer than the policy grants, or in days that do not hold the time that is asked for."""
    context, grant = run.context, run.policy.grant
    asked = read(context.item.get("quantity")) if context.service_end is not None else None
    if asked is not None and context.service_end is not None and asked.unit in TIMES:
        days = Decimal((context.service_end - context.service_date).days + 1)
        if asked.within(Amount(2 * days, "days")) is False:
            return Outcome.REFER_NURSE, f"Asked for {_said(asked)} in {days} days: the two do not fit.", "amount"
    last = grant.last_day(context.service_date) if grant is not None else None
    if context.service_end is None or last is None or context.service_end <= last:
        return None
    assert grant is not None
    reason = (
        f"Asked for until {context.service_end.isoformat()}, the policy grants {grant.period} "
        f"(until {last.isoformat()}); only a clinician may cut it."
    )
    return Outcome.REFER, reason, "over-grant"


def _out_of_time(run: Run) -> Verdict | None:
    """A service of the past, unless the policy lets it be asked for afterwards (``auth.retro``)."""
    context = run.context
    yesterday = context.received - timedelta(days=1)  # it may be yesterday still where the member is
    if context.service_date >= yesterday:
        return None
    retro = run.policy.model.auth.retro
    if retro is not None and context.service_date >= Window.parse(retro).first_day(context.received):
        return None
    reason = f"The service is of {context.service_date.isoformat()}, before the request was received."
    return Outcome.REFER_NURSE, reason, "retrospective"


def _asked_twice(run: Run) -> Verdict | None:
    """The very service of another line of the request, for the same days; or two at once of what is counted in time."""
    mine = frozenset(run.context.item.get("modifiers", ()))
    for other in of_same_service(run):
        alike = other.same_request and not other.same_line and frozenset(other.modifiers) == mine
        if alike and same_days(run, other):
            reason = f"The same service stands in {other.reference} for the same days: a possible duplicate."
            return Outcome.REFER_NURSE, reason, "duplicate"
    if (beside := at_once(run)) is not None:
        reason = f"{beside.reference} is for some of the same days: two at once, not one for longer."
        return Outcome.REFER_NURSE, reason, "duplicate"
    return None


def _goes_on(run: Run) -> Verdict | None:
    """A further period under a policy for first requests, while the first one is on record; or other days or another amount
    in the place of what was authorized and has begun."""
    for known in run.context.counted:
        if known.same_line and (known.granted or known.was_granted):
            reason = f"{known.reference} has begun on {known.start.isoformat()} and may have been used; this would replace it."
            return Outcome.REFER_NURSE, reason, "continuation"
    if run.policy.model.applies.request != ("initial",):
        return None
    since = run.context.service_date - _CONTINUES
    for known in of_same_service(run):
        if (known.granted or known.was_granted) and (known.end is None or known.end >= since):
            return Outcome.REFER_NURSE, _said_of_days(run.context, known), "continuation"
    return None


def _said_of_days(context: LineContext, known: Counted) -> str:
    """How the days asked for lie to those of the authorization on record: after them, among them or before them."""
    last = context.service_end or context.service_date
    start, end = known.start.isoformat(), known.end.isoformat() if known.end else None
    if known.end is not None and context.service_date > known.end:
        return f"{known.reference} authorized this service until {end}; a further period is a renewal."
    if last < known.start:
        return f"{known.reference} authorizes this service from {start}; this request is for earlier days."
    until = f" to {end}" if end else " without an end"
    if known.was_granted:
        return f"{known.reference} authorized this service from {start}{until} and may have been used; it is asked for again."
    return f"{known.reference} authorizes this service already, from {start}{until}; these days are asked for again."


def _said(amount: Amount) -> str:
    return f"{amount.value.normalize():f} {amount.unit}"


def _written(quantity: object) -> str:
    for element in elements(quantity):
        parts = (element.get("comparator"), element.get("value"), element.get("unit") or element.get("code"))
        return " ".join(str(part)[:40] for part in parts if part is not None) or "no number"
    return "no quantity"


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
