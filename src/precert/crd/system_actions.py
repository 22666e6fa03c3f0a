"""System actions beside coverage information: a corrected Coverage, a Task for forms. Both only if the client asks for them.

A US client normally gets eligibility by X12 271 (resp-69) and documentation by DTR (resp-59), so both options are off by
default; a client that switches one on says that it does without.
"""

from __future__ import annotations

from collections.abc import Iterable

from precert.authorization.deciding.orders import Order
from precert.authorization.usecases.ask import Consulted
from precert.crd import urls
from precert.crd.answer import Action
from precert.crd.canonicals import questionnaire_canonical
from precert.crd.coverage import Insured
from precert.eligibility.model import CoverageRecord
from precert.fhir.coding import codes
from precert.fhir.systems import CRD_TEMP
from precert.fhir.types import Element, Resource, elements
from precert.fhir.versions import STU_2_0, VersionName
from precert.policy.types import Evaluation, Outcome


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
    asked: Iterable[tuple[Order, Consulted]], patient: str, day: str, payer: str, version: VersionName, root: str
) -> list[Action]:
    """One Task for each questionnaire that an order needs (profile-taskquestionnaire).

    On every hook: only the assertions of secondary hooks are silent about documents (hook-19), and the client that
    switched this option on wants the work on its list, not in the clinician's way.
    """
    wanted: dict[str, list[Order]] = {}
    for order, consulted in asked:
        for policy in _asking(consulted):
            # Without its version, which means the current one: the official suite takes the input for a URL, in which
            # no | may stand. The assertion names the version.
            canonical, _, _ = questionnaire_canonical(root, policy.policy, policy.version).partition("|")
            wanted.setdefault(canonical, []).append(order)
    return [_task(canonical, orders, patient, day, payer, version) for canonical, orders in wanted.items()]


def _asking(consulted: Consulted) -> list[Evaluation]:
    """The policies whose open questions keep the order from being decided; as in :mod:`precert.crd.assertion`."""
    decision = consulted.decision
    if decision is None or consulted.held is not None or decision.outcome is not Outcome.PEND_INFO:
        return []
    if any(evaluation.scope_unknown for evaluation in decision.applied):
        return []
    return [evaluation for evaluation in decision.applied if evaluation.questions]


def _task(canonical: str, orders: list[Order], patient: str, day: str, payer: str, version: VersionName) -> Action:
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
    if version == STU_2_0.name:
        inputs.append(
            {
                "type": {
                    "text": "afterCompletion",
                    "coding": [{"system": CRD_TEMP, "code": "after-completion-action"}],
                },
                "valueCodeableConcept": {"coding": [{"system": CRD_TEMP, "code": "prior-auth-include"}]},
            }
        )
    task["input"] = inputs
    return Action("create", "Adds a task to complete the documentation", task)
