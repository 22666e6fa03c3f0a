"""Answers to a form, read and judged against it: right question, right type, an option that was offered, the right unit.

Source: DTR 2.2.0 spec-147, profile dtr-questionnaireresponse; FHIR QuestionnaireResponse. A number without a unit is
taken to be in the unit of its question, and said so; another unit is refused and never converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from precert.authorization.deciding.answers import DONE, canonical_of, form_named, questionnaire_answers
from precert.dtr.form import Form, Item
from precert.dtr.forms import Forms
from precert.dtr.reviewer_questions import is_reviewer_form
from precert.fhir.dates import instant
from precert.fhir.hidden import refusals
from precert.fhir.outcome import Issue, quoted
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.answer_reading import read_answer, untimely
from precert.policy.types import Answer


@dataclass(slots=True)
class Judged:
    """What was answered (linkId to answer), and what is wrong with it."""

    answers: dict[str, Answer] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)

    @property
    def faults(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.severity == "error"]

    def at(self, now: datetime) -> Judged:
        """The same as answers given now: of a form that is being filled in, whatever its draft says."""
        given = {name: replace(answer, authored=instant(now)) for name, answer in self.answers.items()}
        return replace(self, answers=given)

    def add(self, severity: str, code: str, rule: str, path: str, text: str) -> None:
        self.issues.append(Issue("error" if severity == "error" else "warning", code, text, path, rule))


def judge(form: Form, response: Resource, path: str, asked: Mapping[str, object] | None = None) -> Judged:
    """Read a response to ``form``. ``asked`` are the questions it could answer (default: all of the form)."""
    judged = Judged(issues=refusals(response, path))
    if judged.issues:  # nobody can tell what the answers mean
        return judged
    seen: set[str] = set()
    for item, where in _items(response, path):
        link_id = text(item.get("linkId"))
        if link_id is None:
            judged.add("error", "required", "link-id", f"{where}.linkId", "The item has no linkId.")
            continue
        given = item.get("answer")
        answers = given if isinstance(given, list) else [] if given is None else [given]
        question = form.items.get(link_id) if asked is None or link_id in asked else None
        if question is None:
            if answers or not _structural(form, link_id):
                said = f"{link_id[:64]!r} is no question of {form.id}|{form.version}{_asked_so_far(asked)}."
                judged.add("error", "not-found", "unknown-link-id", f"{where}.linkId", said)
            continue
        if link_id in seen and answers:
            said = f"{link_id} is answered twice; it takes one answer."
            judged.add("error", "structure", "answered-twice", where, said)
            continue
        if answers:
            seen.add(link_id)
            _one(question, answers, where, judged)
    bad = {issue.expression.split(".answer")[0] for issue in judged.faults if issue.expression}
    paths = {text(item.get("linkId")): where for item, where in _items(response, path)}
    for link_id, answer in questionnaire_answers(response, _where(response)):
        if link_id in seen and paths.get(link_id) not in bad:
            judged.answers[link_id] = answer
    return judged


def _where(response: Resource) -> str:
    return f"QuestionnaireResponse/{text(response.get('id')) or 'draft'}"


def _asked_so_far(asked: Mapping[str, object] | None) -> str:
    return "" if asked is None else " that was asked"


def _structural(form: Form, link_id: str) -> bool:
    """Groups, help texts and the closing line: they are there, and take no answer."""
    groups = {group.link_id for group in form.groups}
    return link_id in groups or link_id == "closing" or link_id.removesuffix("-help") in form.items


def _items(response: Resource, path: str) -> Iterator[tuple[Element, str]]:
    """Every item however deep, with its path; groups may be left out by a sender."""
    stack: list[tuple[object, str]] = [(response.get("item"), f"{path}.item")]
    while stack:
        value, where = stack.pop()
        listed = value if isinstance(value, list) else [] if value is None else [value]
        for index, item in enumerate(listed):
            if isinstance(item, dict):
                here = f"{where}[{index}]"
                yield item, here
                stack.append((item.get("item"), f"{here}.item"))
                for at, answer in enumerate(elements(item.get("answer"))):
                    stack.append((answer.get("item"), f"{here}.answer[{at}].item"))


def _one(item: Item, answers: Sequence[Any], where: str, judged: Judged) -> None:
    if len(answers) > 1:
        said = f"{item.link_id} takes one answer; {len(answers)} came."
        judged.add("error", "structure", "too-many-answers", f"{where}.answer[1]", said)
        return
    path = f"{where}.answer[0]"
    reading = read_answer(item.rule, answers[0])
    for severity, found in (("error", reading.fault), ("warning", reading.warning)):
        if found is not None:
            judged.add(severity, found.code, found.rule, f"{path}.{found.at}" if found.at else path, found.said)


def _untimely(form: Form, response: Resource, path: str, now: datetime) -> Iterator[Issue]:
    """Answers that are not from the right time: each question says how old its answer may be."""
    authored = response.get("authored")
    written = None if authored is None else str(authored)
    old: list[str] = []
    for link_id, _ in questionnaire_answers(response, path):
        rule = form.items[link_id].rule if link_id in form.items else None
        late = untimely(written, rule.window, rule.within, now.date(), now) if rule is not None else None
        if late is not None and late.rule != "answer-too-old":
            yield Issue("warning", late.code, late.said, f"{path}.authored", late.rule)
            return
        if late is not None and rule is not None:
            old.append(f"{link_id} ({rule.within})")
    if old:
        said = f"Answered {str(written)[:40]}, which is too long ago for {', '.join(dict.fromkeys(old))}; answer again."
        yield Issue("warning", "business-rule", said, f"{path}.authored", "answer-too-old")


def answer_review(forms: Forms, now: Callable[[], datetime]) -> Callable[[Resource, str], list[Issue]]:
    """A judge of responses for the rooms that receive them. Answers to other people's forms are documents, and said so."""

    def review(response: Resource, path: str) -> list[Issue]:
        canonical = canonical_of(response)
        if canonical is None:
            said = "The response names no form. It is kept as a document; its answers do not count. Name the form."
            return [Issue("warning", "required", said, f"{path}.questionnaire", "form-not-named")]
        if is_reviewer_form(canonical):  # a person reads it; no rule does
            return []
        at = now()
        served = forms.answered(canonical, at.date())
        if served is None:
            said = f"No form of this payer is called {canonical[:200]!r}. It is kept as a document; its answers do not count."
            return [Issue("warning", "not-found", said, f"{path}.questionnaire", "unknown-form")]
        issues = [*judge(served.form, response, path).issues, *_untimely(served.form, response, path, at)]
        policy, version = served.form.policy, form_named(canonical)[1]
        newest = forms.catalogue().current(policy.id, at.date())
        if newest is not None and version not in (None, newest.version):
            said = f"The answers are to version {version} of {policy.id}; version {newest.version} is in effect."
            issues.append(Issue("warning", "business-rule", said, f"{path}.questionnaire", "form-retired"))
        return issues

    return review


def reviewed(
    review: Callable[[Resource, str], Sequence[Issue]],
) -> Callable[[Resource, str], list[Issue]]:
    """The same for a request that is not refused for its answers: what is wrong with one keeps it from counting."""

    def warnings(response: Resource, path: str) -> list[Issue]:
        issues = [replace(issue, severity="warning") for issue in review(response, path)]
        if response.get("status") not in DONE:
            said = f"The status is {quoted(response.get('status'))}; the answers count when it is 'completed'."
            issues.append(Issue("warning", "business-rule", said, f"{path}.status", "response-not-completed"))
        return issues

    return warnings
