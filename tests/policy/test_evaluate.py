"""One policy, one line: every outcome and the reason for it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from policy.support import DAY, concept, condition, line, place, policy
from precert.policy.evaluate import evaluate, evaluate_dated
from precert.policy.types import Outcome

YES = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}


def leaf(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name.upper(), "text": f"text {name}", "test": f"%{name}", "cite": "c", "why_not": "w", **more}


def test_met_is_approved_with_the_grant() -> None:
    tried = policy(grant={"period": "12 weeks", "max_quantity": 3, "unit": "months", "on_stop": "NOMNC"})
    found = evaluate(tried, line(quantity=3, answers={"ok": True}))
    assert found.outcome is Outcome.APPROVE
    assert found.grant is not None
    assert (found.grant.period_days, found.grant.max_quantity, found.grant.on_stop) == (84, Decimal(3), "NOMNC")
    assert (found.policy, found.version, found.basis, len(found.digest)) == ("small", "1", ("NCD 1",), 64)


def test_not_met_goes_to_a_clinician_with_the_reasons() -> None:
    found = evaluate(policy(), line(answers={"ok": False}))
    assert (found.outcome, found.unmet) == (Outcome.REFER, ("OK",))


def test_unknown_is_asked() -> None:
    found = evaluate(policy(), line())
    assert (found.outcome, found.missing, found.questions[0].link_id) == (Outcome.PEND_INFO, ("ok",), "ok")


def test_asked_for_more_than_the_grant_is_a_persons_decision() -> None:
    tried = policy(grant={"max_quantity": 3, "unit": "months"})
    assert evaluate(tried, line(quantity=Decimal("3.0"), answers={"ok": True})).outcome is Outcome.APPROVE
    over = evaluate(tried, line(quantity=4, answers={"ok": True}))
    assert (over.outcome, over.reason_code) == (Outcome.REFER, "over-grant")
    assert "Asked for 4" in over.reason


@pytest.mark.parametrize(
    ("unit", "outcome"),
    [
        ("MO", "approve"),
        ("UN", "approve"),
        ("", "approve"),
        ("DA", "approve"),
        ("VS", "refer-nurse"),
        ("bananas", "refer-nurse"),
    ],
)
def test_quantities_in_another_unit_are_not_compared(unit: str, outcome: str) -> None:
    tried = policy(grant={"max_quantity": 3, "unit": "months"})
    item = {"quantity": {"value": 2, "unit": unit}}
    assert evaluate(tried, line(item=item, answers={"ok": True})).outcome.value == outcome


def test_statements_alone_go_to_a_nurse_where_the_policy_says_so() -> None:
    found = evaluate(policy(auto_approve={"attestation": "review"}), line(answers={"ok": True}))
    assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "attested")


def test_measured_evidence_passes_where_statements_do_not() -> None:
    fact = {"from": "Condition", "code": ["icd10|G47.33"], "take": "exists", **YES}
    tried = policy(facts={"ok": fact}, auto_approve={"attestation": "review"})
    assert evaluate(tried, line(evidence=[condition("icd10|G47.33")])).outcome is Outcome.APPROVE


def test_auto_approval_off_goes_to_a_nurse() -> None:
    found = evaluate(policy(auto_approve={"enabled": False}), line(answers={"ok": True}))
    assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "auto-approve-off")


def test_the_sample_is_drawn_by_the_key_and_always_the_same() -> None:
    tried = policy(auto_approve={"sample": 25})
    drawn = [evaluate(tried, line(answers={"ok": True}, key=f"case-{n}")).reason_code for n in range(400)]
    assert 60 < drawn.count("sample") < 140
    assert drawn == [evaluate(tried, line(answers={"ok": True}, key=f"case-{n}")).reason_code for n in range(400)]
    assert evaluate(policy(auto_approve={"sample": 100}), line(answers={"ok": True})).reason_code == "sample"
    assert evaluate(policy(auto_approve={"sample": 0}), line(answers={"ok": True})).outcome is Outcome.APPROVE


def test_a_conflict_goes_to_a_person_and_is_not_asked_again() -> None:
    fact = {"from": "Condition", "code": ["icd10|G47.33"], "take": "exists", **YES}
    tried = policy(facts={"ok": fact})
    found = evaluate(tried, line(evidence=[condition("icd10|G47.33")], answers={"ok": False}))
    assert (found.outcome, found.reason_code, found.missing) == (Outcome.REFER_NURSE, "conflict", ())


def test_a_conflict_stops_an_approval_even_where_another_branch_carries_it() -> None:
    fact = {"from": "Condition", "code": ["icd10|G47.33"], "take": "exists", **YES}
    tried = policy(facts={"a": fact, "b": YES}, criteria={"any": [leaf("a"), leaf("b")]})
    context = line(evidence=[condition("icd10|G47.33")], answers={"a": False, "b": True})
    assert evaluate(tried, context).outcome is Outcome.REFER_NURSE


def test_a_criterion_that_cannot_be_worked_out_is_technical_and_not_a_refusal() -> None:
    fact = {"from": "Item", "value": "productOrService.coding.code"}
    tried = policy(facts={"x": fact}, criteria={"id": "X", "test": "%x > 5", "cite": "c", "why_not": "w"})
    found = evaluate(tried, line())
    assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "technical")
    assert found.criteria[0].error


def test_unknown_that_nobody_can_be_asked_about_goes_to_a_person() -> None:
    tried = policy(facts={"ok": {"from": "Requester", "value": "goldcard"}})
    found = evaluate(tried, line())
    assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "unanswerable")


EXCLUDE = {"id": "EX", "text": "cosmetic", "test": "%cosmetic", "cite": "c", "why_not": "w"}


@pytest.mark.parametrize(
    ("role", "admin", "outcome"),
    [("benefit", False, "deny-admin"), ("clinical", True, "deny-admin"), ("clinical", False, "refer"), ("limit", False, "refer")],
)  # fmt: skip
def test_exclusions(role: str, admin: bool, outcome: str) -> None:
    tried = policy(role=role, facts={"cosmetic": YES, "ok": YES}, exclude={**EXCLUDE, "admin": admin})
    found = evaluate(tried, line(answers={"cosmetic": True, "ok": True}))
    assert (found.outcome.value, found.unmet) == (outcome, ("EX",))


def test_an_exclusion_in_conflict_is_never_a_denial() -> None:
    fact = {"from": "Condition", "code": ["icd10|Z41.1"], "take": "exists", **YES}
    tried = policy(role="benefit", facts={"cosmetic": fact}, exclude=EXCLUDE, criteria=None)
    context = line(evidence=[condition("icd10|Z41.1")], answers={"cosmetic": False})
    assert evaluate(tried, context).outcome is Outcome.REFER_NURSE


def test_an_unknown_exclusion_is_asked_about_and_does_not_deny() -> None:
    tried = policy(role="benefit", facts={"cosmetic": YES}, exclude=EXCLUDE, criteria=None)
    assert evaluate(tried, line()).missing == ("cosmetic",)
    assert evaluate(tried, line(answers={"cosmetic": False})).outcome is Outcome.NOT_APPLICABLE


EXEMPT = {"id": "FREE", "text": "within the free visits", "test": "%free", "cite": "c"}


def test_exemptions() -> None:
    tried = policy(facts={"free": YES, "ok": YES}, exempt=EXEMPT, auth={"reason": "gold-card"})
    found = evaluate(tried, line(answers={"free": True, "ok": False}))
    assert (found.outcome, found.reason_code) == (Outcome.NO_AUTH, "gold-card")
    assert evaluate(tried, line(answers={"free": False, "ok": True})).outcome is Outcome.APPROVE
    # criteria not met, but the exemption may still hold: that question decides, so nobody is referred yet
    open_still = evaluate(tried, line(answers={"ok": False}))
    assert (open_still.outcome, open_still.missing, open_still.unmet) == (Outcome.PEND_INFO, ("free",), ("OK",))
    assert evaluate(tried, line(answers={"ok": True})).outcome is Outcome.APPROVE


def test_an_exemption_policy_says_no_auth_or_nothing() -> None:
    tried = policy(role="exemption", facts={"free": YES}, exempt=EXEMPT, criteria=None)
    assert evaluate(tried, line(answers={"free": True})).outcome is Outcome.NO_AUTH
    for answers in ({"free": False}, {}):
        assert evaluate(tried, line(answers=answers)).outcome is Outcome.NOT_APPLICABLE


def test_a_policy_that_asks_for_no_authorization() -> None:
    assert evaluate(policy(auth={"required": False}), line()).outcome is Outcome.NO_AUTH


@pytest.mark.parametrize(
    ("applies", "context", "fails"),
    [
        ({"lob": ["commercial"]}, {}, "lob"),
        ({"state": ["TX"]}, {"coverage": {"lob": "x", "state": "OK"}}, "state"),
        ({"plan": ["P1"]}, {"coverage": {"plan": "P2"}}, "plan"),
        ({"request": ["renewal"]}, {}, "request"),
        ({"network": ["out"]}, {"requester": {"network": "in"}}, "network"),
        ({"age": {"min": 18}}, {"patient": {"age": 17}}, "age"),
        ({"age": {"max": 17}}, {"patient": {"age": 18}}, "age"),
        ({"place": ["pos|12"]}, {"item": {"locationCodeableConcept": place("23")}}, "place"),
        ({"diagnosis": ["icd10|G47*"]}, {"diagnoses": [concept("icd10|I10")]}, "diagnosis"),
        ({"services": ["hcpcs|E0470"]}, {}, "services"),
    ],
)
def test_scope_that_does_not_fit(applies: dict[str, Any], context: dict[str, Any], fails: str) -> None:
    found = evaluate(policy(applies={"services": ["hcpcs|E0601"], **applies}), line(**context))
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert fails in found.reason


@pytest.mark.parametrize(
    ("applies", "context"),
    [
        ({"age": {"min": 18, "max": 64}}, {"patient": {"age": 64}}),
        ({"age": {"min": 18, "max": 64}}, {"patient": {"age": 18}}),
        ({"age": {"min": 18}}, {"patient": {"age": 18}}),
        ({"age": {"max": 0}}, {"patient": {"age": 0}}),
        ({"place": ["pos|23"]}, {"item": {"locationCodeableConcept": place("23")}}),
        ({"diagnosis": ["icd10|G47*"]}, {"diagnoses": [concept("icd10|G4733")]}),
        ({"request": ["renewal"]}, {"item": {"request": "renewal"}}),
        ({"services": ["hcpcs|E06*"]}, {}),
        ({"services": ["x12st|AB"]}, {"item": {"category": concept("https://codesystem.x12.org/005010/1365|AB")}}),
        ({"services": "any"}, {}),
    ],
)
def test_scope_that_fits(applies: dict[str, Any], context: dict[str, Any]) -> None:
    tried = policy(applies={"services": ["hcpcs|E0601"], **applies})
    assert evaluate(tried, line(answers={"ok": True}, **context)).outcome is Outcome.APPROVE


def test_scope_that_is_not_known_holds_a_referral_back() -> None:
    by_place = policy(applies={"services": ["hcpcs|E0601"], "place": ["pos|12"]})
    held = evaluate(by_place, line(answers={"ok": False}))
    assert (held.outcome, held.reason_code, held.scope_unknown) == (Outcome.PEND_INFO, "scope-unknown", ("place",))
    assert evaluate(by_place, line(answers={"ok": True})).outcome is Outcome.APPROVE
    by_lob = policy(applies={"services": ["hcpcs|E0601"], "lob": ["commercial"]})
    assert evaluate(by_lob, line(answers={"ok": False}, coverage={})).outcome is Outcome.REFER_NURSE


@pytest.mark.parametrize(
    ("role", "received", "service", "applies"),
    [
        ("clinical", date(2026, 6, 1), date(2027, 6, 1), True),
        ("clinical", date(2027, 6, 1), date(2026, 6, 1), False),
        ("benefit", date(2027, 6, 1), date(2026, 6, 1), True),
        ("benefit", date(2026, 6, 1), date(2027, 6, 1), False),
    ],
)
def test_benefits_go_by_the_day_of_service_criteria_by_the_day_of_receipt(
    role: str, received: date, service: date, applies: bool
) -> None:
    changes: dict[str, Any] = {"effective": {"start": "2026-01-01", "end": "2026-12-31"}, "role": role}
    if role == "benefit":
        changes |= {"exclude": {**EXCLUDE, "test": "%ok"}, "criteria": None}
    found = evaluate_dated(policy(**changes), line(answers={"ok": True}, received=received, service_date=service))
    assert (found.outcome is not Outcome.NOT_APPLICABLE) is applies


def test_alternatives_are_offered_when_they_hold() -> None:
    rules = [
        {"when": "%ok = false", "suggest": {"system": "hcpcs", "code": "K0800"}, "card": "opt"},
        {"when": "%ok > 5", "card": "broken"},
        {"card": "always", "text": "Read this"},
    ]
    found = evaluate(policy(alternatives=rules), line(answers={"ok": False}))
    assert [(a.topic, a.code, a.text) for a in found.alternatives] == [
        ("opt", "K0800", None),
        ("always", None, "Read this"),
    ]
    assert [a.topic for a in evaluate(policy(alternatives=rules), line()).alternatives] == ["always"]


def test_look_back_ends_with_the_receipt_or_with_the_service_if_that_is_over() -> None:
    fact = {"from": "Condition", "code": ["icd10|G47.33"], "within": "30d", "take": "exists", **YES}
    tried = policy(facts={"ok": fact})
    item = condition("icd10|G47.33", recordedDate="2026-10-20")
    assert evaluate(tried, line(evidence=[item], service_date=date(2027, 5, 1))).outcome is Outcome.APPROVE
    over = line(evidence=[item], received=date(2027, 5, 1), service_date=DAY)
    assert evaluate(tried, over).missing == ()  # known; that the service is over is for a person
    still = line(evidence=[item], received=date(2027, 5, 1), service_date=date(2027, 5, 1))
    assert evaluate(tried, still).outcome is Outcome.PEND_INFO
    before = line(evidence=[item], received=date(2027, 5, 1), service_date=date(2026, 10, 19))
    assert evaluate(tried, before).outcome is Outcome.PEND_INFO  # the evidence is of the day after the service
