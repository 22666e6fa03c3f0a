"""``$next-question``: a response with its form in, the same with the next questions out.

The form inside the response says by an identifier what it was opened for (a case or assertion, or a service); that and
the answers are all that the step depends on, so that any step can be repeated. Source: DTR 2.2.0 and 2.0.1, SDC
Questionnaire/$next-question.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from precert.authorization.deciding.answers import answer_key, canonical_of, contained_form, form_named, merged
from precert.authorization.deciding.decide import line_context
from precert.authorization.deciding.response_versions import CONTEXT
from precert.authorization.usecases.dependencies import AuthorizationService, bound_versions
from precert.dtr import urls
from precert.dtr.adaptive import Step, bare_context, evaluation, next_step
from precert.dtr.answers import Judged, judge
from precert.dtr.artifacts import renderer
from precert.dtr.asked import parameters
from precert.dtr.completion import Completion
from precert.dtr.form import Form
from precert.dtr.forms import Forms, Served
from precert.dtr.questionnaire import Renderer, Site
from precert.dtr.shape import Shape
from precert.fhir.outcome import FhirError, Issue, bad_request, quoted
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.types import LineContext

_INPUTS = ("questionnaire-response", "questionnaire-response-in", "QuestionnaireResponse")
_OPEN = ("in-progress", "completed", "amended")


def read_response(resource: Resource) -> tuple[Resource, str]:
    """The QuestionnaireResponse of a body, bare or in Parameters, and its FHIRPath. Raises FhirError(400)."""
    if resource.get("resourceType") == "QuestionnaireResponse":
        return resource, "QuestionnaireResponse"
    if resource.get("resourceType") == "Parameters":
        for path, parameter in parameters(resource, *_INPUTS):
            response = parameter.get("resource")
            if isinstance(response, dict) and response.get("resourceType") == "QuestionnaireResponse":
                return response, f"{path}.resource"
    raise bad_request(
        "$next-question takes a QuestionnaireResponse, bare or as the parameter questionnaire-response.",
        str(resource.get("resourceType"))[:64],
        rule="no-response",
    )


@dataclass(frozen=True, slots=True)
class Interviewer:
    """Asks the next questions. Nothing is stored but what a form that CRD had asked for came to."""

    service: AuthorizationService
    forms: Forms
    completion: Completion | None = None

    async def step(self, response: Resource, path: str, shape: Shape, site: Site) -> Resource:
        """The response with its form extended, or completed. Raises FhirError (400 for bad answers, 404)."""
        form, contained = self._form(response, path)
        asked = _asked(contained, form)
        judged = judge(form, response, path, asked).at(self.service.runtime.now())
        if response.get("status") not in _OPEN:
            said = f"The status is {quoted(response.get('status'))}; send the response while it is 'in-progress'."
            judged.add("error", "value", "status", f"{path}.status", said)
        if judged.faults:
            raise FhirError(400, judged.faults)
        context = await self._context(contained, judged, form)
        rules = self.forms.catalogue()
        step = next_step(form, context, asked, shape, rules)
        if step.unanswered:
            raise FhirError(400, [_unanswered(name, path) for name in step.unanswered])
        render = renderer(Served(form, "adaptive"), shape, site)
        answer = _answer(response, contained, [*asked, *step.ask], step, render)
        if step.ended is None or self.completion is None:
            return answer
        opened = _opened(contained).get(CONTEXT)
        return await self.completion.stated(answer, opened, form, evaluation(form, context, rules), shape, site)

    def _form(self, response: Resource, path: str) -> tuple[Form, Resource]:
        contained = contained_form(response)
        canonical = canonical_of(response)
        if contained is None:
            text_ = "The response contains no Questionnaire. Send the one of the package, or of the step before."
            raise bad_request(text_, f"{path}.contained", code="required", rule="no-form")
        if canonical is None:
            text_ = "The contained Questionnaire does not say which form it is. Keep the derivedFrom or the url it came with."
            raise bad_request(text_, f"{path}.contained", code="required", rule="no-form")
        served = self.forms.by_name(*form_named(canonical), self._today())
        if served is None:
            text_ = f"No adaptive form of this payer is called {canonical[:200]!r}."
            raise FhirError(404, Issue("error", "not-found", text_, f"{path}.contained", "unknown-questionnaire"))
        return served.form, contained

    def _today(self) -> date:
        return self.service.runtime.now().date()

    async def _context(self, contained: Resource, judged: Judged, form: Form) -> LineContext:
        """What the rules may read: the case the form was opened for, or the bare service."""
        now = self.service.runtime.now()
        opened = _opened(contained)
        context = opened.get(CONTEXT)
        found = await self.service.case(context) if context is not None else None
        if found is not None:
            case = found[0]
            own = [line for line in case.ordered if line.questions is not None and line.questions.policy == form.id]
            line = (own or case.ordered)[0]
            submission = await self.service.submission_of(case)
            told = {answer_key(form.id, link_id): answer for link_id, answer in judged.answers.items()}
            submission = replace(submission, answers=merged(submission.answers, told))
            who = self.service.who(submission, now)
            ask, rules = submission.ask(line.requested), self.service.rules()
            return line_context(ask, submission.subject, who, rules, now.date(), bound=bound_versions(case), at=now)
        return bare_context(opened.get(urls.SERVICE_IDENTIFIER), judged.answers, now.date())


def _opened(contained: Resource) -> dict[Any, str | None]:
    """What the form was opened for: identifiers by system."""
    return {i.get("system"): text(i.get("value")) for i in elements(contained.get("identifier"))}


def _asked(contained: Resource, form: Form) -> dict[str, None]:
    """The questions that the form in the response holds, in its order."""
    found: dict[str, None] = {}
    stack = list(reversed(elements(contained.get("item"))))
    while stack:
        item = stack.pop()
        link_id = text(item.get("linkId"))
        if link_id in form.items:
            found[str(link_id)] = None
        stack.extend(reversed(elements(item.get("item"))))
    return found


def _unanswered(name: str, path: str) -> Issue:
    text_ = f"{name} has to be answered before the form can go on."
    return Issue("error", "required", text_, f"{path}.item", "missing-answer")


def _answer(response: Resource, contained: Resource, asked: list[str], step: Step, render: Renderer) -> Resource:
    """The response as it came, with its form made anew; what the client keeps in it (ids, links) stays."""
    seed = f"{render.site.questionnaire(render.form.adaptive_id)}#{text(response.get('id')) or ''}"
    made = render.contained(asked, str(uuid.uuid5(uuid.NAMESPACE_URL, seed)), [])
    kept: Element = {key: contained[key] for key in ("id", "url", "identifier") if key in contained}
    if "url" not in made:
        kept.pop("url", None)
    fresh = _placed(made, kept)
    if step.ended is not None and (closing := render.shape.closing(step.ended)) is not None:
        fresh["item"] = [*fresh.get("item", []), closing]
    others = [c for c in elements(response.get("contained")) if c is not contained]
    answer = {**response, "contained": [fresh, *others]}
    answer["questionnaire"] = f"#{fresh['id']}"
    if step.ended is not None:
        answer["status"] = "completed"
    return answer


def _placed(made: Resource, kept: Element) -> Resource:
    """``made`` with the members of ``kept``; an identifier stands before the version, as FHIR orders them."""
    placed: Resource = {}
    for key, value in made.items():
        if key == "version" and "identifier" in kept:
            placed["identifier"] = kept["identifier"]
        placed[key] = kept.get(key, value)
    return placed
