"""What a reviewer asks in their own words, as a form of its own with one text answer.

The form of a policy is the same for all; this one is of a single request and goes only to who sent that request. No rule
reads its answer: a reviewer does. Source: DTR 2.2.0 spec-108..110 (context), profile dtr-std-questionnaire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from precert.authorization.deciding.answers import form_named
from precert.authorization.record.case import REVIEWER_FORM, REVIEWER_LINK, OpenQuestions, is_note
from precert.dtr import urls
from precert.dtr.artifacts import Artifacts
from precert.dtr.form import Group, Item
from precert.dtr.origin import Origin
from precert.dtr.questionnaire import Site, entry_mode, patient_context
from precert.dtr.shape import Shape
from precert.fhir.dates import instant
from precert.fhir.types import Resource
from precert.policy.answer_reading import QuestionRule
from precert.security.identity import Client

_TITLE = "A question of the reviewer"
_VERSION = "1"


def is_reviewer_form(canonical: str) -> bool:
    """Whether a canonical is that of such a form."""
    return form_named(canonical)[0].startswith(REVIEWER_FORM)


def asked_in_words(origin: Origin | None, client: Client) -> Iterator[OpenQuestions]:
    """The open lists behind a context that hold such a question; none for anybody but the sender of the request."""
    if origin is not None and origin.case is not None and origin.case.opened.submitter == client.id:
        yield from (line.worded for line in origin.lines if line.worded is not None)


@dataclass(frozen=True, slots=True)
class ReviewerForm:
    """One question in words, as :class:`precert.dtr.form.Questions`."""

    asked: OpenQuestions

    @property
    def text(self) -> str:
        return " ".join(str(q["text"]) for q in self.asked.questions if is_note(q))

    @property
    def groups(self) -> Sequence[Group]:
        rule = QuestionRule(REVIEWER_LINK, "text")
        return (Group("clinical", (Item(rule, self.text, "clinical", False, 1),)),)

    @property
    def items(self) -> Mapping[str, Item]:
        return {REVIEWER_LINK: self.groups[0].items[0]}

    def artifacts(self, shape: Shape, site: Site) -> Artifacts:
        """The form on the wire: a Questionnaire without library or value sets."""
        name = f"{REVIEWER_FORM}{self.asked.id}"
        at = instant(self.asked.asked)
        questionnaire: Resource = {
            "resourceType": "Questionnaire",
            "id": urls.fhir_id(name),
            "meta": {"lastUpdated": at, "profile": [urls.STANDARD]},
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(self.text)}</p></div>',
            },
            "extension": [*shape.root_extensions(self), patient_context(), entry_mode("random")],
            "url": site.questionnaire(name),
            "version": _VERSION,
            "name": "ReviewerQuestion",
            "title": _TITLE,
            "status": "active",
            "subjectType": ["Patient"],
            "date": at,
            "item": [
                {
                    "linkId": f"group-{REVIEWER_LINK}",
                    "text": _TITLE,
                    "type": "group",
                    "item": [
                        {
                            "linkId": REVIEWER_LINK,
                            "text": self.text,
                            "type": "text",
                            "required": False,
                            "repeats": False,
                        }
                    ],
                }
            ],
        }
        return Artifacts(questionnaire, (), ())
