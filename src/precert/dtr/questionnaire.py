"""A form as Questionnaire resources: standard, the adaptive shell of a package, and the form inside an adaptive response.

Source: profiles dtr-std-questionnaire, dtr-questionnaire-adapt-search, dtr-questionnaire-adapt (2.2.0 and 2.0.1), SDC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from precert.dtr import urls
from precert.dtr.form import Form, Group, Item
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.types import Element, Resource
from precert.policy.answer_reading import ANSWERS, VALUE_OF
from precert.policy.question_conditions import Condition

MOST_OPTIONS = 10
"""Up to so many answers stand in the item itself; longer lists are value sets (spec-83)."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where this server is, as the client reached it."""

    root: str

    def base(self, shape: Shape) -> str:
        """The FHIR base of one version."""
        return f"{self.root}{shape.PREFIX}"

    def questionnaire(self, name: str) -> str:
        return urls.canonical(self.root, "Questionnaire", name)


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders one form in one version. ``populated`` maps each question that a chart can answer to its ELM,
    which ``library_name`` defines."""

    form: Form
    shape: Shape
    site: Site
    populated: Mapping[str, Element]
    library_name: str = ""

    def standard(self) -> Resource:
        """The whole form."""
        head = self._head(urls.STANDARD, self.form.id, self._root(self.form.id, "random"))
        return head | {"item": [self.group(group, self.form.items) for group in self.form.groups]}

    def shell(self, asked: Collection[str]) -> Resource:
        """The adaptive form of a package; with ``asked`` where the version wants its first questions in it."""
        id = self.form.adaptive_id
        head = self._head(urls.ADAPTIVE_SHELL, id, self._adaptive(id))
        return head | ({"item": self.groups(asked)} if self.shape.SHELL_ASKS and asked else {})

    def contained(self, asked: Collection[str], new_id: str, identifiers: list[Element]) -> Resource:
        """The form inside an adaptive response, with the questions asked so far."""
        id = self.form.adaptive_id
        whole = self._head(urls.ADAPTIVE, "form", self._adaptive(id))
        whole = {key: value for key, value in whole.items() if key not in ("url", "version")}
        whole["meta"] = {"profile": [urls.ADAPTIVE]}
        identity = self.shape.contained_identity(self.site.questionnaire(id), self.form.version, new_id)
        made: Resource = {}
        for key, value in whole.items():  # url, identifier and version stand where FHIR has them
            if key == "name":
                made |= {k: identity[k] for k in ("url",) if k in identity}
                made |= ({"identifier": identifiers} if identifiers else {}) | {"version": identity["version"]}
                made["name"] = value
            elif key == "title":
                made["title"] = value
                made["derivedFrom"] = identity["derivedFrom"]
            else:
                made[key] = value
        items = self.groups(asked)
        return made | ({"item": items} if items else {})

    def groups(self, asked: Collection[str]) -> list[Element]:
        """The groups of the questions ``asked``, in the order in which they were asked: what is new comes last."""
        who = dict.fromkeys(self.form.items[link_id].who for link_id in asked)
        groups = {group.who: group for group in self.form.groups}
        return [self.group(groups[one], asked) for one in who]

    def group(self, group: Group, asked: Collection[str]) -> Element:
        """One group with the questions ``asked`` of it."""
        items = [item for link_id in asked if (item := self.form.items[link_id]).who == group.who]
        return {
            "extension": [self.shape.support_link(f"{self.site.root}/policies/{self.form.id}")],
            "linkId": group.link_id,
            "text": group.title,
            "type": "group",
            "item": [self.question(item, asked) for item in items],
        }

    def question(self, item: Item, asked: Collection[str]) -> Element:
        """One question, with its condition when the questions it hangs on are asked too."""
        made: Element = {}
        if extensions := [*_limits(item), *self._initial(item)]:
            made["extension"] = extensions
        made |= {"linkId": item.link_id, "prefix": f"{item.number}.", "text": item.text, "type": item.kind}
        adaptive = asked is not self.form.items
        if item.shown is not None and not (adaptive and self.shape.ASKS_IN_WAVES):
            conditions = item.shown.conditions
            if all(condition.question in asked for condition in conditions):
                made["enableWhen"] = [_enable_when(c, self.form.items[c.question]) for c in conditions]
                if len(conditions) > 1:
                    made["enableBehavior"] = item.shown.behavior
        made |= {"required": item.required, "repeats": False}
        if item.options:
            made |= self._options(item)
        if help := _help(item):
            made["item"] = [help]
        return made

    def _options(self, item: Item) -> Element:
        if len(item.options) <= MOST_OPTIONS:
            return {"answerOption": [{"valueCoding": coding(self.form, item, option)} for option in item.options]}
        url = urls.canonical(self.site.root, "ValueSet", value_set_name(self.form, item), self.form.version)
        return {"answerValueSet": url}

    def _initial(self, item: Item) -> list[Element]:
        elm = self.populated.get(item.link_id)
        if elm is None:
            return []
        expression = {
            "extension": [
                {
                    "url": self.shape.ALTERNATIVE,
                    "valueExpression": {
                        "language": "application/elm+json",
                        "expression": json.dumps(elm).decode(),
                    },
                }
            ],
            "language": "text/cql",
            "expression": f'"{self.library_name}"."{item.link_id}"',
        }
        return [{"url": urls.INITIAL, "valueExpression": expression}]

    def _adaptive(self, id: str) -> list[Element]:
        return [{"url": urls.ADAPTIVE_AT, "valueUrl": self.site.base(self.shape)}, *self._root(id, "sequential")]

    def _root(self, id: str, mode: str) -> list[Element]:
        extensions = [*self.shape.root_extensions(self.form), patient_context(), entry_mode(mode)]
        if self.populated:
            library = urls.canonical(self.site.root, "Library", id)
            extensions.append(
                {"url": urls.CQF_LIBRARY, "valueCanonical": self.shape.library(library, self.form.version)}
            )
        if any(len(item.options) > MOST_OPTIONS for item in self.form.items.values()):
            extensions.append({"url": self.shape.TERMINOLOGY_SERVER, "valueUrl": self.site.base(self.shape)})
        return extensions

    def _head(self, profile: str, id: str, extensions: list[Element]) -> Resource:
        form, model = self.form, self.form.policy.model
        period: Element = {"start": model.effective.start.isoformat()}
        if model.effective.end is not None:
            period["end"] = model.effective.end.isoformat()
        return {
            "resourceType": "Questionnaire",
            "id": urls.fhir_id(id),
            "meta": {"lastUpdated": f"{form.changed.isoformat()}T00:00:00Z", "profile": [profile]},
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(form.title)}</p></div>',
            },
            "extension": extensions,
            "url": self.site.questionnaire(id),
            "version": form.version,
            "name": self.library_name or form.library_name,
            "title": form.title,
            "status": {"active": "active", "retired": "retired"}.get(model.status, "draft"),
            "subjectType": ["Patient"],
            "date": form.changed.isoformat(),
            "effectivePeriod": period,
        }


def patient_context() -> Element:
    """``launchContext``: the form is filled in about a patient."""
    return {
        "extension": [
            {"url": "name", "valueCoding": {"system": urls.LAUNCH_CONTEXTS, "code": "patient"}},
            {"url": "type", "valueCode": "Patient"},
        ],
        "url": urls.LAUNCH_CONTEXT,
    }


def entry_mode(mode: str) -> Element:
    """Whether the questions are answered in any order (``random``) or one after the other."""
    return {"url": urls.ENTRY_MODE, "valueCode": mode}


def value_set_name(form: Form, item: Item) -> str:
    """The value set of a question with many answers."""
    return f"{form.id}.{item.link_id}"


def coding(form: Form, item: Item, option: str) -> Element:
    """An answer of a choice; its code is the word that the criteria compare with."""
    return {"system": f"{ANSWERS}{form.id}:{item.link_id}", "code": option, "display": option}


def value(form: Form, item: Item, plain: Any) -> Any:
    """A plain value as the answer's ``value[x]``."""
    if item.kind == "choice":
        return coding(form, item, str(plain))
    if item.kind == "quantity":
        return quantity(plain, item.unit)
    return plain


