"""System actions beside coverage information: a corrected Coverage, a Task for forms. Both only if the client asks for them.

A US client normally gets eligibility by X12 271 (resp-69) and documentation by DTR (resp-59), so both options are off by
default; a client that switches one on says that it does without.
"""

from __future__ import annotations

from collections.abc import Iterable

from precert.crd import urls
from precert.crd.answer import Action, CoverageInfo
from precert.crd.coverage import Insured
from precert.crd.faults import Version
from precert.crd.orders import Order
from precert.eligibility.model import CoverageRecord
from precert.fhir.coding import codes
from precert.fhir.types import Element, Resource, elements


def coverage_update(insured: Insured, record: CoverageRecord) -> Action | None:
    """The client's Coverage with the period and plan that this payer has on record, if they differ."""
    sent = insured.resource
    changed: Resource = dict(sent)
    ours: Element = {}
    if record.start is not None:
        ours["start"] = record.start.isoformat()
    if record.end is not None:
        ours["end"] = record.end.isoformat()
    if ours and sent.get("period") != ours:
        changed["period"] = ours
    classes = elements(sent.get("class"))
    plans = [c for c in classes if any(code.code == "plan" for code in codes(c.get("type")))]
    if not any(plan.get("value") == record.plan.id for plan in plans):
        others = [c for c in classes if c not in plans]
        plan = {
            "type": {"coding": [{"system": urls.COVERAGE_CLASS, "code": "plan"}]},
            "value": record.plan.id,
            "name": record.plan.name,
        }
        changed["class"] = [*others, plan]
    if changed == sent:
        return None
    return Action("update", "Updates the Coverage to what the plan has on record", changed)


def form_tasks(
    asked: Iterable[tuple[Order, CoverageInfo]], patient: str, day: str, payer: str, version: Version
) -> list[Action]:
    """One Task for each questionnaire that an order needs (profile-taskquestionnaire)."""
    wanted: dict[str, list[Order]] = {}
    for order, info in asked:
        for canonical in info.questionnaires:
            wanted.setdefault(canonical, []).append(order)
    return [_task(canonical, orders, patient, day, payer, version) for canonical, orders in wanted.items()]


def _task(canonical: str, orders: list[Order], patient: str, day: str, payer: str, version: Version) -> Action:
    inputs: list[Element] = [
        {
            "type": {"text": "questionnaire", "coding": [{"system": urls.SDC_TEMP, "code": "questionnaire"}]},
            "valueCanonical": canonical,
        }
    ]
    task: Resource = {
        "resourceType": "Task",
        "status": "ready",
        "intent": "order",
        "code": {"coding": [{"system": urls.SDC_TEMP, "code": "complete-questionnaire"}]},
        "description": f"Complete the documentation for prior authorization with {payer}",
        "for": {"reference": f"Patient/{patient}"},
        "authoredOn": day,
        "requester": {"display": payer},
    }
    based_on = [{"reference": order.reference} for order in orders if order.entry.id]
    if based_on:
        task["basedOn"] = based_on
    if version == "2.0":
        inputs.append(
            {
                "type": {
                    "text": "afterCompletion",
                    "coding": [{"system": urls.TEMP, "code": "after-completion-action"}],
                },
                "valueCodeableConcept": {"coding": [{"system": urls.TEMP, "code": "prior-auth-include"}]},
            }
        )
    task["input"] = inputs
    return Action("create", "Adds a task to complete the documentation", task)
