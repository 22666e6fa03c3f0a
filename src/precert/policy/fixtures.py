"""The compact ``given`` of embedded tests, unfolded into a line with its evidence.

====================  ================================================================================================
``asof``              day of receipt and of service (default 2026-11-02)
``item``              ``code`` (``system|code``), ``qty``, ``request``; anything else goes into the item as it stands
``dx``                conditions, 30 days old: ``G47.33`` (ICD-10-CM) or ``system|code``
``obs``               ``code``, ``value``, ``unit``, ``at``
``proc meds docs``    Procedure, MedicationRequest, DocumentReference: ``code``, ``at``, ``status``, ``more``
``enc reports``       Encounter, DiagnosticReport: the same
``claims auths``      what the payer holds: ``code``, ``units``, ``at``, ``more``
``beside``            other lines of the request: ``code``, ``qty``, ``unit``, ``at`` (first day, default ``0d``)
``answers``           attested answers by fact name
``age patient``       years (default 70); further elements of the Patient
``coverage``          ``lob``, ``state``, ``plan`` (default: the policy's first of each), ``funding``
``requester``         ``network``, ``goldcard``
====================  ================================================================================================

``at`` is relative to ``asof``: ``-30d``; the default is the day before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from precert.fhir.coding import PLACE_OF_SERVICE, CodePattern, codes
from precert.fhir.types import Element, Resource
from precert.policy.codeset import normal
from precert.policy.item import item_view
from precert.policy.model import Policy
from precert.policy.types import Answer, Counted, EvidenceItem, LineContext

DEFAULT_DAY = date(2026, 11, 2)
_DEFAULT_AGE = 70
_KEYS = frozenset(
    [
        "asof",
        "item",
        "dx",
        "obs",
        "proc",
        "meds",
        "docs",
        "enc",
        "reports",
        "claims",
        "auths",
        "beside",
        "answers",
        "age",
        "patient",
        "coverage",
        "requester",
    ]
)
_LISTS = {
    "proc": ("Procedure", "code", "performedDateTime", "completed"),
    "meds": ("MedicationRequest", "medicationCodeableConcept", "authoredOn", "active"),
    "docs": ("DocumentReference", "type", "date", "current"),
    "enc": ("Encounter", "type", "period", "finished"),
    "reports": ("DiagnosticReport", "code", "effectiveDateTime", "final"),
}
_ALSO: dict[str, Element] = {
    "MedicationRequest": {"intent": "order"},
    "DocumentReference": {"content": [{"attachment": {"url": "urn:precert:test:document"}}]},
}
_PAYER = {"claims": ("PayerClaim", "date"), "auths": ("PayerAuth", "start"), "units": ("PayerUnits", "start")}


class FixtureError(ValueError):
    """A ``given`` that cannot be unfolded; the message says which part."""


def _concept(written: str) -> Element:
    try:
        pattern = CodePattern.parse(written)
    except ValueError as error:
        raise FixtureError(str(error)) from error
    return {"coding": [{"system": pattern.system, "code": pattern.code}]}


def _place(written: Element) -> Element:
    """Places of service; in a test a code without a system is one of CMS's (of a sender's it would say nothing)."""
    return {"coding": [{"system": PLACE_OF_SERVICE, **coding} for coding in written["coding"]]}


def _day(asof: date, written: str) -> str:
    match = re.fullmatch(r"([+-]?\d+)d", str(written))
    if match is None:
        raise FixtureError(f"{written!r} is not a number of days such as -30d")
    return (asof + timedelta(days=int(match[1]))).isoformat()


def _observation(written: Mapping[str, Any], asof: date, number: int) -> Resource:
    value = written["value"]
    resource: Resource = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": _concept(written["code"]),
        "effectiveDateTime": _day(asof, written.get("at", "-1d")),
    }
    if isinstance(value, bool):
        resource["valueBoolean"] = value
    else:
        unit = written.get("unit", "")
        resource["valueQuantity"] = {"value": value, "unit": unit, "code": unit}
    return {**resource, **written.get("more", {})}


def _resource(key: str, written: Mapping[str, Any], asof: date, number: int) -> Resource:
    kind, code_key, day_key, status = _LISTS[key]
    concept, day = _concept(written["code"]), _day(asof, written.get("at", "-1d"))
    return {
        "resourceType": kind,
        "id": f"{key}{number}",
        "status": written.get("status", status),
        code_key: [concept] if kind == "Encounter" else concept,
        day_key: {"start": day} if day_key == "period" else day,
        **_ALSO.get(kind, {}),
        **written.get("more", {}),
    }


def _evidence(given: Mapping[str, Any], asof: date) -> list[EvidenceItem]:
    structured: list[Resource] = []
    for written in given.get("obs", ()):
        structured.append(_observation(written, asof, len(structured) + 1))
    for code in given.get("dx", ()):
        structured.append(
            {
                "resourceType": "Condition",
                "id": f"c{len(structured) + 1}",
                "code": _concept(code if "|" in code else f"icd10|{code}"),
                "recordedDate": _day(asof, "-30d"),
                "clinicalStatus": {"coding": [{"code": "active"}]},
            }
        )
    for key in _LISTS:
        for written in given.get(key, ()):
            structured.append(_resource(key, written, asof, len(structured) + 1))
    evidence = [EvidenceItem(resource, f"{resource['resourceType']}/{resource['id']}") for resource in structured]
    for key, (kind, day_key) in _PAYER.items():
        for number, written in enumerate(given.get(key, ()), 1):
            resource = {
                "resourceType": kind,
                "id": f"{key}{number}",
                "code": _concept(written["code"]),
                day_key: _day(asof, written.get("at", "-1d")),
                "units": written.get("units", 1),
                **written.get("more", {}),
            }
            evidence.append(EvidenceItem(resource, f"{kind}/{resource['id']}", "payer"))
    return evidence


def _beside(given: Mapping[str, Any], asof: date) -> list[Counted]:
    """Other lines of the request. In plain units, as the item itself, unless they name another."""
    lines: list[Counted] = []
    for number, written in enumerate(given.get("beside", ()), 2):
        amount = {"value": written["qty"], **({"unit": written["unit"]} if "unit" in written else {})}
        lines.append(
            Counted(
                reference=f"line {number} of this request",
                codes=(normal(next(codes(_concept(written["code"])))),),
                since=asof,
                start=date.fromisoformat(_day(asof, written.get("at", "0d"))),
                quantity=amount,
                same_request=True,
            )
        )
    return lines


def _coverage(policy: Policy) -> Element:
    """A coverage that the policy is for."""
    applies = policy.applies
    first = (("lob", (*applies.lob, "medicare-advantage")), ("state", applies.state), ("plan", applies.plan))
    return {key: words[0] for key, words in first if words}


def unfold(given: Mapping[str, Any], policy: Policy) -> LineContext:
    """The line that ``given`` describes. Raises FixtureError for a part that is not understood."""
    unknown = sorted(set(given) - _KEYS)
    if unknown:
        raise FixtureError(f"{unknown[0]} is not part of a test's given")
    try:
        asof = date.fromisoformat(str(given["asof"])) if "asof" in given else DEFAULT_DAY
        written = dict(given["item"])
        code, quantity = written.pop("code"), written.pop("qty", None)
        request = written.pop("request", "initial")
        modifiers = [code.code.upper() for code in codes(written.get("modifier"))]
        if "locationCodeableConcept" in written:
            written["locationCodeableConcept"] = _place(written["locationCodeableConcept"])
        named = normal(next(codes(_concept(code))))
        item = {**item_view(written, [named], modifiers, list(codes(written.get("category")))), "request": request}
        if quantity is not None:
            item["quantity"] = {"value": quantity}
        age = given.get("age", _DEFAULT_AGE)
        born = asof - timedelta(days=int(age * 365.25) + 5)
        answers = given.get("answers", {})
        return LineContext(
            item=item,
            service_date=asof,
            received=asof,
            patient={"resourceType": "Patient", "birthDate": born.isoformat(), "age": age, **given.get("patient", {})},
            coverage={**_coverage(policy), **given.get("coverage", {})},
            requester=dict(given.get("requester", {})),
            evidence=_evidence(given, asof),
            answers={
                name: Answer(value, f"QuestionnaireResponse/test#{name}", authored=asof.isoformat())
                for name, value in answers.items()
            },
            counted=_beside(given, asof),
        )
    except KeyError as error:
        raise FixtureError(f"{error.args[0]} is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise FixtureError(f"not understood: {error}") from error
