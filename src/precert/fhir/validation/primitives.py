"""Primitive values: JSON type, format, range. Every check is linear in the length of the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

MAX_STRING = 1024 * 1024


class Fault(NamedTuple):
    """What is wrong with a value: the rule broken and how to mend it."""

    rule: str
    mend: str


Check = Callable[[Any], Fault | None]

_DAY = r"-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_YEAR = r"(?!0000)\d{4}"

_FORMATS: Mapping[str, tuple[str, str]] = {
    "date": (rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])|{_DAY})?", "Write YYYY, YYYY-MM or YYYY-MM-DD."),
    "dateTime": (
        rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])|{_DAY}(?:T{_CLOCK}{_ZONE})?)?",
        "Write YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with a time zone.",
    ),
    "instant": (rf"{_YEAR}{_DAY}T{_CLOCK}{_ZONE}", "Write YYYY-MM-DDThh:mm:ss with a time zone."),
    "time": (_CLOCK, "Write hh:mm:ss, without a time zone."),
    "id": (r"[A-Za-z0-9\-.]{1,64}", "Use 1 to 64 letters, digits, hyphens and dots."),
    "code": (r"\S+(?:[ \t]\S+)*", "Use no spaces at the ends and single ones inside."),
    "oid": (r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", "Write urn:oid: and the dotted number."),
    "uuid": (
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "Write urn:uuid: and the UUID in lower case.",
    ),
    "uri": (r"\S+", "Leave out the white space."),
    "url": (r"\S+", "Leave out the white space."),
    "canonical": (r"\S+", "Leave out the white space."),
    "base64Binary": (r"[0-9A-Za-z+/=\s]+", "Use the standard base64 alphabet."),
}
_COMPILED = {name: (re.compile(pattern).fullmatch, mend) for name, (pattern, mend) in _FORMATS.items()}
_DATED = frozenset({"date", "dateTime", "instant"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _formatted(kind: str) -> Check:
    match, mend = _COMPILED[kind]
    dated = kind in _DATED
    long = kind == "base64Binary"

    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return Fault("wrong-json-type", f"A {kind} is a JSON string.")
        if not long and len(value) > MAX_STRING:
            return Fault("too-long", f"A {kind} has at most {MAX_STRING} characters.")
        if match(value) is None:
            return Fault(
                "bad-format", f"This is no {kind}. {mend}" if value else "An empty string is no value; omit it."
            )
        if dated and len(value) >= 10:
            try:
                date(int(value[:4]), int(value[5:7]), int(value[8:10]))
            except ValueError:
                return Fault("no-such-date", "The calendar has no such day.")
        elif long and len("".join(value.split())) % 4:
            return Fault("bad-format", "The base64 text is cut off: its length is no multiple of four.")
        return None

    return check


def _text(kind: str) -> Check:
    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return Fault("wrong-json-type", f"A {kind} is a JSON string.")
        if not value:
            return Fault("bad-format", "An empty string is no value; omit it.")
        if len(value) > MAX_STRING:
            return Fault("too-long", f"A {kind} has at most {MAX_STRING} characters.")
        if not value.isprintable() and _CONTROL.search(value):
            return Fault("control-character", "Remove the control characters; tab and line ends may stay.")
        return None

    return check


def _whole(kind: str, least: int) -> Check:
    def check(value: Any) -> Fault | None:
        if type(value) is not int:
            return Fault("wrong-json-type", f"A {kind} is a JSON number without fraction and without quotes.")
        if not least <= value <= 2147483647:
            return Fault("out-of-range", f"A {kind} lies between {least} and 2147483647.")
        return None

    return check


def _boolean(value: Any) -> Fault | None:
    return None if type(value) is bool else Fault("wrong-json-type", "A boolean is true or false, without quotes.")


def _decimal(value: Any) -> Fault | None:
    if type(value) in (int, float, Decimal):
        return None
    return Fault("wrong-json-type", "A decimal is a JSON number, without quotes.")


_TAG = re.compile(r"</?([^<>]*)>")
_NAME = re.compile(r"[A-Za-z0-9:]*")
_EVENT = re.compile(r"""(?:^|[\s"'/])on[a-z]+\s*=""", re.IGNORECASE)
_FORBIDDEN = frozenset(
    [
        "applet",
        "base",
        "body",
        "button",
        "embed",
        "form",
        "frame",
        "frameset",
        "head",
        "html",
        "iframe",
        "input",
        "link",
        "meta",
        "object",
        "script",
        "select",
        "textarea",
    ]
)


def _xhtml(value: Any) -> Fault | None:
    if type(value) is not str:
        return Fault("wrong-json-type", "The narrative is a JSON string holding one XHTML div.")
    if not value.lstrip().startswith("<div"):
        return Fault("bad-format", "The narrative is one <div xmlns='http://www.w3.org/1999/xhtml'> element.")
    if "<!" in value and ("<!DOCTYPE" in value or "<!ENTITY" in value):
        return Fault("active-content", "A narrative declares no document type and no entities.")
    for tag in _TAG.findall(value):
        name = _NAME.match(tag)
        if name is not None and name[0].lower() in _FORBIDDEN:
            return Fault("active-content", f"A narrative holds text and simple markup only; take <{name[0]}> out.")
        if "=" in tag and _EVENT.search(tag):
            return Fault("active-content", "A narrative holds no scripts; take the event attributes (on…=) out.")
    return None


_SYSTEM = "http://hl7.org/fhirpath/System."

CHECKS: Mapping[str, Check] = {
    **{kind: _formatted(kind) for kind in _FORMATS},
    "string": _text("string"),
    "markdown": _text("markdown"),
    "boolean": _boolean,
    "decimal": _decimal,
    "integer": _whole("integer", -2147483648),
    "unsignedInt": _whole("unsignedInt", 0),
    "positiveInt": _whole("positiveInt", 1),
    "xhtml": _xhtml,
    _SYSTEM + "String": _text("string"),
    _SYSTEM + "Boolean": _boolean,
    _SYSTEM + "Integer": _whole("integer", -2147483648),
    _SYSTEM + "Decimal": _decimal,
    _SYSTEM + "Date": _formatted("date"),
    _SYSTEM + "DateTime": _formatted("dateTime"),
    _SYSTEM + "Time": _formatted("time"),
}
"""Primitive type to its check."""
