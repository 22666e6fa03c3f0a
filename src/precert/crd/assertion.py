"""From what the core says about an order to one coverage-information assertion (docs/crd.md).

Nothing is decided here. ``satisfied`` is said only of an authorization that exists; criteria that are met without one are
``auth-needed`` without documents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from precert.authorization.deciding.decide import ITEM_UNCLEAR, ORDER_DIFFERS, PERSON_UNCERTAIN, SERVICE_UNKNOWN
from precert.authorization.deciding.judge import grant_end
from precert.authorization.deciding.orders import Order
from precert.authorization.usecases.ask import Consulted
from precert.crd.canonicals import policy_page, questionnaire_canonical
from precert.fhir.coding import codes, procedure
from precert.fhir.coverage_information import Contact, CoverageInfo, Detail, DocNeeded, InfoNeeded, Reason, ReasonCode
from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.types import Decision, Evaluation, Outcome
from precert.policy.withheld import RULES_UNAVAILABLE

_WHO: tuple[DocNeeded, ...] = ("clinical", "admin", "patient")
_SCOPE_INFO: dict[str, InfoNeeded] = {"network": "performer", "place": "location"}
_ASKED_SHOWN = 4
_ASKING = (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE, Outcome.APPROVE)
_SCOPE_WORDS = {
    "network": "who shall perform it",
    "place": "where it shall be done",
    "age": "the patient's birth date",
    "diagnosis": "a diagnosis",
    "lob": "the member's plan (Coverage.class)",
    "plan": "the member's plan (Coverage.class)",
    "state": "the state of the member's plan",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all assertions of one call share. ``documents`` is false on secondary hooks: they may not ask (hook-19)."""

    root: str
    today: date
    documents: bool
    payer: str
    phone: str | None = None


def assertion(
    consulted: Consulted, order: Order, coverage: str, note: str | None, catalogue: Catalogue, setting: Setting
) -> CoverageInfo:
    """The assertion about one order under one coverage; its id is filled in when it is kept.

    Coded reasons stand before those in words only: some clients read no further than the first.
    """
    made = _asserted(consulted, order, coverage, note, catalogue, setting)
    return replace(made, reasons=tuple(sorted(made.reasons, key=lambda reason: reason.code is None)))


def _asserted(
    consulted: Consulted, order: Order, coverage: str, note: str | None, catalogue: Catalogue, setting: Setting
) -> CoverageInfo:
    assumed: tuple[Reason, ...] = (Reason(note),) if note else ()
    # what the order names, else what the plan's crosswalk makes of it
    billing = order.billing or tuple({"system": c.system, "code": c.code} for c in consulted.service.codes)
    base = CoverageInfo(coverage=coverage, covered="covered", assertion="", date=setting.today, billing_codes=billing)
    if consulted.trouble is not None:
        return _troubled(base, consulted, assumed, setting)
    decision = consulted.decision
    assert decision is not None
    if consulted.held is not None:
        return _satisfied(base, consulted, decision, assumed, setting)
    details = _details(decision, consulted, catalogue, setting)
    assumed += _because_of_network(decision, catalogue)
    base = replace(base, details=details, reasons=assumed, expiry=consulted.expiry)
    if decision.reason_code == SERVICE_UNKNOWN:
        return _too_coarse(base, decision)
    if decision.reason_code == RULES_UNAVAILABLE:
        return _technical(base, decision.reason, setting)
    unneeded = all(e.outcome is Outcome.NO_AUTH for e in decision.applied)
    undecided = decision.reason_code in (PERSON_UNCERTAIN, ITEM_UNCLEAR)
    if undecided or (decision.reason_code == ORDER_DIFFERS and unneeded):
        reasons = (*base.reasons, Reason(decision.reason))
        return replace(base, covered="conditional", pa_needed="conditional", info_needed=("OTH",), reasons=reasons)
    match decision.outcome:
        case Outcome.NOT_APPLICABLE:
            return replace(base, pa_needed="no-auth")
        case Outcome.NO_AUTH:
            return _free(base, decision, setting)
        case Outcome.APPROVE:
            text = "The plan's criteria are met. The request will be approved when it is submitted (PAS)."
            return replace(base, pa_needed="auth-needed", reasons=(*base.reasons, Reason(text)))
        case Outcome.PEND_INFO:
            return _ask(base, decision, setting)
        case Outcome.DENY_ADMIN:
            return replace(base, covered="not-covered", reasons=(*base.reasons, Reason(decision.reason)))
        case _ if _held_back(decision):
            return _depending(base, decision)
        case _:
            text = "The plan's reviewer looks at the request after it is submitted."
            return replace(base, pa_needed="auth-needed", reasons=(*base.reasons, Reason(text)))


