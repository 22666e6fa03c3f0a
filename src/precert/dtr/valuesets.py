"""Value sets that forms refer to: the answers of long choices, and the named code sets that facts search by.

Source: DTR spec-83 (size), oper-5 and oper-15 (expanded as of today, active codes only), FHIR ``ValueSet/$expand``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from precert.dtr import urls
from precert.dtr.form import Form
from precert.dtr.questionnaire import MOST_OPTIONS, coding, value_set_name
from precert.fhir.coding import SHORT_NAMES, CodePattern
from precert.fhir.dates import instant
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource
from precert.policy.catalogue import Catalogue

SMALL = 40
"""A set with fewer codes travels expanded."""
_NAMED = SHORT_NAMES["vs"]


@dataclass(frozen=True, slots=True)
class Codes:
    """One value set: its codings, and the beginnings of codes that stand for whole branches."""

    name: str
    version: str
    title: str
    members: tuple[Element, ...]
    prefixes: tuple[CodePattern, ...] = ()

    @property
    def enumerable(self) -> bool:
        """Whether every code is written down, so that the set can be expanded without a terminology service."""
        return not self.prefixes

    def resource(self, root: str) -> Resource:
        """The definition."""
        systems: dict[str, list[Element]] = {}
        for member in self.members:
            concept: Element = {key: member[key] for key in ("code", "display") if key in member}
            systems.setdefault(member["system"], []).append(concept)
        include: list[Element] = [{"system": system, "concept": concepts} for system, concepts in systems.items()]
        for prefix in self.prefixes:
            rule = {"property": "code", "op": "regex", "value": f"{prefix.code}.*"}
            include.append({"system": prefix.system, "filter": [rule]})
        return {
            "resourceType": "ValueSet",
            "id": urls.fhir_id(self.name),
            "url": urls.canonical(root, "ValueSet", self.name),
            "version": self.version,
            "name": "VS" + "".join(c if c.isalnum() else "_" for c in self.name)[:200],
            "title": self.title,
            "status": "active",
            "compose": {"include": include},
        }


def value_sets(form: Form, catalogue: Catalogue) -> list[Codes]:
    """Every value set that the form or its library refers to."""
    found = [_choice(form, item.link_id) for item in form.items.values() if len(item.options) > MOST_OPTIONS]
    names: dict[str, None] = {}
    for link_id in form.items:
        for written in form.policy.fact_models[link_id].code:
            pattern = CodePattern.parse(written)
            if pattern.system == _NAMED:
                names[pattern.code] = None
    return [*found, *(codes for name in names if (codes := named(name, catalogue)) is not None)]


def named(name: str, catalogue: Catalogue) -> Codes | None:
    """A named code set of the policy library. Its version tells its content: files of code sets carry none."""
    written = catalogue.value_sets.get(name)
    if written is None:
        return None
    patterns = [CodePattern.parse(one) for one in written]
    return Codes(
        name=name,
        version=hashlib.sha256("\n".join(written).encode()).hexdigest()[:12],
        title=name,
        members=tuple({"system": p.system, "code": p.code} for p in patterns if not p.prefix),
        prefixes=tuple(p for p in patterns if p.prefix),
    )


def choice(form: Form, link_id: str) -> Codes | None:
    """The answers of a long choice."""
    item = form.items.get(link_id)
    return _choice(form, link_id) if item is not None and len(item.options) > MOST_OPTIONS else None


def _choice(form: Form, link_id: str) -> Codes:
    item = form.items[link_id]
    return Codes(
        name=value_set_name(form, item),
        version=form.version,
        title=item.text,
        members=tuple(coding(form, item, option) for option in item.options),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``$expand`` is asked for beside the set: words to look for, and a page of the result."""

    filter: str = ""
    offset: int = 0
    count: int | None = None


def expanded(codes: Codes, root: str, now: datetime, new_id: str, wanted: Wanted = Wanted()) -> Resource:
    """The set with its expansion as of now. Raises FhirError(422) when branches of a terminology would be needed."""
    if not codes.enumerable:
        branches = ", ".join(f"{prefix.code}*" for prefix in codes.prefixes[:5])
        text = f"{codes.name} holds whole branches ({branches}); only a terminology service can expand them."
        raise FhirError(422, Issue("error", "too-costly", text, rule="not-expandable"))
    return codes.resource(root) | {"expansion": expansion(codes.members, now, new_id, wanted)}


def expansion(members: Sequence[Element], now: datetime, new_id: str, wanted: Wanted = Wanted()) -> Element:
    """``ValueSet.expansion`` of the members that are wanted, as of now."""
    found = [member for member in members if _matches(member, wanted.filter)]
    page = found[wanted.offset : None if wanted.count is None else wanted.offset + wanted.count]
    made: Element = {
        "identifier": f"urn:uuid:{new_id}",
        "timestamp": instant(now),
        "total": len(found),
        "offset": wanted.offset,
    }
    if page:
        made["contains"] = [dict(member) for member in page]
    return made


def _matches(member: Element, words: str) -> bool:
    said = f"{member['code']} {member.get('display', '')}".lower()
    return all(word in said for word in words.lower().split())


def packaged(
    sets: Sequence[Codes], root: str, now: datetime, new_id: str, *, all_sizes: bool
) -> tuple[list[Resource], list[Issue]]:
    """The sets as a package carries them, and a warning for each one that cannot be expanded although it should."""
    resources: list[Resource] = []
    notes: list[Issue] = []
    for codes in sets:
        if not codes.enumerable:
            text = f"The value set {codes.name} is sent as a definition; it cannot be expanded here."
            notes.append(Issue("warning", "not-supported", text, rule="not-expandable"))
            resources.append(codes.resource(root))
        elif all_sizes or len(codes.members) < SMALL:
            resources.append(expanded(codes, root, now, new_id))
        else:
            resources.append(codes.resource(root))
    return resources, notes
