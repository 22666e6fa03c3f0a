"""Rules that are not to be had, and scopes that nobody can look at: neither is ever a machine's yes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.support import DAY, concept, line, place, policy
from policy.test_catalogue import EXCLUDE, EXEMPT, YES, clinical, exemption, limit
from policy.test_library import touch, write
from precert.fhir.coverage_terms import LINES_OF_BUSINESS, STATES, unknown_word
from precert.policy.activation import read_withheld
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.explain import explain
from precert.policy.library import PolicyLibrary
from precert.policy.load import Problem
from precert.policy.overlap import overlaps
from precert.policy.types import LineContext, Outcome
from precert.policy.withheld import Withheld, expanded, uncovered

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
YESSES = {Outcome.APPROVE, Outcome.NO_AUTH, Outcome.NOT_APPLICABLE}
E0601 = Withheld("lost", ("hcpcs|E06*",))

# --- withheld services -----------------------------------------------------------------------------------------------

DECIDED = {
    "no policy": ([], {}),
    "approved": ([clinical("a")], {"ok": True}),
    "asked": ([clinical("a")], {}),
    "exempt": ([clinical("a"), exemption("e")], {"ok": True, "free": True}),
    "no authorization": ([policy(auth={"required": False})], {}),
    "excluded": (
        [policy(policy="b", role="benefit", facts={"cosmetic": YES}, exclude=EXCLUDE, criteria=None)],
        {"cosmetic": True},
    ),
}


@pytest.mark.parametrize("name", DECIDED)
@pytest.mark.parametrize("withheld", [E0601, Withheld("lost")])
def test_a_person_decides_whatever_the_other_rules_say(name: str, withheld: Withheld) -> None:
    policies, answers = DECIDED[name]
    decision = Catalogue(policies, None, [withheld]).decide(line(answers=answers))
    assert (decision.outcome, decision.reason_code) == (Outcome.REFER_NURSE, "rules-unavailable")
    assert (decision.governing, decision.applied) == (None, ())
    assert "lost" in decision.conflicts[-1]
    shown = explain(decision)
    assert (shown["outcome"], shown["reason_code"]) == ("refer-nurse", "rules-unavailable")
    other = Catalogue(policies, None, [E0601]).decide(line("hcpcs|A0001", answers=answers))
    assert other.reason_code is None


def test_what_goes_to_a_clinician_anyway_stays_so() -> None:
    decision = Catalogue([clinical("a")], None, [E0601]).decide(line(answers={"ok": False}))
    assert (decision.outcome, decision.reason_code) == (Outcome.REFER, None)
    assert "lost" in decision.conflicts[-1]


@pytest.mark.parametrize(
    ("start", "end", "by", "held"),
    [
        (DAY, DAY, "receipt", True),
        (DAY + timedelta(1), date.max, "receipt", False),
        (date.min, DAY - timedelta(1), "receipt", False),
        (date.min, DAY - timedelta(1), "service", True),
        (date.min, DAY - timedelta(1), "either", True),
        (DAY + timedelta(1), date.max, "either", False),
    ],
)
def test_rules_are_lacking_on_the_days_on_which_they_would_have_counted(
    start: date, end: date, by: Any, held: bool
) -> None:
    catalogue = Catalogue([], None, [Withheld("lost", ("hcpcs|E0601",), start=start, end=end, by=by)])
    decision = catalogue.decide(line(received=DAY, service_date=DAY - timedelta(30)))
    assert (decision.outcome is Outcome.REFER_NURSE) is held


def test_a_case_whose_policy_is_gone_is_not_without_rules() -> None:
    bound = {"gone": "2025"}
    decision = Catalogue([clinical("a")]).decide(line("hcpcs|A0001", bound=bound))
    assert decision.reason_code == "rules-unavailable"
    assert Catalogue([clinical("a")]).decide(line(bound=bound, answers={"ok": True})).outcome is Outcome.APPROVE


def test_a_form_of_the_policy_promises_nothing() -> None:
    tried = clinical("a")
    found = evaluate(tried, line(answers={"ok": True}))
    for lacking in (E0601, Withheld("lost", ("hcpcs|K0001",), policy="a")):
        held = Catalogue([tried], None, [lacking]).upheld(found, line(answers={"ok": True}))
        assert (held.outcome, held.reason_code) == (Outcome.REFER_NURSE, "rules-unavailable")
    assert Catalogue([tried]).upheld(found, line(answers={"ok": True})) is found


days = st.integers(0, 40).map(lambda n: date(2026, 1, 1) + timedelta(n))
spans = st.tuples(days, days).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(spans, max_size=5), spans)
def test_every_day_is_either_covered_or_in_a_gap(covered: list[tuple[date, date]], within: tuple[date, date]) -> None:
    gaps = list(uncovered(covered, within))
    day = within[0]
    while day <= within[1]:
        inside = any(start <= day <= end for start, end in covered)
        assert inside is not any(start <= day <= end for start, end in gaps)
        day += timedelta(1)
    assert all(within[0] <= start <= end <= within[1] for start, end in gaps)
    assert list(uncovered([(date.min, date.max)])) == []


# --- what a broken file was about ------------------------------------------------------------------------------------

FILE = {
    "policy": "a",
    "status": "active",
    "role": "clinical",
    "effective": {"start": "2026-01-01", "end": "2026-12-31"},
    "applies": {"services": ["hcpcs|E0601"]},
}


@pytest.mark.parametrize(
    ("changes", "wrong", "services"),
    [
        ({}, ("colour",), ("hcpcs|E0601",)),
        ({}, ("applies.lob[0]",), ("hcpcs|E0601",)),
        ({}, ("applies.services[1]",), None),
        ({}, ("applies",), None),
        ({"applies": None}, (), None),
        ({"applies": {"services": "any"}}, (), None),
        ({"applies": {"services": []}}, (), None),
        ({"applies": {"services": ["hcpcs|E0601", None]}}, (), None),
        ({"applies": {"services": ["E0601"]}}, (), None),
        ({"applies": {"services": ["hcpc|E0601"]}}, (), None),
        ({"applies": {"services": ["vs|pap"]}}, (), ("vs|pap", "hcpcs|E0470")),
        ({"applies": {"services": ["vs|unknown"]}}, (), None),
    ],
)
def test_services_count_as_read_only_without_any_doubt(
    changes: dict[str, Any], wrong: tuple[str, ...], services: tuple[str, ...] | None
) -> None:
    problems = [Problem("a.yaml", 1, key, "wrong") for key in wrong]
    found = read_withheld({**FILE, **changes}, problems, {"pap": ("hcpcs|E0470",)}, "why")
    assert found is not None
    assert found.services == services


def test_dates_and_role_restrict_only_when_they_were_read() -> None:
    found = read_withheld(FILE, [], {}, "why")
    assert found is not None
    assert (found.start, found.end, found.by) == (date(2026, 1, 1), date(2026, 12, 31), "receipt")
    for wrong in ("effective.end", "effective"):
        blurred = read_withheld(FILE, [Problem("a", 1, wrong, "")], {}, "why")
        assert blurred is not None
        assert (blurred.start, blurred.end) == (date.min, date.max)
    roleless = read_withheld({**FILE, "role": "clinicl"}, [Problem("a", 1, "role", "")], {}, "why")
    assert roleless is not None
    assert roleless.by == "either"
    assert read_withheld(None, [], {}, "why") == Withheld("why")


@pytest.mark.parametrize("status", ["draft", "in-review", "approved", "retired"])
def test_a_broken_file_that_is_not_in_force_takes_nothing_away(status: str) -> None:
    assert read_withheld({**FILE, "status": status}, [Problem("a", 1, "colour", "")], {}, "why") is None
    assert read_withheld({**FILE, "status": status}, [Problem("a", 1, "status", "twice")], {}, "why") is not None


def test_value_sets_are_expanded_or_not_readable() -> None:
    assert expanded(["vs|a", "hcpcs|E1"], {"a": ("cpt|1",)}) == ("vs|a", "cpt|1", "hcpcs|E1")
    assert expanded(["vs|a"], {}) is None
    assert expanded(["any"], {}) is None


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("medicare", LINES_OF_BUSINESS, "medicare-advantage"),
        ("Medicare-Advantage", LINES_OF_BUSINESS, "medicare-advantage"),
        ("medicare_advantage", LINES_OF_BUSINESS, "medicare-advantage"),
        ("comercial", LINES_OF_BUSINESS, "commercial"),
        ("medicaid", LINES_OF_BUSINESS, "medicaid-"),
        ("QHP", LINES_OF_BUSINESS, "qhp"),
        ("tx", STATES, "TX"),
        ("T X", STATES, "TX"),
        ("zzz", LINES_OF_BUSINESS, "known are medicare-advantage"),
    ],
)
def test_a_typing_error_is_told_with_the_nearest_right_word(written: str, known: tuple[str, ...], meant: str) -> None:
    assert meant in str(unknown_word(written, known, "word"))


def test_right_words_are_no_errors() -> None:
    assert not [word for words in (LINES_OF_BUSINESS, STATES) for word in words if unknown_word(word, words, "word")]


# --- the folder ------------------------------------------------------------------------------------------------------


def held(library: PolicyLibrary, code: str = "hcpcs|E0601", **answers: Any) -> bool:
    decision = library.current.decide(line(code, answers=answers or {"ok": True}))
    return decision.reason_code == "rules-unavailable"


def test_the_last_readable_scope_is_remembered_while_the_file_is_broken(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", policy="a", applies={"services": ["hcpcs|E0601"]}, role="clinicl")
    write(tmp_path / "b.yaml", policy="b", applies={"services": ["hcpcs|B0001"]})
    library = PolicyLibrary(tmp_path, NOW)
    assert (held(library), held(library, "hcpcs|A0001")) == (True, False)
    (tmp_path / "a.yaml").write_text("policy: [")
    touch(tmp_path / "a.yaml")
    library.reload_if_changed(NOW)
    assert (held(library), held(library, "hcpcs|A0001")) == (True, False)
    assert (held(PolicyLibrary(tmp_path, NOW)), held(PolicyLibrary(tmp_path, NOW), "hcpcs|A0001")) == (True, True)


def test_a_broken_file_with_a_wider_scope_takes_that_too(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", policy="a")
    library = PolicyLibrary(tmp_path, NOW)
    write(tmp_path / "a.yaml", policy="a", applies={"services": ["hcpcs|E0470"]}, role="clinicl")
    library.reload_if_changed(NOW)
    assert held(library)
    assert held(library, "hcpcs|E0470")
    assert not held(library, "hcpcs|A0001")


def test_a_file_that_is_gone_after_the_folder_was_away(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    write(folder / "a.yaml", policy="a")
    write(folder / "b.yaml", policy="b", applies={"services": ["hcpcs|B0001"]})
    library = PolicyLibrary(folder, NOW)
    folder.rename(tmp_path / "away")
    assert library.reload_if_changed(NOW).changed
    assert library.not_ready(DAY)
    assert not library.reload_if_changed(NOW).changed
    assert held(library, "hcpcs|A0001")
    (tmp_path / "away" / "b.yaml").unlink()
    (tmp_path / "away").rename(folder)
    library.reload_if_changed(NOW)
    assert library.not_ready(DAY) is None
    assert [p.id for p in library.current] == ["a"]
    assert (held(library), held(library, "hcpcs|B0001"), held(library, "hcpcs|A0001")) == (False, True, False)


@pytest.mark.parametrize(
    ("name", "read"), [("b.YAML", True), ("b.Yml", True), (".#b.yaml", False), ("b.yaml~", False), ("b.txt", False)]
)
def test_which_files_are_policies(tmp_path: Path, name: str, read: bool) -> None:
    write(tmp_path / "a.yaml", policy="a")
    write(tmp_path / name, policy="b", applies={"services": ["hcpcs|B0001"]})
    library = PolicyLibrary(tmp_path, NOW)
    assert ([p.id for p in library.current] == ["a", "b"]) is read
    assert library.problems == ()


def test_retiring_and_replacing_a_policy_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", policy="a")
    write(tmp_path / "b.yaml", policy="b", applies={"services": ["hcpcs|B0001"]})
    library = PolicyLibrary(tmp_path, NOW)
    write(tmp_path / "b.yaml", policy="b", applies={"services": ["hcpcs|B0001"]}, status="retired")
    write(tmp_path / "a2.yaml", policy="a")
    (tmp_path / "a.yaml").unlink()
    library.reload_if_changed(NOW)
    assert library.problems == ()
    assert (held(library), held(library, "hcpcs|B0001")) == (False, False)
    (tmp_path / "b.yaml").unlink()
    library.reload_if_changed(NOW)
    assert held(library, "hcpcs|B0001"), "in force since the start, and not there to say that it ended"


def test_days_without_any_policy_are_no_days_without_rules(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", policy="a", effective={"start": "2026-01-01", "end": "2026-12-31"})
    library = PolicyLibrary(tmp_path, NOW)
    assert library.not_ready(date(2026, 12, 31)) is None
    assert library.not_ready(date(2027, 1, 1))
    for day, lacking in ((date(2025, 12, 31), True), (DAY, False), (date(2027, 1, 1), True)):
        decision = library.current.decide(line("hcpcs|A0001", received=day, service_date=day))
        assert (decision.outcome is Outcome.REFER_NURSE) is lacking


# --- scopes that nobody can look at ----------------------------------------------------------------------------------

UNKNOWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "lob": ({"lob": ["commercial"]}, {"coverage": {}}),
    "state": ({"state": ["TX"]}, {}),
    "plan": ({"plan": ["p"]}, {}),
    "network": ({"network": ["out"]}, {}),
    "age": ({"age": {"min": 18}}, {}),
    "place": ({"place": ["pos|12"]}, {}),
    "diagnosis": ({"diagnosis": ["icd10|G47*"]}, {}),
}
PAYER_KNOWS = {"lob", "state", "plan"}


def scoped(key: str, **changes: Any) -> tuple[CompiledPolicy, dict[str, Any]]:
    applies, context = UNKNOWN[key]
    return policy(applies={"services": ["hcpcs|E0601"], **applies}, **changes), context


@pytest.mark.parametrize("key", UNKNOWN)
def test_an_exemption_whose_scope_is_not_known_frees_nobody(key: str) -> None:
    free, context = scoped(key, policy="free", role="exemption", facts={"free": YES}, exempt=EXEMPT, criteria=None)
    assert evaluate(free, line(answers={"free": True}, **context)).outcome is Outcome.NOT_APPLICABLE
    decision = Catalogue([free, clinical("a")]).decide(line(answers={"free": True}, **context))
    assert decision.outcome is Outcome.PEND_INFO


@pytest.mark.parametrize("key", UNKNOWN)
@pytest.mark.parametrize("kind", ["approve", "no-auth", "exempt", "limit"])
def test_a_yes_holds_only_where_the_provider_left_something_out(key: str, kind: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "approve": {},
        "no-auth": {"auth": {"required": False}},
        "exempt": {"facts": {"ok": YES, "free": YES}, "exempt": EXEMPT},
        "limit": {"role": "limit"},
    }
    tried, context = scoped(key, **changes[kind])
    asked = line(answers={"ok": True, "free": True}, **context)
    for outcome in (evaluate(tried, asked).outcome, Catalogue([tried]).decide(asked).outcome):
        assert outcome is Outcome.REFER_NURSE if key in PAYER_KNOWS else outcome in YESSES


@pytest.mark.parametrize("key", UNKNOWN)
def test_an_exclusion_whose_scope_is_not_known_is_not_passed_over(key: str) -> None:
    benefit, context = scoped(key, policy="b", role="benefit", facts={"cosmetic": YES}, exclude=EXCLUDE, criteria=None)
    said = {"cosmetic": True, "ok": True}
    for policies in ([benefit], [benefit, clinical("a")]):
        outcome = Catalogue(policies).decide(line(answers=said, **context)).outcome
        assert outcome is (Outcome.REFER_NURSE if key in PAYER_KNOWS else Outcome.PEND_INFO)
    allowed = Catalogue([benefit, clinical("a")]).decide(line(answers={**said, "cosmetic": False}, **context))
    assert allowed.outcome is Outcome.APPROVE


def narrow(name: str, fact: str, **applies: Any) -> CompiledPolicy:
    return clinical(name, fact, applies={"services": ["hcpcs|E0601"], **applies})


def test_a_yes_must_hold_whichever_clinical_policy_governs() -> None:
    """The general one says yes; the one for the patient's home, if that is where it is, would refuse or ask."""
    general, home = narrow("general", "ok"), narrow("home", "home", place=["pos|12"])
    for answers, outcome in (
        ({"ok": True, "home": True}, Outcome.APPROVE),
        ({"ok": True, "home": False}, Outcome.PEND_INFO),
        ({"ok": True}, Outcome.PEND_INFO),
        ({"ok": False, "home": True}, Outcome.REFER),
    ):
        assert Catalogue([general, home]).decide(line(answers=answers)).outcome is outcome, answers
    known = {"locationCodeableConcept": place("11")}
    elsewhere = Catalogue([general, home]).decide(line(answers={"ok": True}, item=known))
    assert elsewhere.outcome is Outcome.APPROVE