def _troubled(base: CoverageInfo, consulted: Consulted, assumed: tuple[Reason, ...], setting: Setting) -> CoverageInfo:
    """Rows 7 to 9: nobody to decide about is ``not-covered``; our own trouble is ``indeterminate``, never a refusal."""
    trouble = consulted.trouble
    assert trouble is not None
    if trouble == "timeframe":
        reasons = (*assumed, Reason(consulted.text))
        return replace(
            base, covered="conditional", pa_needed="conditional", info_needed=("timeframe",), reasons=reasons
        )
    code: ReasonCode = trouble
    reasons = (*assumed, Reason(consulted.text, code))
    if trouble != "technical":
        return replace(base, covered="not-covered", reasons=reasons)
    return _technical(replace(base, reasons=assumed), consulted.text, setting)


def _technical(base: CoverageInfo, why: str, setting: Setting) -> CoverageInfo:
    """Our own trouble (resp-43): nothing can be said, and whom to ask."""
    return replace(
        base,
        covered="indeterminate",
        pa_needed="indeterminate",
        reasons=(*base.reasons, Reason(why, "technical")),
        contacts=(Contact(setting.payer, setting.phone),) if setting.phone else (),
    )


def _satisfied(
    base: CoverageInfo, consulted: Consulted, decision: Decision, assumed: tuple[Reason, ...], setting: Setting
) -> CoverageInfo:
    held = consulted.held
    assert held is not None
    grant = held.authorization
    details: list[Detail] = []
    if grant.quantity is not None:
        details.append(Detail("cat-limitation", "allowed-quantity", "Quantity", quantity(grant.quantity, grant.unit)))
    if grant.end is not None:
        period = {"start": grant.start.isoformat(), "end": grant.end.isoformat()}
        details.append(Detail("cat-limitation", "allowed-period", "Period", period))
    if decision.governing is not None:
        details.append(_policy_link(decision.governing, setting))
    text = f"Authorized on {grant.issued.isoformat()} under {grant.number}."
    return replace(
        base,
        pa_needed="satisfied",
        satisfied_pa=grant.number,
        billing_codes=_authorized_codes(base.billing_codes, held.line.requested.code),
        reasons=(*assumed, Reason(text)),
        details=tuple(details),
        expiry=grant.end or consulted.expiry,
    )


def _authorized_codes(billing: tuple[Element, ...], authorized: str) -> tuple[Element, ...]:
    """Of an order's billing codes the one that the authorization is for; all if it was given for another kind of code."""
    same = tuple(
        coding
        for coding in billing
        if any(authorized in (str(code), str((procedure(code) or [code])[0])) for code in codes({"coding": [coding]}))
    )
    return same or billing


def _too_coarse(base: CoverageInfo, decision: Decision) -> CoverageInfo:
    text = f"{decision.reason} With the code that is billed you learn whether authorization is needed."
    return replace(
        base,
        covered="conditional",
        pa_needed="conditional",
        info_needed=("detail-code",),
        reasons=(*base.reasons, Reason(text, "detail-code")),
    )


def _because_of_network(decision: Decision, catalogue: Catalogue) -> tuple[Reason, ...]:
    """A reason when authorization is needed by policies only that are for performers outside the network."""
    asking = [e for e in decision.applied if e.outcome in _ASKING]
    policies = [catalogue.get(e.policy, e.version) for e in asking if not e.scope_unknown]
    if (
        not asking
        or len(policies) < len(asking)
        or any(p is None or p.model.applies.network != ("out",) for p in policies)
    ):
        return ()
    return (Reason("The performer is outside the network; inside it no authorization is needed.", "auth-out-network"),)


