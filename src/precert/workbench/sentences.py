"""What the record says in machine's words, said in sentences: results, provenance, events, dates inside texts.

Nothing is added to what is on record; the JSON keeps the exact words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from precert.authorization.record.codes import code_table
from precert.fhir.types import Element
from precert.policy.model import PAYER_SOURCES, REQUEST_SOURCES, Fact
from precert.workbench import labels

_INSTANT = re.compile(r"(?<![\w|/.-])\d{4}-\d\d-\d\dT\d\d:\d\d[0-9:.]*(?:Z|[+-]\d\d:\d\d)(?![\w|/-])")
_DAY = re.compile(r"(?<![\w|/.-])\d{4}-\d\d-\d\d(?![\w|/-])")
_REFERENCE = re.compile(r"\b([A-Z][A-Za-z]{2,30})/([A-Za-z0-9.-]{1,64})((?:#[\w.-]{1,64})?)")
_UNIT_REMARK = re.compile(r"\{([^{}]{1,40})\}")


def plain(sentence: str) -> str:
    """A sentence of the rules with its dates, instants and references as people write them."""
    said = _INSTANT.sub(lambda found: labels.when(found.group()), sentence)
    said = _DAY.sub(lambda found: labels.day(found.group()), said)
    return _REFERENCE.sub(lambda found: labels.evidence(found.group()), said)


def unit(written: str | None) -> str:
    """A UCUM unit for reading: what stands in braces is a remark, ``{events}/h`` → ``events/h``."""
    return _UNIT_REMARK.sub(r"\1", written or "")


def assumed(model: Fact | None, value: Any) -> tuple[str, str]:
    """What is shown in place of a value that nothing and nobody said (provenance ``closed-world``), and what it counts as."""
    shown = labels.value(value)
    if model is not None and model.ask is None and model.sources and all(s in _BOOKS for s in model.sources):
        return "none on file", f"There is nothing of it in the plan's own records; that counts as {shown}."
    if shown.casefold() in _UNSAID:
        return "not stated", "Nobody has said; the policy goes on without it."
    return "not stated", f"Nobody has said; the policy counts that as {shown}."


_BOOKS = frozenset({*PAYER_SOURCES, *REQUEST_SOURCES})
_UNSAID = frozenset({"not stated", "not known", "unknown", "none"})


def unmet(sentence: str, count: int) -> str:
    """``Not met: A, B. A clinician decides.`` without the ids: the criteria are listed below it in words."""
    before, colon, rest = sentence.partition("Not met: ")
    _, stop, after = rest.partition(". ")
    if not colon or not stop or not count:
        return sentence
    criteria = "One criterion is" if count == 1 else f"{count} criteria are"
    return f"{before}{criteria} not met. {after}".strip()


def serving(questions: Sequence[Element], criteria: Sequence[Element]) -> tuple[Element, ...]:
    """``questions`` with ``serves``: the criteria that each is asked for, in words."""
    texts = {str(entry.get("id")): str(entry.get("text") or entry.get("id")) for entry in criteria}
    return tuple({**q, "serves": [texts.get(str(id), str(id)) for id in q.get("criteria") or ()]} for q in questions)


def event_detail(event: Element) -> str:
    """What a reader can use of an event's detail. Ids, digests and what stands elsewhere on the page are left to the JSON."""
    detail: Element = event.get("detail") or {}
    said = [sentence for key, say in _DETAILS.items() if key in detail and (sentence := say(detail))]
    if "number" not in detail:
        return " ".join(said)
    if event.get("event") == "authorized_already":
        said.append(f"Authorization {detail.get('number')}, given on case {detail.get('case')}.")
    elif event.get("event") == "resubmitted":
        said.append(f"It is case {detail.get('number')}.")
    return " ".join(said)


def _rejected(key: str) -> str:
    known = code_table().reject.get(key)
    return known.text if known is not None else key.replace("_", " ")


def _attached(names: Any) -> str:
    """``2 documents and form answers.`` of the references of what arrived."""
    kinds = Counter(str(name).partition("/")[0] for name in names) if isinstance(names, list) else Counter()
    said = [_KINDS.get(kind, kind) for kind in kinds]
    return labels.listed([f"{n} × {word}" if n > 1 else word for word, n in zip(said, kinds.values(), strict=True)])


_KINDS = {"QuestionnaireResponse": "form answers", "DocumentReference": "document", "DiagnosticReport": "report"}


_DETAILS: dict[str, Callable[[Element], str]] = {
    "reject": lambda d: f"It could not be processed: {_rejected(str(d['reject']))}",
    "refused": lambda d: f"An update was refused: {_rejected(str(d['refused']))}",
    "prior": lambda d: "The earlier request that it names was not found." if d["prior"] == "unknown" else "",
    "notCounted": lambda d: plain(" ".join(map(str, d["notCounted"]))),
    "cancelled": lambda d: f"Authorization {d['cancelled']} was given up.",
    "attachments": lambda d: _attached(d["attachments"]),
    "held": lambda d: "It had been sent ahead of the request.",
    "hook": lambda d: f"Made when the order was signed (hook {d['hook']}).",
    "reason": lambda d: f"Reason: {d['reason']}",  # a person's own words
    "question": lambda d: f"Question: {d['question']}",
}
"""Detail key → sentence, in the order in which they are said."""
