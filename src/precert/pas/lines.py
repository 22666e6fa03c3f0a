"""One line of a case as ``ClaimResponse.item`` (and ``addItem``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from precert.authorization.record.case import Authorization, Line, Party
from precert.authorization.record.codes import code_table
from precert.fhir.extension import extension_value, extensions
from precert.fhir.types import Element
from precert.pas import urls
from precert.pas.notes import line_notes

_PROVIDER: Element = {"coding": [{"system": urls.X12_ENTITY, "code": "1P"}]}
_SUBMITTED = {"coding": [{"system": urls.ADJUDICATION, "code": "submitted"}]}


class ItemShape(Protocol):
    """The parts of an item that differ between IG versions."""

    def authorized_provider(self, party: Party, kind: Element) -> Element: ...
    def authorized_detail(self, line: Line, modified: bool) -> Element | None: ...
    def add_item(
        self, line: Line, authorization: Authorization, provider: Element | None, stay: list[Element]
    ) -> Element | None: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What all items of an answer share: the server's root URL, the fullUrls that the answer's bundle can hold, the
    extensions with the dates of an inpatient stay, and the role (X12 98) that the request gives somebody, by fullUrl."""

    root: str
    known: frozenset[str]
    stay: list[Element]
    roles: Mapping[str, Element]

    def kind(self, party: Party) -> Element:
        """The type of an authorized provider: the role in the request's care team, else "provider"."""
        return self.roles.get(party.reference or "", _PROVIDER)


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


def item(line: Line, notes: Notes, shape: ItemShape, setting: Setting) -> Element:
    """The answer to one submitted item."""
    numbers = [notes.number(text) for text in line_notes(line, setting.root)]
    made: Element = {}
    if found := [*_extensions(line, shape, setting), *setting.stay]:
        made["extension"] = found
    made["itemSequence"] = line.sequence
    if numbers:
        made["noteNumber"] = numbers
    review = code_table().review[line.state]
    made["adjudication"] = [_adjudication(review.action, review.reason, line)]
    return made


def add_items(lines: Iterable[Line], shape: ItemShape, setting: Setting) -> list[Element]:
    """What was authorized of modified lines, where the IG version says so in ``addItem``."""
    added = []
    for line in lines:
        if result(line) == "modified" and line.authorization is not None:
            made = shape.add_item(line, line.authorization, _provider(line, setting), setting.stay)
            if made is not None:
                made["adjudication"] = [_adjudication("A1", None, line)]
                added.append(made)
    return added


def _provider(line: Line, setting: Setting) -> Element | None:
    """``addItem.provider``: who is authorized to render the service, if the answer's bundle can hold them."""
    party = line.requested.provider
    if party is None or party.reference not in setting.known:
        return None
    kind = {"url": urls.AUTHORIZED_PROVIDER_TYPE, "valueCodeableConcept": setting.kind(party)}
    return {"extension": [kind], "reference": party.reference}


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


def _extensions(line: Line, shape: ItemShape, setting: Setting) -> list[Element]:
    asked, authorization, what = line.requested, line.authorization, result(line)
    granted = authorization is not None and what in ("approved", "modified")
    found: list[Element] = list(extensions(asked.item, urls.ITEM_TRACE_NUMBER))
    if granted and authorization is not None:
        found.append({"url": urls.ISSUE_DATE, "valueDate": authorization.issued.isoformat()})
        found.append({"url": urls.PREAUTH_PERIOD, "valuePeriod": period(authorization.start, authorization.end)})
    previous = extension_value(asked.item, urls.AUTHORIZATION_NUMBER)
    if previous is None and authorization is not None and what == "pended":
        previous = authorization.number  # it stands while more is decided
    if isinstance(previous, str):
        found.append({"url": urls.AUTHORIZATION_NUMBER, "valueString": previous})
    if line.reference and what == "pended":
        found.append({"url": urls.ADMIN_REFERENCE, "valueString": line.reference})
    if asked.service_start is not None:
        found.append({"url": urls.REQUESTED_DATE, "valuePeriod": period(asked.service_start, asked.service_end)})
    if asked.diagnoses:
        found.append({"url": urls.COMMUNICATED_DIAGNOSIS, "valueCodeableConcept": asked.diagnoses[0]})
    if granted and asked.provider is not None and asked.provider.reference in setting.known:
        found.append(shape.authorized_provider(asked.provider, setting.kind(asked.provider)))
    if granted and (detail := shape.authorized_detail(line, what == "modified")) is not None:
        found.append(detail)
    return found


def period(start: date, end: date | None) -> Element:
    """A Period of days."""
    return {"start": start.isoformat()} | ({"end": end.isoformat()} if end else {})
