"""What a finished adaptive form came to: coverage-information on the response, where CRD had asked for the answers.

Only a form that was opened by a coverage-assertion-id carries one (spec-43; 2.0.1 requirements 52, 53): CRD has spoken
then, and the answers are what it could not get. A form opened by a pended request never does, so that no
``satisfied-pa-id`` can leave here (spec-42), and none is issued anyway: an authorization comes from a submitted request.
The statement is kept as an assertion of its own, under an id that follows from the one it completes; a later
completion for the same order takes its place (spec-45). Beyond that nothing of a call is kept (sec-10).
Source: DTR 2.2.0 spec-33, spec-41..45, CRD ext-coverage-information 2.2.1 and 2.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from precert.dtr import urls
from precert.dtr.form import Form
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.coverage_information import COVERAGE_INFORMATION, CoverageInfo, PaNeeded, Reason
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.explain import explain_evaluation
from precert.policy.types import Evaluation, Outcome
from precert.policy.withheld import RULES_UNAVAILABLE
from precert.runtime import Runtime
from precert.store.port import Commit, Put, Store

_REASONS = {
    Outcome.APPROVE: "As answered, the plan's criteria are met. The request will be approved when it is submitted (PAS).",
    Outcome.NO_AUTH: "As answered, no authorization is needed.",
    Outcome.NOT_APPLICABLE: "As answered, no authorization is needed.",
    Outcome.PEND_INFO: "Questions were left open. The request can be sent; it will wait for their answers.",
    Outcome.REFER_NURSE: "As answered, the plan's criteria are met; a reviewer confirms it after the request is submitted.",
}
_REVIEW = "The plan's reviewer looks at the request after it is submitted."
_FREE = (Outcome.NO_AUTH, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Completion:
    """States and keeps what completed forms came to; one per server."""

    store: Store
    tenant: str
    runtime: Runtime

    async def stated(
        self, answer: Resource, opened: str | None, form: Form, found: Evaluation, shape: Shape, site: Site
    ) -> Resource:
        """``answer`` with coverage-information, if the form was opened by the assertion ``opened`` and bears on it.

        Raises the store's errors.
        """
        document = await self.store.get(self.tenant, "Assertion", opened) if opened is not None else None
        if document is None:
            return answer
        asserted: Element = json.loads(document.body)
        line = _line(asserted, form)
        if line is None or line.get("covered") != "covered":
            return answer
        first = str(asserted.get("completes") or asserted["id"])  # the one of the hook, whoever completed it before
        id = f"{first}.{urls.fhir_id(form.id)}"
        pa_needed = needed(found.outcome, line)
        info = _said(asserted, found, pa_needed, id, self.runtime.now().date(), form, site)
        put = self._document(info, first, asserted, line, found)
        await self.store.commit(Commit(tenant=self.tenant, puts=[put]))
        return {**answer, "extension": [*_others(answer, asserted), shape.coverage_information(info)]}

    def _document(self, info: CoverageInfo, first: str, asserted: Element, line: Element, found: Evaluation) -> Put:
        """The explanation that ``/explain/{id}`` serves, in the contract's shape."""
        now = instant(self.runtime.now())
        body = {
            **asserted,
            "id": info.assertion,
            "assertion": info.assertion,
            "completes": first,
            "received": now,
            "lines": [
                {
                    **line,
                    **explain_evaluation(found),
                    "decision": info.pa_needed,
                    "reasons": [reason.text for reason in info.reasons],
                    "questions": [],
                    "events": [{"at": now, "event": "next-question", "actor": "system", "by": "precert"}],
                }
            ],
        }
        return Put("Assertion", info.assertion, json.dumps(body), {"completes": [first]})


def needed(outcome: Outcome, line: Element) -> PaNeeded:
    """What coverage-information says in ``pa-needed`` when the form of one policy has come to ``outcome``.

    ``line`` is the order as the hook explained it. Where it had considered more policies than that one, the others may
    still want authorization: one form alone frees nobody.
    """
    alone = len(elements(line.get("considered"))) <= 1
    return "no-auth" if outcome in _FREE and alone else "auth-needed"


def _line(asserted: Element, form: Form) -> Element | None:
    """The order that the form was asked for: the one about which its policy still had questions."""
    for line in elements(asserted.get("lines")):
        policies = {line.get("policy"), *(one.get("policy") for one in elements(line.get("considered")))}
        if form.id in policies and (line.get("missing") or line.get("questions")):
            return line
    return None


def _said(
    asserted: Element, found: Evaluation, pa_needed: PaNeeded, id: str, today: date, form: Form, site: Site
) -> CoverageInfo:
    """What is said of the order that the form was asked for, under the assertion ``id``."""
    lacking = found.reason_code == RULES_UNAVAILABLE
    info = CoverageInfo(
        coverage=str(asserted["coverage"]),
        covered="covered",
        assertion=id,
        date=today,
        pa_needed=pa_needed,
        reasons=(Reason(found.reason if lacking else _REASONS.get(found.outcome, _REVIEW)),),
    )
    if found.outcome is not Outcome.PEND_INFO or not found.missing:
        return info
    who = dict.fromkeys(item.who for name in found.missing if (item := form.items.get(name)) is not None)
    return replace(info, doc_needed=tuple(who), questionnaires=(f"{site.questionnaire(form.id)}|{form.version}",))


def _others(answer: Resource, asserted: Element) -> list[Element]:
    """The response's extensions without what an earlier completion said about the same coverage."""

    def about(extension: Element) -> str | None:
        parts = elements(extension.get("extension"))
        reference = next((part.get("valueReference") for part in parts if part.get("url") == "coverage"), None)
        return text(reference.get("reference")) if isinstance(reference, dict) else None

    return [
        extension
        for extension in elements(answer.get("extension"))
        if extension.get("url") != COVERAGE_INFORMATION or about(extension) != asserted.get("coverage")
    ]
