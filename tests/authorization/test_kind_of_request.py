"""The kind of request (X12 1322: initial, renewal, extension) chooses between policies; it never frees from authorization."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from precert.authorization.deciding.counted import NOTHING_COUNTED, CountedLines
from precert.authorization.deciding.decide import Decided, Rules, decide
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.standing import standing
from precert.authorization.record.case import LineRequest
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.eligibility.model import HistoryEntry
from precert.fhir.coding import CPT, HCPCS, X12_SERVICE_TYPE, Code, CodePattern
from precert.policy.catalogue import Catalogue
from precert.policy.library import PolicyLibrary
from precert.policy.types import Counted, Outcome
from precert.runtime import Runtime
from support.app import ROOT

DAY = date(2026, 11, 23)
YES = (Outcome.NOT_APPLICABLE, Outcome.NO_AUTH, Outcome.APPROVE)


@cache
def directory() -> Directory:
    return load_directory(ROOT / "examples" / "eligibility")


@cache
def catalogue() -> Catalogue:
    return PolicyLibrary(ROOT / "examples" / "policies", Runtime().now()).current


def decided(
    system: str,
    code: str,
    request: str = "initial",
    member: str = "MA-0001",
    *,
    history: tuple[HistoryEntry, ...] = (),
    renews: bool = False,
    unlisted: str | None = None,
    **item: Any,
) -> Decided:
    found = directory().by_number(member)
    assert found is not None
    plan = found.coverages[0].plan
    if unlisted is not None:
        plan = plan.model_copy(update={"unlisted": unlisted})
        found = replace(found, coverages=tuple(replace(c, plan=plan) for c in found.coverages))
    who = standing(directory(), replace(found, history=history), plan, {}, ())
    sent = {"productOrService": {"coding": [{"system": system, "code": code}]}, **item}
    line = LineRequest(sequence=1, code="", request=request, item=sent, quantity=Decimal(1), unit="units")
    service = (Code(system, code),)
    earlier = Counted("authorization PA1", service, DAY, date(2026, 1, 5), date(2026, 4, 5), granted=True)
    counted = CountedLines((earlier,)) if renews else NOTHING_COUNTED
    rules = Rules(directory(), catalogue())
    return decide(Ask(line), Subject(found.patient, {}), who, rules, DAY, counted=counted)


NAMED = sorted(
    {
        (policy.id, pattern.system, pattern.code)
        for policy in catalogue()
        if policy.model.role == "clinical" and "medicare-advantage" in policy.model.applies.lob
        for pattern in map(CodePattern.parse, policy.model.applies.services)
        if not pattern.prefix and policy.model.auth.required is not False
    }
)


@pytest.mark.parametrize("request_", ["initial", "renewal", "extension", "revision", "appeal", "whatever"])
@pytest.mark.parametrize(("policy", "system", "code"), NAMED)
def test_a_service_that_a_policy_names_is_never_free_by_the_kind_of_request(
    policy: str, system: str, code: str, request_: str
) -> None:
    for renews in (False, True):
        found = decided(system, code, request_, renews=renews).decision
        assert found is not None
        assert found.outcome not in YES, policy


@pytest.mark.parametrize(("policy", "system", "code"), NAMED)
@pytest.mark.parametrize("request_", ["renewal", "extension"])
def test_with_nothing_to_renew_it_is_a_first_request_and_says_so(
    policy: str, system: str, code: str, request_: str
) -> None:
    first, renewing = decided(system, code), decided(system, code, request_)
    assert first.decision is not None
    assert renewing.decision is not None
    assert renewing.decision == replace(first.decision, remarks=renewing.decision.remarks)
    assert [request_ in remark for remark in renewing.decision.remarks] == [True]
    assert first.decision.remarks == ()


def on_file(code: str, day: date, kind: str = "claim") -> tuple[HistoryEntry, ...]:
    return (HistoryEntry.model_validate({"member": "MA-0001", "id": "H-1", "kind": kind, "code": code, "date": day}),)


@pytest.mark.parametrize(
    ("history", "on_record"),
    [
        (on_file("hcpcs|E0601", date(2026, 8, 1)), True),
        (on_file("hcpcs|e0601", date(2026, 8, 1), "authorization"), True),
        (on_file("http://terminology.hl7.org/CodeSystem/HCPCS|E0601", date(2026, 8, 1)), True),
        (on_file("hcpcs|E0470", date(2026, 8, 1)), False),
        (on_file("hcpcs|E0601", date(2020, 8, 1)), False),
        (on_file("hcpcs|E0601", date(2026, 12, 1)), False),
        ((), False),
    ],
)
def test_what_is_on_file_can_be_renewed(history: tuple[HistoryEntry, ...], on_record: bool) -> None:
    found = decided(HCPCS, "E0601", "renewal", history=history)
    assert found.on_record is on_record
    assert found.decision is not None
    assert found.decision.governing is not None
    assert found.decision.governing.policy == ("pap-osa-continue" if on_record else "pap-osa-initial")
    assert bool(found.decision.remarks) is not on_record


def test_a_renewal_that_no_policy_is_for_goes_to_a_person() -> None:
    found = decided(HCPCS, "K0823", "renewal", renews=True).decision
    assert found is not None
    assert (found.outcome, found.reason_code, found.governing) == (Outcome.REFER_NURSE, "no-rule", None)
    assert "pmd-group2-standard" in found.reason


def test_a_known_service_that_no_policy_names_needs_none_unless_the_plan_wants_a_nurse() -> None:
    free, seen = decided(HCPCS, "A4648").decision, decided(HCPCS, "A4648", unlisted="review").decision
    assert free is not None
    assert seen is not None
    assert free.outcome is Outcome.NOT_APPLICABLE
    assert (seen.outcome, seen.reason_code) == (Outcome.REFER_NURSE, "unlisted")


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://snomed.info/sct", "706172005"),
        (HCPCS, "E06O1"),
        (CPT, "XXXXX"),
        ("http://hl7.org/fhir/sid/ndc", "1-1-1"),
    ],
)
@pytest.mark.parametrize("member", ["MA-0001", "COM-0001", "TX-0001"])
def test_an_unknown_service_is_for_a_person_under_every_plan(system: str, code: str, member: str) -> None:
    for request_ in ("initial", "renewal"):
        found = decided(system, code, request_, member).decision
        assert found is not None
        assert (found.outcome, found.reason_code) == (Outcome.REFER_NURSE, "service-unknown")


@pytest.mark.parametrize(
    ("category", "member", "outcome", "reason"),
    [("AG", "MA-0001", Outcome.PEND_INFO, None), ("AG", "COM-0001", Outcome.REFER_NURSE, "service-unknown"),
     ("1", "MA-0001", Outcome.REFER_NURSE, "service-unknown")],
)  # fmt: skip
def test_a_service_type_frees_no_item_without_code(
    category: str, member: str, outcome: Outcome, reason: str | None
) -> None:
    absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    kind = {"coding": [{"system": X12_SERVICE_TYPE, "code": category}]}
    found = decided(absent, "not-applicable", member=member, category=kind).decision
    assert found is not None
    assert (found.outcome, found.reason_code) == (outcome, reason)
