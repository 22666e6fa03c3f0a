"""An answer in another unit says nothing: 200 pounds are not 200 kilograms."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from precert.fhir.coding import HCPCS, Code
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.item import item_view
from precert.policy.load import load_file
from precert.policy.types import Answer, LineContext, Outcome

POLICY = Path(__file__).resolve().parents[2] / "examples" / "policies" / "06-hospital-bed.yaml"


@pytest.mark.parametrize(
    ("unit", "outcome"), [("kg", Outcome.APPROVE), (None, Outcome.APPROVE), ("[lb_av]", Outcome.PEND_INFO)]
)
def test_weight_of_a_heavy_duty_bed(unit: str | None, outcome: Outcome) -> None:
    context = LineContext(
        item={
            **item_view({"quantity": {"value": 13}}, [Code(HCPCS, "E0303")]),
            "request": "initial",
        },
        service_date=date(2026, 11, 20),
        received=date(2026, 11, 20),
        coverage={"lob": "medicare-advantage"},
        answers={
            "weight": Answer(200, "QuestionnaireResponse/1#weight", unit=unit, authored="2026-11-20"),
            "head_30": Answer(True, "q", authored="2026-11-20"),
        },
    )
    evaluation = evaluate(CompiledPolicy(load_file(POLICY)), context)
    assert evaluation.outcome is outcome
    if outcome is Outcome.PEND_INFO:
        assert evaluation.missing == ("weight",)
        assert any("[lb_av]" in note for fact in evaluation.facts for note in fact.notes)