def quantity(plain: Any, unit: str | None) -> Element:
    return {"value": plain, "unit": unit, "system": urls.UCUM, "code": unit}


def _limits(item: Item) -> list[Element]:
    """The unit of a question for a quantity, and what a number can be at all."""
    rule = item.rule
    ends = ((urls.MIN_QUANTITY, urls.MIN_VALUE, rule.low), (urls.MAX_QUANTITY, urls.MAX_VALUE, rule.high))
    if rule.kind == "quantity":
        unit = {"system": urls.UCUM, "code": rule.unit, "display": rule.unit}
        limits: list[Element] = [{"url": urls.UNIT_OPTION, "valueCoding": unit}]
        limits += [{"url": url, "valueQuantity": quantity(end, rule.unit)} for url, _, end in ends if end is not None]
        return limits
    if rule.kind == "integer":
        whole = ((url, end) for _, url, end in ends if end is not None and end == int(end))
        return [{"url": url, "valueInteger": int(end)} for url, end in whole]
    return [{"url": url, VALUE_OF[rule.kind]: end} for _, url, end in ends if end is not None]


def _enable_when(condition: Condition, earlier: Item) -> Element:
    made: Element = {"question": condition.question, "operator": condition.operator}
    if condition.operator == "exists":
        return made | {"answerBoolean": condition.answer}
    key = VALUE_OF[earlier.kind].replace("value", "answer", 1)
    answer = condition.answer
    if earlier.kind == "integer":
        answer = int(answer)
    elif earlier.kind == "quantity":
        answer = quantity(answer, earlier.unit)
    elif earlier.kind == "choice":
        answer = {"code": answer}
    return made | {key: answer}


def _help(item: Item) -> Element | None:
    said = [item.help] if item.help else []
    if item.cites:
        more = len(item.cites) - 2
        said.append("Needed for: " + "; ".join(item.cites[:2]) + (f"; and {more} more" if more > 0 else "") + ".")
    if not said:
        return None
    control = {"coding": [{"system": urls.ITEM_CONTROLS, "code": "help"}]}
    return {
        "extension": [{"url": urls.ITEM_CONTROL, "valueCodeableConcept": control}],
        "linkId": f"{item.link_id}-help",
        "text": " ".join(said),
        "type": "display",
    }
