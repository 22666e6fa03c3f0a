"""The lifecycle table is data; this is what must be true of it, and of anything that reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.record.lifecycle import Actor, NotAllowed, Transition, advance, lifecycle
from precert.workbench import labels
from support.app import ROOT

TABLE = lifecycle()
EDGES = [(source, rule) for rule in TABLE.transitions for source in rule.sources]
ACTORS = get_args(Actor)
DECIDED_ADVERSE = {*TABLE.adverse, *TABLE.adverse_admin}
FINAL = {"dismissed", "cancelled", *DECIDED_ADVERSE - {"modified"}}


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
    assert reach(state, graph(EDGES)) & FINAL


@pytest.mark.parametrize("state", sorted(TABLE.states))
def test_only_final_states_have_no_way_out(state: str) -> None:
    assert bool(graph(EDGES)[state]) is (state not in FINAL)


@pytest.mark.parametrize(
    "named_states", [TABLE.open, TABLE.in_force, DECIDED_ADVERSE], ids=["open", "in force", "adverse"]
)
def test_what_the_table_names_are_states(named_states: set[str]) -> None:
    assert named_states <= TABLE.states


def test_what_is_open_is_not_decided() -> None:
    assert not TABLE.open & (TABLE.in_force | DECIDED_ADVERSE)


def test_an_approval_in_part_is_adverse_and_in_force() -> None:
    assert TABLE.in_force & TABLE.adverse == {"modified"}


@pytest.mark.parametrize("state", sorted(TABLE.open))
def test_what_is_open_can_be_decided_and_taken_back(state: str) -> None:
    found = reach(state, graph(EDGES))
    assert {"approved", "modified", "denied", "cancelled"} <= found


@pytest.mark.parametrize("state", sorted(TABLE.in_force))
def test_what_is_in_force_can_be_given_up(state: str) -> None:
    assert advance(state, "cancel", "provider").to == "cancelled"


def test_what_is_between_open_states_is_left_by_the_system_at_once() -> None:
    # nobody but the system moves a line that is received or before the rules, in one commit
    for state in ("received", "auto_review"):
        assert {rule.by for source, rule in EDGES if source == state} == {"system"}


def test_the_table_holds_what_code_emits_and_no_more() -> None:
    """Every event of the table is named in the source, and so is no other that moves a line."""
    source = "".join(file.read_text("utf-8") for file in (ROOT / "src" / "precert" / "authorization").rglob("*.py"))
    for rule in TABLE.transitions:
        assert f'"{rule.ev}"' in source, rule.ev


def test_every_event_and_state_has_its_words() -> None:
    assert {rule.ev for rule in TABLE.transitions} <= set(labels.EVENTS)
    assert set(labels.STATES) == TABLE.states


@pytest.mark.parametrize(
    "edge", [e for e in EDGES if e[1].to in TABLE.adverse and e[0] not in TABLE.adverse], ids=named
)
def test_adverse_only_by_physicians(edge: tuple[str, Transition]) -> None:
    assert edge[1].by == "physician"


@pytest.mark.parametrize("edge", [e for e in EDGES if e[1].to in TABLE.adverse_admin], ids=named)
def test_want_of_coverage_is_told_by_the_system_alone(edge: tuple[str, Transition]) -> None:
    assert edge[1].by == "system"


def test_automation_alone_reaches_no_clinical_refusal() -> None:
    system = graph(edge for edge in EDGES if edge[1].by == "system")
    assert not reach(TABLE.initial, system) & set(TABLE.adverse)


def test_nobody_but_physicians_reaches_a_clinical_refusal() -> None:
    others = graph(edge for edge in EDGES if edge[1].by != "physician")
    assert not reach(TABLE.initial, others) & set(TABLE.adverse)


def test_each_event_means_one_thing_in_each_state() -> None:
    keys = [(source, rule.ev) for source, rule in EDGES]
    assert len(keys) == len(set(keys))


EVENTS = [*sorted({rule.ev for rule in TABLE.transitions}), "no_such_event", ""]


@given(st.sampled_from([*sorted(TABLE.states), "nowhere"]), st.sampled_from(EVENTS), st.sampled_from(ACTORS))
def test_what_no_rule_allows_is_refused(state: str, event: str, actor: str) -> None:
    allowed = [rule for source, rule in EDGES if (source, rule.ev, rule.by) == (state, event, actor)]
    if allowed:
        assert advance(state, event, actor) is allowed[0]
    else:
        with pytest.raises(NotAllowed, match="is not allowed while the line is") as refused:
            advance(state, event, actor)
        assert (refused.value.state, refused.value.event, refused.value.actor) == (state, event, actor)