def test_of_several_that_may_govern_all_must_say_yes() -> None:
    home, clinic = narrow("home", "ok", place=["pos|12"]), narrow("clinic", "well", place=["pos|11"])
    for answers, outcome in (
        ({"ok": True, "well": True}, Outcome.APPROVE),
        ({"ok": True, "well": False}, Outcome.PEND_INFO),
        ({"ok": False, "well": True}, Outcome.PEND_INFO),
    ):
        assert Catalogue([home, clinic]).decide(line(answers=answers)).outcome is outcome, answers


SCOPES: tuple[dict[str, Any], ...] = (
    {},
    {"place": ["pos|12"]},
    {"age": {"max": 17}},
    {"state": ["TX"]},
    {"diagnosis": ["icd10|G47*"]},
    {"network": ["out"]},
    {"state": ["TX"], "place": ["pos|12"]},
)
WORLDS: dict[str, tuple[dict[str, Any], ...]] = {
    "item": ({}, {"locationCodeableConcept": place("12")}, {"locationCodeableConcept": place("11")}),
    "patient": ({}, {"age": 10}, {"age": 70}),
    "coverage": ({}, {"state": "TX"}, {"state": "OK"}),
    "requester": ({}, {"network": "out"}, {"network": "in"}),
}  # fmt: skip


