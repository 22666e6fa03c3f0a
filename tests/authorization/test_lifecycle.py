"""The lifecycle table is data; this is what must be true of it, and of anything that reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.record.lifecycle import NotAllowed, Transition, advance, lifecycle

TABLE = lifecycle()
EDGES = [(source, rule) for rule in TABLE.transitions for source in rule.sources]
PHYSICIANS = {"physician", "appeals_physician"}
OPEN = ("screening", "pended_info", "nurse_review", "md_review", "p2p_open")
DECIDED_ADVERSE = {*TABLE.adverse, *TABLE.adverse_admin}


def graph(edges: Iterable[tuple[str, Transition]]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for source, rule in edges:
        found[source].add(rule.to)
    return found


def reach(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        fresh = edges.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return seen


def named(edge: tuple[str, Transition]) -> str:
    return f"{edge[0]}-{edge[1].ev}"


def test_every_state_is_reachable() -> None:
    assert reach(TABLE.initial, graph(EDGES)) == TABLE.states


@pytest.mark.parametrize("state", sorted(TABLE.states))
def test_every_state_can_finish(state: str) -> None:
    assert reach(state, graph(EDGES)) & set(TABLE.terminal)


@pytest.mark.parametrize("state", sorted(TABLE.states))
def test_only_final_states_have_no_way_out(state: str) -> None:
    exits = graph(EDGES)[state]
    assert exits or state in TABLE.terminal
    if state in TABLE.terminal and state != "closed":  # an appeal may still follow what is closed
        assert not exits


@pytest.mark.parametrize("state", OPEN)
def test_no_open_state_outlives_the_deadline(state: str) -> None:
    rule = advance(state, "deadline_passed", "system")
    assert rule.to == "untimely"
    assert {"notice", "appeal_rights"} <= set(rule.fx)


def test_what_is_between_states_with_a_deadline_is_left_by_the_system_at_once() -> None:
    # received and auto_review have no deadline of their own: nobody but the system moves them, in one commit
    for state in ("received", "auto_review"):
        assert {rule.by for source, rule in EDGES if source == state} == {"system"}


@pytest.mark.parametrize("edge", EDGES, ids=named)
def test_an_actor_is_known(edge: tuple[str, Transition]) -> None:
    assert edge[1].by in TABLE.actors


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to in TABLE.adverse], ids=named)
def test_adverse_only_by_physicians_with_notice_and_appeal_rights(edge: tuple[str, Transition]) -> None:
    assert edge[1].by in PHYSICIANS
    assert {"notice", "appeal_rights"} <= set(edge[1].fx)


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to in TABLE.adverse_admin], ids=named)
def test_administrative_denials_say_why_and_give_appeal_rights(edge: tuple[str, Transition]) -> None:
    assert {"notice", "appeal_rights", "reason_code"} <= set(edge[1].fx)


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to in TABLE.lapse], ids=named)
def test_only_time_lapses(edge: tuple[str, Transition]) -> None:
    assert edge[1].by == "system"


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to == "approved"], ids=named)
def test_an_approval_issues_a_number_and_tells(edge: tuple[str, Transition]) -> None:
    assert {"issue_auth", "notice"} <= set(edge[1].fx)


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to == "pended_info"], ids=named)
def test_a_pend_asks_something_and_knows_its_clock(edge: tuple[str, Transition]) -> None:
    assert {"info_request", "toll_per_lob"} <= set(edge[1].fx)


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to == "appeal_l1" and e[0] != "appeal_l1"], ids=named)
def test_an_appeal_excludes_the_earlier_reviewers(edge: tuple[str, Transition]) -> None:
    assert "exclude_prior_reviewers" in edge[1].fx


def test_automation_alone_reaches_no_clinical_refusal() -> None:
    system = graph(edge for edge in EDGES if edge[1].by == "system")
    assert not reach(TABLE.initial, system) & set(TABLE.adverse)


def test_nobody_but_physicians_reaches_a_clinical_refusal() -> None:
    others = graph(edge for edge in EDGES if edge[1].by not in PHYSICIANS)
    assert not reach(TABLE.initial, others) & set(TABLE.adverse)


def test_a_denial_is_left_only_by_appeal_or_time() -> None:
    allowed = {"appeal_l1", "closed", "external_review"}
    for source, rule in EDGES:
        if source in {"denied", "denied_admin", "appeal_upheld"}:
            assert rule.to in allowed, named((source, rule))


def test_each_event_means_one_thing_in_each_state() -> None:
    keys = [(source, rule.ev) for source, rule in EDGES]
    assert len(keys) == len(set(keys))


EVENTS = [*sorted({rule.ev for rule in TABLE.transitions}), "no_such_event", ""]


@given(st.sampled_from([*sorted(TABLE.states), "nowhere"]), st.sampled_from(EVENTS), st.sampled_from(TABLE.actors))
def test_what_no_rule_allows_is_refused(state: str, event: str, actor: str) -> None:
    allowed = [rule for source, rule in EDGES if (source, rule.ev, rule.by) == (state, event, actor)]
    if allowed:
        assert advance(state, event, actor) is allowed[0]
    else:
        with pytest.raises(NotAllowed, match="is not allowed while the line is") as refused:
            advance(state, event, actor)
        assert (refused.value.state, refused.value.event, refused.value.actor) == (state, event, actor)
