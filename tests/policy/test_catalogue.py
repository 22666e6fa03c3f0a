"""Which policy governs, which version, and how several combine."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from policy.support import concept, line, policy
from precert.fhir.coding import HCPCS, Code
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.types import Decision, LineContext, Outcome

YES = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
EXEMPT = {"id": "FREE", "text": "free", "test": "%free", "cite": "c"}
EXCLUDE = {"id": "EX", "text": "cosmetic", "test": "%cosmetic", "cite": "c", "why_not": "w"}


def clinical(name: str, fact: str = "ok", **changes: Any) -> CompiledPolicy:
    criteria = {"id": f"{name}-1", "test": f"%{fact}", "cite": "c", "why_not": "w"}
    return policy(policy=name, facts={fact: YES}, criteria=criteria, **changes)


def limit(name: str = "limit", **changes: Any) -> CompiledPolicy:
    criteria = {"id": "LIM", "test": "%progress", "cite": "c", "why_not": "w"}
    return policy(
        policy=name, role="limit", facts={"free": YES, "progress": YES}, exempt=EXEMPT, criteria=criteria, **changes
    )


def exemption(name: str, reason: str | None = None, fact: str = "free") -> CompiledPolicy:
    exempt = {**EXEMPT, "test": f"%{fact}"}
    auth = {"required": False, **({"reason": reason} if reason else {})}
    return policy(
        policy=name,
        role="exemption",
        facts={fact: YES},
        exempt=exempt,
        criteria=None,
        auth=auth,
        applies={"services": "any"},
    )


def benefit() -> CompiledPolicy:
    return policy(policy="benefit", role="benefit", facts={"cosmetic": YES}, exclude=EXCLUDE, criteria=None)


def decide(policies: list[CompiledPolicy], context: LineContext | None = None, /, **answers: Any) -> Decision:
    return Catalogue(policies).decide(context or line(answers=answers))


def test_a_service_that_no_policy_names_needs_no_authorization() -> None:
    decision = Catalogue([clinical("a")]).decide(line("hcpcs|A0001"))
    assert (decision.outcome, decision.governing, decision.considered) == (Outcome.NOT_APPLICABLE, None, ())
    assert Catalogue().decide(line()).outcome is Outcome.NOT_APPLICABLE


def test_a_benefit_exclusion_comes_first() -> None:
    everything = [clinical("a"), exemption("e"), benefit(), limit()]
    decision = decide(everything, ok=True, free=True, cosmetic=True)
    assert decision.outcome is Outcome.DENY_ADMIN
    assert decision.governing is not None
    assert decision.governing.policy == "benefit"
    assert decide(everything, ok=True, free=True, cosmetic=False).outcome is Outcome.NO_AUTH


def test_exemptions_in_their_order_legal_ones_first() -> None:
    policies = [
        exemption("own"),
        exemption("gold", "gold-card"),
        exemption("ban", "state-ban"),
        exemption("er", "emergency"),
    ]
    decision = decide(policies, free=True)
    assert decision.governing is not None
    assert (decision.governing.policy, decision.governing.reason_code) == ("er", "emergency")
    assert len(decision.considered) == 1


def test_an_exemption_that_does_not_hold_leaves_the_decision_to_the_criteria() -> None:
    assert decide([clinical("a"), exemption("e")], ok=True).outcome is Outcome.APPROVE
    assert decide([exemption("e")], ok=True).outcome is Outcome.NOT_APPLICABLE


NCD = [{"type": "NCD", "id": "1"}]
LCD = [{"type": "LCD", "id": "1"}]
REGULATION = [{"type": "regulation", "id": "1"}]
INTERNAL = [{"type": "internal", "id": "1"}]


@pytest.mark.parametrize(("winner", "loser"), [(NCD, LCD), (LCD, REGULATION), (REGULATION, INTERNAL), (NCD, INTERNAL)])
def test_in_medicare_advantage_the_basis_ranks(winner: Any, loser: Any) -> None:
    narrow = {"lob": ["medicare-advantage"], "plan": ["P"], "services": ["hcpcs|E0601"]}
    policies = [clinical("loser", basis=loser, applies=narrow), clinical("winner", basis=winner)]
    context = line(answers={"ok": True}, coverage={"lob": "medicare-advantage", "plan": "P"})
    decision = decide(policies, context)
    assert decision.governing is not None
    assert decision.governing.policy == "winner"
    assert decision.conflicts == ()


def test_an_lcd_of_another_state_ranks_last() -> None:
    there = [{"type": "LCD", "id": "1", "jurisdiction": ["FL"]}]
    context = line(answers={"ok": True}, coverage={"lob": "medicare-advantage", "state": "TX"})
    decision = decide([clinical("there", basis=there), clinical("here", basis=INTERNAL)], context)
    assert decision.governing is not None
    assert decision.governing.policy == "here"


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"plan": ["P"]}, {"lob": ["commercial"]}),
        ({"lob": ["commercial"]}, {}),
        ({"services": ["hcpcs|E0601"]}, {"services": ["hcpcs|E06*"]}),
        ({"services": ["hcpcs|E06*"]}, {"services": "any"}),
        ({"diagnosis": ["icd10|G47*"]}, {}),
        ({"age": {"min": 18}}, {}),
    ],
)
def test_elsewhere_the_more_specific_policy_governs(narrow: dict[str, Any], wide: dict[str, Any]) -> None:
    base = {"services": ["hcpcs|E0601"]}
    policies = [
        clinical("wide", applies={**base, **wide}),
        clinical("narrow", basis=INTERNAL, applies={**base, **narrow}),
    ]
    context = line(
        answers={"ok": True},
        coverage={"lob": "commercial", "plan": "P"},
        diagnoses=[concept("icd10|G47.33")],
        patient={"age": 40},
    )
    decision = decide(policies, context)
    assert decision.governing is not None
    assert decision.governing.policy == "narrow"


def test_a_tie_goes_to_the_member_and_on_record() -> None:
    decision = decide([clinical("strict", "a"), clinical("mild", "b")], a=False, b=True)
    assert decision.outcome is Outcome.APPROVE
    assert decision.governing is not None
    assert decision.governing.policy == "mild"
    assert "strict@1" in decision.conflicts[0]
    assert "mild@1" in decision.conflicts[0]


@pytest.mark.parametrize(
    ("answers", "outcome", "governing"),
    [
        ({"ok": True, "free": True}, Outcome.APPROVE, "a"),
        ({"ok": False, "free": True}, Outcome.REFER, "a"),
        ({"ok": True, "free": False, "progress": True}, Outcome.APPROVE, "a"),
        ({"ok": True, "free": False, "progress": False}, Outcome.REFER, "limit"),
        ({"ok": True, "free": False}, Outcome.PEND_INFO, "limit"),
        ({"free": False, "progress": False}, Outcome.REFER, "limit"),
        ({"free": False}, Outcome.PEND_INFO, "a"),
    ],
)
def test_a_limit_and_a_clinical_policy_the_stricter_decides(
    answers: dict[str, Any], outcome: Outcome, governing: str
) -> None:
    decision = decide([limit(), clinical("a")], **answers)
    assert decision.outcome is outcome
    assert decision.governing is not None
    assert decision.governing.policy == governing
    assert {e.policy for e in decision.applied} == {"a", "limit"}


def test_a_limit_alone() -> None:
    assert decide([limit()], free=True).outcome is Outcome.NO_AUTH
    assert decide([limit()], free=False, progress=True).outcome is Outcome.APPROVE


def test_questions_of_all_policies_that_apply_are_asked_together() -> None:
    decision = decide([limit(), clinical("a")], free=False)
    assert decision.missing == ("ok", "progress")
    assert [q.link_id for q in decision.questions] == ["ok", "progress"]


def test_only_active_policies_in_effect_decide() -> None:
    for changes in (
        {"status": "draft"},
        {"status": "retired"},
        {"effective": {"start": "2027-01-01"}},
        {"effective": {"start": "2020-01-01", "end": "2026-11-01"}},
    ):
        assert decide([clinical("a", **changes)], ok=True).outcome is Outcome.NOT_APPLICABLE


OLD = {"version": "2025", "effective": {"start": "2025-01-01"}}
NEW = {"version": "2026", "effective": {"start": "2026-11-01"}}


def _version(decision: Decision) -> str:
    assert decision.governing is not None
    return decision.governing.version


def test_the_version_in_effect_at_receipt_decides() -> None:
    versions = [clinical("a", "new", **NEW), clinical("a", "old", **OLD)]
    assert _version(decide(versions, new=True, old=True)) == "2026"
    earlier = line(answers={"new": True, "old": True}, received=date(2026, 10, 31))
    assert _version(decide(versions, earlier)) == "2025"


@pytest.mark.parametrize(
    ("old", "new", "version"),
    [(True, True, "2025"), (False, True, "2026"), (True, False, "2025"), (False, False, "2025")],
)
def test_a_case_keeps_its_version_unless_the_member_gains(old: bool, new: bool, version: str) -> None:
    versions = [clinical("a", "new", **NEW), clinical("a", "old", **OLD)]
    bound = {"a": "2025"}
    context = line(
        answers={"old": old, "new": new}, received=date(2026, 10, 1), bound=bound, reviewed=date(2026, 12, 1)
    )
    assert _version(decide(versions, context)) == version
    without_review = line(answers={"old": old, "new": new}, received=date(2026, 10, 1), bound=bound)
    assert _version(decide(versions, without_review)) == "2025"


def test_a_bound_version_decides_even_when_it_is_retired() -> None:
    retired = clinical("a", "old", **{**OLD, "status": "retired"})
    assert _version(decide([retired], line(answers={"old": False}, bound={"a": "2025"}))) == "2025"


def test_a_bound_version_that_is_gone_is_on_record() -> None:
    decision = decide([clinical("a", "new", **NEW)], line(answers={"new": True}, bound={"a": "2025"}))
    assert decision.outcome is Outcome.APPROVE
    assert "a@2025" in decision.conflicts[0]


def test_lookups() -> None:
    catalogue = Catalogue([clinical("a", **OLD), clinical("a", **NEW), limit(), exemption("e")])
    assert len(catalogue) == 4
    assert [p.version for p in catalogue.versions("a")] == ["2025", "2026"]
    assert catalogue.get("a").version == "2026"  # type: ignore[union-attr]
    assert catalogue.get("a", "2025").version == "2025"  # type: ignore[union-attr]
    assert catalogue.get("nothing") is None
    assert catalogue.get("a", "1") is None
    day = date(2026, 6, 1)
    assert [p.version for p in catalogue.in_effect(day)] == ["2025", "1", "1"]


def test_one_version_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a 1 is there twice"):
        Catalogue([clinical("a"), clinical("a")])


def test_prefixes_find_their_policies() -> None:
    policies = [
        clinical(f"p{n}", applies={"services": [f"hcpcs|{start}*"]})
        for n, start in enumerate(("E", "E06", "E0601", "K"))
    ]
    catalogue = Catalogue(policies)
    assert catalogue.candidates([Code(HCPCS, "E0601")]) == ["p0", "p1", "p2"]
    assert catalogue.candidates([Code("http://other", "E0601")]) == []


def test_services_by_value_set() -> None:
    sets = {"beds": ("hcpcs|E0250", "hcpcs|E026*")}
    found = policy(sets, applies={"services": ["vs|beds"]})
    for code in ("E0250", "E0261"):
        assert Catalogue([found], sets).decide(line(f"hcpcs|{code}", answers={"ok": True})).outcome is Outcome.APPROVE
