"""Answers out of QuestionnaireResponses, under the policy whose form they answer and their fact's name (= linkId).

The same linkId in two forms is two questions, so an answer counts for the policy that its response names, and only there.
A response that names no form (R4 allows it) is a document: nobody can say which questions it answers. Source: FHIR R4 QuestionnaireResponse, DTR 2.2.0
(information-origin, spec-25), docs/dtr.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from precert.authorization.deciding.response_versions import current, reference_of
from precert.fhir.bundle import Entry
from precert.fhir.extension import extension, extension_value
from precert.fhir.hidden import first_hidden
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.types import Answer, Origin

ADAPTIVE_SUFFIX = "-adaptive"
"""What the canonical of an adaptive form has after its policy's id."""
DONE = frozenset({"completed", "amended"})
"""The states of a response whose answers count; a draft says nothing yet."""
_ORIGINS: dict[str, Origin] = {
    "auto": "auto",
    "auto-client": "auto",
    "auto-server": "auto",
    "override": "override",
    "manual": "manual",
}
_ORIGIN = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/information-origin"
_NAME = re.compile(r"([^/:|]+)(?:\|([^|]*))?$")


def answers(entries: Iterable[Entry]) -> dict[str, Answer]:
    """Every answer of every completed response, by ``policy#linkId``. A response that names no form has none that count.

    Several answers to one question are all kept (``Answer.others``); which of them counts, and whether any does, is said
    by the one reader (:mod:`precert.policy.answer_reading`): the newest that is from the right time. Of a response that came
    in several versions only the newest says anything (:mod:`.response_versions`), be it that it was withdrawn.
    """
    found: dict[str, list[Answer]] = {}
    responses = [entry for entry in entries if entry.type == "QuestionnaireResponse"]
    for entry, rivals in current(responses):
        if not _counts(entry.resource):
            continue
        where = reference_of(entry)
        policy, version = policy_named(entry.resource), version_named(entry.resource)
        if policy is None:
            continue
        authored = entry.resource.get("authored")
        said_by_all = _said_by_all(rivals)
        for link_id, answer in questionnaire_answers(entry.resource, where):
            disputed = said_by_all is not None and answer_key(policy, link_id) not in said_by_all
            dated = replace(
                answer,
                version=version,
                authored=None if authored is None else str(authored),
                repeated=answer.repeated or disputed,
            )
            found.setdefault(answer_key(policy, link_id), []).append(dated)
    return {key: replace(given[0], others=tuple(given[1:])) for key, given in found.items()}


def _counts(response: Resource) -> bool:
    """Whether a response is finished, and nothing in it is hidden (:mod:`precert.fhir.hidden`)."""
    return text(response.get("status")) in DONE and first_hidden(response) is None


def _said_by_all(rivals: Sequence[Resource]) -> frozenset[str] | None:
    """The questions that each of these versions answers; ``None`` when there are no other versions."""
    if not rivals:
        return None
    said = []
    for resource in rivals:
        done = _counts(resource)
        policy = policy_named(resource)
        answered = questionnaire_answers(resource, "") if done else ()
        said.append(frozenset(answer_key(policy, link_id) for link_id, _ in answered))
    return frozenset.intersection(*said)


def merged(known: Mapping[str, Answer], more: Mapping[str, Answer]) -> dict[str, Answer]:
    """The answers of a request and those of something attached to it, under one key where they are to one question."""
    both = dict(known)
    for key, answer in more.items():
        both[key] = both[key].beside(answer) if key in both else answer
    return both


def answer_key(policy: str | None, link_id: str) -> str:
    """Under which an answer is filed; :meth:`precert.policy.types.LineContext.told` reads it."""
    return f"{policy}#{link_id}" if policy is not None else link_id


def policy_named(response: Resource) -> str | None:
    """The policy whose form a response answers; ``None`` when it names no form."""
    canonical = canonical_of(response)
    return form_named(canonical)[0].removesuffix(ADAPTIVE_SUFFIX) if canonical is not None else None


def version_named(response: Resource) -> str | None:
    """The version of that form, if it is said."""
    canonical = canonical_of(response)
    return form_named(canonical)[1] if canonical is not None else None


def form_named(canonical: str) -> tuple[str, str | None]:
    """The last part of a canonical, and its version. The host does not count: this server's may have changed since."""
    found = _NAME.search(canonical.strip())
    return (unquote(found[1]), found[2] or None) if found is not None else (canonical, None)


def canonical_of(response: Resource) -> str | None:
    """The form a response answers: contained derivedFrom, contained url, then ``questionnaire``."""
    contained = contained_form(response)
    if contained is not None:
        derived = contained.get("derivedFrom")
        first = derived[0] if isinstance(derived, list) and derived else None
        url, version = text(contained.get("url")), text(contained.get("version"))
        own = f"{url}|{version}" if url and version and not url.startswith("urn:uuid:") else None
        if found := text(first) or own:
            return found
    named = text(response.get("questionnaire"))
    return None if named is None or named.startswith("#") else named


def contained_form(response: Resource) -> Resource | None:
    """The Questionnaire inside an adaptive response."""
    return next((c for c in elements(response.get("contained")) if c.get("resourceType") == "Questionnaire"), None)


def questionnaire_answers(response: Resource, where: str) -> Iterator[tuple[str, Answer]]:
    """(linkId, answer) for each answer of each item, however deep, as it stands there; nothing is judged.

    Where a question is answered more than once in the response, each of these answers says so (``repeated``).
    """
    given: dict[str, list[Answer]] = {}
    stack: list[Element] = list(reversed(elements(response.get("item"))))
    while stack:
        item = stack.pop()
        link_id = text(item.get("linkId"))
        listed = elements(item.get("answer"))
        nested = [child for answer in listed for child in elements(answer.get("item"))]
        stack.extend(reversed([*elements(item.get("item")), *nested]))
        for answer in listed if link_id else ():
            if not any(key.startswith(("value", "_value")) for key in answer):
                continue  # nothing is said: only items below, or an empty answer
            read = Answer(answer_value(answer), f"{where}#{link_id}", _origin(item, answer), given=answer)
            given.setdefault(link_id or "", []).append(read)
    for link_id, read_ones in given.items():
        for one in read_ones:
            yield link_id, replace(one, repeated=True) if len(read_ones) > 1 else one


def answer_value(answer: Element) -> Any:
    """The answer's value to show: a Coding is its code, a Quantity its number. ``None`` if there is none."""
    for key, value in answer.items():
        if key.startswith("value") and not key.startswith("_"):
            if key == "valueCoding" and isinstance(value, dict):
                return text(value.get("code")) or text(value.get("display"))
            if key == "valueQuantity" and isinstance(value, dict):
                return value.get("value")
            return value if isinstance(value, bool | int | str) or not isinstance(value, dict | list) else None
    return None


def _origin(item: Element, answer: Element) -> Origin | None:
    for element in (answer, item):
        source = extension_value(extension(element, _ORIGIN), "source")
        if isinstance(source, str) and source in _ORIGINS:
            return _ORIGINS[source]
    return None