def world(place: int, age: int, state: int, network: int, diagnosis: int, answers: dict[str, Any]) -> LineContext:
    named = ((), [concept("icd10|G47.33")], [concept("icd10|I10")])[diagnosis]
    return line(
        answers=answers,
        item=WORLDS["item"][place],
        patient=WORLDS["patient"][age],
        coverage={"lob": "commercial", **WORLDS["coverage"][state]},
        requester=WORLDS["requester"][network],
        diagnoses=named,
    )


@given(
    st.lists(st.sampled_from(SCOPES), min_size=1, max_size=4),
    st.tuples(*[st.integers(0, 2)] * 5),
    st.lists(st.booleans() | st.none(), min_size=4, max_size=4),
)
def test_what_is_a_yes_without_knowing_is_a_yes_in_every_case(
    scopes: list[dict[str, Any]], seen: tuple[int, ...], said: list[bool | None]
) -> None:
    """Whatever turns out to be the place, age, state, network and diagnosis: no person and no question is needed then."""
    policies = [narrow(f"p{n}", f"f{n}", **applies) for n, applies in enumerate(scopes)]
    answers = {f"f{n}": value for n, value in enumerate(said) if value is not None}
    catalogue = Catalogue(policies)
    if catalogue.decide(world(*seen, answers)).outcome not in YESSES:  # type: ignore[arg-type,misc]
        return
    for turned_out in _completions(seen):
        outcome = catalogue.decide(world(*turned_out, answers)).outcome  # type: ignore[arg-type,misc]
        assert outcome in YESSES, turned_out


def _completions(seen: tuple[int, ...]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for value in seen:
        found = [(*one, known) for one in found for known in ((value,) if value else (1, 2))]
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from(["hcpcs|E0601", "hcpcs|E06*", "hcpcs|E0*", "cpt|72148", "any"]), st.booleans()),
        max_size=6,
    )
)
def test_overlaps_are_found_as_by_comparing_all(written: list[tuple[str, bool]]) -> None:
    made = [
        clinical(f"p{n}", applies={"services": code if code == "any" else [code], **({"lob": ["qhp"]} if lob else {})})
        for n, (code, lob) in enumerate(written)
    ]
    one_by_one = [found for pair in combinations(made, 2) for found in overlaps(pair)]
    assert list(overlaps(made)) == one_by_one


def test_a_limit_is_withheld_as_the_rest() -> None:
    decision = Catalogue([limit()], None, [E0601]).decide(line(answers={"free": True}))
    assert decision.outcome is Outcome.REFER_NURSE
