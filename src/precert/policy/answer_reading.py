"""The one reader of answers: what an answer to a question is, or why it is none.

What the server warns about (:mod:`precert.dtr.answers`) and what decides (:mod:`precert.policy.facts`) are the same
reading, so an answer that is called invalid can never decide. Source: FHIR R4 QuestionnaireResponse.item.answer.value[x]
(https://hl7.org/fhir/R4/questionnaireresponse.html), DTR 2.2.0 spec-147, docs/policies.md ("answers").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from precert.fhir.moments import Moment
from precert.fhir.types import Element, text
from precert.policy import units
from precert.policy.evidence import number
from precert.policy.model import Fact
from precert.policy.periods import Window
from precert.policy.ranges import bounds
from precert.policy.types import Answer

Kind = Literal["boolean", "decimal", "integer", "date", "text", "choice", "quantity"]

ANSWER_WINDOW = "1 year"
"""How old answers may be when neither the question (``ask.within``) nor the fact (``within``) says so."""
_WINDOW = Window.parse(ANSWER_WINDOW)
ANSWERS = "urn:precert:answers:"
"""What the code system of a choice's answers begins with; policy and question follow."""
VALUE_OF: Mapping[Kind, str] = {
    "boolean": "valueBoolean",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "date": "valueDate",
    "text": "valueString",
    "choice": "valueCoding",
    "quantity": "valueQuantity",
}
"""The ``value[x]`` of an answer to a question of each kind."""
_BARE_NUMBERS = ("valueDecimal", "valueInteger")


