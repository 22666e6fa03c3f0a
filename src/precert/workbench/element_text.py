"""Any FHIR element as one line of plain text. Total: whatever arrives, something readable comes out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from precert.fhir.types import Element, elements, text
from precert.workbench import labels

_SHORT = 300


def say(value: Any, depth: int = 0) -> str:
    """``value`` in words; nested objects that have no reading of their own become ``key: value`` pairs."""
    if value is None:
        return ""
    if isinstance(value, bool | int | Decimal | float):
        return labels.value(value)
    if isinstance(value, str):
        return _moment(value) if len(value) <= _SHORT else f"{value[:_SHORT]} … ({len(value)} characters)"
    if isinstance(value, list):
        return "; ".join(shown for shown in (say(member, depth + 1) for member in value) if shown)
    if not isinstance(value, dict):
        return str(value)
    for reader in _READERS:
        shown = reader(value)
        if shown:
            return shown
    if depth > 4:
        return "…"
    pairs = ((key, say(member, depth + 1)) for key, member in value.items() if key not in ("extension", "id", "url"))
    return ", ".join(f"{key}: {shown}" for key, shown in pairs if shown)


def label(key: str) -> str:
    """``valueQuantity`` → ``value``, ``recordedDate`` → ``recorded date``."""
    for choice in ("value", "effective", "onset", "occurrence", "performed", "medication", "serviced", "code"):
        if key.startswith(choice) and key[len(choice) :][:1].isupper():
            return choice
    return "".join(f" {ch.lower()}" if ch.isupper() else ch for ch in key).strip()


def _moment(value: str) -> str:
    """Dates and instants as people write them."""
    if len(value) >= 16 and value[4:5] == "-" and "T" in value[:11]:
        return labels.when(value)
    return labels.day(value) if len(value) == 10 and value[4] == value[7] == "-" else value


def _concept(value: Element) -> str:
    codings = elements(value.get("coding"))
    if not codings:
        return ""
    display = text(value.get("text")) or next((d for c in codings if (d := text(c.get("display")))), None)
    codes = ", ".join(_code(coding) for coding in codings)
    return f"{display} ({codes})" if display else codes


def _code(coding: Element) -> str:
    return labels.code(f"{coding.get('system') or ''}|{coding.get('code') or '?'}")


def _coding(value: Element) -> str:
    if not text(value.get("code")) or "value" in value:
        return ""
    display = text(value.get("display"))
    return f"{display} ({_code(value)})" if display else _code(value)


def _quantity(value: Element) -> str:
    number = value.get("value")
    if not isinstance(number, int | float | Decimal) or isinstance(number, bool):
        return ""
    return f"{text(value.get('comparator')) or ''}{labels.value(number)} {text(value.get('unit')) or text(value.get('code')) or ''}".strip()


def _period(value: Element) -> str:
    start, end = text(value.get("start")), text(value.get("end"))
    if not (start or end):
        return ""
    return f"{_moment(start) if start else '…'} to {_moment(end) if end else '…'}"


def person_name(value: Element) -> str:
    """A HumanName."""
    given = value.get("given")
    parts = [*(given if isinstance(given, list) else []), value.get("family")]
    return " ".join(part for part in parts if isinstance(part, str))


def _identifier(value: Element) -> str:
    number = text(value.get("value"))
    if number is None:
        return ""
    system = text(value.get("system")) or ""
    short = {"http://hl7.org/fhir/sid/us-npi": "NPI", "http://hl7.org/fhir/sid/us-ssn": "SSN"}.get(system)
    kind = next((str(c.get("code")) for t in elements(value.get("type")) for c in elements(t.get("coding"))), None)
    if kind == "MB":
        kind = "member number"
    return f"{short or kind or text(value.get('use')) or ''} {number}".strip()


def _attachment(value: Element) -> str:
    if "contentType" not in value and "data" not in value:
        return ""
    data = text(value.get("data"))
    size = f", about {len(data) * 3 // 4 // 1024 + 1} KB" if data else ""
    title = text(value.get("title")) or text(value.get("url")) or "attachment"
    return f"{title} ({text(value.get('contentType')) or 'unknown type'}{size})"


def _address(value: Element) -> str:
    if "city" not in value and "postalCode" not in value:
        return ""
    lines = value.get("line")
    parts = [
        *(lines if isinstance(lines, list) else []),
        value.get("city"),
        value.get("state"),
        value.get("postalCode"),
    ]
    return ", ".join(part for part in parts if isinstance(part, str))


def _reference(value: Element) -> str:
    shown, reference = text(value.get("display")), text(value.get("reference")) or ""
    return shown or ("sent along" if reference.startswith("urn:uuid:") else reference)


def _texted(value: Element) -> str:
    return text(value.get("text")) or ""


_READERS = (
    _concept,
    _quantity,
    _attachment,
    person_name,
    _identifier,
    _period,
    _address,
    _reference,
    _texted,
    _coding,
)
