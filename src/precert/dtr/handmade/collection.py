"""Hand-made forms by canonical and by id, with the Libraries and ValueSets that they refer to.

A form made from a policy is found first; the hand-made forms answer for what no policy knows. Files may say ``{canonical}`` for the
address under which this server names its forms, and ``{server}`` for the base of the version that is spoken; canonicals
of the plan's own are served as they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from precert.authorization.deciding.answers import form_named
from precert.dtr import urls
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.dates import parse_date
from precert.fhir.extension import extension
from precert.fhir.types import Resource, text
from precert.fhir.versions import CURRENT

CANONICAL = "{canonical}"
SERVER = "{server}"


@dataclass(frozen=True, slots=True)
class Handmade:
    """One form as its file has it, with everything it refers to."""

    questionnaire: Resource
    libraries: tuple[Resource, ...] = ()
    value_sets: tuple[Resource, ...] = ()

    @property
    def id(self) -> str:
        return str(self.questionnaire["id"])

    @property
    def version(self) -> str:
        return str(self.questionnaire["version"])

    @property
    def adaptive(self) -> bool:
        """Whether it is asked page by page: the form says so itself."""
        return extension(self.questionnaire, urls.ADAPTIVE_AT) is not None

    @property
    def changed(self) -> datetime:
        """The newest day on which any part of it changed."""
        parts = (self.questionnaire, *self.libraries, *self.value_sets)
        days = [day for part in parts if (day := parse_date(part.get("date"))) is not None]
        day = max(days, default=date.min)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HandmadeForms:
    """All hand-made forms of one server, newest version of each last. ``problems`` say which files are not served."""

    forms: tuple[Handmade, ...] = ()
    problems: tuple[str, ...] = ()

    def by_canonical(self, canonical: str, site: Site) -> Handmade | None:
        """The form that ``url|version`` or ``url`` names; without a version the newest."""
        url, version = urls.split(canonical)
        found = [form for form in self.forms if names(form.questionnaire, url, site)]
        return _of_version(found, version)

    def answered(self, canonical: str | None) -> Handmade | None:
        """The form that a response names, at whatever address this server had then."""
        if canonical is None:
            return None
        url, _ = urls.split(canonical)
        name, version = form_named(canonical)
        same = (f.questionnaire["url"] in (url, f"{CANONICAL}/Questionnaire/{name}") for f in self.forms)
        return _of_version([form for form, fits in zip(self.forms, same, strict=True) if fits], version)

    def form(self, id: str, version: str | None) -> Handmade | None:
        """A form by its id."""
        return _of_version([form for form in self.forms if form.id == id], version)

    def part(self, kind: str, id: str, version: str | None) -> Resource | None:
        """A Library or ValueSet by its id, as its file has it."""
        parts = [part for part in self.parts(kind) if part["id"] == id and version in (None, part["version"])]
        return parts[-1] if parts else None

    def by_url(self, kind: str, canonical: str, site: Site) -> Resource | None:
        """A Library or ValueSet by its canonical, as its file has it."""
        url, version = urls.split(canonical)
        parts = [p for p in self.parts(kind) if names(p, url, site) and version in (None, p["version"])]
        return parts[-1] if parts else None

    def parts(self, kind: str) -> Iterator[Resource]:
        """All Libraries or ValueSets."""
        for form in self.forms:
            yield from form.libraries if kind == "Library" else form.value_sets


def names(resource: Resource, url: str, site: Site) -> bool:
    """Whether ``url`` is the canonical of ``resource`` (clients also build it from the base they talk to)."""
    written = str(resource["url"])
    if not written.startswith(CANONICAL):
        return written == url
    kind, id = written.removeprefix(f"{CANONICAL}/").split("/", 1)
    return urls.named(url, site.root, kind) == id


def filled(resource: Resource, site: Site, shape: Shape) -> Resource:
    """``resource`` with the addresses in it."""
    body = json.dumps(resource)
    body = body.replace(CANONICAL.encode(), f"{site.root}{CURRENT.prefix}".encode())
    made: Resource = json.loads(body.replace(SERVER.encode(), site.base(shape).encode()))
    return made


def _of_version(found: Sequence[Handmade], version: str | None) -> Handmade | None:
    fitting = [form for form in found if version in (None, form.version)]
    return fitting[-1] if fitting else None


def references(resource: Resource) -> dict[str, set[str]]:
    """The canonicals that a Questionnaire or Library needs in its package: Libraries and ValueSets."""
    found: dict[str, set[str]] = {"Library": set(), "ValueSet": set()}
    for node in _nodes(resource):
        if node.get("url") == urls.CQF_LIBRARY:
            found["Library"].add(str(node.get("valueCanonical")))
        elif node.get("url") == urls.UNIT_VALUE_SET:
            found["ValueSet"].add(str(node.get("valueCanonical")))
        elif node.get("type") == "depends-on" and text(node.get("resource")):
            found["Library"].add(str(node["resource"]))
        if text(node.get("answerValueSet")):
            found["ValueSet"].add(str(node["answerValueSet"]))
    return found


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, dict):
            yield top
            stack.extend(top.values())
        elif isinstance(top, list):
            stack.extend(top)
