"""Which of several versions of one clinical resource counts: the newest, whatever its status.

Two entries are versions of one resource when they have the same type and id (of one server, where both say of which), or the same
type, identifier and code. The newest is told by ``meta.lastUpdated``, then ``meta.versionId`` where it is a number. Where nothing tells, and they
say different things, all of them are contested: a person looks. Source: FHIR R4 Resource.meta
(https://hl7.org/fhir/R4/resource.html#Meta), docs/policies.md ("what counts as evidence").
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from precert.fhir.bundle import Entry
from precert.fhir.coding import codes
from precert.fhir.moments import Moment
from precert.fhir.types import Element, Resource, elements, text

_NOT_SAID = ("id", "meta", "text")
"""Elements in which two renderings of one version may differ."""


def current(entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """The entries that no newer version replaces, in their order, each with whether it is contested. Copies come once."""
    by_key: dict[Hashable, list[int]] = {}
    for place, entry in enumerate(entries):
        for key in _keys(entry):
            by_key.setdefault(key, []).append(place)
    shared = [places for places in by_key.values() if len(places) > 1]
    if not shared:
        yield from ((entry, False) for entry in entries)
        return
    gone: set[int] = set()
    contested: set[int] = set()
    for places in shared:
        for n, one in enumerate(places):
            for other in places[n + 1 :]:
                first, second = entries[one].resource, entries[other].resource
                if _elsewhere(entries[one], entries[other]):
                    continue
                if same_content(first, second):
                    gone.add(other)
                elif (later := newer(first, second)) is not None:
                    gone.add(other if later else one)
                else:
                    contested |= {one, other}
    for place, entry in enumerate(entries):
        if place not in gone:
            yield entry, place in contested


def counting(entry: Entry, versions: Sequence[Entry]) -> Entry | None:
    """The version that counts of the resource ``entry``, ``versions`` being all that is called so; ``None`` when they are contested."""
    kept = list(current(versions))
    own = next((contested for each, contested in kept if each is entry), None)
    if own is None:  # it was replaced by a newer one, or is a copy of one
        own = any(contested for _, contested in kept)
        entry = kept[0][0] if kept else entry
    return None if own else entry


def _keys(entry: Entry) -> Iterable[Hashable]:
    resource = entry.resource
    if entry.id:
        yield entry.type, entry.id
    named = [i for i in elements(resource.get("identifier")) if text(i.get("value")) and text(i.get("system"))]
    if named:
        # results of one panel may share the number of the order
        said = frozenset(map(str, codes(resource.get("code"))))
        yield from ((entry.type, str(i["system"]), str(i["value"]), said) for i in named)


def _elsewhere(one: Entry, other: Entry) -> bool:
    """Whether the two are of different servers, which may call different things alike."""
    bases = [_base(entry) for entry in (one, other)]
    return None not in bases and bases[0] != bases[1]


def _base(entry: Entry) -> str | None:
    url, tail = entry.full_url or "", f"/{entry.type}/{entry.id}"
    return url.removesuffix(tail) if url.startswith(("http://", "https://")) and url.endswith(tail) else None


def same_content(one: Resource, other: Resource) -> bool:
    """Whether two renderings say the same."""
    return {k: v for k, v in one.items() if k not in _NOT_SAID} == {
        k: v for k, v in other.items() if k not in _NOT_SAID
    }


def newer(one: Resource, other: Resource) -> bool | None:
    """Whether ``one`` is the newer version; ``None`` when nothing tells, or the two signs disagree."""
    mine, theirs = _meta(one), _meta(other)
    signs: set[bool] = set()
    at, then = Moment.parse(mine.get("lastUpdated")), Moment.parse(theirs.get("lastUpdated"))
    if at is not None and then is not None and (at.after(then) or then.after(at)):
        signs.add(at.after(then))
    versions = [text(meta.get("versionId")) or "" for meta in (mine, theirs)]
    if all(v.isascii() and v.isdigit() and len(v) <= 18 for v in versions) and int(versions[0]) != int(versions[1]):
        signs.add(int(versions[0]) > int(versions[1]))
    return signs.pop() if len(signs) == 1 else None


def _meta(resource: Resource) -> Element:
    meta = resource.get("meta")
    return meta if isinstance(meta, dict) else {}