@dataclass(frozen=True, slots=True)
class QuestionRule:
    """What an answer to one question has to be. ``low`` and ``high`` are what can be at all, both included."""

    link_id: str
    kind: Kind
    unit: str | None = None
    options: tuple[str, ...] = ()
    low: Decimal | None = None
    high: Decimal | None = None
    within: str = ANSWER_WINDOW
    window: Window = _WINDOW

    @classmethod
    def of(cls, name: str, fact: Fact) -> QuestionRule | None:
        """The rule for the fact's question; ``None`` when it asks none."""
        ask = fact.ask
        if ask is None:
            return None
        unit = fact.unit if ask.unit is None else ask.unit or None  # unit: "" asks for a plain number
        unit = None if unit is None or units.canonical(unit) == "1" else unit  # a plain number
        kind: Kind = "quantity" if ask.type == "decimal" and unit is not None else ask.type
        low, high = bounds(fact) if kind in ("decimal", "integer", "quantity") else (None, None)
        within = ask.within or fact.within or ANSWER_WINDOW
        return cls(name, kind, unit, ask.options, low, high, within, Window.parse(within))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer says nothing: the rule's id (docs/errors.md), the FHIR issue type, the sentence, and where it stands."""

    rule: str
    code: str
    said: str
    at: str = ""  # below the answer: "valueString"


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer, read: its plain value, or the fault. ``warning`` is what was taken for granted."""

    value: Any = None
    fault: Fault | None = None
    warning: Fault | None = None


def read_answer(rule: QuestionRule, answer: object) -> Reading:
    """Read one ``answer`` element. Never raises."""
    keys = [key for key in answer if key.startswith("value")] if isinstance(answer, dict) else []
    if not isinstance(answer, dict) or len(keys) != 1:
        return _unusable("no-value", "required", f"The answer to {rule.link_id} has no single value.", "")
    key, wanted = keys[0], VALUE_OF[rule.kind]
    if key != wanted and not (rule.kind in ("decimal", "quantity") and key in _BARE_NUMBERS):
        said = f"{rule.link_id} is a question of type {rule.kind}: answer with {wanted}, not {key}."
        return _unusable("wrong-type", "value", said, key)
    value = answer[key]
    if rule.kind == "boolean":
        return Reading(value) if isinstance(value, bool) else _wrong(rule, key, "is not true or false")
    if rule.kind == "text":
        return Reading(value) if text(value) else _wrong(rule, key, "is no text")
    if rule.kind == "date":
        day = Moment.parse(value)
        whole = day is not None and day.whole_day and day.clock is None
        return Reading(value) if whole else _wrong(rule, key, "is not a date with year, month and day")
    if rule.kind == "choice":
        return _choice(rule, value, key)
    return _number(rule, value, key)


def _unusable(rule: str, code: str, said: str, at: str) -> Reading:
    return Reading(fault=Fault(rule, code, said, at))


def _wrong(rule: QuestionRule, key: str, problem: str) -> Reading:
    return _unusable("wrong-type", "value", f"The answer to {rule.link_id} {problem}.", key)


def _choice(rule: QuestionRule, value: object, key: str) -> Reading:
    coding: Element = value if isinstance(value, dict) else {}
    code, system = text(coding.get("code")), coding.get("system")
    ours = system is None or (
        isinstance(system, str) and system.startswith(ANSWERS) and system.endswith(f":{rule.link_id}")
    )
    if code in rule.options and ours:
        return Reading(code)
    offered = ", ".join(rule.options[:12])
    which = str(code)[:40] if ours else f"{str(system)[:80]}|{str(code)[:40]}"
    said = f"{which!r} is not offered for {rule.link_id}. Choose one of: {offered}."
    return _unusable("not-an-option", "code-invalid", said, key)


def _number(rule: QuestionRule, value: object, key: str) -> Reading:
    whole = rule.kind == "integer"
    plain = isinstance(value, dict) == (key == VALUE_OF["quantity"])  # an object if it is a Quantity, else none
    exact = number(value.get("value") if isinstance(value, dict) else value)
    if not plain or exact is None or (whole and exact != int(exact)):
        return _wrong(rule, key, "is not a whole number" if whole else "is not a number")
    warning: Fault | None = None
    if rule.kind == "quantity":
        found = _unit(rule, value if isinstance(value, dict) else {}, key)
        if found is not None and found.rule != "unit-missing":
            return Reading(fault=found)
        warning = found
    if (rule.low is not None and exact < rule.low) or (rule.high is not None and exact > rule.high):
        unit = f" {rule.unit}" if rule.unit else ""
        if rule.low is None or rule.high is None:
            lies = f"is at least {rule.low}{unit}" if rule.low is not None else f"is at most {rule.high}{unit}"
        else:
            lies = f"lies between {rule.low} and {rule.high}{unit}"
        return _unusable("out-of-range", "value", f"{rule.link_id} is {exact}{unit}; it {lies}.", key)
    return Reading(exact, warning=warning)


def _unit(rule: QuestionRule, quantity: Element, key: str) -> Fault | None:
    """What is wrong with the unit; a missing one (``unit-missing``) is only worth a warning."""
    if quantity.get("comparator") is not None:
        said = f"{rule.link_id} needs a value, not only a bound ({str(quantity['comparator'])[:4]})."
        return Fault("comparator", "value", said, key)
    assert rule.unit is not None  # a question of the kind quantity has one
    unit, unclear = units.unit_of(quantity)
    if unclear is not None:
        return Fault("unit-mismatch", "value", f"The answer to {rule.link_id} {unclear}; write {rule.unit}.", key)
    if unit is None:
        said = f"The answer to {rule.link_id} has no unit; it is taken to be in {rule.unit}."
        return Fault("unit-missing", "incomplete", said, key)
    if units.factor(unit, rule.unit) != 1:
        said = f"{rule.link_id} is asked in {rule.unit}, the answer is in {unit[:40]}. Convert it and send it again."
        return Fault("unit-mismatch", "value", said, key)
    return None


def untimely(
    authored: str | None, window: Window, within: str, received: date, instant: datetime | None = None
) -> Fault | None:
    """Why answers of that time do not count, or ``None``: they are from the window that ends on the day of receipt.

    In: ``authored`` as the response says it; DTR makes it mandatory (dtr-questionnaireresponse, 1..1).
    ``instant`` is when it was received, on the day ``received``: what names a time of day is compared with it.
    """
    if authored is None:
        said = "The response does not say when it was authored, so its answers do not count. Add authored."
        return Fault("authored-missing", "required", said)
    at = Moment.parse(authored)
    if at is None:
        return Fault(
            "authored-missing", "value", f"authored {authored[:40]!r} is not a dateTime; its answers do not count."
        )
    if at.ahead(received, instant):
        said = f"The response was authored {authored[:40]}, after it was received; its answers do not count."
        return Fault("authored-future", "business-rule", said)
    if at.within(window.first_day(received), max(received, at.first)) is not True:
        said = f"was answered {authored[:40]}, which is not within the last {within}; answer it again."
        return Fault("answer-too-old", "business-rule", said)
    return None


def element_of(answer: Answer, kind: Kind) -> Element:
    """The ``answer`` element behind an answer; one is made for a plain value, as embedded tests give it."""
    if answer.given is not None:
        return answer.given
    value = answer.value
    if answer.unit is not None:
        return {"valueQuantity": {"value": value, "unit": answer.unit, "code": answer.unit}}
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int):
        return {"valueInteger": value}
    if not isinstance(value, str):
        return {"valueDecimal": value}
    if kind == "choice":
        return {"valueCoding": {"code": value}}
    return {"valueDate" if kind == "date" else "valueString": value}
