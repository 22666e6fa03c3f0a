"""Scopes: grammar, meeting, granting; by values and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.security.access import Need, needed
from precert.security.scopes import LETTERS, Scope, grant, parse_scope, permits

TYPES = st.sampled_from(["*", "Claim", "claim", "Subscription", "Questionnaire"])
ACTIONS = st.sets(st.sampled_from(LETTERS), min_size=1).map(
    lambda letters: "".join(letter for letter in LETTERS if letter in letters)
)
SCOPES = st.builds(Scope, TYPES, ACTIONS)
ATOMS = [Scope(type, letter) for type in ("Claim", "Subscription", "Questionnaire", "Other") for letter in LETTERS]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("system/Claim.cruds", Scope("Claim", "cruds")),
        ("system/*.rs", Scope("*", "rs")),
        ("system/*.read", Scope("*", "rs")),
        ("system/Claim.write", Scope("Claim", "cud")),
        ("system/Claim.*", Scope("Claim", "cruds")),
        ("system/*.*", Scope("*", "cruds")),
        ("system/questionnaire.rs", Scope("questionnaire", "rs")),
    ],
)
def test_grammar(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope


@pytest.mark.parametrize(
    "text",
    ["", "system/", "system/Claim", "system/Claim.", "system/Claim.x", "system/Claim.rr", "system/Claim.sr", "system/.rs",
     "system/**.rs", "System/Claim.rs", "user/Claim.rs", "system/Claim.rs ", "system/Claim.rs\n", "system/Clé.rs",
     "system/Claim.rs?code=a", "system/Claim.READ"],
)  # fmt: skip
def test_no_scope(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a scope|not supported"):
        parse_scope(text)


@given(SCOPES)
def test_what_is_written_is_read_again(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope


@given(SCOPES, SCOPES)
def test_a_meet_permits_exactly_what_both_permit(one: Scope, other: Scope) -> None:
    met = one.meet(other)
    for atom in ATOMS:
        both = permits([one], atom) and permits([other], atom)
        assert (met is not None and permits([met], atom)) == both


@given(st.lists(SCOPES, max_size=4), st.lists(SCOPES, max_size=4))
def test_granted_is_what_was_asked_and_allowed(asked: list[Scope], allowed: list[Scope]) -> None:
    granted = [parse_scope(text) for text in grant(map(str, asked), allowed)]
    for atom in ATOMS:
        assert permits(granted, atom) == (permits(asked, atom) and permits(allowed, atom))


@given(st.text(max_size=60), st.lists(SCOPES, max_size=3))
def test_any_text_is_granted_nothing_strange(text: str, allowed: list[Scope]) -> None:
    for granted in grant(text.split(), allowed):
        assert permits(allowed, parse_scope(granted))


@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"]), st.text(max_size=40))
def test_every_address_below_a_base_needs_a_scope(method: str, rest: str) -> None:
    need = needed(method, f"/fhir/{rest}", ("/fhir", "/fhir/v2.0"))
    assert need.scopes
    assert not need.staff
    for scope in need.scopes:
        assert parse_scope(str(scope)) == scope  # what is told to the client can be asked for


def test_bases() -> None:
    assert needed("GET", "/fhir/v2.0/Claim/1", ("/fhir", "/fhir/v2.0")) == Need((Scope("Claim", "r"),))
    assert needed("GET", "/fhir/v2.0", ("/fhir", "/fhir/v2.0")) == Need((Scope("*", "cruds"),))
    assert needed("GET", "/fhirx/Claim/1", ("/fhir",)) == Need(staff=True)
    assert needed("GET", "/", ("/fhir",)) == Need(staff=True)
    assert needed("POST", "/fhir/$questionnaire-package", ("/fhir",)) == Need((Scope("Questionnaire", "r"),))
    assert needed("GET", "/fhir/Subscription/1/$status", ("/fhir",)) == Need((Scope("Subscription", "r"),))
    assert needed("POST", "/fhir/Subscription", ("/fhir",)) == Need((Scope("Subscription", "c"),))
