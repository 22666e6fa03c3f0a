"""One table of decision codes; nothing else in the source names one."""

from __future__ import annotations

import re

import pytest

from precert.authorization.record.codes import CodeTable, code_table
from precert.authorization.record.lifecycle import lifecycle
from support.app import ROOT

TABLE = code_table()
STATES = lifecycle().states


@pytest.mark.parametrize("state", sorted(STATES - {"received", "dismissed"}))
def test_every_state_that_can_be_answered_has_a_code(state: str) -> None:
    assert state in TABLE.review


def test_the_table_names_no_state_that_does_not_exist() -> None:
    assert set(TABLE.review) <= STATES


def test_not_required_is_never_a_refusal() -> None:
    for code in TABLE.review.values():
        assert (code.action == "NA") is (code.result == "not-required")
        if code.result == "not-required":
            assert code.action not in ("A2", "A3")


@pytest.mark.parametrize(
    ("result", "action"),
    [("approved", "A1"), ("pended", "A4"), ("denied", "A3"), ("modified", "A6"), ("cancelled", "C")],
)
def test_results_and_actions_agree(result: str, action: str) -> None:
    assert {code.action for code in TABLE.review.values() if code.result == result} == {action}
    assert {code.result for code in TABLE.review.values() if code.action == action} == {result}


def test_whatever_is_not_an_approval_or_cancellation_gives_a_reason() -> None:
    for state, code in TABLE.review.items():
        assert (code.reason is None) is (code.result in ("approved", "cancelled")), state


def test_adverse_states_are_answered_as_such() -> None:
    table = lifecycle()
    for state in (*table.adverse, *table.adverse_admin):
        assert TABLE.review[state].result in ("denied", "modified"), state
    adverse = {*table.adverse, *table.adverse_admin}
    assert {s for s, c in TABLE.review.items() if c.result in ("denied", "modified")} <= adverse


def test_outcomes_differ_between_versions_only_where_pended() -> None:
    new, old = TABLE.outcome["2.2"], TABLE.outcome["2.0"]
    assert {kind for kind in new if new[kind] != old[kind]} == {"pended"}
    assert (new["pended"], old["pended"]) == ("complete", "queued")


def test_every_rejection_says_how_to_mend_it() -> None:
    for key, reject in TABLE.reject.items():
        assert reject.followup in ("C", "N"), key
        assert reject.text.endswith("."), key
        assert re.fullmatch(r"[0-9A-Z]{2}", reject.code), key
    shared = {"33": {"update_after_denial", "chain_other_member", "chain_other_requester", "chain_other_payer"}}
    shared |= {"AA": {"no_match", "nothing_to_cancel"}}  # X12 901 has one code for each of these kinds
    by_code: dict[str, set[str]] = {}
    for key, reject in TABLE.reject.items():
        by_code.setdefault(reject.code, set()).add(key)
    assert {code: keys for code, keys in by_code.items() if len(keys) > 1} == shared


def test_every_rejection_that_the_source_names_is_in_the_table() -> None:
    named = set()
    for file in (ROOT / "src" / "precert").rglob("*.py"):
        named |= set(re.findall(r'Rejection\(\s*"([a-z_]+)"', file.read_text("utf-8")))
    assert named
    assert named <= set(TABLE.reject)


def test_no_other_module_decides_by_action_code() -> None:
    quoted = re.compile(r'"(A2|A3|A4|NA)"')
    allowed = {"codes.py", "labels.py"}  # labels.py says them in words, on pages
    for file in (ROOT / "src" / "precert").rglob("*.py"):
        if file.name not in allowed:
            assert not quoted.search(file.read_text("utf-8")), file


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        CodeTable.model_validate({"review": {}, "outcome": {}, "reject": {}, "more": 1})
