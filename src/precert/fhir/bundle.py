"""A Bundle, indexed: which entry a reference means, however it is spelled.

Resolution order (FHIR R4 bundle.html#references, loosened as PAS exchanges need it): ``#id`` looks among the contained
resources; ``urn:uuid:`` and absolute URLs match an entry's fullUrl exactly (any ``/_history/…`` is ignored); a relative
``Type/id`` is first read against the base of the referring entry's fullUrl; last, ``Type/id`` is matched against all
entries, so that a different host or port (a gateway in between) does no harm, provided only one entry fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from precert.fhir.types import Element, Resource, elements, text

_TYPE_ID = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_BASE = re.compile(r"^(.*/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")


@dataclass(slots=True)
class Entry:
    """One resource of a bundle. ``path`` is its FHIRPath; ``full_url`` is empty when the entry has none.

    Not frozen, because making frozen ones takes three times as long and a chart has hundreds; treat it as if it were.
    """

    index: int
    full_url: str
    resource: Resource
    path: str
    container: Resource | None = None  # set for a contained resource: who contains it
    type: str = field(init=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.type = str(self.resource.get("resourceType", ""))
        self.id = str(self.resource.get("id", ""))


def type_and_id(reference: str) -> tuple[str, str] | None:
    """``("Patient", "1")`` out of any URL or relative reference that ends so."""
    match = _TYPE_ID.search(reference.partition("#")[0])
    return (match.group(1), match.group(2)) if match else None


def reference_of(element: object) -> str | None:
    """The ``reference`` string of a Reference, if it has one."""
    return text(element.get("reference")) if isinstance(element, dict) else None


class BundleIndex:
    """The entries of ``bundle`` that hold a resource, by URL, by type and by ``Type/id``. Malformed entries are kept out."""

    def __init__(self, bundle: Resource, path: str = "Bundle") -> None:
        self.bundle = bundle
        self.entries: list[Entry] = []
        self._by_url: dict[str, Entry] = {}
        self._by_type_id: dict[tuple[str, str], list[Entry]] = {}
        raw = bundle.get("entry")
        for index, entry in enumerate(raw if isinstance(raw, list) else []):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                full_url = text(entry.get("fullUrl")) or ""
                self.add(Entry(index, full_url, resource, f"{path}.entry[{index}].resource"))

    def add(self, entry: Entry) -> None:
        """Take one more in, from wherever it comes."""
        self.entries.append(entry)
        if entry.full_url:
            self._by_url.setdefault(plain_url(entry.full_url), entry)
        own = (entry.type, entry.id)
        if own[0] and own[1]:
            self._by_type_id.setdefault(own, []).append(entry)
        # Nearly always the URL ends with the resource's own type and id; only else it has to be taken apart.
        if entry.full_url and not (entry.full_url.endswith(f"/{own[0]}/{own[1]}") and "#" not in entry.full_url):
            told = type_and_id(entry.full_url)
            if told is not None and told != own:
                self._by_type_id.setdefault(told, []).append(entry)

    def of_type(self, *types: str) -> Iterator[Entry]:
        """Entries whose resource is one of ``types``, in bundle order."""
        return (entry for entry in self.entries if entry.type in types)

    def resolve(self, reference: object, origin: Entry | None = None) -> Entry | None:
        """The entry that ``reference`` (a Reference or a string) means, seen from ``origin``; ``None`` if none does."""
        target = reference if isinstance(reference, str) else reference_of(reference)
        if not target:
            return None
        if target.startswith("#"):
            return _contained(origin, target[1:]) if origin else None
        plain = plain_url(target)
        if found := self._by_url.get(plain):
            return found
        key = type_and_id(plain)
        if key is None:
            return None
        base = _BASE.match(plain_url(origin.full_url)) if origin is not None and "://" not in plain else None
        if base is not None and (found := self._by_url.get(base.group(1) + plain)):
            return found
        candidates = self._by_type_id.get(key, [])
        return candidates[0] if len(candidates) == 1 else None

    def called(self, type_: str, id: str) -> list[Entry]:
        """Every entry that ``Type/id`` could mean."""
        return self._by_type_id.get((type_, id), [])

    def references(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """Every literal reference inside ``entry``'s resource as (FHIRPath, reference)."""
        return _references(entry.resource, entry.path)


def absolute(reference: str, origin: Entry) -> str:
    """A relative reference made absolute with the base of ``origin``'s fullUrl; anything else as it is."""
    return from_base(reference, origin.full_url)


def from_base(reference: str, url: str) -> str:
    """A relative reference made absolute with the base of ``url``, at which it stands; anything else as it is."""
    base = _BASE.match(url) if "://" not in reference and not reference.startswith(("urn:", "#")) else None
    return base.group(1) + reference if base else reference


def plain_url(url: str) -> str:
    """A URL as it is compared: without a version, URNs in lower case."""
    if "/_history/" in url:
        url = url.partition("/_history/")[0]
    return url.lower() if url.startswith(("urn:uuid:", "urn:oid:", "URN:")) else url


def _contained(origin: Entry, id: str) -> Entry | None:
    container = origin.container or origin.resource
    for index, resource in enumerate(elements(container.get("contained"))):
        if resource.get("id") == id:
            base = origin.path if origin.container is None else origin.path.rsplit(".contained[", 1)[0]
            return Entry(origin.index, "", resource, f"{base}.contained[{index}]", container)
    return None


def _references(value: object, path: str) -> Iterator[tuple[str, str]]:
    stack: list[tuple[object, str]] = [(value, path)]
    while stack:
        top, where = stack.pop()
        if isinstance(top, dict):
            if (target := text(top.get("reference"))) and "resourceType" not in top:
                yield f"{where}.reference", target
            stack.extend((member, f"{where}.{key}") for key, member in top.items() if isinstance(member, dict | list))
        elif isinstance(top, list):
            stack.extend((member, f"{where}[{i}]") for i, member in enumerate(top) if isinstance(member, dict | list))


def bundle_entry(full_url: str, resource: Resource) -> Element:
    """An entry for a bundle that we send."""
    return {"fullUrl": full_url, "resource": resource}
