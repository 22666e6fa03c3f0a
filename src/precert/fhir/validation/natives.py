"""Invariants by hand: those in the hot path, and those that need more than the FHIRPath subset.

Each is keyed by the text of its expression (blanks collapsed), so a guide that words a rule differently is not judged
by ours. Values arrive as they are in the JSON; a malformed value is reported elsewhere and counts as satisfied here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from precert.fhir.validation.fastfunctions import order_of

Native = Callable[[Any, Any], bool]
"""(value, frame) → holds."""


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            yield item


def _extension_or_value(value: Any, frame: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return ("extension" in value) != any(key.startswith(("value", "_value")) for key in value)


def _no_nested_contained(value: Any, frame: Any) -> bool:
    return "contained" not in value or not any("contained" in inner for inner in _objects(value["contained"]))


def _contained_is_used(value: Any, frame: Any) -> bool:
    contained = value.get("contained")
    if not contained:
        return True
    links = {link for link in _links(value) if link.startswith("#")}
    return all(
        f"#{inner.get('id')}" in links or any(link == "#" for link in _links(inner)) for inner in _objects(contained)
    )


_NO_LINK = frozenset({"div", "id", "display", "text", "data", "value"})


def _links(value: Any) -> Iterator[str]:
    """Every string that may be a local link; iterative, for documents of any depth."""
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, dict):
            for key, member in top.items():
                if isinstance(member, str):
                    if key not in _NO_LINK:
                        yield member
                else:
                    stack.append(member)
        elif isinstance(top, list):
            for item in top:
                if isinstance(item, str):
                    yield item
                else:
                    stack.append(item)


def _contained_without(*names: str) -> Native:
    def test(value: Any, frame: Any) -> bool:
        if "contained" not in value:
            return True
        return not any(
            name in meta
            for inner in _objects(value["contained"])
            for meta in _objects(inner.get("meta"))
            for name in names
        )

    return test


def _has_narrative(value: Any, frame: Any) -> bool:
    text = value.get("text")
    return isinstance(text, dict) and "div" in text


def _local_reference(value: Any, frame: Any) -> bool:
    reference = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(reference, str) or reference[:1] != "#" or reference == "#":
        return True
    return reference[1:] in frame.contained


def _period(value: Any, frame: Any) -> bool:
    start, end = (value.get("start"), value.get("end")) if isinstance(value, dict) else (None, None)
    return start is None or end is None or (order_of(start, end) or 0) <= 0


def _range(value: Any, frame: Any) -> bool:
    low, high = (value.get("low"), value.get("high")) if isinstance(value, dict) else (None, None)
    return low is None or high is None or (order_of(low, high) or 0) <= 0


def _code_needs_system(value: Any, frame: Any) -> bool:
    return not isinstance(value, dict) or "code" not in value or "system" in value


def _full_date(value: Any, frame: Any) -> bool:
    return not isinstance(value, str) or len(value) == 10


def _at_least(length: int) -> Native:
    return lambda value, frame: not isinstance(value, str) or len(value) >= length


def _entries_have(name: str, types: frozenset[str]) -> Native:
    def test(value: Any, frame: Any) -> bool:
        wanted = value.get("type") in types
        return all((name in entry) is wanted for entry in _objects(value.get("entry")))

    return test


def _distinct_entries(value: Any, frame: Any) -> bool:
    if value.get("type") == "history":
        return True
    seen: set[tuple[Any, Any]] = set()
    for entry in _objects(value.get("entry")):
        url = entry.get("fullUrl")
        if not isinstance(url, str):
            continue
        version = None
        for resource in _objects(entry.get("resource")):
            for meta in _objects(resource.get("meta")):
                version = meta.get("versionId")
        key = (url, version if isinstance(version, str) else None)
        if key in seen:
            return False
        seen.add(key)
    return True


def _distinct_link_ids(value: Any, frame: Any) -> bool:
    seen: set[str] = set()
    stack = [value]
    while stack:
        top = stack.pop()
        for item in _objects(top.get("item")):
            link = item.get("linkId")
            if isinstance(link, str):
                if link in seen:
                    return False
                seen.add(link)
            stack.append(item)
        stack.extend(_objects(top.get("contained")))
    return True


def _distinct_answers(value: Any, frame: Any) -> bool:
    stack = list(_objects(value))
    while stack:
        top = stack.pop()
        links = [
            item.get("linkId")
            for item in _objects(top.get("item"))
            if any(key.startswith("value") for answer in _objects(item.get("answer")) for key in answer)
        ]
        if len({link for link in links if isinstance(link, str)}) != len(links):
            return False
        stack.extend(_objects(top.get("item")))
        stack.extend(_objects(top.get("answer")))
    return True


def _exists_is_boolean(value: Any, frame: Any) -> bool:
    return value.get("operator") != "exists" or "answerBoolean" in value


_NPI_PREFIX = 24
"""What the prefix 80840 of a full NPI adds to the Luhn sum."""


def _npi_check_digit(value: Any, frame: Any) -> bool:
    number = value.get("value") if isinstance(value, dict) else None
    if not isinstance(number, str) or len(number) != 10 or not (number.isascii() and number.isdigit()):
        return not isinstance(number, str)
    total = _NPI_PREFIX
    for position, digit in enumerate(map(int, number)):
        doubled = digit if position % 2 else digit * 2
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _checked_elsewhere(value: Any, frame: Any) -> bool:
    """Narrative and version checks that the walker makes on every value anyway."""
    return True


def _ucum_if_quantity(value: Any, frame: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() & {"value", "unit", "code"} or "coding" in value:
        return True  # another of the types that value[x] may have
    return value.get("system") in (None, "http://unitsofmeasure.org")


def _components_differ(value: Any, frame: Any) -> bool:
    if not any(key.startswith("value") for key in value):
        return True
    own = _codings(frame.resource)
    return not any(own & _codings(component) for component in _objects(value.get("component")))


def _codings(coded: dict[str, Any]) -> set[str]:
    return {
        json.dumps(coding, sort_keys=True, default=str)
        for concept in _objects(coded.get("code"))
        for coding in _objects(concept.get("coding"))
    }


def _on_behalf_of_practitioner(value: Any, frame: Any) -> bool:
    member = frame.resolve(value.get("member")) if "onBehalfOf" in value else None
    return member is None or member.get("resourceType") == "Practitioner"


def _sources(value: Any, frame: Any) -> bool:
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-QuestionnaireResponse.source"
    others = sum(1 for e in _objects(value.get("extension")) if e.get("url") == url)
    return ("source" in value) + others <= 1


def _adaptive_form(value: Any, frame: Any) -> bool:
    wanted = f"#{value.get('id')}"
    holders = [frame.root, *_objects(frame.root.get("contained"))]
    return any(h.get("resourceType") == "QuestionnaireResponse" and h.get("questionnaire") == wanted for h in holders)


_TRANSACTIONS = frozenset({"batch", "transaction", "history"})
_RESPONSES = frozenset({"batch-response", "transaction-response", "history"})
_TEN = "$this.toString().length() >= 10"
_DOM3 = "dom-3"

NATIVES: dict[str, Native] = {
    "extension.exists() != value.exists()": _extension_or_value,
    "contained.contained.empty()": _no_nested_contained,
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()": _contained_without(
        "versionId", "lastUpdated"
    ),
    "contained.meta.security.empty()": _contained_without("security"),
    "text.`div`.exists()": _has_narrative,
    "reference.startsWith('#').not() or (reference.substring(1).trace('url') in "
    "%rootResource.contained.id.trace('ids'))": _local_reference,
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": _period,
    "low.empty() or high.empty() or (low <= high)": _range,
    "code.empty() or system.exists()": _code_needs_system,
    "$this.toString().length() = 10": _full_date,
    "($this as dateTime).toString().length() >= 8": _at_least(8),
    "$this is DateTime implies " + _TEN: _at_least(10),
    "$this is dateTime implies " + _TEN: _at_least(10),
    "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or "
    "%resource.type = 'history'))": _entries_have("request", _TRANSACTIONS),
    "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or "
    "%resource.type = 'history'))": _entries_have("response", _RESPONSES),
    "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()": (
        _distinct_entries
    ),
    "descendants().linkId.isDistinct()": _distinct_link_ids,
    "repeat(answer|item).select(item.where(answer.value.exists()).linkId.isDistinct()).allTrue()": _distinct_answers,
    "(QuestionnaireResponse|repeat(answer|item)).select(item.where(answer.value.exists()).linkId.isDistinct())"
    ".allTrue()": _distinct_answers,
    "operator = 'exists' implies (answer is Boolean)": _exists_is_boolean,
    "ofType(Quantity).system.empty() or ofType(Quantity).system = 'http://unitsofmeasure.org'": _ucum_if_quantity,
    "source.count() + extension.where(url='http://hl7.org/fhir/5.0/StructureDefinition/"
    "extension-QuestionnaireResponse.source').count() <=1": _sources,
    "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()": (
        _components_differ
    ),
    "onBehalfOf.exists() implies (member.resolve().iif(empty(), true, ofType(Practitioner).exists()))": (
        _on_behalf_of_practitioner
    ),
    "%rootResource.ofType(QuestionnaireResponse).questionnaire='#' + $this.id or "
    "%rootResource.contained.ofType(QuestionnaireResponse).exists(questionnaire='#' + $this.id)": _adaptive_form,
    # The narrative is checked as a primitive (see primitives); R4 resources are never R4B ones.
    "htmlChecks()": _checked_elsewhere,
}

BY_KEY: dict[str, Native] = {_DOM3: _contained_is_used, "us-core-17": _npi_check_digit, "dom-r4b": _checked_elsewhere}
"""For expressions too long to repeat: dom-3 in its two published wordings, the NPI check digit."""
