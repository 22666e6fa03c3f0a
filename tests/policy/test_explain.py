"""A decision as JSON: the keys that the outside contract names, in JSON's own types."""

from __future__ import annotations

import json
from decimal import Decimal

from policy.support import line, observation, policy
from precert.policy.catalogue import Catalogue
from precert.policy.explain import explain, plain, reasons

FACT = {
    "from": "Observation",
    "code": ["loinc|59408-5"],
    "unit": "%",
    "take": "lowest",
    "ask": {"text": "Saturation?", "type": "decimal", "who": "clinical"},
}
LEAF = {"id": "O2", "text": "Low", "test": "%x <= 88", "cite": "NCD", "why_not": "Your oxygen is not low."}


def test_the_contracts_keys() -> None:
    tried = policy(
        facts={"x": FACT}, criteria={"id": "TOP", "all": [LEAF]}, grant={"period": "12 months", "max_quantity": 12}
    )
    decision = Catalogue([tried]).decide(line(evidence=[observation("loinc|59408-5", Decimal("92.50"))]))
    shown = explain(decision)
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["policy"], shown["version"], shown["outcome"]) == ("small", "1", "refer")
    assert shown["facts"] == [{"name": "x", "value": 92.5, "evidence": ["Observation/o1"], "provenance": "structured"}]
    assert shown["criteria"] == [
        {"id": "TOP", "text": "all", "result": False, "cite": None, "group": True},
        {
            "id": "O2",
            "text": "Low",
            "result": False,
            "cite": "NCD",
            "facts": ["x"],
            "why_not": "Your oxygen is not low.",
        },
    ]
    assert shown["missing"] == []
    assert shown["unmet"] == ["O2"]
    assert shown["reasons"] == ["Not met: O2. A clinician decides.", "O2: Your oxygen is not low."]
    assert reasons(decision) == tuple(shown["reasons"])


def test_questions_notes_and_conflicts_are_shown() -> None:
    catalogue = Catalogue([policy(facts={"x": FACT}, criteria=LEAF)])
    asked = explain(catalogue.decide(line(evidence=[observation("loinc|59408-5", 0.9, "1")])))
    assert asked["missing"] == ["x"]
    assert asked["questions"][0] == {
        "link_id": "x",
        "text": "Saturation?",
        "type": "decimal",
        "who": "clinical",
        "criteria": ["O2"],
        "unit": "%",
    }
    assert asked["facts"][0]["value"] is None
    assert "the fact is in %" in asked["facts"][0]["notes"][0]
    conflict = explain(catalogue.decide(line(evidence=[observation("loinc|59408-5", 86)], answers={"x": 95})))
    assert conflict["facts"][0]["value"] == [86, 95]
    assert conflict["facts"][0]["provenance"] == "conflict"


def test_without_a_governing_policy() -> None:
    shown = explain(Catalogue().decide(line()))
    assert (shown["policy"], shown["version"], shown["outcome"], shown["facts"]) == (None, None, "not-applicable", [])


def test_plain_values() -> None:
    assert plain([Decimal("12"), Decimal("0.5"), True, None, {"a": (1,)}, date_like := object()]) == [
        12,
        0.5,
        True,
        None,
        {"a": [1]},
        str(date_like),
    ]
