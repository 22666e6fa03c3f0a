"""One line of a case as ``ClaimResponse.item`` (and ``addItem``)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from precert.authorization.codes import code_table
from precert.authorization.record import Authorization, Line, Party
from precert.fhir.extension import extension_value, extensions
from precert.fhir.types import Element
from precert.pas import urls
from precert.pas.notes import line_notes

_SUBMITTED = {"coding": [{"system": urls.ADJUDICATION, "code": "submitted"}]}


class ItemShape(Protocol):
    """The parts of an item that differ between IG versions."""

    def authorized_provider(self, party: Party) -> Element: ...
    def authorized_detail(self, line: Line, modified: bool) -> Element | None: ...
    def add_item(
        self, line: Line, authorization: Authorization, provider: str | None, stay: list[Element]
    ) -> Element | None: ...


class Notes:
    """Numbered process notes; the same sentence for several lines is one note."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def result(line: Line) -> str:
    """What the line counts as: approved, denied, pended, modified, cancelled, not-required (or its state)."""
    review = code_table().review.get(line.state)
    return review.result if review else line.state


def item(line: Line, notes: Notes, shape: ItemShape, root: str, known: frozenset[str], stay: list[Element]) -> Element:
    """The answer to one submitted item. ``known`` are the fullUrls that the answer's bundle can hold, ``stay`` the
    extensions with the dates of an inpatient stay."""
    numbers = [notes.number(text) for text in line_notes(line, root)]
    made: Element = {}
    if found := [*_extensions(line, shape, known), *stay]:
        made["extension"] = found
    made["itemSequence"] = line.sequence
    if numbers:
        made["noteNumber"] = numbers
    review = code_table().review[line.state]
    made["adjudication"] = [_adjudication(review.action, review.reason, line)]
    return made


def add_items(lines: Iterable[Line], shape: ItemShape, known: frozenset[str], stay: list[Element]) -> list[Element]:
    """What was authorized of modified lines, where the IG version says so in ``addItem``."""
    added = []
    for line in lines:
        if result(line) == "modified" and line.authorization is not None:
            provider = line.requested.provider.reference if line.requested.provider else None
            made = shape.add_item(line, line.authorization, provider if provider in known else None, stay)
            if made is not None:
                made["adjudication"] = [_adjudication("A1", None, line)]
                added.append(made)
    return added


def _adjudication(action: str, reason: str | None, line: Line) -> Element:
    parts: list[Element] = []
    if line.authorization is not None and action in ("A1", "A6"):
        parts.append({"url": "number", "valueString": line.authorization.number})
    if reason is not None:
        coding = {"system": urls.X12_DECISION_REASON, "code": reason}
        parts.append({"url": "reasonCode", "valueCodeableConcept": {"coding": [coding]}})
    coded = {"coding": [{"system": urls.X12_REVIEW_ACTION, "code": action}]}
    parts.append({"url": urls.REVIEW_ACTION_CODE, "valueCodeableConcept": coded})
    return {"extension": [{"extension": parts, "url": urls.REVIEW_ACTION}], "category": _SUBMITTED}


def _extensions(line: Line, shape: ItemShape, known: frozenset[str]) -> list[Element]:
    asked, authorization, what = line.requested, line.authorization, result(line)
    granted = authorization is not None and what in ("approved", "modified")
    found: list[Element] = list(extensions(asked.item, urls.ITEM_TRACE_NUMBER))
    if granted and authorization is not None:
        found.append({"url": urls.ISSUE_DATE, "valueDate": authorization.issued.isoformat()})
        found.append({"url": urls.PREAUTH_PERIOD, "valuePeriod": period(authorization.start, authorization.end)})
    previous = extension_value(asked.item, urls.AUTHORIZATION_NUMBER)
    if isinstance(previous, str):
        found.append({"url": urls.AUTHORIZATION_NUMBER, "valueString": previous})
    if line.reference and what == "pended":
        found.append({"url": urls.ADMIN_REFERENCE, "valueString": line.reference})
    if asked.service_start is not None:
        found.append({"url": urls.REQUESTED_DATE, "valuePeriod": period(asked.service_start, asked.service_end)})
    if asked.diagnoses:
        found.append({"url": urls.COMMUNICATED_DIAGNOSIS, "valueCodeableConcept": asked.diagnoses[0]})
    if granted and asked.provider is not None and asked.provider.reference in known:
        found.append(shape.authorized_provider(asked.provider))
    if granted and (detail := shape.authorized_detail(line, what == "modified")) is not None:
        found.append(detail)
    return found


def period(start: date, end: date | None) -> Element:
    """A Period of days."""
    return {"start": start.isoformat()} | ({"end": end.isoformat()} if end else {})
