"""A resource in a document, with what its rules may ask about the surroundings."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

from precert.fhir.validation.bundle import BundleIndex, reference_parts
from precert.fhir.validation.findings import Path
from precert.fhir.validation.model import TypeRow
from precert.fhir.validation.walker import Walk


class Services(Protocol):
    """What a unit asks of the run it belongs to."""

    def member_of(self, value: Any, url: str) -> bool | None:
        """Whether a code is in a value set; ``None`` if that set has no table."""
        ...

    def conforms(self, asking: Unit, value: Any, profile: str) -> bool | None:
        """Whether a resource meets a profile; ``None`` if that cannot be said."""
        ...


class Unit:
    """One resource: a bundle entry, a contained resource, or the document itself."""

    def __init__(self, services: Services, resource: dict[str, Any], path: Path, outer: Unit | None) -> None:
        self._services = services
        self.resource = resource
        self.path = path
        self.container = outer if path.name == "contained" else None
        self.root: dict[str, Any] = self.container.root if self.container else resource
        self.bundle: dict[str, Any] | None = outer.bundle if outer else None
        self.index: BundleIndex | None = outer.index if outer else None
        if resource.get("resourceType") == "Bundle":
            self.bundle, self.index = resource, BundleIndex(resource)
        self.base: str = self.container.base if self.container else _base_of(path, outer)
        self.walks: dict[int, Walk] = {}
        """What was found so far, by identity of the profile's root node."""
        self.demands: list[tuple[TypeRow, ...]] = []
        """The types and profiles that the places of this resource allow."""

    @cached_property
    def contained(self) -> dict[str, dict[str, Any]]:
        """The contained resources of the outermost resource, by id."""
        if self.container is not None:
            return self.container.contained
        listed = self.resource.get("contained")
        members = listed if isinstance(listed, list) else []
        return {r["id"]: r for r in members if isinstance(r, dict) and isinstance(r.get("id"), str)}

    @property
    def declared(self) -> list[str]:
        """The profiles that the resource says it meets."""
        meta = self.resource.get("meta")
        listed = meta.get("profile") if isinstance(meta, dict) else None
        return [p for p in listed if isinstance(p, str)] if isinstance(listed, list) else []

    def resolve(self, reference: Any) -> dict[str, Any] | None:
        """The resource a Reference (or its text) points to, if the document holds it."""
        text = reference.get("reference") if isinstance(reference, dict) else reference
        if not isinstance(text, str) or not text:
            return None
        if text == "#":
            return self.root
        if text[0] == "#":
            return self.contained.get(text[1:])
        return self.index.find(text, self.base) if self.index else None

    def member_of(self, value: Any, url: str) -> bool | None:
        """Whether ``value`` is in the value set ``url``; ``None`` if that set has no table."""
        return self._services.member_of(value, url)

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Whether the resource ``value`` meets ``profile``; ``None`` if that cannot be said."""
        return self._services.conforms(self, value, profile)


def _base_of(path: Path, outer: Unit | None) -> str:
    """The server part of the full URL of the entry that ``path`` stands in."""
    entry = path.parent
    if outer is None or entry is None or entry.name != "entry":
        return ""
    entries = outer.resource.get("entry")
    url = entries[entry.index].get("fullUrl") if isinstance(entries, list) and entry.index < len(entries) else None
    parts = reference_parts(url) if isinstance(url, str) else None
    return parts[0] if parts else ""
