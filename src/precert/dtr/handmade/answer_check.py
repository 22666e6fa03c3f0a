"""Answers to a hand-made form, held against its items: known question, right type, an option offered, not too many.

Source: DTR 2.2.0 spec-147; FHIR R4 Questionnaire.item. What a form demands beyond that (regular expressions, CQL
constraints) is for the client, which shows it while it is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from precert.fhir.dates import parse_date
from precert.fhir.outcome import Issue
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.evidence import number

Offered = Callable[[str], Sequence[Element] | None]
"""The codings of a value set by its canonical; ``None`` when it is not known here."""

_KEYS: dict[str, tuple[str, ...]] = {
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal", "valueInteger"),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding",),
    "open-choice": ("valueCoding", "valueString"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}
_PLAIN: dict[str, Callable[[Any], bool]] = {
    "valueBoolean": lambda value: isinstance(value, bool),
    "valueDecimal": lambda value: number(value) is not None,
    "valueInteger": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "valueDate": lambda value: isinstance(value, str) and parse_date(value) is not None,
    "valueDateTime": lambda value: isinstance(value, str) and parse_date(value[:10]) is not None,
    "valueTime": lambda value: isinstance(value, str),
    "valueString": lambda value: text(value) is not None,
    "valueUri": lambda value: text(value) is not None,
}


@dataclass(slots=True)
class FormReading:
    """The values by linkId, and what is wrong."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    faults: list[Issue] = field(default_factory=list)

    def fault(self, code: str, rule: str, path: str, said: str) -> None:
        self.faults.append(Issue("error", code, said, path, rule))


def judged(items: Mapping[str, Element], response: Resource, path: str, offered: Offered) -> FormReading:
    """Read ``response`` to a form whose items, by linkId, are ``items``."""
    found = FormReading()
    for item, where in _answered_items(response, path):
        link_id = str(item.get("linkId"))
        question = items.get(link_id)
        answers = item.get("answer")
        given = answers if isinstance(answers, list) else [] if answers is None else [answers]
        if question is None and link_id == "closing" and not given:
            continue  # the line that ends an adaptive form, echoed
        if question is None:
            said = f"{link_id[:64]!r} is no question that was asked."
            found.fault("not-found", "unknown-link-id", f"{where}.linkId", said)
        elif given and question.get("type") in ("group", "display"):
            said = f"{link_id} is a {question['type']}; it takes no answer."
            found.fault("structure", "no-question", f"{where}.answer", said)
        elif given and (link_id in found.values or len(given) > 1) and question.get("repeats") is not True:
            rule = "answered-twice" if link_id in found.values else "too-many-answers"
            found.fault("structure", rule, where, f"{link_id} takes one answer.")
        else:
            for position, answer in enumerate(given):
                _one(question, answer, f"{where}.answer[{position}]", found, offered)
    return found


def _answered_items(response: Resource, path: str) -> Iterator[tuple[Element, str]]:
    """Every item however deep, with its path."""
    for index, item in enumerate(elements(response.get("item"))):
        here = f"{path}.item[{index}]"
        yield item, here
        yield from _answered_items(item, here)
        for at, answer in enumerate(elements(item.get("answer"))):
            yield from _answered_items(answer, f"{here}.answer[{at}]")


def _one(question: Element, answer: Any, where: str, found: FormReading, offered: Offered) -> None:
    link_id, kind = str(question["linkId"]), str(question.get("type"))
    keys = [key for key in answer if key.startswith("value")] if isinstance(answer, dict) else []
    if len(keys) != 1:
        found.fault("required", "no-value", where, f"The answer to {link_id} has no single value.")
        return
    key, value = keys[0], answer[keys[0]]
    options = elements(question.get("answerOption"))
    allowed = {*_KEYS.get(kind, ()), *(k for option in options for k in option if k.startswith("value"))}
    plain = _PLAIN.get(key, lambda given: isinstance(given, dict))
    if key not in allowed or not plain(value):
        said = f"{link_id} is a question of type {kind}; {key} does not answer it."
        found.fault("value", "wrong-type", f"{where}.{key}", said)
    elif kind == "choice" and not _offers(question, options, key, value, offered):
        found.fault("code-invalid", "not-an-option", f"{where}.{key}", f"This answer is not offered for {link_id}.")
    else:
        found.values.setdefault(link_id, []).append(value)


def _offers(question: Element, options: Sequence[Element], key: str, value: Any, offered: Offered) -> bool:
    if options:
        return any(key in option and _same(option[key], value) for option in options)
    members = offered(str(question["answerValueSet"])) if question.get("answerValueSet") else None
    return members is None or any(_same(member, value) for member in members)


def _same(option: Any, value: Any) -> bool:
    """Codings by system and code, References by what they lead to, everything else as it is."""
    if not isinstance(option, dict) or not isinstance(value, dict):
        return bool(option == value)
    keys = ("system", "code") if "code" in option else ("reference",) if "reference" in option else ("identifier",)
    return all(option.get(key) == value.get(key) for key in keys)
