"""The resources that came with a request, readable: key fields first, the raw JSON behind them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from precert.authorization.deciding.answers import questionnaire_answers
from precert.authorization.deciding.evidence import unpacked
from precert.fhir import json
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.types import Resource, elements, text
from precert.workbench import labels
from precert.workbench.element_text import label, person_name, say

_SHOWN = {
    "Observation": "code value effective status interpretation component method note",
    "Condition": "code clinicalStatus verificationStatus onset recordedDate note",
    "Procedure": "code status performed outcome note",
    "Encounter": "type class period reasonCode status",
    "MedicationRequest": "medication dosageInstruction authoredOn dispenseRequest status",
    "MedicationStatement": "medication effective dosage status",
    "ServiceRequest": "code quantity occurrence reasonCode authoredOn status",
    "DeviceRequest": "code parameter occurrence reasonCode authoredOn status",
    "DocumentReference": "type description date author content",
    "DiagnosticReport": "code effective conclusion conclusionCode presentedForm status",
    "Claim": "created priority use diagnosis supportingInfo",
    "Coverage": "identifier subscriberId status relationship period class",
    "Patient": "name birthDate gender identifier telecom address",
    "Practitioner": "name identifier qualification telecom",
    "Organization": "name identifier telecom address",
}
_NEVER = frozenset(
    {"resourceType", "id", "meta", "text", "extension", "contained", "implicitRules", "language", "subject"}
)
_ADMINISTRATIVE = frozenset(
    {"Claim", "Coverage", "Organization", "Patient", "Practitioner", "PractitionerRole", "Location", "RelatedPerson"}
)
_TITLES = ("code", "codeCodeableConcept", "type", "medicationCodeableConcept")
_UNTITLED = frozenset({"Claim", "Coverage", "Organization"})
_NAMES = {
    "Claim": "Request",
    "QuestionnaireResponse": "Form answers",
    "MedicationRequest": "Prescription",
    "ServiceRequest": "Order",
    "DeviceRequest": "Device order",
    "DocumentReference": "Document",
    "DiagnosticReport": "Report",
    "PractitionerRole": "Practitioner role",
}
_TEXT_MOST = 20_000
_RAW_STRING_MOST = 2_000
_NO_TITLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldView:
    """One readable field; ``anchor`` when a piece of evidence points at exactly this one."""

    label: str
    value: str
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One resource. ``body`` is the text of a plain-text attachment, if it has one."""

    anchor: str
    name: str
    type: str
    title: str
    source: str
    clinical: bool
    fields: tuple[FieldView, ...]
    body: str | None
    raw: str


def documents(
    bundle: Resource, source: str, questions: Mapping[str, str], forms: Mapping[str, str] = _NO_TITLES
) -> list[DocumentView]:
    """Every resource of a bundle (and of bundles in it), clinical ones first. ``questions``: fact name to question.
    ``forms``: name of a policy, and so of its form, to title."""
    index = BundleIndex(bundle)
    found = [
        _document(entry, source, questions, forms) for entry in unpacked(index) if entry.type not in ("", "Bundle")
    ]
    return sorted(found, key=lambda document: not document.clinical)


def distinct(shown: list[DocumentView]) -> list[DocumentView]:
    """The same with every element id once: two bundles, or two systems in one, may use the same ``Type/id``. Evidence
    leads to the first."""
    taken: set[str] = set()

    def free(anchor: str) -> str:
        number = 1
        while (name := anchor if number == 1 else f"{anchor}-{number}") in taken:
            number += 1
        taken.add(name)
        return name

    return [
        replace(
            view,
            anchor=free(view.anchor),
            fields=tuple(replace(f, anchor=free(f.anchor)) if f.anchor else f for f in view.fields),
        )
        for view in shown
    ]


def reference_anchor(reference: str) -> str:
    """The element id under which a piece of evidence (``Observation/o1``, ``QuestionnaireResponse/1#ahi``) is shown."""
    return f"doc-{labels.anchor(reference)}"


def _document(entry: Entry, source: str, questions: Mapping[str, str], forms: Mapping[str, str]) -> DocumentView:
    resource = entry.resource
    where = f"{entry.type}/{entry.id}" if entry.id else entry.path
    if entry.type == "QuestionnaireResponse":
        form = text(resource.get("questionnaire"))
        fields = [FieldView("form", forms.get(_form_name(form), form))] if form else []
        fields += [FieldView("answered", say(resource["authored"]))] if text(resource.get("authored")) else []
        fields += [
            FieldView(questions.get(name, name), labels.value(answer.value), reference_anchor(answer.reference))
            for name, answer in questionnaire_answers(resource, where)
        ]
    else:
        fields = list(_fields(resource))
    return DocumentView(
        anchor=reference_anchor(where),
        name=_NAMES.get(entry.type, entry.type),
        type=entry.type,
        title=_title(resource, entry.type),
        source=source,
        clinical=entry.type not in _ADMINISTRATIVE,
        fields=tuple(fields),
        body=_plain_text(resource),
        raw=json.dumps(_shortened(resource), pretty=True).decode(),
    )


def _form_name(canonical: str) -> str:
    """The last part of a canonical, without its version: ``urn:precert:questionnaire:x|1`` and ``http://…/x`` are ``x``."""
    return re.split(r"[/:]", canonical.partition("|")[0])[-1]


def _title(resource: Resource, kind: str) -> str:
    for name in elements(resource.get("name")):
        if shown := person_name(name):
            return shown
    keys = ["name", *(() if kind in _UNTITLED else _TITLES)]
    return next((shown for key in keys if (shown := say(resource.get(key)))), "")


def _fields(resource: Resource) -> Iterator[FieldView]:
    wanted = _SHOWN.get(str(resource.get("resourceType")))
    keys = wanted.split() if wanted else [key for key in resource if key not in _NEVER]
    for wish in keys:
        for key, value in resource.items():
            wished = key == wish or (key.startswith(wish) and key[len(wish) :][:1].isupper() and label(key) == wish)
            if wished and (shown := say(value)):
                yield FieldView(label(key), shown)


def _plain_text(resource: Resource) -> str | None:
    """The text of the first text/plain attachment: what a reviewer came to read."""
    holders = [*elements(resource.get("content")), *elements(resource.get("presentedForm"))]
    for holder in holders:
        inner = holder.get("attachment")
        attachment = inner if isinstance(inner, dict) else holder
        data = text(attachment.get("data"))
        if data and str(attachment.get("contentType", "")).startswith("text/plain"):
            try:
                decoded = base64.b64decode(data, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return None
            return decoded[:_TEXT_MOST]
    return None


def _shortened(value: Any) -> Any:
    """The resource with overlong strings (scanned pages) cut: the page must stay light."""
    if isinstance(value, str) and len(value) > _RAW_STRING_MOST:
        return f"{value[:200]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shortened(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shortened(member) for member in value]
    return value
