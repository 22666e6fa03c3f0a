"""Parameters of searches and operations: from the URL, a form or a Parameters resource to conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from precert.fhir.outcome import FhirError, bad_request
from precert.fhir.types import Resource, elements
from precert.store.port import Param
from precert.subscriptions.record import Content, Status

Pairs = Sequence[tuple[str, str]]

DEFAULT_COUNT = 50
MOST_COUNT = 200
_SEARCHED = ("url", "status", "_id")
_CONTROL = frozenset({"_count", "_page", "_format", "_pretty"})
_NUMBER = 10**15


@dataclass(frozen=True, slots=True)
class Search:
    """A search for subscriptions. ``used`` are the parameters that were honoured, for the self link."""

    params: tuple[Param, ...]
    count: int
    page: str | None
    used: tuple[tuple[str, str], ...]


def read_search(pairs: Pairs, *, strict: bool) -> Search:
    """``url``, ``status``, ``_id`` (comma = OR, repeated = AND), ``_count`` and our ``_page``.

    Unknown parameters are ignored, as FHIR has it, unless the client asked for ``Prefer: handling=strict``. Raises
    FhirError 400.
    """
    params: list[Param] = []
    used: list[tuple[str, str]] = []
    count, page = DEFAULT_COUNT, None
    for name, given in pairs:
        plain, colon, modifier = name.partition(":")
        if colon and plain in _SEARCHED:
            raise bad_request(
                f"The modifier :{modifier[:40]} is not supported on {plain}. Leave it out.", code="not-supported"
            )
        if name in _SEARCHED:
            # A URL may hold commas and bars, a status and an id may not.
            values = [given] if name == "url" else [part.rpartition("|")[2].strip() for part in given.split(",")]
            params.append(Param(name, values))
        elif name == "_count":
            count = min(_count(given), MOST_COUNT)
        elif name == "_page":
            page = given
            continue  # the links say where they lead themselves
        elif name not in _CONTROL:
            if strict:
                known = ", ".join(_SEARCHED)
                raise bad_request(f"Unknown search parameter {name[:80]!r}. Known are {known}.", code="not-supported")
            continue
        used.append((name, given))
    return Search(tuple(params), count, page, tuple(used))


def _count(given: str) -> int:
    if not given.isdecimal() or len(given) > 9:
        raise bad_request("_count is a whole number from 0.", code="value", rule="count")
    return int(given)


def parameters_of(resource: Resource) -> list[tuple[str, str]]:
    """The name/value pairs of a Parameters resource, for operations invoked by POST. Raises FhirError 400."""
    if resource["resourceType"] != "Parameters":
        found = str(resource["resourceType"])[:64]
        raise bad_request(f"The body is a {found}; this operation takes Parameters (or none).", "Parameters")
    pairs: list[tuple[str, str]] = []
    for index, parameter in enumerate(elements(resource.get("parameter"))):
        name = parameter.get("name")
        values = [value for key, value in parameter.items() if key.startswith("value")]
        if not isinstance(name, str) or len(values) != 1 or not isinstance(values[0], str | int):
            raise bad_request("A parameter needs a name and one simple value.", f"Parameters.parameter[{index}]")
        pairs.append((name, str(values[0])))
    return pairs


def read_status(pairs: Pairs) -> tuple[Param, ...]:
    """``id`` and ``status`` of ``$status`` at type level; several of a kind are ORed. Raises FhirError 400."""
    ids = _listed(pairs, "id")
    statuses = _listed(pairs, "status")
    unknown = [status for status in statuses if status not in get_args(Status)]
    if unknown:
        raise bad_request(f"{unknown[0][:40]!r} is no subscription status.", code="value", rule="status")
    return (*([Param("_id", ids)] if ids else ()), *([Param("status", statuses)] if statuses else ()))


def _listed(pairs: Pairs, name: str) -> list[str]:
    return [part.strip() for key, given in pairs if key == name for part in given.split(",") if part.strip()]


@dataclass(frozen=True, slots=True)
class Range:
    """Which events ``$events`` shall return, both bounds included."""

    since: int
    until: int
    content: Content


def read_range(pairs: Pairs, default: Content) -> Range:
    """``eventsSinceNumber``, ``eventsUntilNumber`` and ``content`` of ``$events``. Raises FhirError 400."""
    since = _bound(pairs, "eventsSinceNumber", 1)
    until = _bound(pairs, "eventsUntilNumber", _NUMBER)
    if since > until:
        raise bad_request("eventsSinceNumber is greater than eventsUntilNumber. Swap them.", code="value", rule="range")
    wanted = _only(pairs, "content") or default
    for content in get_args(Content):
        if wanted == content:
            return Range(since, until, content)
    raise bad_request(f"content is one of {', '.join(get_args(Content))}.", code="value", rule="content")


def _bound(pairs: Pairs, name: str, default: int) -> int:
    given = _only(pairs, name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= 15):
        raise bad_request(f"{name} is an event number: a whole number from 0.", code="value", rule="event-number")
    return int(given)


def _only(pairs: Pairs, name: str) -> str | None:
    given = [value for key, value in pairs if key == name]
    if len(given) > 1:
        raise bad_request(f"{name} is given {len(given)} times. Give it once.", code="value", rule="repeated")
    return given[0] if given else None


def check_match(header: str | None, current: str) -> None:
    """412 unless ``If-Match`` (absent, ``*``, or a list of ETags) covers the current version."""
    if header is None:
        return
    given = [tag.strip() for tag in header.split(",")]
    if "*" in given or _weak(current) in map(_weak, given):
        return
    text = f"The current version is {current}, not {header[:80]}. Read the subscription again and repeat the change."
    raise FhirError(412, bad_request(text, code="conflict", rule="version").issues)


def _weak(tag: str) -> str:
    return tag.removeprefix("W/").strip('"')
