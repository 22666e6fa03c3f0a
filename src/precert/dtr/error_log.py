"""``$log-questionnaire-errors``: what went wrong with a form at the client, kept for whoever owns the policy.

Kept are the form, the issues' codes and places, and a text without anything that looks like data of a person; nothing of
it is ever shown to another client. Source: DTR 2.2.0 ``log-questionnaire-errors``; 2.0.1 spells the parameters in capitals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from precert.authorization.deciding.answers import ADAPTIVE_SUFFIX, form_named
from precert.dtr.asked import parameters
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource, elements, text
from precert.runtime import Runtime
from precert.store.port import Audit, Commit, Param, Put, Store

LOGGED = "QuestionnaireError"
_MOST_ISSUES, _MOST_TEXT = 50, 300
_PERSONAL = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{2,4}"  # dates
    r"|[\w.+-]+@[\w.-]+"  # addresses
    r"|\b[A-Za-z]{0,4}-?\d{4,}[\w-]*"  # numbers that may be somebody's
    r"|\b(?:Patient|Coverage|RelatedPerson|Practitioner|Encounter)/[A-Za-z0-9.-]+"
    r"|'[^']*'|\"[^\"]*\""  # quoted values
)


@dataclass(frozen=True, slots=True)
class Logged:
    """One report as its readers see it."""

    questionnaires: tuple[str, ...]
    issues: tuple[Element, ...]


def scrubbed(written: str) -> str:
    """``written`` without what may tell who somebody is."""
    return _PERSONAL.sub("[...]", written)[:_MOST_TEXT]


def read_report(resource: Resource) -> Logged:
    """Take a body apart. Raises FhirError(400)."""
    faults: list[Issue] = []
    named: list[str] = []
    issues: list[Element] = []
    if resource.get("resourceType") != "Parameters":
        kind = str(resource.get("resourceType"))[:64]
        said = f"$log-questionnaire-errors takes a Parameters resource, not a {kind}."
        raise FhirError(400, Issue("error", "invalid", said, kind, "not-parameters"))
    for _, wrapping in parameters(resource, "resource"):  # the 2.2.0 definition declares one parameter of this name
        inner = wrapping.get("resource")
        if isinstance(inner, dict) and inner.get("resourceType") == "Parameters":
            resource = inner
    for path, parameter in parameters(resource, "questionnaire"):
        value = next(
            (text(parameter.get(f"value{k}")) for k in ("Canonical", "Uri", "Url") if f"value{k}" in parameter), None
        )
        if value is None:
            faults.append(Issue("error", "required", "questionnaire needs valueCanonical.", path, "parameter-value"))
        else:
            named.append(value.strip()[:500])
    outcomes = list(parameters(resource, "operationOutcome", "outcome"))
    for path, parameter in outcomes:
        outcome = parameter.get("resource")
        if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
            said = "operationOutcome holds no OperationOutcome."
            faults.append(Issue("error", "required", said, f"{path}.resource", "parameter-resource"))
            continue
        issues.extend(_issue(issue) for issue in elements(outcome.get("issue"))[:_MOST_ISSUES])
    if not named and not faults:
        said = "Say which questionnaire the errors are about."
        faults.append(Issue("error", "required", said, "Parameters.parameter", "no-questionnaire"))
    if not outcomes:
        said = "operationOutcome is missing: what went wrong."
        faults.append(Issue("error", "required", said, "Parameters.parameter", "no-outcome"))
    if faults:
        raise FhirError(400, faults)
    return Logged(tuple(named), tuple(issues[:_MOST_ISSUES]))


def _issue(issue: Element) -> Element:
    details = issue.get("details")
    said = (text(details.get("text")) if isinstance(details, dict) else None) or text(issue.get("diagnostics")) or ""
    places = [scrubbed(place) for key in ("expression", "location") for place in _texts(issue.get(key))]
    return {
        "severity": str(issue.get("severity"))[:20],
        "code": str(issue.get("code"))[:40],
        "text": scrubbed(said),
        "expression": places[:5],
    }


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class ErrorLog:
    """The reports, by form."""

    store: Store
    tenant: str
    runtime: Runtime

    async def add(self, logged: Logged, client: str) -> None:
        """Keep one report. Raises the store's errors."""
        id, now = self.runtime.new_id(), self.runtime.now()
        names = [form_named(canonical)[0] for canonical in logged.questionnaires]
        body = {
            "id": id,
            "at": instant(now),
            "client": client,
            "questionnaires": list(logged.questionnaires),
            "issues": list(logged.issues),
        }
        policies = sorted({name.removesuffix(ADAPTIVE_SUFFIX) for name in names})
        params = {"policy": policies, "client": [client]}
        audit = Audit("questionnaire-error", client, ",".join(policies)[:200], now)
        commit = Commit(tenant=self.tenant, puts=[Put(LOGGED, id, json.dumps(body), params, expect=0)], audit=[audit])
        await self.store.commit(commit)

    async def newest(self, policy: str | None = None, limit: int = 50) -> list[Element]:
        """The newest reports, about the forms of one policy or of all, for their owner."""
        params = [Param("policy", [policy])] if policy is not None else []
        page = await self.store.search(self.tenant, LOGGED, params, limit=limit)
        return [json.loads(document.body) for document in page.documents]