def _free(base: CoverageInfo, decision: Decision, setting: Setting) -> CoverageInfo:
    """No authorization. A policy may want documents with the claim all the same (``auth.required: false`` with ``doc``)."""
    free = replace(base, pa_needed="no-auth", reasons=(*base.reasons, _exempt(decision)))
    wanted = {kind for e in decision.applied if e.outcome is Outcome.NO_AUTH and e.required is False for kind in e.doc}
    if not wanted or not setting.documents:
        return free
    text = "The claim has to be documented as the policy says."
    return replace(
        free,
        doc_needed=tuple(kind for kind in _WHO if kind in wanted),
        doc_purpose=("withclaim",),
        reasons=(*free.reasons, Reason(text)),
    )


def _exempt(decision: Decision) -> Reason:
    governing = decision.governing
    gold = governing is not None and governing.reason_code == "gold-card"
    return Reason(decision.reason, "gold-card" if gold else None)


def _held_back(decision: Decision) -> bool:
    """Whether all that asks for authorization are policies of which it is not known that they apply."""
    asking = [e for e in decision.applied if e.outcome in _ASKING]
    return bool(asking) and all(e.reason_code == "scope-unknown" for e in asking)


def _depending(base: CoverageInfo, decision: Decision) -> CoverageInfo:
    """Whether authorization is needed hangs on something about the order or the member that was not said."""
    unknown = tuple(dict.fromkeys(key for e in decision.applied for key in e.scope_unknown))
    words = ", ".join(dict.fromkeys(_SCOPE_WORDS.get(key, key) for key in unknown))
    return replace(
        base,
        covered="conditional",
        pa_needed="conditional",
        info_needed=tuple(dict.fromkeys(_SCOPE_INFO.get(key, "OTH") for key in unknown)),
        reasons=(*base.reasons, Reason(f"Whether authorization is needed depends on {words}.")),
    )


def _ask(base: CoverageInfo, decision: Decision, setting: Setting) -> CoverageInfo:
    """Information is missing: about the order itself (``info-needed``), or facts that people have to supply."""
    if any(e.scope_unknown for e in decision.applied):
        return _depending(base, decision)
    needed = replace(base, pa_needed="auth-needed")
    if not setting.documents:
        return needed
    questions = decision.questions
    who = {question.who for question in questions}
    asking = [e for e in decision.applied if e.questions]
    asked = "; ".join(question.text.rstrip(" ?") for question in questions[:_ASKED_SHOWN])
    more = f" (and {len(questions) - _ASKED_SHOWN} more)" if len(questions) > _ASKED_SHOWN else ""
    return replace(
        needed,
        reasons=(*base.reasons, Reason(f"To be documented: {asked}{more}")) if questions else base.reasons,
        doc_needed=tuple(kind for kind in _WHO if kind in who) or ("clinical",),
        questionnaires=tuple(dict.fromkeys(questionnaire_canonical(setting.root, e.policy, e.version) for e in asking)),
    )


def _details(decision: Decision, consulted: Consulted, catalogue: Catalogue, setting: Setting) -> tuple[Detail, ...]:
    """The qualifiers that limit the assertion (resp-30): the policy, its limits, concurrent review."""
    found: list[Detail] = []
    for evaluation in decision.applied:
        found.append(_policy_link(evaluation, setting))
        policy = catalogue.get(evaluation.policy, evaluation.version)
        grant = evaluation.grant or (policy.grant if policy else None)
        if grant is not None and decision.outcome is not Outcome.NO_AUTH:
            if grant.max_quantity is not None:
                value = quantity(grant.max_quantity, grant.unit)
                found.append(Detail("cat-limitation", "allowed-quantity", "Quantity", value, grant.note))
            end = grant_end(consulted.day, grant)
            if end is not None:
                period = {"start": consulted.day.isoformat(), "end": end.isoformat()}
                found.append(Detail("cat-limitation", "allowed-period", "Period", period, grant.period))
        if evaluation.concurrent_review:
            found.append(
                Detail("cat-decisional", "concurrent-review", "Boolean", True, grant.next_review if grant else None)
            )
    return tuple(found)


def _policy_link(evaluation: Evaluation, setting: Setting) -> Detail:
    return Detail(
        "cat-other",
        "policy-link",
        "Url",
        policy_page(setting.root, evaluation.policy),
        f"{evaluation.title} ({evaluation.version})",
    )


def quantity(value: Decimal, unit: str | None) -> Element:
    """A SimpleQuantity; a number without a unit counts units, as a validator wants one."""
    return {"value": int(value) if value == value.to_integral_value() else value, "unit": unit or "units"}
