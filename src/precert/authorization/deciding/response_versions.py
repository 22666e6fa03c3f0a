"""Which of several versions of one QuestionnaireResponse counts: the newest, whole, whatever its status.

Two entries are versions of one response when they have the same id or the same identifier. A newer version that is
entered-in-error or stopped, or that leaves out an answer, takes back what the older one said. Source: FHIR R4
QuestionnaireResponse.status (https://hl7.org/fhir/R4/questionnaireresponse.html), Resource.meta.lastUpdated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from precert.fhir.bundle import Entry
from precert.fhir.moments import Moment
from precert.fhir.types import Resource, text

CONTEXT = "urn:precert:dtr-context"
"""System of the identifier by which a draft remembers the case or assertion it was opened for."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a response. ``reference`` is what its answers are named by, ``keys`` what it is known again by."""

    reference: str
    keys: frozenset[str]
    authored: Moment | None
    updated: Moment | None

    @classmethod
    def of(cls, entry: Entry) -> Version:
        """Read from ``entry``, which holds a QuestionnaireResponse."""
        resource, reference = entry.resource, reference_of(entry)
        keys = {f"id|{reference}"} if entry.id else set()
        identifier = resource.get("identifier")
        if isinstance(identifier, dict) and identifier.get("system") != CONTEXT and text(identifier.get("value")):
            keys.add(f"identifier|{identifier.get('system')}|{identifier['value']}")
        meta = resource.get("meta")
        updated = meta.get("lastUpdated") if isinstance(meta, dict) else None
        return cls(reference, frozenset(keys), Moment.parse(resource.get("authored")), Moment.parse(updated))

    def newer(self, other: Version) -> bool:
        """Whether ``authored`` or ``meta.lastUpdated`` show this to be the later one, and neither shows the opposite."""
        pairs = ((self.authored, other.authored), (self.updated, other.updated))
        both = [(one, another) for one, another in pairs if one is not None and another is not None]
        later = any(one.after(another) for one, another in both)
        return later and not any(another.after(one) for one, another in both)


def reference_of(entry: Entry) -> str:
    """How the answers of a response are named: its type and id, or its place when it has no id."""
    return f"QuestionnaireResponse/{entry.id}" if entry.id else entry.path


def response_versions(entries: Iterable[Entry]) -> tuple[Version, ...]:
    """Every response among ``entries``, whatever its status."""
    return tuple(Version.of(entry) for entry in entries if entry.type == "QuestionnaireResponse")


def current(responses: Sequence[Entry]) -> Iterator[tuple[Entry, Sequence[Resource]]]:
    """The responses that no newer version replaces, each with all versions (its own first) that may be the newest too.

    The second is empty for a response without another version. Copies of one version come once.
    """
    if len(responses) < 2:
        yield from ((entry, ()) for entry in responses)
        return
    known = [(entry, Version.of(entry)) for entry in responses]
    by_key: dict[str, list[tuple[Entry, Version]]] = {}
    for pair in known:
        for key in pair[1].keys:
            by_key.setdefault(key, []).append(pair)
    for entry, version in known:
        others = [pair for key in version.keys for pair in by_key[key] if pair[0] is not entry]
        if any(other.newer(version) for _, other in others):
            continue
        rivals = [
            other.resource for other, its in others if not version.newer(its) and other.resource != entry.resource
        ]
        yield entry, (entry.resource, *rivals) if rivals else ()
