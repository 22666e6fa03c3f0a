"""Whether an item is enabled by the answers so far. Source: FHIR R4 Questionnaire.item.enableWhen.

``enableWhenExpression`` is for the client, which has the chart: here such an item counts as enabled and never as owed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from precert.dtr import urls
from precert.fhir.extension import extension
from precert.fhir.types import Element, elements
from precert.policy.evidence import number

Answers = Mapping[str, Sequence[Any]]
"""The values that were answered, by linkId, as ``value[x]`` has them."""

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def conditional(item: Element) -> bool:
    """Whether only the client can tell if the item is shown."""
    return extension(item, urls.ENABLE_WHEN_EXPRESSION) is not None


def enabled(item: Element, answers: Answers) -> bool:
    """Whether the item's conditions hold."""
    conditions = elements(item.get("enableWhen"))
    if not conditions:
        return True
    met = (_met(condition, answers) for condition in conditions)
    return any(met) if item.get("enableBehavior") == "any" else all(met)


def _met(condition: Element, answers: Answers) -> bool:
    given = answers.get(str(condition.get("question")), ())
    wanted = next((value for key, value in condition.items() if key.startswith("answer")), None)
    said = str(condition.get("operator"))
    if said == "exists":
        return bool(given) is bool(wanted)
    compared = _COMPARED.get(said)
    if compared is None:
        return False
    return any(_holds(compared, one, wanted) for one in given)


def _holds(compared: Callable[[Any, Any], bool], given: Any, wanted: Any) -> bool:
    left, right = _comparable(given), _comparable(wanted)
    if isinstance(left, dict) and isinstance(right, dict):  # Codings: by the members that the condition names
        same = all(left.get(key) == right[key] for key in ("system", "code") if key in right)
        return same if compared is operator.eq else not same if compared is operator.ne else False
    try:
        return compared(left, right)
    except TypeError:  # not comparable is not met
        return False


def _comparable(value: Any) -> Any:
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    exact = number(value)
    return Decimal(exact) if exact is not None else value
